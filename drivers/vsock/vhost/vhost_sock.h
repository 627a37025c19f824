/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_VHOST_SOCK_H
#define VSOCK_VHOST_SOCK_H

/**
 * @file
 * Work on sockets that librte_vhost does not do: timeouts and a check of fds.
 */

#include <stdbool.h>

/**
 * Limit the time of one message of a front end: set SO_RCVTIMEO and SO_SNDTIMEO on the connected
 * sockets of @p path. The library does not give the fd of a connection, so search all fds of the
 * process.
 * Context: control threads.
 * @param client true: the path is the peer's (getpeername()); false: ours (getsockname()).
 * @param timeout_ms milliseconds.
 * @return number of sockets found.
 */
unsigned int vhost_sock_set_timeouts(const char *path, bool client, unsigned int timeout_ms);

/** @return true if @p fd is an eventfd. Another file could block an lcore. Context: control. */
bool vhost_sock_is_eventfd(int fd);

#endif
