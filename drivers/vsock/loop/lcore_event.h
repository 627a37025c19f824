/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_LCORE_EVENT_H
#define VSOCK_LCORE_EVENT_H

/**
 * @file
 * Events that epoll reports to an lcore: sockets of host programs, kicks of ports that sleep, and
 * the eventfd that wakes the lcore. Context of everything here: the lcore.
 */

#include "data/lcore.h"

/** @return true if lcore_events() is due. @param busy packets handled in this iteration. */
bool lcore_events_due(const struct lcore *lc, unsigned int busy);

/** Call epoll_wait() and handle its events. @param timeout_ms 0 or -1 (sleep). @return events. */
unsigned int lcore_events(struct lcore *lc, int timeout_ms);

#endif
