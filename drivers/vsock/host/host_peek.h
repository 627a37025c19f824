/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_HOST_PEEK_H
#define VSOCK_HOST_PEEK_H

/** @file The next message of a host program's seqpacket socket. Builds without EAL. */

#include <sys/types.h>

/**
 * Look at the next message without taking it, and without waiting.
 * Context: any thread that owns the socket.
 * @return its length, bytes; 0 at the end of what the program sends (and for a message without
 * bytes, which looks the same); -1 with errno of recv().
 */
ssize_t host_peek(int fd);

#endif
