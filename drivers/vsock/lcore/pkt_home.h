/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_PKT_HOME_H
#define VSOCK_PKT_HOME_H

/**
 * @file
 * Packet objects and their home, the lcore that owns them. An object that was sent to another lcore
 * comes back with a verdict; then its chain goes back to the guest that sent it.
 * Context of everything: the lcore @p lc.
 */

#include "data/lcore.h"

/** Take one of this lcore's packet objects. @return NULL if none is left. */
struct pkt *pkt_home_get(struct lcore *lc);

/** Add new packet objects to this lcore's. It owns the block, and lcore_data_free() frees it. */
void pkt_home_add(struct lcore *lc, struct pkt_block *block);

/** Give back one of this lcore's packet objects. */
void pkt_home_put(struct lcore *lc, struct pkt *p);

/**
 * Return a packet object to its home, at once or through the ring between the two lcores. The
 * verdict is set.
 */
void pkt_home_send(struct lcore *lc, struct pkt *p);

/**
 * A packet object is home: give its chain back to the guest that sent it, and free the object.
 * The caller has handled the verdict.
 */
void pkt_home_arrive(struct lcore *lc, struct pkt *p);

#endif
