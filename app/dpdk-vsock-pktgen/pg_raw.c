/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Baselines: a Unix socket with nothing in between. The other end is a thread that blocks, this end
 * polls as the host programs of the other scenarios do.
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "pg_clock.h"
#include "pg_cpu.h"
#include "pg_raw.h"
#include "vfe.h"

#define READ_LEN (256u << 10)

struct raw {
	const struct pg_conf *conf;
	struct pg_result *result;
	int fd; /* this end */
	int peer_fd;
	uint8_t *io; /* of this end */
	uint8_t *peer_io;
	uint64_t tx_len;        /* the sender's */
	uint64_t rx_len;        /* the receiver's */
	struct pg_rng tx_sizes; /* the sender's */
	uint64_t peer_messages; /* written by the peer, read here: atomic */
	uint64_t peer_bytes;    /* the same */
	uint64_t peer_bad;      /* the same: offset of a wrong byte + 1 */
	struct pg_counts counts;
	uint64_t start_ns;
	uint64_t measure_ns; /* 0: warming up */
	struct pg_counts before;
};

/* Sends one message. @return 0, -EAGAIN, or -errno: the other end is gone */
static int
send_message(struct raw *raw, int fd, uint8_t *io, uint32_t len, int flags)
{
	uint32_t done = 0;

	if (raw->conf->verify)
		vfe_pattern_fill(raw->conf->seed, raw->tx_len, io, len);
	while (done < len) {
		const ssize_t n = send(fd, io + done, len - done, flags | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN && done > 0) {
			sched_yield();
			continue;
		}
		if (n < 0)
			return -errno;
		done += (uint32_t)n;
	}
	raw->tx_len += len;
	return 0;
}

/* @return bytes, 0 at the end, -EBADMSG for wrong bytes, -errno */
static int
receive_some(struct raw *raw, int fd, uint8_t *io, int flags)
{
	const ssize_t n = recv(fd, io, READ_LEN, flags);
	uint32_t good;

	if (n < 0)
		return -errno;
	good = (uint32_t)n;
	if (raw->conf->verify)
		good = vfe_pattern_check(raw->conf->seed, raw->rx_len, io, (uint32_t)n);
	raw->rx_len += good;
	return good < (uint32_t)n ? -EBADMSG : (int)n;
}

static void
fail_bad(struct raw *raw)
{
	pg_result_fail(
		raw->result, PG_CORRUPTION, "byte %llu is wrong", (unsigned long long)raw->rx_len);
}

/* Whether the time is up; takes the counters over where the measured time begins and ends. */
static bool
time_up(struct raw *raw)
{
	const uint64_t now_ns = pg_clock_now_ns();
	const struct pg_conf *conf = raw->conf;
	const uint64_t peer_bad = __atomic_load_n(&raw->peer_bad, __ATOMIC_RELAXED);
	struct pg_counts counts = raw->counts;

	if (peer_bad != 0)
		pg_result_fail(raw->result, PG_CORRUPTION, "byte %llu is wrong",
			(unsigned long long)peer_bad - 1);
	counts.messages += __atomic_load_n(&raw->peer_messages, __ATOMIC_RELAXED);
	counts.bytes += __atomic_load_n(&raw->peer_bytes, __ATOMIC_RELAXED);
	if (raw->measure_ns == 0) {
		if ((double)(now_ns - raw->start_ns) < conf->warmup_s * 1e9)
			return false;
		raw->measure_ns = now_ns;
		raw->before = counts;
		pg_hist_clear(&raw->result->hist);
	}
	if ((double)(now_ns - raw->measure_ns) < conf->seconds * 1e9)
		return false;
	raw->result->seconds = (double)(now_ns - raw->measure_ns) / 1e9;
	raw->result->counts = counts;
	pg_result_counts_since(&raw->result->counts, &raw->before);
	return true;
}

static enum pg_status
raw_run(const struct pg_conf *conf, struct pg_result *result, void *(*peer)(void *),
	void (*here)(struct raw *))
{
	const int kind = conf->type == VFE_TYPE_SEQPACKET ? SOCK_SEQPACKET : SOCK_STREAM;
	struct raw raw = {.conf = conf, .result = result, .tx_sizes = {conf->seed}};
	pthread_t thread;
	int fds[2];

	raw.io = calloc(1, PG_IO_LEN);
	raw.peer_io = calloc(1, PG_IO_LEN);
	if (raw.io == NULL || raw.peer_io == NULL ||
		socketpair(AF_UNIX, kind | SOCK_CLOEXEC, 0, fds) < 0) {
		pg_result_fail(result, PG_ERROR, "%s", strerror(errno));
		goto out;
	}
	raw.fd = fds[0];
	raw.peer_fd = fds[1];
	raw.start_ns = pg_clock_now_ns();
	if (pthread_create(&thread, NULL, peer, &raw) != 0) {
		pg_result_fail(result, PG_ERROR, "no thread");
		goto close_fds;
	}
	here(&raw);
	shutdown(raw.fd, SHUT_RDWR);
	pthread_join(thread, NULL);

close_fds:
	close(fds[0]);
	close(fds[1]);
out:
	free(raw.io);
	free(raw.peer_io);
	return result->status;
}

static void *
peer_sends(void *arg)
{
	struct raw *raw = arg;

	pg_cpu_pin(raw->conf->peer_cpu);
	for (;;) {
		const uint32_t len = pg_sizes_next(&raw->conf->sizes, &raw->tx_sizes);

		if (send_message(raw, raw->peer_fd, raw->peer_io, len, 0) < 0)
			return NULL;
		__atomic_fetch_add(&raw->peer_messages, 1, __ATOMIC_RELAXED);
	}
}

static void
here_receives(struct raw *raw)
{
	const int flags = raw->conf->wait == PG_WAIT_BLOCK ? 0 : MSG_DONTWAIT;

	while (!time_up(raw) && raw->result->status == PG_OK) {
		const int n = receive_some(raw, raw->fd, raw->io, flags);

		if (n == -EAGAIN)
			sched_yield();
		else if (n == -EBADMSG)
			fail_bad(raw);
		else if (n <= 0)
			return;
		else
			raw->counts.bytes += (uint64_t)n;
	}
}

static void *
peer_receives(void *arg)
{
	struct raw *raw = arg;
	int n;

	pg_cpu_pin(raw->conf->peer_cpu);
	while ((n = receive_some(raw, raw->peer_fd, raw->peer_io, 0)) > 0)
		__atomic_fetch_add(&raw->peer_bytes, (uint64_t)n, __ATOMIC_RELAXED);
	if (n == -EBADMSG)
		__atomic_store_n(&raw->peer_bad, raw->rx_len + 1, __ATOMIC_RELAXED);
	return NULL;
}

static void
here_sends(struct raw *raw)
{
	const int flags = raw->conf->wait == PG_WAIT_BLOCK ? 0 : MSG_DONTWAIT;
	uint32_t len = pg_sizes_next(&raw->conf->sizes, &raw->tx_sizes);

	while (!time_up(raw) && raw->result->status == PG_OK) {
		const int rc = send_message(raw, raw->fd, raw->io, len, flags);

		if (rc == -EAGAIN) {
			sched_yield();
			continue;
		}
		if (rc < 0)
			return;
		raw->counts.messages++;
		len = pg_sizes_next(&raw->conf->sizes, &raw->tx_sizes);
	}
}

enum pg_status
pg_raw_stream(const struct pg_conf *conf, struct pg_result *result)
{
	return conf->reverse ? raw_run(conf, result, peer_receives, here_sends)
			     : raw_run(conf, result, peer_sends, here_receives);
}

static void *
peer_echoes(void *arg)
{
	struct raw *raw = arg;
	ssize_t n;

	pg_cpu_pin(raw->conf->peer_cpu);
	while ((n = recv(raw->peer_fd, raw->peer_io, PG_IO_LEN, 0)) > 0) {
		if (send(raw->peer_fd, raw->peer_io, (size_t)n, MSG_NOSIGNAL) < 0)
			return NULL;
	}
	return NULL;
}

static void
here_pings(struct raw *raw)
{
	const int flags = raw->conf->wait == PG_WAIT_BLOCK ? 0 : MSG_DONTWAIT;

	while (!time_up(raw) && raw->result->status == PG_OK) {
		const uint32_t len = pg_sizes_next(&raw->conf->sizes, &raw->tx_sizes);
		const uint64_t sent_ns = pg_clock_now_ns();
		uint32_t done = 0;

		if (send_message(raw, raw->fd, raw->io, len, 0) < 0)
			return;
		while (done < len) {
			const int n = receive_some(raw, raw->fd, raw->io, flags);

			if (n == -EBADMSG)
				fail_bad(raw);
			if (n <= 0 && n != -EAGAIN)
				return;
			done += n > 0 ? (uint32_t)n : 0;
		}
		pg_hist_add(&raw->result->hist, pg_clock_now_ns() - sent_ns);
		raw->counts.round_trips++;
		raw->counts.messages++;
		raw->counts.bytes += len;
	}
}

enum pg_status
pg_raw_ping(const struct pg_conf *conf, struct pg_result *result)
{
	result->hist_of = "round_trip";
	return raw_run(conf, result, peer_echoes, here_pings);
}

/* The peer's socket is the listening one here. */
static void *
peer_accepts(void *arg)
{
	struct raw *raw = arg;
	int fd;

	pg_cpu_pin(raw->conf->peer_cpu);
	while ((fd = accept4(raw->peer_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(fd);
	return NULL;
}

static void
here_connects(struct raw *raw, const struct sockaddr_un *addr, socklen_t len)
{
	while (!time_up(raw) && raw->result->status == PG_OK) {
		const uint64_t start_ns = pg_clock_now_ns();
		const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		char byte;

		if (fd < 0 || connect(fd, (const struct sockaddr *)addr, len) < 0 ||
			recv(fd, &byte, 1, 0) != 0)
			pg_result_fail(raw->result, PG_ERROR, "connect: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		pg_hist_add(&raw->result->hist, pg_clock_now_ns() - start_ns);
		raw->counts.connections++;
	}
}

enum pg_status
pg_raw_connect(const struct pg_conf *conf, struct pg_result *result)
{
	struct raw raw = {.conf = conf, .result = result};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(addr.sun_family);
	pthread_t thread;

	result->hist_of = "connection";
	raw.peer_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Bind without a name: the kernel chooses one that is not in use. */
	if (raw.peer_fd < 0 || bind(raw.peer_fd, (const struct sockaddr *)&addr, len) < 0 ||
		listen(raw.peer_fd, 128) < 0) {
		pg_result_fail(result, PG_ERROR, "%s", strerror(errno));
		goto out;
	}
	len = sizeof(addr);
	getsockname(raw.peer_fd, (struct sockaddr *)&addr, &len);
	raw.start_ns = pg_clock_now_ns();
	if (pthread_create(&thread, NULL, peer_accepts, &raw) != 0) {
		pg_result_fail(result, PG_ERROR, "no thread");
		goto out;
	}
	here_connects(&raw, &addr, len);
	shutdown(raw.peer_fd, SHUT_RDWR);
	pthread_join(thread, NULL);

out:
	if (raw.peer_fd >= 0)
		close(raw.peer_fd);
	return result->status;
}
