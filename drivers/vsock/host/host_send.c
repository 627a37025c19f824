/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "conn/conn_end.h"
#include "conn/conn_sock.h"
#include "conn/conn_turn.h"
#include "host/host_send.h"
#include "lcore/host_job.h"
#include "wire/credit.h"

/* Header of each message in the backlog of a seqpacket connection. */
struct message {
	uint32_t len;
	uint32_t complete;
};

void
host_send_add(
	struct lcore *lc, struct conn *c, const struct wire_hdr *hdr, const struct vq_chain *chain)
{
	int16_t i = lc->nb_burst++;
	struct burst_pkt *b = &lc->burst[i];
	uint32_t end = 0;
	uint16_t n;

	for (n = 0; n < chain->nb_segs && end < WIRE_HDR_LEN + hdr->len; n++)
		end += chain->segs[n].len;
	b->segs = chain->segs;
	b->nb_segs = n;
	b->payload_off = WIRE_HDR_LEN;
	b->len = hdr->len;
	b->flags = hdr->flags;
	b->chain_id = chain->id;
	b->next = -1;
	if (c->host.burst_head < 0) {
		c->host.burst_head = i;
		lc->touched[lc->nb_touched++] = c;
	} else {
		lc->burst[c->host.burst_tail].next = i;
	}
	c->host.burst_tail = i;
}

void
host_send_credit(struct lcore *lc, struct conn *c, uint32_t step_len)
{
	const uint32_t window = credit_window(c->buf_alloc, c->guest_buf_alloc);

	switch (credit_decide(window, c->rx_cnt, c->fwd_cnt, c->fwd_cnt_told, step_len)) {
	case CREDIT_NOW:
		c->ctl |= CONN_CTL_CREDIT_UPDATE;
		conn_turn_ready(lc, c);
		break;
	case CREDIT_DEFER:
		atomic_store_explicit(&c->host.job->fwd_cnt, c->fwd_cnt, memory_order_relaxed);
		host_job_ask(c->host.job, HOST_JOB_CREDIT);
		break;
	case CREDIT_KEEP:
		break;
	}
}

static void
forwarded(struct lcore *lc, struct conn *c, uint32_t len)
{
	c->fwd_cnt += len;
	if (c->state == CONN_OPEN && len > 0)
		host_send_credit(lc, c, len);
}

/* The program does not read any more. Drop the backlog, and send SHUTDOWN to the guest. */
static void
host_stopped_reading(struct lcore *lc, struct conn *c)
{
	struct pollfd pfd = {.fd = c->host.fd};

	c->host.shut = true;
	/* POLLHUP tells close() from SHUT_RD. After close() the guest gets RST at the end. */
	if (poll(&pfd, 1, 0) > 0 && (pfd.revents & POLLHUP) != 0)
		c->host.lost = true;
	c->fwd_cnt = c->rx_cnt; /* all bytes count as forwarded */
	chunk_clear(&c->host.backlog, lc->chunks, &c->port->pool);
	c->host.msg_open = false;
	conn_sock_want_writable(lc, c, false);
	if (c->state == CONN_FLUSHING) {
		conn_end_host(lc, c, DROP_HOST_ERROR);
		return;
	}
	c->shut_to_guest |= WIRE_SHUTDOWN_RCV;
	c->ctl |= CONN_CTL_SHUTDOWN;
	conn_turn_ready(lc, c);
}

/* One sendmsg(). Returns bytes; 0: the socket is full; -1: the connection was changed or ended. */
static ssize_t
send_iov(struct lcore *lc, struct conn *c, unsigned int nb_iov)
{
	struct msghdr msg = {.msg_iov = lc->iov, .msg_iovlen = nb_iov};
	ssize_t n;

	do {
		c->port->stats.host_send_calls++;
		n = sendmsg(c->host.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return 0;
	if (errno == EPIPE || errno == ECONNRESET)
		host_stopped_reading(lc, c);
	else if (errno == EFAULT) /* an access would have raised SIGBUS: see ring/gmem_guard.h */
		c->port->fault = 1;
	else if (errno == EMSGSIZE)
		conn_end_host(lc, c, DROP_MSG_TOO_BIG);
	else
		conn_end_host(lc, c, DROP_HOST_ERROR);
	return -1;
}

/* ---- streams ---- */

/* Describe the packets of the burst from byte off of packet i on. Returns the iovecs. */
static unsigned int
burst_iov(struct lcore *lc, int16_t i, uint32_t off, uint32_t *total)
{
	unsigned int nb = 0;

	*total = 0;
	for (; i >= 0; i = lc->burst[i].next) {
		const struct burst_pkt *b = &lc->burst[i];
		uint32_t len;

		if (nb + b->nb_segs > LCORE_NB_IOV)
			break;
		nb += seg_iov(b->segs, b->nb_segs, b->payload_off + off, b->len - off, &lc->iov[nb],
			&len);
		*total += len;
		off = 0;
	}
	return nb;
}

static bool
stream_to_backlog(struct lcore *lc, struct conn *c, int16_t i, uint32_t off)
{
	for (; i >= 0; i = lc->burst[i].next) {
		const struct burst_pkt *b = &lc->burst[i];

		if (chunk_append_segs(&c->host.backlog, lc->chunks, &c->port->pool, b->segs,
			    b->nb_segs, b->payload_off + off, b->len - off) != 0) {
			conn_end_host(lc, c, DROP_POOL_EXHAUSTED);
			return false;
		}
		c->port->stats.backlog_bytes += b->len - off;
		off = 0;
	}
	conn_sock_want_writable(lc, c, true);
	return true;
}

static void
send_stream(struct lcore *lc, struct conn *c, int16_t i)
{
	uint32_t off = 0, total;
	ssize_t n;

	if (c->host.backlog.len > 0) {
		stream_to_backlog(lc, c, i, 0);
		return;
	}
	do {
		unsigned int nb = burst_iov(lc, i, off, &total);
		uint32_t left;

		if (total == 0)
			return;
		n = send_iov(lc, c, nb);
		if (n < 0)
			return;
		forwarded(lc, c, n);
		for (left = n; i >= 0 && left >= lc->burst[i].len - off; off = 0) {
			left -= lc->burst[i].len - off;
			i = lc->burst[i].next;
		}
		off += left;
	} while (i >= 0 && (uint32_t)n == total);
	if (i >= 0)
		stream_to_backlog(lc, c, i, off);
}

/* ---- messages ---- */

static bool
message_to_backlog(struct lcore *lc, struct conn *c, const struct burst_pkt *b)
{
	struct message rec = {0, 0};

	if (!c->host.msg_open) {
		c->host.msg_rec_off = c->host.backlog.len;
		if (chunk_append(&c->host.backlog, lc->chunks, &c->port->pool, &rec, sizeof(rec)) !=
			0)
			goto no_memory;
		c->host.msg_open = true;
		c->host.msg_len = 0;
	}
	if (chunk_append_segs(&c->host.backlog, lc->chunks, &c->port->pool, b->segs, b->nb_segs,
		    b->payload_off, b->len) != 0)
		goto no_memory;
	c->port->stats.backlog_bytes += b->len;
	c->host.msg_len += b->len;
	if ((b->flags & WIRE_SEQ_EOM) != 0) {
		rec.len = c->host.msg_len;
		rec.complete = 1;
		chunk_poke(&c->host.backlog, c->host.msg_rec_off, &rec, sizeof(rec));
		c->host.msg_open = false;
	} else {
		/* The guest may have no credit left for the rest of the message. */
		host_send_credit(lc, c, 0);
	}
	return true;

no_memory:
	conn_end_host(lc, c, DROP_POOL_EXHAUSTED);
	return false;
}

void
host_send_drop_open(struct lcore *lc, struct conn *c)
{
	if (!c->host.msg_open)
		return;
	c->host.msg_open = false;
	c->port->stats.drops[DROP_MSG_CUT]++;
	chunk_truncate(&c->host.backlog, lc->chunks, &c->port->pool, c->host.msg_rec_off);
	forwarded(lc, c, c->host.msg_len);
}

/* Send one complete message of the backlog. Returns false if no more can be sent now. */
static bool
send_backlog_message(struct lcore *lc, struct conn *c)
{
	struct message rec;
	uint32_t len = 0;
	unsigned int nb;
	ssize_t n;

	if (chunk_peek(&c->host.backlog, &rec, sizeof(rec)) < sizeof(rec) || !rec.complete) {
		conn_sock_want_writable(
			lc, c, false); /* the rest of the message comes from the guest */
		return false;
	}
	nb = chunk_iov(&c->host.backlog, sizeof(rec), rec.len, lc->iov, LCORE_NB_IOV, &len);
	if (len < rec.len) {
		conn_end_host(lc, c, DROP_MSG_TOO_BIG);
		return false;
	}
	n = send_iov(lc, c, nb);
	if (n < 0 || (n == 0 && rec.len > 0)) {
		if (n == 0)
			conn_sock_want_writable(lc, c, true);
		return false;
	}
	chunk_consume(&c->host.backlog, lc->chunks, &c->port->pool, sizeof(rec) + rec.len);
	if (c->host.msg_open)
		c->host.msg_rec_off -= sizeof(rec) + rec.len;
	forwarded(lc, c, rec.len);
	return true;
}

static void
send_messages(struct lcore *lc, struct conn *c, int16_t i)
{
	for (; i >= 0; i = lc->burst[i].next) {
		const struct burst_pkt *b = &lc->burst[i];
		uint32_t len = 0;
		unsigned int nb;
		ssize_t n = 0;

		if (c->host.backlog.len == 0 && (b->flags & WIRE_SEQ_EOM) != 0 &&
			b->nb_segs <= LCORE_NB_IOV) {
			nb = seg_iov(b->segs, b->nb_segs, b->payload_off, b->len, lc->iov, &len);
			n = send_iov(lc, c, nb);
			if (n < 0)
				return;
			if (n > 0 || b->len == 0) {
				forwarded(lc, c, n);
				continue;
			}
			conn_sock_want_writable(lc, c, true);
		}
		if (!message_to_backlog(lc, c, b))
			return;
		while (!c->host.epoll_out && send_backlog_message(lc, c))
			;
		if (c->state == CONN_NONE || c->host.fd < 0 || c->host.shut)
			return;
	}
}

/* ---- both ---- */

void
host_send_burst(struct lcore *lc, struct conn *c)
{
	int16_t i = c->host.burst_head;

	if (i < 0)
		return;
	c->host.burst_head = -1;
	if (c->state != CONN_OPEN || c->host.fd < 0)
		return; /* it ended within the burst; both sides were reset */
	if (c->host.shut) {
		for (; i >= 0; i = lc->burst[i].next)
			c->port->stats.drops[DROP_HOST_SHUT]++;
		c->fwd_cnt = c->rx_cnt;
		host_send_credit(lc, c, 0);
		return;
	}
	if (c->type == WIRE_TYPE_STREAM)
		send_stream(lc, c, i);
	else
		send_messages(lc, c, i);
}

/* The backlog is empty: close the socket or shut it down if that was deferred. */
static void
backlog_empty(struct lcore *lc, struct conn *c)
{
	conn_sock_want_writable(lc, c, false);
	if (c->state == CONN_FLUSHING) {
		conn_sock_close(lc, c);
		conn_end_guest_now(lc, c);
	} else if ((c->shut_from_guest & WIRE_SHUTDOWN_SEND) != 0) {
		host_job_ask(c->host.job, HOST_JOB_SHUT_WR);
	}
}

void
host_send_backlog(struct lcore *lc, struct conn *c)
{
	uint32_t len;

	if (c->type == WIRE_TYPE_SEQPACKET) {
		while (send_backlog_message(lc, c))
			;
	} else {
		while (c->host.backlog.len > 0) {
			unsigned int nb = chunk_iov(
				&c->host.backlog, 0, UINT32_MAX, lc->iov, LCORE_NB_IOV, &len);
			ssize_t n = send_iov(lc, c, nb);

			if (n <= 0)
				break;
			chunk_consume(&c->host.backlog, lc->chunks, &c->port->pool, n);
			forwarded(lc, c, n);
		}
	}
	if (c->state != CONN_NONE && c->host.fd >= 0 && c->host.backlog.len == 0)
		backlog_empty(lc, c);
}
