/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_HOST_LISTEN_H
#define VSOCK_HOST_LISTEN_H

/**
 * @file
 * Listeners for host programs that connect to a guest: <uds> and <uds>_seqpacket. One thread waits
 * in epoll_wait() and handles all events, because none of the steps can block, and a worker wake-up
 * would cost more than a step. Calls that may block (paths) run in the thread that opens or closes
 * a listener. A complete CONNECT line is sent to the port's lcore as INBOX_HOST_CONNECT.
 */

#include <stdint.h>

struct port;
struct host_listener;
struct vsock_switch;

/**
 * Start the thread on the slow path's CPUs (sw->conf). Context: main, while the switch starts.
 * @return 0; -ENOMEM; -errno of epoll, eventfd() or pthread_create(): nothing was started.
 */
int host_listen_start(struct vsock_switch *sw);

/** Stop the thread. No-op if it was not started. Context: main; all listeners are closed. */
void host_listen_stop(struct vsock_switch *sw);

/** @return how often the thread has handled events, modulo 2^32. Context: any; the switch runs. */
uint32_t host_listen_turns(const struct vsock_switch *sw);

/** Wake the thread, so that host_listen_turns() changes. Context: any; the switch runs. */
void host_listen_poke(struct vsock_switch *sw);

/**
 * Open the listeners of a port. Replaces a socket file without a listener.
 * Context: control threads; may block.
 * @param port must live until host_listen_close(). Its settings have uds.
 * @param out set to the listeners; the caller closes them with host_listen_close().
 * @return 0; -ENOMEM; -errno: one line was logged and nothing is left open.
 */
int host_listen_open(struct port *port, struct host_listener **out);

/**
 * Close the listeners and the connections without a complete CONNECT line, and remove the socket
 * files. Context: control threads; may block. @param listener freed; NULL: no-op.
 */
void host_listen_close(struct host_listener *listener);

#endif
