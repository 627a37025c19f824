/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Steps that move data. What is sent is generated and hashed before, what is received is hashed
 * after, outside the time that is reported as io_us, so that the same transfer gives a proof and
 * a figure.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"

#define BLOCK_LEN     ((size_t)16 << 20)
#define CHUNK_MAX     ((uint64_t)1 << 20)
#define CHUNK_DEFAULT ((uint64_t)64 << 10)
#define SIZE_TO_END   UINT64_MAX
#define PING_MAX      100000

/** One direction of a transfer. */
struct flow {
	int fd;
	int type;
	uint64_t size;      /**< bytes asked for */
	uint64_t chunk_min; /**< bytes of a call, and of a seqpacket message */
	uint64_t chunk_max;
	uint64_t rng;
	uint64_t pace_us; /**< sending: between two calls */
	uint8_t *block;
	/* results */
	uint64_t done;
	uint64_t nb_calls; /**< seqpacket: messages */
	uint64_t nb_eor;
	uint64_t io_us; /**< receiving: from the first byte on */
	uint64_t io_start_us;
	uint64_t lens;   /**< FNV-1a over each message's length, 4 bytes little endian */
	uint64_t digest; /**< see digest_update() */
};

static uint64_t
rng_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static void
lens_add(struct flow *f, size_t len)
{
	for (unsigned int i = 0; i < 4; i++)
		f->lens = (f->lens ^ (len >> 8 * i & 0xff)) * 0x100000001b3ULL;
	f->nb_calls++;
}

static int
flow_open(struct flow *f, struct job_ctx *ctx)
{
	f->fd = ctx->sock;
	f->type = ctx->type;
	f->lens = 0xcbf29ce484222325ULL;
	f->block =
		mmap(NULL, BLOCK_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (f->block == MAP_FAILED)
		return -ENOMEM;
	/* The first touch of a page is not part of the transfer. */
	for (size_t i = 0; i < BLOCK_LEN && i < f->size; i += 4096)
		f->block[i] = 1;
	return 0;
}

static int
flow_close(struct flow *f, struct job_ctx *ctx, int rc)
{
	munmap(f->block, BLOCK_LEN);
	if (rc == 0)
		step_ok(ctx,
			"bytes=%llu digest=%016llx io_us=%llu calls=%llu lens=%016llx eor=%llu",
			(unsigned long long)f->done, (unsigned long long)f->digest,
			(unsigned long long)f->io_us, (unsigned long long)f->nb_calls,
			(unsigned long long)f->lens, (unsigned long long)f->nb_eor);
	else
		ctl_say(ctx->id, "%u %s part bytes=%llu digest=%016llx", ctx->step_idx, ctx->verb,
			(unsigned long long)f->done, (unsigned long long)f->digest);
	return rc;
}

/* "N" or "MIN-MAX" */
static int
parse_chunk(char *text, struct flow *f)
{
	char *dash = strchr(text, '-');

	if (dash != NULL)
		*dash = '\0';
	if (arg_number(text, &f->chunk_min) < 0 ||
		arg_number(dash != NULL ? dash + 1 : text, &f->chunk_max) < 0 ||
		f->chunk_min == 0 || f->chunk_max > CHUNK_MAX || f->chunk_min > f->chunk_max)
		return -EINVAL;
	return 0;
}

static int
send_block(struct flow *f, size_t block_len)
{
	size_t pos = 0;

	while (pos < block_len) {
		size_t len = f->chunk_min;
		ssize_t n;

		if (f->chunk_max > f->chunk_min)
			len += rng_next(&f->rng) % (f->chunk_max - f->chunk_min + 1);
		if (len > block_len - pos)
			len = block_len - pos;
		n = send(f->fd, f->block + pos, len, 0);
		if (n < 0)
			return -errno;
		if (n == 0 || (f->type == SOCK_SEQPACKET && (size_t)n != len))
			return -EPROTO;
		lens_add(f, (size_t)n);
		pos += (size_t)n;
		f->done += (size_t)n;
		if (f->pace_us > 0)
			usleep((useconds_t)f->pace_us);
	}
	return 0;
}

static int
flow_send(struct flow *f)
{
	int rc = 0;

	while (rc == 0 && f->done < f->size) {
		size_t len = BLOCK_LEN;

		if (len > f->size - f->done)
			len = (size_t)(f->size - f->done);
		for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
			uint64_t word = rng_next(&f->rng);

			memcpy(f->block + i, &word, sizeof(word));
		}
		digest_update(&f->digest, f->block, len);
		f->io_start_us = now_us();
		rc = send_block(f, len);
		f->io_us += now_us() - f->io_start_us;
	}
	return rc;
}

/* @return 1 at the end of the stream, 0 when the block is full, -errno */
static int
recv_block(struct flow *f, size_t *fill, size_t want_len)
{
	while (*fill < want_len) {
		size_t room = want_len - *fill;
		struct iovec iov = {.iov_base = f->block + *fill};
		struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
		ssize_t n;

		/* A message must fit whole: the test sees to it that sizes match. */
		iov.iov_len =
			f->type == SOCK_SEQPACKET || room < f->chunk_max ? room : f->chunk_max;
		n = recvmsg(f->fd, &msg, 0);
		if (n < 0)
			return -errno;
		if (n == 0)
			return 1;
		if (msg.msg_flags & MSG_TRUNC)
			return -EMSGSIZE;
		if (f->nb_calls == 0)
			f->io_start_us = now_us();
		f->nb_eor += (msg.msg_flags & MSG_EOR) != 0;
		lens_add(f, (size_t)n);
		*fill += (size_t)n;
		f->done += (size_t)n;
		/* A message must not be cut by the end of a block. */
		if (f->type == SOCK_SEQPACKET && want_len == BLOCK_LEN &&
			BLOCK_LEN - *fill < CHUNK_MAX)
			return 0;
	}
	return 0;
}

static int
flow_recv(struct flow *f)
{
	int rc = 0;

	while (rc == 0 && f->done < f->size) {
		size_t want_len = BLOCK_LEN, fill = 0;

		f->io_start_us = now_us();
		if (want_len > f->size - f->done)
			want_len = (size_t)(f->size - f->done);
		rc = recv_block(f, &fill, want_len);
		f->io_us += now_us() - f->io_start_us;
		digest_update(&f->digest, f->block, fill);
	}
	if (rc == 1)
		return f->size == SIZE_TO_END ? 0 : -ENODATA;
	return rc;
}

static int
send_args(struct flow *f, int argc, char **argv)
{
	f->chunk_min = f->chunk_max = CHUNK_DEFAULT;
	if (arg_number(argv[0], &f->size) < 0 || arg_number(argv[1], &f->rng) < 0)
		return -EINVAL;
	if (argc > 3 && arg_number(argv[3], &f->pace_us) < 0)
		return -EINVAL;
	return argc > 2 ? parse_chunk(argv[2], f) : 0;
}

static int
recv_args(struct flow *f, int argc, char **argv)
{
	f->chunk_min = f->chunk_max = CHUNK_DEFAULT;
	f->size = SIZE_TO_END;
	if (strcmp(argv[0], "eof") != 0 && arg_number(argv[0], &f->size) < 0)
		return -EINVAL;
	return argc > 1 ? parse_chunk(argv[1], f) : 0;
}

/* send SIZE SEED [CHUNK [PACE]]: so many microseconds between two calls */
static int
step_send(struct job_ctx *ctx, int argc, char **argv)
{
	struct flow f = {0};
	int rc = send_args(&f, argc, argv);

	if (rc == 0)
		rc = flow_open(&f, ctx);
	return rc < 0 ? rc : flow_close(&f, ctx, flow_send(&f));
}

/* recv SIZE|eof [CHUNK] */
static int
step_recv(struct job_ctx *ctx, int argc, char **argv)
{
	struct flow f = {0};
	int rc = recv_args(&f, argc, argv);

	if (rc == 0)
		rc = flow_open(&f, ctx);
	return rc < 0 ? rc : flow_close(&f, ctx, flow_recv(&f));
}

/*
 * xfer SIZE SEED RSIZE|eof [CHUNK]: both directions at the same time, the sending one, reported
 * as "xfer-send", by a process of its own; with "eof" each side ends its direction when it is done
 */
static int
step_xfer(struct job_ctx *ctx, int argc, char **argv)
{
	struct flow f = {0};
	char *send_argv[3] = {argv[0], argv[1], argc > 3 ? argv[3] : NULL};
	int to_end = strcmp(argv[2], "eof") == 0;
	int rc = recv_args(&f, 1, argv + 2), status = 0;
	pid_t pid;

	if (rc < 0)
		return rc;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		ctx->verb = "xfer-send";
		rc = step_send(ctx, argc > 3 ? 3 : 2, send_argv);
		if (to_end && shutdown(ctx->sock, SHUT_WR) < 0 && rc == 0)
			rc = -errno;
		_exit(rc < 0 ? -rc : 0);
	}
	rc = flow_open(&f, ctx);
	if (rc == 0)
		rc = flow_close(&f, ctx, flow_recv(&f));
	if (rc < 0)
		shutdown(ctx->sock, SHUT_RDWR);
	waitpid(pid, &status, 0);
	if (rc == 0 && status != 0)
		rc = WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
	return rc;
}

ssize_t
data_echo(int fd, int type)
{
	size_t buf_len = type == SOCK_SEQPACKET ? CHUNK_MAX : CHUNK_DEFAULT;
	uint8_t *buf = malloc(buf_len);
	ssize_t n, total = 0;

	if (buf == NULL)
		return -ENOMEM;
	while ((n = recv(fd, buf, buf_len, 0)) > 0) {
		for (ssize_t pos = 0, part; pos < n; pos += part) {
			part = send(fd, buf + pos, (size_t)(n - pos), 0);
			if (part < 0) {
				free(buf);
				return -errno;
			}
		}
		total += n;
	}
	if (n < 0)
		total = -errno;
	free(buf);
	return total;
}

/* echo: until the peer ends its direction */
static int
step_echo(struct job_ctx *ctx, int argc, char **argv)
{
	ssize_t n = data_echo(ctx->sock, ctx->type);

	(void)argc;
	(void)argv;
	if (n < 0)
		return (int)n;
	step_ok(ctx, "bytes=%zd", n);
	return 0;
}

static int
compare_us(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int
ping_once(int fd, size_t size, uint64_t *rng)
{
	uint8_t out[4096] = {0}, in[sizeof(out)];

	for (size_t i = 0; i < size; i += sizeof(*rng)) {
		uint64_t word = rng_next(rng);

		memcpy(out + i, &word, sizeof(word));
	}
	if (send(fd, out, size, 0) != (ssize_t)size)
		return -errno;
	for (size_t done = 0; done < size;) {
		ssize_t n = recv(fd, in + done, size - done, 0);

		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		done += (size_t)n;
	}
	return memcmp(out, in, size) == 0 ? 0 : -EILSEQ;
}

/* ping COUNT [SIZE]: round trips to a peer that echoes */
static int
step_ping(struct job_ctx *ctx, int argc, char **argv)
{
	uint64_t count, size = 1, rng = 1;
	uint32_t *us;
	int rc = 0;

	if (arg_number(argv[0], &count) < 0 || (argc > 1 && arg_number(argv[1], &size) < 0) ||
		count == 0 || count > PING_MAX || size == 0 || size > 4096)
		return -EINVAL;
	us = calloc(count, sizeof(*us));
	if (us == NULL)
		return -ENOMEM;
	for (uint64_t i = 0; i < count && rc == 0; i++) {
		uint64_t start_us = now_us();

		rc = ping_once(ctx->sock, size, &rng);
		us[i] = (uint32_t)(now_us() - start_us);
	}
	if (rc == 0) {
		qsort(us, count, sizeof(*us), compare_us);
		step_ok(ctx, "count=%llu min_us=%u median_us=%u p99_us=%u max_us=%u",
			(unsigned long long)count, us[0], us[count / 2], us[count * 99 / 100],
			us[count - 1]);
	}
	free(us);
	return rc;
}

const struct step steps_data[] = {
	{"send", 2, 4, step_send},
	{"recv", 1, 2, step_recv},
	{"xfer", 3, 4, step_xfer},
	{"echo", 0, 0, step_echo},
	{"ping", 1, 2, step_ping},
	{NULL, 0, 0, NULL},
};
