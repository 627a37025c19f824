/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_CONN_SOCK_H
#define VSOCK_CONN_SOCK_H

/**
 * @file
 * The socket of a connection to a host program, as the lcore's epoll instance and the slow path
 * know it. Context of everything: the lcore that owns the connection.
 */

#include "data/lcore.h"

/**
 * Add the socket to the lcore's epoll instance, edge-triggered, for EPOLLIN and EPOLLRDHUP.
 * @return 0; -errno of epoll_ctl().
 */
int conn_sock_watch(struct lcore *lc, struct conn *c);

/** Wait for EPOLLOUT, or stop waiting for it. */
void conn_sock_want_writable(struct lcore *lc, struct conn *c, bool want);

/**
 * Close the socket on the slow path and drop the backlog. The connection has no socket afterwards.
 * No effect if it has none.
 */
void conn_sock_close(struct lcore *lc, struct conn *c);

#endif
