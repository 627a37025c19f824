/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_LCORE_DATA_H
#define VSOCK_LCORE_DATA_H

/**
 * @file
 * Creates and frees what an lcore owns. Context of everything: main, while no loop runs.
 */

#include "data/lcore.h"

/**
 * Create an lcore's data: packet objects, inbox, table of CIDs, epoll instance, slow jobs.
 * @param index     among the poll lcores
 * @param lcore_id  EAL's
 * @param nb_lcores poll lcores of the switch
 * @return 0; -ENOMEM; -errno of eventfd() or epoll_create1().
 */
int lcore_data_create(unsigned int index, unsigned int lcore_id, unsigned int nb_lcores,
	struct rte_mempool *chunks, uint32_t nb_chunks, struct lcore **out);

/** Create the rings between all pairs of lcores. @return 0; -ENOMEM. */
int lcore_data_connect(struct lcore **lcores, unsigned int nb);

/** Free an lcore's data. NULL is allowed. */
void lcore_data_free(struct lcore *lc);

#endif
