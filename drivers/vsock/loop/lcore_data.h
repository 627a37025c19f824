/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_LCORE_DATA_H
#define VSOCK_LCORE_DATA_H

/**
 * @file
 * Creates and frees what an lcore owns. Context, unless a function states another: main, while no
 * loop runs.
 */

#include "data/lcore.h"

/**
 * Create the data of one lcore: packet objects, inbox, table of CIDs, epoll instance, jobs of the
 * slow path. It becomes sw->lcores[index].
 * @param index    among the poll lcores, less than sw->nb_lcores
 * @param lcore_id EAL's id
 * @return 0; -ENOMEM; -errno of eventfd() or epoll_create1().
 */
int lcore_data_create(struct vsock_switch *sw, unsigned int index, unsigned int lcore_id);

/**
 * Allocate the packet objects that @p nb_ports ports of the lcore need beyond those it has.
 * Context: control; one call at a time. @param out a block for pkt_home_add(); NULL: enough are
 * there. @return 0; -ENOMEM.
 */
int lcore_data_make_pkts(struct lcore *lc, unsigned int nb_ports, struct pkt_block **out);

/** Create the rings between all pairs of lcores. @return 0; -ENOMEM. */
int lcore_data_connect(struct vsock_switch *sw);

/** Free an lcore's data. NULL is allowed. */
void lcore_data_free(struct lcore *lc);

#endif
