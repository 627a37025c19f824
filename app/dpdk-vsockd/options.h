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

struct options {
	bool spin;
	uint32_t spin_us;
	bool has_slow_cpus;
	cpu_set_t slow_cpus;
};

/**
 * EAL's arguments with --no-pci added, unless the user says which devices to scan.
 * @return a NULL-terminated array, malloc()ed; @p argc is updated. NULL: no memory.
 */
char **options_for_eal(int *argc, char **argv);

/**
 * Parse what stands behind EAL's "--".
 * @return 0; 1 when help or the version was asked for and printed; -EINVAL (one line was printed).
 */
int options_parse(int argc, char **argv, struct options *opts);

/** Print our part of the help; EAL's usage hook. */
void options_usage(const char *program);

/**
 * The CPUs of the slow path: those of --slow-cpus, else @p allowed less the polled ones, else the
 * main lcore's, which adaptive lcores can share.
 * @return 0; -EINVAL (one line was printed).
 */
int options_slow_cpus(const struct options *opts, const cpu_set_t *allowed, cpu_set_t *out);

#endif
