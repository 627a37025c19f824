/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_THREAD_H
#define WQ_THREAD_H

#include <pthread.h>
#include <sched.h>

/**
 * Start a thread of the library. All signals are blocked in it, so that the program's own threads
 * handle them.
 *
 * Context: slow path, without P.
 * @param thread filled in; the caller joins it.
 * @param cpus the CPUs on which it may run.
 * @return 0; -EAGAIN or another errno of pthread_create().
 */
int wq_thread_start(pthread_t *thread, const cpu_set_t *cpus, void *(*fn)(void *), void *arg);

#endif
