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
	bool spin;           /**< --idle spin */
	uint32_t spin_us;    /**< --spin-us, microseconds */
	bool has_slow_cpus;  /**< --slow-cpus was given */
	cpu_set_t slow_cpus; /**< its value */
};

/**
 * Add --no-pci to the arguments, unless they contain an option that selects devices.
 * Context: main, before EAL is initialised.
 * @param argc number of arguments; updated. @param argv arguments of main(); the result refers to
 * its strings.
 * @return a NULL-terminated array; the caller frees it with free(). NULL: no memory.
 */
char **options_for_eal(int *argc, char **argv);

/**
 * Parse the application options, which follow "--". Context: main.
 * @param argv options from index 1 on. @param opts filled, with defaults for missing options.
 * @return 0; 1 the help text or the version was printed; -EINVAL one line was printed.
 */
int options_parse(int argc, char **argv, struct options *opts);

/** Print the help text of the application; the usage hook of EAL. Context: main. */
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
