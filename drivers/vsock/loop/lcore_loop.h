/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_LCORE_LOOP_H
#define VSOCK_LCORE_LOOP_H

/**
 * @file
 * The poll loop of an lcore. One iteration reads the inbox, the rings from other lcores, the TX
 * rings of the guests and, when it is time, epoll. Then it fills RX buffers, notifies drivers and
 * hands packets to other lcores.
 */

#include "data/lcore.h"

/**
 * Run the loop until lcore_loop_quit().
 * Context: the lcore, by rte_eal_remote_launch().
 * @param lcore struct lcore. @return 0.
 */
int lcore_loop_main(void *lcore);

/** Make the loop end after its current iteration. Context: main; waits for the lcore. */
void lcore_loop_quit(struct lcore *lc);

/** Wait until the loop has ended. Context: main. */
void lcore_loop_wait(struct lcore *lc);

#endif
