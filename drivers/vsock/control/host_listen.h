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

#include <sched.h>

struct port;
struct host_listener;

/** Start the thread on @p cpus. Context: main, after slow_start(). @return 0; -errno. */
int host_listen_init(const cpu_set_t *cpus);

/** Stop it; no listener is open. Context: main. */
void host_listen_exit(void);

/**
 * Open a port's listeners. A stale socket file is replaced, a live one is not.
 * Context: control threads.
 * @return 0; -errno (one line was logged), nothing is left open.
 */
int host_listen_open(struct port *port, struct host_listener **out);

/** Close listeners and unfinished handshakes, remove the socket files. Context: control threads. */
void host_listen_close(struct host_listener *listener);

#endif
