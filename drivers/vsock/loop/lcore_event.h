/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_LCORE_EVENT_H
#define VSOCK_LCORE_EVENT_H

/**
 * @file
 * What an lcore does not poll but is told by epoll: sockets of host programs, kicks of ports that
 * sleep, its own eventfd. Context of everything here: the lcore.
 */

#include "data/lcore.h"

/** Whether it is time to look. @param busy work that this turn has found so far. */
bool lcore_events_due(const struct lcore *lc, unsigned int busy);

/** Look. @param timeout_ms 0: do not wait; -1: sleep. @return events. */
unsigned int lcore_events(struct lcore *lc, int timeout_ms);

#endif
