/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_GLOBAL_H
#define WQ_GLOBAL_H

/* The state of the library: one per process. types.h has the legend of the letters. */

#include "topology.h"
#include "types.h"

#define WQ_MAX_POOLS 8192

/** State of timer.c. */
struct wq_timer {
	struct wq_lock lock;
	struct wq_inbox inbox;        /* its consumer holds T */
	struct wq_delayed_work *heap; /* T */
	uint64_t sleep_until_ns;      /* A; 0 while the thread is awake */
	bool started;                 /* I */
	struct wq_waker waker;        /* A */
	pthread_t thread;             /* I */
	bool stop;                    /* A */
};

/** State of monitor.c. */
struct wq_monitor {
	struct wq_waker waker; /* A */
	uint32_t ticking; /* A; 0: sleeps until it is woken, or until a worker is to be reaped */
	bool started;     /* I */
	bool stop;        /* A */
	pthread_t thread; /* I */
};

struct wq_global {
	pthread_mutex_t mutex;
	bool started;                           /* A */
	struct wq_config cfg;                   /* I; defaults filled in */
	struct wq_topology topo;                /* I */
	cpu_set_t cpus;                         /* G */
	int *home;                              /* G; by CPU, the nearest CPU of the set */
	struct wq_pool **cpu_pools;             /* I; [2 * cpu + highpri] */
	struct wq_pool *pools[WQ_MAX_POOLS];    /* A; by id, set once; NULL: none */
	uint32_t nb_pools;                      /* A; written under G */
	struct wq_link workqueues;              /* G */
	bool frozen;                            /* G */
	unsigned next_ordered;                  /* G; spreads ordered workqueues over CPUs */
	struct workqueue *system[WQ_NB_SYSTEM]; /* I */
	struct wq_monitor monitor;
	struct wq_timer timer;
};

extern struct wq_global wq_global;

/** Copy the CPU set of the library. Context: slow path; takes G. @param out filled in. */
void wq_global_get_cpus(cpu_set_t *out);

#endif
