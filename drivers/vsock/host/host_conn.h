/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_HOST_CONN_H
#define VSOCK_HOST_CONN_H

/**
 * @file
 * Life of a connection between a guest and a host program: open, events of its socket, half-close,
 * end. Calls that block run on the slow path (lcore/host_job.h, control/host_listen.h).
 * Context of everything: the lcore that owns the port.
 */

#include "data/lcore.h"

/**
 * Handle a guest's REQUEST to the host: the slow path connects to the program's socket.
 * @return DROP_NONE: an answer follows; another reason: the request is refused.
 */
enum drop_reason host_conn_request(struct lcore *lc, struct port *port, const struct wire_hdr *hdr);

/** The guest accepted a host program's connection: tell the program. */
void host_conn_established(struct lcore *lc, struct conn *c);

/** Handle SHUTDOWN of the guest; c->shut_from_guest holds the flags. */
void host_conn_shutdown(struct lcore *lc, struct conn *c);

/**
 * Handle epoll events of the connection's socket.
 * @param events EPOLL* bits
 */
void host_conn_event(struct lcore *lc, struct conn *c, uint32_t events);

/** Handle INBOX_HOST_CONNECTED: the program's socket is connected, or was refused. */
void host_conn_connected(struct lcore *lc, const struct inbox_msg *msg);

/** Handle INBOX_HOST_CONNECT: a host program connects to the guest. */
void host_conn_connect(struct lcore *lc, const struct inbox_msg *msg);

/** Handle INBOX_CREDIT: send a credit update unless the guest has learnt the value meanwhile. */
void host_conn_credit(struct lcore *lc, const struct inbox_msg *msg);

#endif
