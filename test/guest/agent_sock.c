/* SPDX-License-Identifier: BSD-3-Clause */
/* Steps that make, end and look at sockets. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "agent.h"

static int
sock_new(struct job_ctx *ctx)
{
	uint64_t buf_alloc = ctx->buf_alloc;
	int fd = socket(AF_VSOCK, ctx->type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (buf_alloc == 0)
		return fd;
	if (setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MAX_SIZE, &buf_alloc, sizeof(buf_alloc)) <
			0 ||
		setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &buf_alloc, sizeof(buf_alloc)) <
			0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd;
}

static void
sock_drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* socket stream|seqpacket: the type of what the following steps make */
static int
step_socket(struct job_ctx *ctx, int argc, char **argv)
{
	(void)argc;
	if (strcmp(argv[0], "stream") == 0)
		ctx->type = SOCK_STREAM;
	else if (strcmp(argv[0], "seqpacket") == 0)
		ctx->type = SOCK_SEQPACKET;
	else
		return -EINVAL;
	step_ok(ctx, "type=%s", argv[0]);
	return 0;
}

/* window BYTES: the receive window (buf_alloc) of sockets made from now on */
static int
step_window(struct job_ctx *ctx, int argc, char **argv)
{
	uint64_t bytes;

	(void)argc;
	if (arg_number(argv[0], &bytes) < 0)
		return -EINVAL;
	ctx->buf_alloc = bytes;
	step_ok(ctx, "bytes=%llu", (unsigned long long)bytes);
	return 0;
}

/* listen PORT [BACKLOG]: port 0 takes any free one, which is reported */
static int
step_listen(struct job_ctx *ctx, int argc, char **argv)
{
	struct sockaddr_vm addr = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY};
	socklen_t addr_len = sizeof(addr);
	uint64_t port, backlog = 16;
	int fd;

	if (arg_number(argv[0], &port) < 0 || (argc > 1 && arg_number(argv[1], &backlog) < 0))
		return -EINVAL;
	addr.svm_port = port == 0 ? VMADDR_PORT_ANY : (unsigned int)port;
	sock_drop(&ctx->listener);
	fd = sock_new(ctx);
	if (fd < 0)
		return fd;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, (int)backlog) < 0 ||
		getsockname(fd, (struct sockaddr *)&addr, &addr_len) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	ctx->listener = fd;
	step_ok(ctx, "port=%u", addr.svm_port);
	return 0;
}

/* accept [MS] */
static int
step_accept(struct job_ctx *ctx, int argc, char **argv)
{
	struct pollfd fd = {.fd = ctx->listener, .events = POLLIN};
	struct sockaddr_vm addr;
	socklen_t addr_len = sizeof(addr);
	uint64_t ms = 0;
	int n;

	if (argc > 0 && arg_number(argv[0], &ms) < 0)
		return -EINVAL;
	sock_drop(&ctx->sock);
	n = poll(&fd, 1, argc > 0 ? (int)ms : -1);
	if (n <= 0)
		return n == 0 ? -ETIMEDOUT : -errno;
	ctx->sock = accept4(ctx->listener, (struct sockaddr *)&addr, &addr_len, SOCK_CLOEXEC);
	if (ctx->sock < 0)
		return -errno;
	step_ok(ctx, "cid=%u port=%u", addr.svm_cid, addr.svm_port);
	return 0;
}

static int
sock_connect(struct job_ctx *ctx, uint64_t cid, uint64_t port, uint64_t timeout_ms)
{
	struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK,
		.svm_cid = (unsigned int)cid,
		.svm_port = (unsigned int)port,
	};
	struct timeval tv = {
		.tv_sec = (time_t)(timeout_ms / 1000),
		.tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000),
	};
	int fd = sock_new(ctx);

	if (fd < 0)
		return fd;
	if ((timeout_ms > 0 &&
		    setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &tv, sizeof(tv)) < 0) ||
		connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd;
}

/* connect CID PORT [MS]: the kernel's own limit is 2 s */
static int
step_connect(struct job_ctx *ctx, int argc, char **argv)
{
	uint64_t cid, port, timeout_ms = 0;
	struct sockaddr_vm addr;
	socklen_t addr_len = sizeof(addr);
	int fd;

	if (arg_number(argv[0], &cid) < 0 || arg_number(argv[1], &port) < 0 ||
		(argc > 2 && arg_number(argv[2], &timeout_ms) < 0))
		return -EINVAL;
	sock_drop(&ctx->sock);
	fd = sock_connect(ctx, cid, port, timeout_ms);
	if (fd < 0)
		return fd;
	ctx->sock = fd;
	if (getsockname(fd, (struct sockaddr *)&addr, &addr_len) < 0)
		return -errno;
	step_ok(ctx, "port=%u", addr.svm_port);
	return 0;
}

/* churn CID PORT COUNT: so many short connections to an echo server, one after the other */
static int
step_churn(struct job_ctx *ctx, int argc, char **argv)
{
	uint64_t cid, port, count;

	(void)argc;
	if (arg_number(argv[0], &cid) < 0 || arg_number(argv[1], &port) < 0 ||
		arg_number(argv[2], &count) < 0)
		return -EINVAL;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t out = i * 0x9e3779b97f4a7c15ULL, in = 0;
		int fd = sock_connect(ctx, cid, port, 0);
		int rc = 0;

		if (fd < 0)
			return fd;
		if (send(fd, &out, sizeof(out), 0) != sizeof(out) ||
			recv(fd, &in, sizeof(in), MSG_WAITALL) != sizeof(in) || in != out)
			rc = -EPROTO;
		close(fd);
		if (rc < 0)
			return rc;
	}
	step_ok(ctx, "count=%llu", (unsigned long long)count);
	return 0;
}

/* serve COUNT: accept so many connections, a process each that echoes until the peer ends */
static int
step_serve(struct job_ctx *ctx, int argc, char **argv)
{
	uint64_t count, nb_failed = 0;
	int status;

	(void)argc;
	if (arg_number(argv[0], &count) < 0)
		return -EINVAL;
	for (uint64_t i = 0; i < count; i++) {
		int fd = accept4(ctx->listener, NULL, NULL, SOCK_CLOEXEC);
		pid_t pid;

		if (fd < 0)
			return -errno;
		pid = fork();
		if (pid < 0)
			return -errno;
		if (pid == 0)
			_exit(data_echo(fd, ctx->type) < 0);
		close(fd);
		while (waitpid(-1, &status, WNOHANG) > 0)
			nb_failed += status != 0;
	}
	while (wait(&status) > 0)
		nb_failed += status != 0;
	step_ok(ctx, "count=%llu failed=%llu", (unsigned long long)count,
		(unsigned long long)nb_failed);
	return 0;
}

/* shut rd|wr|rdwr */
static int
step_shut(struct job_ctx *ctx, int argc, char **argv)
{
	int how;

	(void)argc;
	if (strcmp(argv[0], "rd") == 0)
		how = SHUT_RD;
	else if (strcmp(argv[0], "wr") == 0)
		how = SHUT_WR;
	else if (strcmp(argv[0], "rdwr") == 0)
		how = SHUT_RDWR;
	else
		return -EINVAL;
	if (shutdown(ctx->sock, how) < 0)
		return -errno;
	step_ok(ctx, "how=%s", argv[0]);
	return 0;
}

static int
step_close(struct job_ctx *ctx, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	if (ctx->sock < 0)
		return -EBADF;
	sock_drop(&ctx->sock);
	step_ok(ctx, "closed=1");
	return 0;
}

/*
 * gone MS: the peer has reset or closed the connection in both directions by then. The kernel tells
 * of the end of both only when something is sent, and of a half-close by the same event.
 */
static int
step_gone(struct job_ctx *ctx, int argc, char **argv)
{
	uint64_t ms, end_us;

	(void)argc;
	if (arg_number(argv[0], &ms) < 0)
		return -EINVAL;
	end_us = ctx->step_start_us + ms * 1000;
	for (uint64_t now = now_us(); now < end_us; now = now_us()) {
		struct pollfd fd = {.fd = ctx->sock, .events = POLLRDHUP};

		if (poll(&fd, 1, (int)((end_us - now) / 1000 + 1)) < 0)
			return -errno;
		if (fd.revents == 0)
			break;
		if (send(ctx->sock, "", 1, MSG_DONTWAIT) < 0 && errno != EAGAIN) {
			step_ok(ctx, "revents=0x%x error=%s", (unsigned int)fd.revents,
				strerrorname_np(errno));
			return 0;
		}
		usleep(10000);
	}
	return -ETIMEDOUT;
}

/* cid: this machine's own */
static int
step_cid(struct job_ctx *ctx, int argc, char **argv)
{
	unsigned int cid = 0;
	int fd = open("/dev/vsock", O_RDONLY | O_CLOEXEC);

	(void)argc;
	(void)argv;
	if (fd < 0 || ioctl(fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid) < 0)
		return -errno;
	close(fd);
	step_ok(ctx, "cid=%u", cid);
	return 0;
}

const struct step steps_sock[] = {
	{"socket", 1, 1, step_socket},
	{"window", 1, 1, step_window},
	{"listen", 1, 2, step_listen},
	{"accept", 0, 1, step_accept},
	{"connect", 2, 3, step_connect},
	{"churn", 3, 3, step_churn},
	{"serve", 1, 1, step_serve},
	{"shut", 1, 1, step_shut},
	{"close", 0, 0, step_close},
	{"gone", 1, 1, step_gone},
	{"cid", 0, 0, step_cid},
	{NULL, 0, 0, NULL},
};
