/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_VHOST_SOCK_H
#define VSOCK_VHOST_SOCK_H

/**
 * @file
 * What librte_vhost leaves to others about its sockets: the file it binds to, and time-outs.
 */

#include <stdbool.h>

/**
 * Bound the time that one message of a front end may take: sets SO_RCVTIMEO and SO_SNDTIMEO on
 * this process's connected sockets of @p path. The library does not tell which fd a connection
 * has, so the fds are searched.
 * Context: control threads.
 * @param client the path is the other side's (getpeername()) instead of ours (getsockname()).
 * @return sockets that were found.
 */
unsigned int vhost_sock_set_timeouts(const char *path, bool client, unsigned int timeout_ms);

/** Whether @p fd is an eventfd; anything else could block a lcore. Context: control threads. */
bool vhost_sock_is_eventfd(int fd);

#endif
