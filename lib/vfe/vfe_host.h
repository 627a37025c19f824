/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFE_HOST_H
#define VFE_HOST_H

/**
 * @file
 * The host program's end of a vsock connection: the Unix sockets beside a guest. A program reaches
 * the guest's port P through `<base>` (`<base>_seqpacket`) with "CONNECT P\n", and is reached by
 * the guest on `<base>_<P>`.
 *
 * Context: any thread; nothing blocks. Descriptors are non-blocking and closed by their owner.
 */

#include <stdint.h>

#include "vfe_wire.h"

/**
 * Listens for the guest's connections to host port @p port; a socket file in the way is replaced.
 *
 * @return the listening descriptor, -ENAMETOOLONG, or what socket(), bind() or listen() say
 */
int vfe_host_listen(const char *base, uint32_t port, enum vfe_type type);

/** Removes the socket file of vfe_host_listen(). */
void vfe_host_unlink(const char *base, uint32_t port);

/** Takes a connection. @return its descriptor, -EAGAIN when there is none, or -errno */
int vfe_host_accept(int listen_fd);

/**
 * Asks for a connection to the guest's port @p port.
 *
 * @return a descriptor on which vfe_host_connect_finish() tells the rest, -EAGAIN when the backlog
 *         is full, or what socket(), connect() or send() say
 */
int vfe_host_connect(const char *base, uint32_t port, enum vfe_type type);

/**
 * Looks for the answer; data behind it is left alone.
 *
 * @param host_port the port that the connection has on the host
 * @return 0, -EAGAIN when it has not come, -ECONNREFUSED when the socket was closed instead,
 *         -EPROTO for an answer that is none
 */
int vfe_host_connect_finish(int fd, uint32_t *host_port);

#endif /* VFE_HOST_H */
