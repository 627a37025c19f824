/* SPDX-License-Identifier: BSD-3-Clause */
/* The control channel: lines with a checksum on a serial port. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "agent.h"

#define CRC_LEN 5 /* four hex digits and a blank */

static int ctl_fd = -1;

static uint16_t
crc16(const char *data, size_t data_len)
{
	uint16_t crc = 0xffff;

	for (size_t i = 0; i < data_len; i++) {
		crc ^= (uint16_t)((uint8_t)data[i] << 8);
		for (unsigned int bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
	}
	return crc;
}

int
ctl_open(const char *path)
{
	struct termios tio;

	ctl_fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (ctl_fd < 0 || tcgetattr(ctl_fd, &tio) < 0)
		return -errno;
	cfmakeraw(&tio);
	cfsetspeed(&tio, B115200);
	tio.c_cflag |= CLOCAL | CREAD;
	tio.c_cc[VMIN] = 1;
	tio.c_cc[VTIME] = 0;
	if (tcsetattr(ctl_fd, TCSANOW, &tio) < 0)
		return -errno;
	return ctl_fd;
}

ssize_t
ctl_read(char *buf, size_t buf_len)
{
	ssize_t n = read(ctl_fd, buf, buf_len);

	return n < 0 && errno == EINTR ? 0 : n < 0 ? -errno : n;
}

void
ctl_say(unsigned int id, const char *fmt, ...)
{
	char line[AGENT_LINE_MAX], crc[CRC_LEN + 1];
	size_t len = CRC_LEN;
	va_list ap;
	int n;

	len += (size_t)snprintf(line + len, sizeof(line) - len, "%u ", id);
	va_start(ap, fmt);
	n = vsnprintf(line + len, sizeof(line) - len, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	len += (size_t)n;
	if (len > sizeof(line) - 1)
		len = sizeof(line) - 1;
	for (size_t i = CRC_LEN; i < len; i++)
		if (line[i] == '\n')
			line[i] = ' ';
	snprintf(crc, sizeof(crc), "%04x ", crc16(line + CRC_LEN, len - CRC_LEN));
	memcpy(line, crc, CRC_LEN);
	line[len++] = '\n';
	/* The tty layer keeps one write() whole against those of other processes. */
	for (size_t done = 0; done < len;) {
		ssize_t part = write(ctl_fd, line + done, len - done);

		if (part < 0 && errno != EINTR)
			return;
		if (part > 0)
			done += (size_t)part;
	}
}

char *
ctl_check(char *line, unsigned int *id)
{
	char *end;
	size_t len = strlen(line);
	unsigned long crc;

	if (len <= CRC_LEN || line[CRC_LEN - 1] != ' ')
		return NULL;
	crc = strtoul(line, &end, 16);
	if (end != line + CRC_LEN - 1 || crc != crc16(line + CRC_LEN, len - CRC_LEN))
		return NULL;
	*id = (unsigned int)strtoul(line + CRC_LEN, &end, 10);
	return *end == ' ' ? end + 1 : NULL;
}
