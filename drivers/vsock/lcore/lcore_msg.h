/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_LCORE_MSG_H
#define VSOCK_LCORE_MSG_H

/**
 * @file
 * How lcores are reached: the inbox (slow path and control plane) and the rings between lcores.
 */

#include "data/lcore.h"

/** Hand what was staged to the other lcores' rings and wake sleepers. Context: the lcore. */
void lcore_send_staged(struct lcore *lc);

/** Wake an lcore that sleeps, behind an enqueue. Context: any. @return whether it slept. */
bool lcore_wake(struct lcore *lc);

/** Make the lcores known to each other. Context: main, before any runs. */
void lcore_msg_init(struct lcore **lcores);

#endif
