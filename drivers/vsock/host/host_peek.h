/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_HOST_PEEK_H
#define VSOCK_HOST_PEEK_H

/** @file The next message of a host program's seqpacket socket. Builds without EAL. */

#include <sys/types.h>

/**
 * Read the length of the next message. The message stays in the socket. Never blocks.
 * Context: any thread that owns the socket.
 * @return bytes; 0 at end of file, or for an empty message, which looks the same; -1 with errno of
 * recv().
 */
ssize_t host_peek(int fd);

#endif
