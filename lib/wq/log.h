/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_LOG_H
#define WQ_LOG_H

#include "wq.h"

/**
 * Pass a line to wq_config::log, or print it to stderr.
 *
 * Context: any thread but polling lcores, preferably without a lock.
 * @param fmt printf() format without a line end; the line is cut to 255 bytes.
 */
void wq_log(enum wq_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
