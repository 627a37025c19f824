/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PG_OPTIONS_H
#define PG_OPTIONS_H

/**
 * @file
 * The command line.
 *
 * Context: main thread, at start.
 */

#include <stdbool.h>

#include "pg_conf.h"

/**
 * Reads the command line. An error is told in one line on stderr. --help and --version print their
 * text and set @p done.
 *
 * @return 0 or -EINVAL
 */
int pg_options_parse(struct pg_conf *conf, int argc, char **argv, bool *done);

/** Frees what the options hold. */
void pg_options_free(struct pg_conf *conf);

#endif /* PG_OPTIONS_H */
