/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_STATS_H
#define WQ_STATS_H

/**
 * @file
 * Statistics of lib/wq: snapshots of workqueues, pools and workers, taken one at a time while
 * everything runs. Each snapshot is consistent in itself; sums over several need not be.
 *
 * Counters grow from the start of the workqueue or pool, and never go back.
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
	unsigned flags;     /**< As given to wq_alloc(). */
	int max_active;     /**< Per CPU or pod. */
	unsigned nb_pwqs;   /**< CPUs or pods it spans. */
	uint64_t in_flight; /**< Works that wait or run now (not those still in an inbox). */
	uint64_t active;    /**< Of them not held back by max_active. */
	uint64_t delayed;   /**< Works whose timer runs. */
	uint64_t started;   /**< Executions begun. */
	uint64_t completed; /**< Executions ended. */
	uint64_t cpu_ns;    /**< CPU time: sampled for short works, exact for long ones. */
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
	int pod;           /**< Number of the pod of an unbound pool; else -1. */
	const char *scope; /**< "cpu", "cache", "numa" or "system"; "bound" for pools of a CPU. */
	bool highpri;
	bool associated; /**< false: its CPU has left the set. */
	bool managing;   /**< Somebody creates a worker now. */
	int running;     /**< Workers that count as running. */
	uint32_t workers;
	uint32_t idle;
	uint32_t waiting; /**< Works in the list (not those held back or in the inbox). */
	uint64_t started; /**< Executions begun. */
	uint64_t created; /**< Workers created. */
	uint64_t create_failed;
	uint64_t reaped; /**< Workers let go. */
	uint64_t stalls; /**< Times that no waiting work was started for too long. */
	cpu_set_t cpus;  /**< Where its workers may run. */
};

/** What a worker does. */
enum wq_worker_state {
	WQ_WORKER_IDLE,
	WQ_WORKER_RUNNING,       /**< Runs a work, and counts as running. */
	WQ_WORKER_BLOCKED,       /**< Has announced that it blocks. */
	WQ_WORKER_SEEN_BLOCKED,  /**< Was found to block. */
	WQ_WORKER_CPU_INTENSIVE, /**< Runs a work that may burn CPU. */
	WQ_WORKER_UNMANAGED,     /**< Runs a work of a pool without concurrency management. */
	WQ_WORKER_LOOKING,       /**< Between works. */
};

/** One worker, or the rescuer of a workqueue (pool_id 0 while it is idle). */
struct wq_stats_worker {
	char name[16]; /**< As of its thread. */
	uint32_t pool_id;
	uint32_t id;
	int tid;
	bool rescuer;
	enum wq_worker_state state;
	uint64_t works;       /**< Executions begun. */
	uint64_t idle_ns;     /**< Since when it is idle; 0 when it is not. */
	char wq[WQ_NAME_LEN]; /**< Workqueue of the work it runs; empty when none. */
	uintptr_t func;       /**< Function of the work it runs; 0 when none. */
};

/** Name of a state, for people. */
WQ_API const char *wq_stats_state_name(enum wq_worker_state state);

/**
 * Calls @p visit for each workqueue; a return other than 0 ends the walk.
 *
 * Context: slow path. @p visit must not make or destroy workqueues.
 * @return what the last call of @p visit returned, 0 without any.
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
