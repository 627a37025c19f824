/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_HOST_H
#define VSOCK_HOST_H

/**
 * @file
 * The host side on the owning lcore: host_send.c (from guest to socket), host_recv.c (from socket
 * to guest), host_conn.c (life of a host connection: open, events, half-close, end). What blocks
 * is in slow.c and host_listen.c, on the slow path. Context of everything: the owning lcore.
 */

#include "data/lcore.h"

struct vq_chain;

/* ---- host_conn.c ---- */

/** A guest's REQUEST to the host. @return DROP_NONE (an answer follows) or a reason to refuse. */
enum drop_reason host_request(struct lcore *lc, struct port *port, const struct wire_hdr *hdr);

/** The guest accepted a host program's connection. */
void host_established(struct lcore *lc, struct conn *c);

/** SHUTDOWN from the guest; c->shut_from_guest holds the flags. */
void host_shutdown(struct lcore *lc, struct conn *c);

/** The guest is done with a connection whose backlog is still being delivered. */
void host_detach(struct lcore *lc, struct conn *c);

/** epoll reported events for the connection. */
void host_event(struct lcore *lc, struct conn *c, uint32_t events);

/** INBOX_HOST_CONNECTED, INBOX_HOST_CONNECT, INBOX_CREDIT. */
void host_connected(struct lcore *lc, const struct inbox_msg *msg);
void host_connect(struct lcore *lc, const struct inbox_msg *msg);
void host_credit(struct lcore *lc, const struct inbox_msg *msg);

/** The backlog has become empty: do what waited for it. */
void host_backlog_empty(struct lcore *lc, struct conn *c);

/** Close the socket by way of the slow path. The connection has none afterwards. */
void host_close(struct lcore *lc, struct conn *c);

/** The program has sent its last byte and all of it was read; say so behind the data. */
void host_eof(struct lcore *lc, struct conn *c);

/** Ask for, or stop asking for, EPOLLOUT. */
void host_want_writable(struct lcore *lc, struct conn *c, bool want);

/* ---- host_send.c ---- */

/** Add a packet to the connection's part of the burst; its segments live until the burst ends. */
void host_send_add(
	struct lcore *lc, struct conn *c, const struct wire_hdr *hdr, const struct vq_chain *chain);

/** Hand the burst's packets of the connection to its socket; chains go back by the caller. */
void host_send_burst(struct lcore *lc, struct conn *c);

/** Write backlog; EPOLLOUT was seen. */
void host_send_backlog(struct lcore *lc, struct conn *c);

/** @p step_len bytes went to the host program at once: tell the guest when it is time. */
void host_credit_check(struct lcore *lc, struct conn *c, uint32_t step_len);

/* ---- host_recv.c ---- */

/** Read from the socket into RX buffers. @return packets written; c->host.readable tells whether
 * there may be more, port->starved whether buffers ran out. */
unsigned int host_recv(struct lcore *lc, struct conn *c, unsigned int max_buffers);

/** Whether host_recv() could do something now, buffers aside. */
bool host_recv_possible(const struct conn *c);

#endif
