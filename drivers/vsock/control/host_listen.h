/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_HOST_LISTEN_H
#define VSOCK_HOST_LISTEN_H

/**
 * @file
 * Host programs that connect to a guest: listeners at <uds> and <uds>_seqpacket, accept, and the
 * CONNECT line. One thread waits in epoll and does all of it, as nothing of it waits: handing each
 * step to a worker would cost more than the step. What may block (paths) is done by the caller of
 * open and close. A finished handshake goes to the port's lcore as INBOX_HOST_CONNECT.
 */

struct port;
struct host_listener;
struct vsock_switch;

/**
 * Start the thread on the slow path's CPUs (sw->conf). Context: main, while the switch starts.
 * @return 0; -ENOMEM; -errno of epoll, eventfd() or pthread_create(). Nothing is left.
 */
int host_listen_start(struct vsock_switch *sw);

/** Stop the thread. No effect if it does not run. Context: main; no listener is open. */
void host_listen_stop(struct vsock_switch *sw);

/**
 * Open a port's listeners. A stale socket file is replaced, a live one is not.
 * Context: control threads.
 * @return 0; -errno (one line was logged), nothing is left open.
 */
int host_listen_open(struct port *port, struct host_listener **out);

/** Close listeners and unfinished handshakes, remove the socket files. Context: control threads. */
void host_listen_close(struct host_listener *listener);

#endif
