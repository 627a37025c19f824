/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_DEADLINE_H
#define VSOCK_DEADLINE_H

/**
 * @file
 * Time-outs of connections. Each kind has one length, so that a list in order of arrival is one in
 * order of deadline. The slow path keeps the time: it ticks only while a deadline is set.
 */

#include "data/lcore.h"

/** A tick (of the quick kind: @p soon): see to connections whose time is up. Context: the lcore. */
void deadline_check(struct lcore *lc, bool soon);

#endif
