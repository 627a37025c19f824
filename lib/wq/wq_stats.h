/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_STATS_H
#define WQ_STATS_H

/**
 * @file
 * Statistics of lib/wq: snapshots of workqueues, pools and workers, taken one at a time while works
 * run. Each snapshot of a pool or worker is consistent in itself; sums over several need not be.
 *
 * Counters start at 0 with the workqueue or pool and never decrease.
 */

#include <stdint.h>
#include <stdio.h>

#include "wq.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One workqueue. */
struct wq_stats_wq {
	char name[WQ_NAME_LEN];
	unsigned flags;     /**< Flags of wq_alloc(). */
	int max_active;     /**< Per CPU or pod. */
	unsigned nb_pwqs;   /**< CPUs or pods it spans. */
	uint64_t in_flight; /**< Works that wait or run now, without those in an inbox. */
	uint64_t active;    /**< Works in flight that max_active does not hold back. */
	uint64_t delayed;   /**< Works in the timer. */
	uint64_t started;   /**< Executions begun. */
	uint64_t completed; /**< Executions ended. */
	uint64_t cpu_ns;    /**< CPU time: sampled for short works, measured for long ones. */
	uint64_t cpu_hogs;  /**< Executions found to burn CPU. */
	uint64_t blocked;   /**< Executions found to block unannounced. */
	uint64_t woken;     /**< Times a work blocked while others waited behind it. */
	uint64_t mayday;    /**< Calls for the rescuer. */
	uint64_t rescued;   /**< Works executed by the rescuer. */
};

/** One pool. */
struct wq_stats_pool {
	uint32_t id;
	int cpu;           /**< -1 for unbound pools. */
	int pod;           /**< Pod of an unbound pool; else -1. */
	const char *scope; /**< "cpu", "cache", "numa" or "system"; "bound" for pools of a CPU. */
	bool highpri;
	bool associated; /**< false: its CPU has left the CPU set. */
	bool managing;   /**< A thread creates a worker now. */
	int running;     /**< Workers that count as running. */
	uint32_t workers;
	uint32_t idle;
	uint32_t waiting; /**< Works in the worklist, without those held back or in the inbox. */
	uint64_t started; /**< Executions begun. */
	uint64_t created; /**< Workers created. */
	uint64_t create_failed;
	uint64_t reaped; /**< Spare workers stopped. */
	uint64_t stalls; /**< Times that no waiting work was started for watchdog_ms. */
	bool stalled;    /**< No waiting work has been started for watchdog_ms. */
	cpu_set_t cpus;  /**< CPUs of its workers. */
};

/** States of a worker. */
enum wq_worker_state {
	WQ_WORKER_IDLE,
	WQ_WORKER_RUNNING,       /**< Runs a work, and counts as running. */
	WQ_WORKER_BLOCKED,       /**< Has announced that it blocks. */
	WQ_WORKER_SEEN_BLOCKED,  /**< The monitor found it blocked. */
	WQ_WORKER_CPU_INTENSIVE, /**< Runs a work that may burn CPU. */
	WQ_WORKER_UNMANAGED,     /**< Runs a work of a pool without concurrency management. */
	WQ_WORKER_LOOKING,       /**< Between works. */
};

/** One worker, or the rescuer of a workqueue (pool_id 0 while it is idle). */
struct wq_stats_worker {
	char name[16]; /**< Name of its thread. */
	uint32_t pool_id;
	uint32_t id;
	int tid;
	bool rescuer;
	enum wq_worker_state state;
	uint64_t works;       /**< Executions begun. */
	uint64_t idle_ns;     /**< Time for which it has been idle; 0 if it is not. */
	char wq[WQ_NAME_LEN]; /**< Workqueue of the work it runs; empty: none. */
	uintptr_t func;       /**< Function of the work it runs; 0: none. */
};

/** Name of a state, for output. Context: any thread. @return a constant string. */
WQ_API const char *wq_stats_state_name(enum wq_worker_state state);

/**
 * Calls @p visit for each workqueue; a return other than 0 ends the walk.
 *
 * Context: slow path. @p visit must not allocate or destroy workqueues.
 * @return the value of the last call of @p visit; 0 without a call.
 */
WQ_API int wq_stats_visit_wqs(int (*visit)(const struct wq_stats_wq *s, void *arg), void *arg);

/** Calls @p visit for each pool that ever had a worker; otherwise as wq_stats_visit_wqs(). */
WQ_API int wq_stats_visit_pools(int (*visit)(const struct wq_stats_pool *s, void *arg), void *arg);

/**
 * Calls @p visit for each worker, pool by pool, then for the rescuers; otherwise as
 * wq_stats_visit_wqs(). Also returns -ENOMEM.
 */
WQ_API int wq_stats_visit_workers(
	int (*visit)(const struct wq_stats_worker *s, void *arg), void *arg);

/** Writes all of it as text. Context: slow path. */
WQ_API void wq_stats_dump(FILE *out);

#ifdef __cplusplus
}
#endif

#endif
