/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfe_host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG    4096
#define ANSWER_MAX 32u

static int
host_addr(struct sockaddr_un *addr, const char *base, const char *suffix)
{
	int n;

	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	n = snprintf(addr->sun_path, sizeof(addr->sun_path), "%s%s", base, suffix);
	return n < 0 || (size_t)n >= sizeof(addr->sun_path) ? -ENAMETOOLONG : 0;
}

static int
host_socket(enum vfe_type type)
{
	const int kind = type == VFE_TYPE_SEQPACKET ? SOCK_SEQPACKET : SOCK_STREAM;
	const int fd = socket(AF_UNIX, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

static int
port_addr(struct sockaddr_un *addr, const char *base, uint32_t port)
{
	char suffix[16];

	snprintf(suffix, sizeof(suffix), "_%u", port);
	return host_addr(addr, base, suffix);
}

int
vfe_host_listen(const char *base, uint32_t port, enum vfe_type type)
{
	struct sockaddr_un addr;
	int fd, rc;

	rc = port_addr(&addr, base, port);
	if (rc < 0)
		return rc;
	fd = host_socket(type);
	if (fd < 0)
		return fd;
	unlink(addr.sun_path);
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, BACKLOG) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

void
vfe_host_unlink(const char *base, uint32_t port)
{
	struct sockaddr_un addr;

	if (port_addr(&addr, base, port) == 0)
		unlink(addr.sun_path);
}

int
vfe_host_accept(int listen_fd)
{
	const int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

int
vfe_host_connect(const char *base, uint32_t port, enum vfe_type type)
{
	struct sockaddr_un addr;
	char line[ANSWER_MAX];
	int fd, len, rc;

	rc = host_addr(&addr, base, type == VFE_TYPE_SEQPACKET ? "_seqpacket" : "");
	if (rc < 0)
		return rc;
	fd = host_socket(type);
	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		rc = -errno;
		goto close_fd;
	}
	len = snprintf(line, sizeof(line), "CONNECT %u\n", port);
	if (send(fd, line, (size_t)len, MSG_NOSIGNAL) != len) {
		rc = -errno;
		goto close_fd;
	}
	return fd;

close_fd:
	close(fd);
	return rc;
}

int
vfe_host_connect_finish(int fd, uint32_t *host_port)
{
	char line[ANSWER_MAX + 1], rest;
	const char *end;
	ssize_t n;

	n = recv(fd, line, ANSWER_MAX, MSG_PEEK);
	if (n < 0)
		return errno == EAGAIN ? -EAGAIN : -ECONNREFUSED;
	if (n == 0)
		return -ECONNREFUSED;
	line[n] = '\0';
	end = strchr(line, '\n');
	if (end == NULL)
		return n == (ssize_t)ANSWER_MAX ? -EPROTO : -EAGAIN;
	if (sscanf(line, "OK %u%c", host_port, &rest) != 2 || rest != '\n')
		return -EPROTO;
	/* Take the line only: the bytes behind it are the guest's data. */
	n = recv(fd, line, (size_t)(end - line) + 1, 0);
	return n > 0 ? 0 : -EPROTO;
}
