/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "conn/conn_copy.h"
#include "conn/conn_end.h"
#include "conn/conn_sock.h"
#include "conn/conn_turn.h"
#include "conn/rx_buf.h"
#include "host/host_peek.h"
#include "host/host_recv.h"
#include "wire/credit.h"

/* A message must fit into the chunks of one recvmsg(). */
#define MESSAGE_MAX_LEN (LCORE_NB_IOV * CHUNK_DATA_LEN)

bool
host_recv_possible(const struct conn *c)
{
	return c->state == CONN_OPEN && c->host.readable &&
		(c->shut_from_guest & WIRE_SHUTDOWN_RCV) == 0 &&
		credit_free(c->guest_buf_alloc, c->tx_cnt, c->guest_fwd_cnt) > 0 &&
		conn_turn_room(c) > 0;
}

/** RX buffers taken for one read. */
struct window {
	unsigned int nb_chains;
	unsigned int nb_iov;
	unsigned int nb_segs;
	uint32_t len; /* payload that fits */
};

/* Take RX buffers for up to max_len bytes, within the bounds of one system call. */
static void
window_open(struct lcore *lc, struct conn *c, struct window *w, unsigned int max_chains,
	uint32_t max_len)
{
	*w = (struct window){0};
	max_chains = RTE_MIN(max_chains, (unsigned int)LIMIT_BURST_NB_TO_GUEST);
	while (w->nb_chains < max_chains && w->len < max_len &&
		w->nb_segs + VQ_CHAIN_MAX_SEGS <= LCORE_NB_SEGS) {
		struct vq_chain *chain = &lc->chains[w->nb_chains];
		uint32_t len;

		if (!rx_buf_get(lc, c->port, chain, &lc->to_guest_segs[w->nb_segs], 1))
			break;
		if (w->nb_iov + chain->nb_segs > LCORE_NB_IOV) {
			vq_rewind(&c->port->vq[PORT_Q_TO_GUEST], 1);
			break;
		}
		w->nb_iov += seg_iov(chain->segs, chain->nb_segs, WIRE_HDR_LEN,
			RTE_MIN(rx_buf_room(chain), max_len - w->len), &lc->iov[w->nb_iov], &len);
		w->nb_segs += chain->nb_segs;
		w->len += len;
		w->nb_chains++;
	}
}

static void
window_rewind(struct port *port, unsigned int nb)
{
	if (nb == 0)
		return;
	vq_rewind(&port->vq[PORT_Q_TO_GUEST], nb);
	port->starved = false;
}

/* Hand over the buffers that n bytes fill, and rewind the ring over the others. */
static unsigned int
window_close(struct lcore *lc, struct conn *c, const struct window *w, uint32_t n, uint32_t flags)
{
	unsigned int i;

	c->tx_cnt += n;
	c->used_tsc = lc->now;
	for (i = 0; i < w->nb_chains && n > 0; i++) {
		const struct vq_chain *chain = &lc->chains[i];
		uint32_t len = RTE_MIN(n, rx_buf_room(chain));

		n -= len;
		rx_buf_put(c->port, c, chain, WIRE_OP_RW, n == 0 ? flags : 0, len);
	}
	window_rewind(c->port, w->nb_chains - i);
	return i;
}

void
host_recv_eof(struct lcore *lc, struct conn *c)
{
	c->host.eof = true;
	c->host.readable = false;
	if (c->host.hup && (c->host.lost || c->host.backlog.len > 0)) {
		/* The program closed with unread bytes of the guest, so the guest gets RST. */
		conn_end_count(c, DROP_HOST_ERROR);
		conn_sock_close(lc, c);
		conn_end_guest(lc, c);
		return;
	}
	c->shut_to_guest |= WIRE_SHUTDOWN_SEND;
	if (c->host.hup) {
		c->shut_to_guest = WIRE_SHUTDOWN_BOTH;
		c->state = CONN_CLOSING;
		conn_sock_close(lc, c);
	}
	c->ctl |= CONN_CTL_SHUTDOWN;
	conn_turn_ready(lc, c);
}

/* Handle end of file or an error of a read. */
static void
read_failed(struct lcore *lc, struct conn *c, ssize_t n)
{
	if (n == 0) {
		host_recv_eof(lc, c);
	} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
		c->host.readable = false;
	} else if (errno == ECONNRESET) {
		/*
		 * The program closed with unread bytes. Its own bytes can still be read. If the
		 * guest has sent nothing, the unread bytes are only our line "OK".
		 */
		c->host.lost = c->rx_cnt > 0;
		c->host.hup = true;
	} else if (errno == EFAULT) {
		/* An access would have raised SIGBUS: see ring/gmem_guard.h. */
		c->port->fault = 1;
		c->host.readable = false;
	} else if (errno != EINTR) {
		conn_end_host(lc, c, DROP_HOST_ERROR);
	}
}

static unsigned int
recv_stream(struct lcore *lc, struct conn *c, unsigned int max_buffers)
{
	unsigned int done = 0;

	while (done < max_buffers && !conn_turn_is_full(c) && host_recv_possible(c)) {
		uint32_t credit = credit_free(c->guest_buf_alloc, c->tx_cnt, c->guest_fwd_cnt);
		unsigned int want = RTE_MIN(max_buffers - done, c->host.recv_hint);
		struct window w;
		unsigned int used;
		ssize_t n;

		want = RTE_MIN(want, conn_turn_room(c));
		window_open(lc, c, &w, want, RTE_MIN(credit, LIMIT_TURN_LEN));
		if (w.nb_chains == 0)
			break;
		c->port->stats.host_recv_calls++;
		n = readv(c->host.fd, lc->iov, w.nb_iov);
		used = window_close(lc, c, &w, n > 0 ? n : 0, 0);
		if (n <= 0) {
			read_failed(lc, c, n);
			continue;
		}
		done += used;
		/* Full buffers: try more of them with the next read. */
		if ((uint32_t)n == w.len)
			c->host.recv_hint = RTE_MIN(c->host.recv_hint * 4, LIMIT_BURST_NB_TO_GUEST);
		else
			c->host.recv_hint = RTE_MAX(used, 1u);
		if ((uint32_t)n < w.len)
			break; /* the socket is empty: hand over what was read first */
	}
	return done;
}

/* Buffers or credit are short for the whole message, so read it into the pool. */
static void
recv_message_to_pool(struct lcore *lc, struct conn *c, uint32_t len)
{
	struct chunk_queue *q = &c->copy.bytes;
	struct msghdr msg = {.msg_iov = lc->iov};
	ssize_t n;

	msg.msg_iovlen = chunk_reserve(q, lc->chunks, &c->port->pool, len, lc->iov, LCORE_NB_IOV);
	if (msg.msg_iovlen == 0) {
		conn_end_host(lc, c, DROP_POOL_EXHAUSTED);
		return;
	}
	c->port->stats.host_recv_calls++;
	n = recvmsg(c->host.fd, &msg, MSG_DONTWAIT);
	chunk_grown(q, lc->chunks, &c->port->pool, n > 0 ? n : 0);
	if (n <= 0) {
		read_failed(lc, c, n);
		return;
	}
	conn_copy_received(c, n);
	conn_turn_ready(lc, c);
}

static unsigned int
recv_messages(struct lcore *lc, struct conn *c, unsigned int max_buffers)
{
	unsigned int done = 0;

	while (done < max_buffers && !conn_has_data(c) && host_recv_possible(c)) {
		uint32_t credit = credit_free(c->guest_buf_alloc, c->tx_cnt, c->guest_fwd_cnt);
		struct msghdr msg = {.msg_iov = lc->iov};
		struct window w;
		ssize_t n;

		c->port->stats.host_recv_calls++;
		n = host_peek(c->host.fd);
		if (n <= 0) {
			read_failed(lc, c, n);
			continue;
		}
		if ((size_t)n > RTE_MIN(c->guest_buf_alloc, MESSAGE_MAX_LEN)) {
			conn_end_host(lc, c, DROP_MSG_TOO_BIG);
			break;
		}
		window_open(lc, c, &w, RTE_MIN(max_buffers, conn_turn_room(c)),
			RTE_MIN((uint32_t)n, credit));
		if (w.len < (uint32_t)n) {
			window_rewind(c->port, w.nb_chains);
			recv_message_to_pool(lc, c, n);
			break;
		}
		msg.msg_iovlen = w.nb_iov;
		c->port->stats.host_recv_calls++;
		n = recvmsg(c->host.fd, &msg, MSG_DONTWAIT);
		done += window_close(lc, c, &w, n > 0 ? n : 0, WIRE_SEQ_EOM);
		if (n <= 0)
			read_failed(lc, c, n);
	}
	return done;
}

unsigned int
host_recv(struct lcore *lc, struct conn *c, unsigned int max_buffers)
{
	unsigned int done = c->type == WIRE_TYPE_STREAM ? recv_stream(lc, c, max_buffers)
							: recv_messages(lc, c, max_buffers);

	if (c->state == CONN_OPEN && c->host.readable) {
		if (credit_free(c->guest_buf_alloc, c->tx_cnt, c->guest_fwd_cnt) == 0 &&
			!c->credit_asked) {
			c->credit_asked = true;
			c->ctl |= CONN_CTL_CREDIT_REQUEST;
		}
		conn_turn_ask(lc, c);
	}
	return done;
}
