/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCKD_EAL_ARGS_H
#define VSOCKD_EAL_ARGS_H

/**
 * @file
 * The arguments of EAL: those of the command line, and defaults for what the user left out, so that
 * the daemon starts with nothing but --vdev:
 *
 * - lcores: the first two CPUs of the process; if -l names CPUs that the process may not use, the
 *   lcores share those that it may use;
 * - memory: huge pages if there are enough free ones, otherwise none;
 * - file prefix: vsockd, or vsockd-PID if another process uses that;
 * - no PCI devices.
 */

#include <sched.h>
#include <stdbool.h>

/** Arguments of rte_eal_init(). */
struct eal_args {
	int argc;
	char **argv;     /**< NULL-terminated; EAL changes the order */
	char **strings;  /**< the same in the first order; owns the strings */
	char prefix[64]; /**< file prefix */
};

/**
 * Make the arguments. Prints one line for each default that a user has to know.
 * Context: main, before EAL is initialised.
 * @param argc, argv the part of the command line in front of "--", the program's name included.
 * @param spin an lcore must not share a CPU.
 * @param allowed CPUs of the process.
 * @param out filled; the caller frees it with eal_args_free(), also after an error.
 * @return 0; -ENOMEM; -EINVAL a CPU of -l is missing; -EBUSY the file prefix is in use; one line
 *   was printed.
 */
int eal_args_make(
	int argc, char *const *argv, bool spin, const cpu_set_t *allowed, struct eal_args *out);

/**
 * Let the group search the folder of EAL's files, if the umask lets it use new sockets. EAL makes
 * the folder for its user alone, so that the group could not reach telemetry.
 * Context: main, after rte_eal_init().
 */
void eal_args_share_runtime(void);

/** Free the arguments. Context: main, after rte_eal_cleanup(), because EAL refers to them. */
void eal_args_free(struct eal_args *args);

#endif
