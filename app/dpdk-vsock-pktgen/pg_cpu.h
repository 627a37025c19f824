/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PG_CPU_H
#define PG_CPU_H

/**
 * @file
 * CPU time of another process, as a whole and by thread, from /proc; and the CPU of a thread.
 *
 * Context: any thread.
 */

#include <stdint.h>
#include <sys/types.h>

#define PG_CPU_MAX_THREADS 64u

struct pg_cpu_thread {
	pid_t tid;
	char name[16];
	uint64_t run_ns;
};

struct pg_cpu {
	uint64_t run_ns; /**< All threads, ended ones included; in clock ticks, mostly 10 ms. */
	unsigned int nb_threads;
	struct pg_cpu_thread threads[PG_CPU_MAX_THREADS]; /**< The first ones, by thread id. */
};

/**
 * Reads the CPU times of @p pid. Threads come from schedstat, in nanoseconds, where the kernel has
 * it, otherwise from stat in clock ticks.
 *
 * @return 0, or -ESRCH when there is no such process
 */
int pg_cpu_read(pid_t pid, struct pg_cpu *cpu);

/**
 * Pins the calling thread to one CPU.
 *
 * @param cpu -1: leaves the thread as it is
 * @return 0 or -errno
 */
int pg_cpu_pin(int cpu);

/** @return a thread's CPU time since the reading @p before; all of it when it is new */
uint64_t pg_cpu_thread_ns(const struct pg_cpu *before, const struct pg_cpu_thread *after);

#endif /* PG_CPU_H */
