/* SPDX-License-Identifier: BSD-3-Clause */

/* One end of a connection: bytes out, bytes in, in a guest or in a host program. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pg_end.h"

#define SLAB_NB_ENDS 256u
#define READ_LEN     (256u << 10)

struct pg_end *
pg_end_new(struct pg_run *run, struct pg_guest *guest, uint8_t side)
{
	struct pg_end *end = run->free_ends;

	if (end == NULL) {
		void **slabs = realloc(run->slabs, (run->nb_slabs + 1) * sizeof(*slabs));
		struct pg_end *slab = calloc(SLAB_NB_ENDS, sizeof(*slab));
		unsigned int i;

		if (slabs != NULL)
			run->slabs = slabs;
		if (slabs == NULL || slab == NULL) {
			free(slab);
			return NULL;
		}
		run->slabs[run->nb_slabs++] = slab;
		for (i = 0; i < SLAB_NB_ENDS; i++) {
			slab[i].next = run->free_ends;
			run->free_ends = &slab[i];
		}
		end = run->free_ends;
	}
	run->free_ends = end->next;
	*end = (struct pg_end){
		.watch = {PG_SOURCE_END},
		.run = run,
		.guest = guest,
		.fd = -1,
		.side = side,
		.progress_ns = run->now_ns,
	};
	return end;
}

void
pg_end_free(struct pg_end *end)
{
	struct pg_run *run = end->run;
	unsigned int i;

	for (i = 0; i < run->nb_hot; i++) {
		if (run->hot_ends[i] == end)
			run->hot_ends[i--] = run->hot_ends[--run->nb_hot];
	}
	if (end->fd >= 0)
		close(end->fd);
	end->fd = -1;
	end->fe = NULL;
	end->conn = NULL;
	end->open = false;
	/* The list of readable ends still points to it, and frees it when it is taken off. */
	if (end->queued)
		return;
	end->next = run->free_ends;
	run->free_ends = end;
}

void
pg_end_ready(struct pg_end *end)
{
	struct pg_run *run = end->run;

	if (end->queued)
		return;
	end->queued = true;
	end->next = NULL;
	*run->ready_last = end;
	run->ready_last = &end->next;
}

void
pg_end_watch(struct pg_end *end)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.ptr = &end->watch,
	};

	end->writable = true;
	if (epoll_ctl(end->run->epoll_fd, EPOLL_CTL_ADD, end->fd, &event) < 0)
		pg_result_fail(end->run->result, PG_ERROR, "epoll_ctl: %s", strerror(errno));
}

void
pg_end_attach(struct pg_end *end, struct pg_conn *conn)
{
	struct pg_run *run = end->run;
	struct pg_rng rng = {run->conf->seed + conn->idx * UINT64_C(0x51ed270b)};
	uint64_t seeds[2];

	seeds[0] = pg_sizes_random(&rng);
	seeds[1] = pg_sizes_random(&rng);
	end->conn = conn;
	conn->ends[end->side] = end;
	end->tx_seed = seeds[end->side];
	end->rx_seed = seeds[!end->side];
	end->tx_sizes.state = ~end->tx_seed;
	end->rx_sizes.state = ~end->rx_seed;
	/* A few are looked at all the time: waiting for epoll would be part of their latency. */
	if (end->fd >= 0 && conn->role == PG_ROLE_PING &&
		run->nb_hot < sizeof(run->hot_ends) / sizeof(run->hot_ends[0])) {
		end->hot = true;
		run->hot_ends[run->nb_hot++] = end;
	}
}

/* Write the bytes at offset off of the stream that the end sends. */
static void
fill_bytes(struct pg_end *end, uint64_t off, uint8_t *buf, uint32_t len)
{
	while (end->side == 0 && off < PG_PREAMBLE_LEN && len > 0) {
		const uint64_t preamble = PG_PREAMBLE_MARK | end->conn->idx;

		*buf++ = (uint8_t)(preamble >> (8 * off++));
		len--;
	}
	if (end->run->conf->verify && len > 0)
		vfe_pattern_fill(end->tx_seed, off, buf, len);
}

static void
guest_fill(struct vfe_conn *fe, uint64_t off, uint8_t *buf, uint32_t len)
{
	fill_bytes(fe->user, off, buf, len);
}

void
pg_end_message(struct pg_end *end, uint32_t len)
{
	end->msg_len = end->msg_left = len;
}

static int
host_send(struct pg_end *end, uint32_t len)
{
	struct pg_run *run = end->run;
	ssize_t n;

	if (!end->writable)
		return -EAGAIN;
	fill_bytes(end, end->tx_len, run->io, len);
	n = send(end->fd, run->io, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0) {
		if (errno == EAGAIN)
			end->writable = false;
		return -errno;
	}
	run->counts.host_writes++;
	return (int)n;
}

static int
guest_send(struct pg_end *end, uint32_t len)
{
	const bool seqpacket = end->fe->type == VFE_TYPE_SEQPACKET;
	uint32_t flags = 0;

	if (len > end->guest->fe->max_payload)
		len = end->guest->fe->max_payload;
	if (seqpacket && len == end->msg_left)
		flags = VFE_SEQ_EOM;
	return vfe_conn_send(end->fe, len, flags);
}

unsigned int
pg_end_push(struct pg_end *end, unsigned int budget)
{
	struct pg_run *run = end->run;
	unsigned int nb = 0;

	while (nb < budget && end->msg_left > 0) {
		const int n = end->fe != NULL ? guest_send(end, end->msg_left)
					      : host_send(end, end->msg_left);

		if (n == -EAGAIN || n == -ENOBUFS)
			break;
		if (n <= 0) {
			pg_result_fail(run->result, PG_LOSS,
				"connection %u: sending after %llu bytes: %s", end->conn->idx,
				(unsigned long long)end->tx_len, strerror(-n));
			break;
		}
		end->msg_left -= (uint32_t)n;
		end->tx_len += (uint64_t)n;
		if (end->msg_left == 0 && end->msg_len != PG_PREAMBLE_LEN)
			run->counts.messages++;
		nb++;
	}
	return nb;
}

/* Checks bytes that came, and counts them. */
static void
receive_bytes(struct pg_end *end, const uint8_t *buf, uint32_t len)
{
	struct pg_run *run = end->run;
	uint32_t good = len;

	if (run->conf->verify)
		good = vfe_pattern_check(end->rx_seed, end->rx_len, buf, len);
	if (good < len)
		pg_result_fail(run->result, PG_CORRUPTION,
			"connection %u: byte %llu of what came %s is 0x%02x", end->conn->idx,
			(unsigned long long)(end->rx_len + good),
			end->fd < 0 ? "to the guest" : "to the host", buf[good]);
	end->rx_len += len;
	end->rx_msg_len += len;
	run->counts.bytes += len;
}

/* The first bytes say which connection this is. @return bytes that were the preamble's */
static uint32_t
receive_preamble(struct pg_end *end, const uint8_t *buf, uint32_t len)
{
	uint32_t n = 0;

	while (n < len && end->rx_len < PG_PREAMBLE_LEN)
		end->preamble[end->rx_len++] = buf[n++];
	if (n > 0 && end->rx_len == PG_PREAMBLE_LEN)
		end->run->events.identified(end);
	return n;
}

static void
receive(struct pg_end *end, const struct iovec *iov, unsigned int nb_iov, bool end_of_message)
{
	struct pg_run *run = end->run;
	uint32_t received_len = 0;
	unsigned int i;

	run->progress_ns = end->progress_ns = run->now_ns;
	for (i = 0; i < nb_iov; i++) {
		const uint8_t *buf = iov[i].iov_base;
		uint32_t len = (uint32_t)iov[i].iov_len;

		if (end->side == 1 && end->rx_len < PG_PREAMBLE_LEN) {
			const uint32_t n = receive_preamble(end, buf, len);

			buf += n;
			len -= n;
		}
		if (len > 0 && end->conn != NULL)
			receive_bytes(end, buf, len);
		received_len += len;
	}
	/* The preamble is a message of its own. */
	if (end->conn != NULL && received_len > 0)
		run->events.received(end, end_of_message);
}

unsigned int
pg_end_read(struct pg_end *end, unsigned int budget)
{
	struct pg_run *run = end->run;
	unsigned int nb;

	for (nb = 0; nb < budget && end->fd >= 0; nb++) {
		struct iovec iov = {.iov_base = run->io_in};
		ssize_t n;

		if (!end->open) {
			run->events.answer(end);
			if (!end->open || end->fd < 0)
				return nb;
		}
		n = recv(end->fd, run->io_in, READ_LEN, MSG_DONTWAIT);
		if (n > 0) {
			run->counts.host_reads++;
			iov.iov_len = (size_t)n;
			receive(end, &iov, 1, run->conf->type == VFE_TYPE_SEQPACKET);
			continue;
		}
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			end->readable = false;
			return nb;
		}
		run->events.ended(end);
		return nb + 1;
	}
	return nb;
}

void
pg_end_close(struct pg_end *end)
{
	end->closing = true;
	if (end->fe == NULL) {
		end->run->events.ended(end);
	} else if (end->fe->state == VFE_CONN_OPEN && vfe_conn_close(end->fe) < 0) {
		end->closing = false; /* again later */
	}
}

static bool
guest_on_request(struct vfe_conn *fe)
{
	struct pg_guest *guest = fe->guest->user;
	struct pg_run *run = guest->run;
	struct pg_end *end;

	if (fe->local_port != run->conf->port || fe->type != run->conf->type)
		return false;
	end = pg_end_new(run, guest, 1);
	if (end == NULL)
		return false;
	end->fe = fe;
	end->open = true;
	fe->user = end;
	run->nb_accepted++;
	return true;
}

static void
guest_on_open(struct vfe_conn *fe)
{
	struct pg_end *end = fe->user;

	if (end->side == 0)
		end->run->events.answer(end);
}

static void
guest_on_data(struct vfe_conn *fe, const struct vfe_data *data)
{
	receive(fe->user, data->iov, data->nb_iov, data->flags & VFE_SEQ_EOM);
}

static void
guest_on_close(struct vfe_conn *fe, bool by_peer_rst)
{
	struct pg_end *end = fe->user;

	(void)by_peer_rst;
	end->run->events.ended(end);
}

const struct vfe_guest_ops pg_end_ops = {
	.on_request = guest_on_request,
	.on_open = guest_on_open,
	.on_data = guest_on_data,
	.on_close = guest_on_close,
	.fill = guest_fill,
};
