/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PG_LIVE_H
#define PG_LIVE_H

/**
 * @file
 * One line per second: on a terminal, and in the CSV file.
 *
 * Context: the thread of the run.
 */

#include <stdint.h>

#include "pg_conf.h"
#include "pg_hist.h"
#include "pg_result.h"

/** One line per second on a terminal and in the CSV file. */
struct pg_live;

/**
 * Opens the CSV file, if one is asked for, and writes its heading.
 *
 * @return 0, or -errno, said on stderr
 */
int pg_live_open(const struct pg_conf *conf, struct pg_live **out);

/** Tells what happened since the last line. @p now_s since the start of the run */
void pg_live_line(struct pg_live *live, double now_s, const char *phase,
	const struct pg_counts *counts, const struct pg_hist *hist, uint32_t nb_open);

/** Ends the line and closes the file. */
void pg_live_close(struct pg_live *live);

#endif /* PG_LIVE_H */
