/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_LOG_LIMIT_H
#define VSOCK_LOG_LIMIT_H

/**
 * @file
 * A bound on the lines of one place in the code, so that a guest or a host program cannot fill the
 * log. Place it in front of each line that a guest or a host program can cause at any rate.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/** State of one place. All zero at first. */
struct log_limit {
	_Atomic uint64_t since_ms; /**< begin of the period; 0: none yet */
	_Atomic uint32_t nb_lines; /**< in this period, the refused ones included */
};

/**
 * Ask for a line. LIMIT_LOG_NB_LINES lines are allowed in LIMIT_LOG_PERIOD_MS. When a new period
 * begins, the lines that were left out in the last one are reported in a line of their own.
 * Context: any thread that may log. @return true if the line may be logged.
 */
bool log_limit_take(struct log_limit *limit);

/** As above, with @p nb_lines lines in the period. */
bool log_limit_take_of(struct log_limit *limit, uint32_t nb_lines);

#endif
