/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_CONN_END_H
#define VSOCK_CONN_END_H

/**
 * @file
 * How a connection ends. Two ends may have to learn of it: this guest, and the other side (a host
 * program or another guest's end). Context of everything: the owning lcore.
 */

#include "data/lcore.h"

/**
 * Reset towards this guest: what waits for it is delivered, then RST; afterwards the entry is free.
 * A REQUEST that the guest has not seen is taken back silently.
 */
void conn_end_guest(struct lcore *lc, struct conn *c);

/** As above, and what waits for the guest is thrown away. */
void conn_end_guest_now(struct lcore *lc, struct conn *c);

/**
 * Reset the other side: a host program's socket is closed, another guest's end is told.
 * The caller has checked that a packet object is left (guest peers).
 */
void conn_end_peer(struct lcore *lc, struct conn *c);

/** Forget the connection: nobody is told. The host socket, if any, is closed. */
void conn_end_free(struct lcore *lc, struct conn *c);

/** Reset both sides for a reason, which is counted. */
void conn_end_both(struct lcore *lc, struct conn *c, enum drop_reason reason);

/** Whether ending the other side needs a packet object and none is left. */
bool conn_end_must_wait(const struct lcore *lc, const struct conn *c);

#endif
