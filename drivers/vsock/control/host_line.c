/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <rte_common.h>

#include "control/host_line.h"

#define BLANKS " \t\r"

/* "CONNECT <port>" in any case, with a decimal port. Blanks may stand around both words. */
static int
parse(const char *line, uint32_t *port)
{
	static const char verb[] = "CONNECT";
	const char *p = line + strspn(line, BLANKS);
	unsigned long long value;
	char *end;

	if (strncasecmp(p, verb, sizeof(verb) - 1) != 0)
		return -EBADMSG;
	p += sizeof(verb) - 1;
	if (strspn(p, BLANKS) == 0)
		return -EBADMSG;
	p += strspn(p, BLANKS);
	if (*p < '0' || *p > '9')
		return -EBADMSG;
	value = strtoull(p, &end, 10);
	if (end[strspn(end, BLANKS)] != '\0' || value >= UINT32_MAX)
		return -EBADMSG;
	*port = value;
	return 0;
}

int
host_line_read(struct host_line *line, int fd, bool seqpacket, uint32_t *port)
{
	size_t room = LIMIT_CONNECT_LINE_LEN - line->len;
	char *at = line->text + line->len, *newline;
	/* MSG_TRUNC: the length of a message, also if it is longer than the line may be. */
	ssize_t n = recv(fd, at, room, MSG_PEEK | MSG_DONTWAIT | (seqpacket ? MSG_TRUNC : 0));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : -errno;
	if (n == 0)
		return -ECONNRESET;
	newline = memchr(at, '\n', RTE_MIN((size_t)n, room));
	if ((size_t)n > room || (seqpacket && newline != NULL && newline + 1 - at != n)) {
		/* A part of the message would get lost. The program gets the end, and no error. */
		(void)recv(fd, at, room, MSG_DONTWAIT);
		return (size_t)n > room ? -EMSGSIZE : -EBADMSG;
	}
	if (newline != NULL)
		n = newline + 1 - at;
	/* Take the whole message of a seqpacket socket, the line of a stream socket. */
	if (recv(fd, at, seqpacket ? room : (size_t)n, MSG_DONTWAIT) < n)
		return -EIO;
	line->len += n;
	if (newline == NULL && seqpacket)
		newline = line->text + line->len;
	if (newline == NULL)
		return line->len == LIMIT_CONNECT_LINE_LEN ? -EMSGSIZE : -EAGAIN;
	*newline = '\0';
	if (line->text + strlen(line->text) != newline)
		return -EBADMSG; /* the line contains a zero byte */
	return parse(line->text, port);
}
