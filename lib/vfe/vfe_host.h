/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFE_HOST_H
#define VFE_HOST_H

/**
 * @file
 * The host program's end of a vsock connection: the Unix sockets of a guest. A program reaches the
 * guest's port P through `<base>` (`<base>_seqpacket`) with "CONNECT P\n". The guest reaches a
 * program on `<base>_<P>`.
 *
 * Context: any thread; nothing blocks. Descriptors are non-blocking and closed by their owner.
 */

#include <stdint.h>

#include "vfe_wire.h"

/**
 * Listens for the guest's connections to host port @p port. An existing socket file is replaced.
 *
 * @return the listening descriptor, -ENAMETOOLONG, or -errno of socket(), bind() or listen()
 */
int vfe_host_listen(const char *base, uint32_t port, enum vfe_type type);

/** Removes the socket file of vfe_host_listen(). */
void vfe_host_unlink(const char *base, uint32_t port);

/** Takes a connection. @return its descriptor, -EAGAIN when there is none, or -errno */
int vfe_host_accept(int listen_fd);

/**
 * Asks for a connection to the guest's port @p port.
 *
 * @return a descriptor for vfe_host_connect_finish(), -EAGAIN when the backlog is full, or -errno
 *         of socket(), connect() or send()
 */
int vfe_host_connect(const char *base, uint32_t port, enum vfe_type type);

/**
 * Reads the answer, and no data behind it.
 *
 * @param host_port gets the port that the connection has on the host
 * @return 0, -EAGAIN when there is no answer yet, -ECONNREFUSED when the socket was closed instead,
 *         -EPROTO for a malformed answer
 */
int vfe_host_connect_finish(int fd, uint32_t *host_port);

#endif /* VFE_HOST_H */
