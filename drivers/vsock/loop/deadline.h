/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_DEADLINE_H
#define VSOCK_DEADLINE_H

/**
 * @file
 * Expiry of the timers of connections; lcore/conn_timer.h starts them. The slow path sends ticks
 * only while a timer runs.
 */

#include "data/lcore.h"

/** Handle the connections whose timers have expired. Context: the lcore. @param soon quick tick. */
void deadline_check(struct lcore *lc, bool soon);

#endif
