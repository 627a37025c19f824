/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_TICK_H
#define VSOCK_TICK_H

/**
 * @file
 * Ticks of an lcore: INBOX_TICK messages that the slow path sends on request, so that the lcore
 * looks at the timers of its connections. There is a slow tick (LIMIT_TICK_US) and a quick one
 * (LIMIT_TICK_SOON_US).
 */

#include <stdbool.h>

struct lcore;

/** Create the ticks of an lcore. Context: main, before the lcore runs. @return 0; -ENOMEM. */
int tick_create(struct lcore *lc);

/** Free the ticks of an lcore. No effect without any. Context: main, after tick_stop(). */
void tick_free(struct lcore *lc);

/** Cancel requested ticks. Context: main; the lcore has stopped, the workqueue exists. */
void tick_stop(struct lcore *lc);

/** Request one INBOX_TICK. Wait-free. @param soon the quick one. Context: the lcore. */
void tick_ask(struct lcore *lc, bool soon);

#endif
