/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCKD_OPTIONS_H
#define VSOCKD_OPTIONS_H

/**
 * @file
 * The command line: dpdk-vsockd EAL-OPTIONS -- APP-OPTIONS.
 */

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

/** Parsed application options. */
struct options {
	int eal_argc;        /**< arguments in front of "--", the program's name included */
	bool spin;           /**< --idle spin */
	uint32_t spin_us;    /**< --spin-us, microseconds */
	bool has_slow_cpus;  /**< --slow-cpus was given */
	cpu_set_t slow_cpus; /**< its value */
};

/** What the command line asks for. */
enum options_query {
	OPTIONS_RUN,      /**< run the daemon */
	OPTIONS_HELP,     /**< print options_usage() */
	OPTIONS_HELP_EAL, /**< let EAL print its usage */
	OPTIONS_VERSION,  /**< print the version */
};

/** @return what the command line asks for. Context: main, before EAL is initialised. */
enum options_query options_query(int argc, char *const *argv);

/**
 * Parse the application options, which follow "--". Context: main; EAL is not needed.
 * @param argv arguments of main(). @param opts filled, with defaults for missing options.
 * @return 0; -EINVAL one line was printed.
 */
int options_parse(int argc, char **argv, struct options *opts);

/** Print the help text. Context: main. @param program its name in the examples. */
void options_usage(const char *program);

/**
 * Select the CPUs of the slow path. These are the CPUs of --slow-cpus. Without that option they are
 * the CPUs of the process that no lcore polls. If all poll, use the CPU of the main lcore, which
 * adaptive lcores can share. Prints a warning if the slow path shares CPUs with poll lcores.
 * Context: main, after EAL was initialised.
 * @param allowed CPUs of the process. @param out filled.
 * @return 0; -EINVAL there is no such CPU: one line was printed.
 */
int options_slow_cpus(const struct options *opts, const cpu_set_t *allowed, cpu_set_t *out);

#endif
