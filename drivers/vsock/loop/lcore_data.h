/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_LCORE_DATA_H
#define VSOCK_LCORE_DATA_H

/**
 * @file
 * Creates and frees what an lcore owns. Context of everything: main, while no loop runs.
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

/** Create the rings between all pairs of lcores. @return 0; -ENOMEM. */
int lcore_data_connect(struct vsock_switch *sw);

/** Free an lcore's data. NULL is allowed. */
void lcore_data_free(struct lcore *lc);

#endif
