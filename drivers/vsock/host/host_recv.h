/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_HOST_RECV_H
#define VSOCK_HOST_RECV_H

/**
 * @file
 * From a host program to the guest: readv() straight into RX buffers.
 * Context of everything: the lcore that owns the port.
 */

#include "data/lcore.h"

/**
 * Read from the socket into RX buffers. Afterwards c->host.readable tells whether the socket may
 * hold more, and port->starved whether the guest had no more buffers.
 * @param max_buffers RX buffers to fill at most
 * @return packets written.
 */
unsigned int host_recv(struct lcore *lc, struct conn *c, unsigned int max_buffers);

/** @return true if host_recv() could read now, given an RX buffer. */
bool host_recv_possible(const struct conn *c);

/** The program has sent its last byte and all of it was read: shut down, behind the data. */
void host_recv_eof(struct lcore *lc, struct conn *c);

#endif
