/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_CONN_TURN_H
#define VSOCK_CONN_TURN_H

/**
 * @file
 * Turns of the connections of a port. A connection with packets for the guest waits for its turn in
 * the list of its peer: another guest, or all host programs. The peers have turns in the list of
 * the port, so that one with many connections does not hold up the others. switch/to_guest.c serves
 * the lists.
 * Context of everything: the lcore that owns the port.
 */

#include "data/lcore.h"
#include "wire/credit.h"

/** Put the connection, and its port, on the ready lists. */
void conn_turn_ready(struct lcore *lc, struct conn *c);

/** @return the connection whose turn is next; NULL: none waits. */
static inline struct conn *
conn_turn_next(const struct port *port)
{
	const struct pair *pair = TAILQ_FIRST(&port->ready);

	return pair != NULL ? TAILQ_FIRST(&pair->ready) : NULL;
}

/** @return true if another connection than @p c waits. */
static inline bool
conn_turn_others_wait(const struct port *port, const struct conn *c)
{
	const struct pair *pair = TAILQ_FIRST(&port->ready);

	return pair != NULL &&
		(TAILQ_NEXT(pair, ready_entry) != NULL || TAILQ_FIRST(&pair->ready) != c ||
			TAILQ_NEXT(c, ready_entry) != NULL);
}

/** The turn of conn_turn_next() begins: it leaves the lists, and its peer goes to the end. */
void conn_turn_begin(struct conn *c);

/** Wait for a turn behind the others. The connection is in no list. */
void conn_turn_wait(struct conn *c);

/** Wait for the next turn of the port. The connection is in no list. */
void conn_turn_wait_first(struct conn *c);

/** Leave the lists. */
void conn_turn_drop(struct conn *c);

/**
 * Send CREDIT_REQUEST to the guest if the window of packets is full or nearly full, or if the
 * other guest may wait for a report. Start the timer that repeats the request.
 */
void conn_turn_ask(struct lcore *lc, struct conn *c);

/**
 * A guest program can only read a message that is complete, so that the window does not hold back
 * the rest of one.
 * @return packets with payload that the connection may send now; see wire/pkt_window.h.
 */
static inline uint32_t
conn_turn_room(const struct conn *c)
{
	return c->mid_message ? UINT32_MAX : pkt_window_room(&c->window, c->guest_buf_alloc);
}

/**
 * Check whether the other guest may wait for a report of this guest. Linux keeps no more in flight
 * than its own receive buffer. The receiver does not know of that limit, and reports only when its
 * own buffer fills up. So it has to be asked.
 * @return true if the bytes in flight use half of the sender's own buffer, and that is smaller.
 */
static inline bool
conn_turn_sender_waits(const struct conn *c)
{
	return !c->is_host && c->buf_alloc < c->guest_buf_alloc &&
		(uint32_t)c->sent_cnt - c->guest_fwd_cnt > c->buf_alloc / 2;
}

/** @return true if the guest has to be asked for its credit: nothing goes on without a report. */
static inline bool
conn_turn_needs_report(const struct conn *c)
{
	return conn_turn_room(c) == 0 || conn_turn_sender_waits(c);
}

/**
 * @return true if the guest has no room for more data of the connection. What another guest has
 * sent was accepted, so that only room for packets is needed.
 */
static inline bool
conn_turn_is_blocked(const struct conn *c)
{
	return conn_turn_room(c) == 0 ||
		(c->is_host && credit_free(c->guest_buf_alloc, c->tx_cnt, c->guest_fwd_cnt) == 0);
}

/** @return true if the connection has sent LIMIT_TURN_LEN bytes in its turn. */
static inline bool
conn_turn_is_full(const struct conn *c)
{
	return (uint32_t)c->sent_cnt - c->turn_cnt >= LIMIT_TURN_LEN;
}

#endif
