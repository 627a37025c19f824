/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_TYPES_H
#define WQ_TYPES_H

/*
 * The structs that the files of the library share, and no functions. Each field names the rule that
 * protects it:
 *
 *  I  written before other threads can see the struct, constant afterwards
 *  P  pool->lock
 *  M  wq->mutex
 *  G  wq_global.mutex
 *  T  timer lock (wq_global.timer.lock)
 *  D  the lock of the work's hash slot (cancel.c)
 *  R  wq->mayday_lock
 *  A  atomic, any thread; a comment at each access names the access it pairs with
 *  W  the worker's own thread only
 *  WP written by the worker's thread under pool->lock; read under pool->lock or by that thread
 *  C  the holder of the claim: the thread that set WQ_PENDING, or that found it set and took the
 *     work out of its place
 *
 * Order of locks: G, M, D, then one of P and T, then R. A thread never holds the locks of two
 * pools. Polling lcores take no lock.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "completion.h"
#include "inbox.h"
#include "lock.h"
#include "waker.h"
#include "wq.h"

#define WQ_NB_COLOURS      16
#define WQ_NO_COLOUR       (-1)
#define WQ_BUSY_SLOTS      64
#define WQ_MAX_WORKERS     2048 /* of one pool */
#define WQ_THREAD_NAME_LEN 16

/** wq_work::flags. */
enum wq_work_flags {
	WQ_F_INACTIVE = 1 << 0, /**< Not counted in pwq->nb_active. */
	WQ_F_LINKED = 1 << 1,   /**< The next work of the list moves together with this one. */
	WQ_F_BARRIER = 1 << 2,  /**< Completes a flush; not counted in statistics. */
};

/** wq_worker::flags. */
enum wq_worker_flags {
	WQ_W_IDLE = 1 << 0,    /**< In pool->idle. */
	WQ_W_DIE = 1 << 1,     /**< Its thread has to end. */
	WQ_W_RESCUER = 1 << 2, /**< The rescuer of a workqueue. */
	/* With one of these it is not counted in pool->nb_running: */
	WQ_W_PREP = 1 << 3,          /**< Between sleep and work. */
	WQ_W_CPU_INTENSIVE = 1 << 4, /**< By flag of the workqueue, or found by the monitor. */
	WQ_W_UNBOUND = 1 << 5,       /**< Its pool is not concurrency-managed. */
	WQ_W_BLOCKED = 1 << 6,       /**< Has announced that it blocks. */
	WQ_W_SEEN_BLOCKED = 1 << 7,  /**< The monitor found it blocked. */
	WQ_W_NOT_RUNNING =
		WQ_W_PREP | WQ_W_CPU_INTENSIVE | WQ_W_UNBOUND | WQ_W_BLOCKED | WQ_W_SEEN_BLOCKED,
};

/** A worker of a pool, or the rescuer of a workqueue. */
struct wq_worker {
	struct wq_waker waker;                                  /* A */
	struct wq_pool *pool __attribute__((aligned(WQ_LINE))); /* WP (only a rescuer's changes) */
	struct wq_link entry;         /* P: in pool->idle, or in a slot of pool->busy */
	struct wq_link node;          /* P: in pool->workers, pool->dying or pool->cast_off */
	struct wq_link scheduled;     /* P: works that only this worker will execute */
	struct wq_work *current_work; /* WP; only the address, the work may be freed */
	wq_func_t current_func;       /* WP */
	struct wq_pwq *current_pwq;   /* WP */
	uint32_t flags;               /* P */
	uint32_t id;                  /* I */
	uint64_t nb_works;            /* P; executions so far: the monitor sees progress by it */
	uint64_t idle_since_ns;       /* P */
	uint8_t current_colour;       /* WP */
	uint8_t current_flags;        /* WP */
	uint32_t block_depth;         /* W; nesting of wq_block_begin() */
	uint32_t sample_in;           /* W; executions until the next one that is timed */
	pid_t tid;                    /* A; 0 until the thread runs */
	pthread_t thread;             /* I, by the creating thread */
	/* Used by the monitor, under P: */
	uint64_t seen_works;           /* nb_works at the last pass */
	uint64_t seen_cpu_ns;          /* CPU time accounted so far; 0: execution not seen yet */
	uint64_t hog_cpu_ns;           /* CPU time when the monitor first saw this execution */
	struct workqueue *rescues;     /* I; the workqueue of a rescuer */
	char name[WQ_THREAD_NAME_LEN]; /* I */
};

/** wq_pool::flags. */
enum wq_pool_flags {
	WQ_P_UNBOUND = 1 << 0,       /**< Serves unbound workqueues. */
	WQ_P_DISASSOCIATED = 1 << 1, /**< Per CPU, but its CPU has left the set. */
};

/** A pool of workers, shared by workqueues. */
struct wq_pool {
	struct wq_inbox inbox;
	struct wq_lock lock __attribute__((aligned(WQ_LINE)));
	uint32_t flags;            /* P */
	uint32_t id;               /* I; from 1 */
	int cpu;                   /* I; -1 for unbound pools */
	bool highpri;              /* I */
	int scope, pod;            /* I; of unbound pools */
	int nb_running;            /* P; workers that run and may take works */
	uint32_t nb_workers;       /* P */
	uint32_t nb_idle;          /* P */
	uint32_t nb_transit;       /* P; works popped from the inbox, not in a list yet */
	struct wq_link worklist;   /* P */
	struct wq_link idle;       /* P; the worker that became idle last is first */
	struct wq_link workers;    /* P */
	struct wq_link dying;      /* P; the monitor will join them */
	struct wq_link cast_off;   /* P; joined; kept, as a late waker may touch them */
	struct wq_worker *manager; /* P; creates a worker now, see wq_worker_manage() */
	struct wq_worker *to_wake; /* P; woken when the lock is released */
	uint64_t create_after_ns;  /* P; creation failed: no other one before this time */
	uint64_t progress_ns;      /* P; monitor: when a work was last started */
	uint64_t progress_works;   /* P; monitor: nb_started then */
	uint64_t mayday_ns;        /* P; monitor: when rescuers were called */
	uint32_t probe_from;       /* P; monitor: workers seen blocked that had their turn */
	uint64_t nb_started;       /* P; executions */
	uint64_t nb_stalls;        /* P */
	uint64_t nb_create_failed; /* P */
	uint64_t nb_created;       /* P */
	uint64_t nb_reaped;        /* P */
	bool stall_told;           /* P; the present stall was logged */
	bool armed;                /* P; inbox.sleeper was set; a producer may have taken it */
	cpu_set_t cpus;            /* P; the CPUs of its workers */
	uint32_t cpus_gen;         /* P; changes of cpus */
	uint64_t ids[WQ_MAX_WORKERS / 64];  /* P; bit mask of the workers' ids in use */
	struct wq_link busy[WQ_BUSY_SLOTS]; /* P; workers that execute, by address of the work */
};

/** Counters of one workqueue in one pool; all P. */
struct wq_pwq_stats {
	uint64_t started;
	uint64_t completed;
	uint64_t cpu_ns;
	uint64_t cpu_hogs;
	uint64_t woken;   /* times a work blocked while other works waited */
	uint64_t blocked; /* times the monitor found a work blocked */
	uint64_t mayday;
	uint64_t rescued;
};

/** Ties a workqueue to a pool. */
struct wq_pwq {
	/* Read by producers: nothing here changes. */
	struct wq_pool *pool; /* I */
	struct workqueue *wq; /* I */
	uint32_t pool_id;     /* I */
	/* Changes with every work. */
	struct wq_link inactive __attribute__((aligned(WQ_LINE))); /* P; works over max_active */
	int nb_active;                                             /* P */
	int max_active;                                            /* P; 0 while frozen */
	int work_colour;                                           /* P; for works that come */
	int flush_colour;                /* P; a flush waits for it, or WQ_NO_COLOUR */
	uint64_t nb_inserted;            /* P; works that came, ever */
	int nb_in_flight[WQ_NB_COLOURS]; /* P */
	struct wq_pwq_stats stats;       /* P */
	struct wq_link node;             /* I; in wq->pwqs */
	struct wq_link mayday;           /* R; in wq->maydays */
};

/** One call of wq_flush(), on its stack. */
struct wq_flusher {
	struct wq_link node; /* M; in wq->flushers or wq->overflow */
	int colour;          /* M */
	struct wq_completion done;
};

/** A workqueue. */
struct workqueue {
	/* Read by producers. */
	struct wq_pwq **route; /* array I; entries A: by CPU, the pwq to use */
	uint32_t flags;        /* I */
	uint32_t draining;     /* A; nesting of wq_drain() */
	/* Slow path. */
	pthread_mutex_t mutex __attribute__((aligned(WQ_LINE)));
	struct wq_link node;              /* G; in wq_global.workqueues */
	struct wq_link pwqs;              /* I */
	unsigned nb_pwqs;                 /* I */
	int max_active;                   /* M */
	int work_colour;                  /* M */
	int flush_colour;                 /* M */
	uint32_t nb_pwqs_to_flush;        /* A */
	struct wq_flusher *first_flusher; /* written under M, read by A; the pwqs complete it */
	struct wq_link flushers;          /* M; wait for the first one */
	struct wq_link overflow;          /* M; wait for a free colour */
	uint64_t nb_delayed;              /* T; its delayed works in the timer */
	struct wq_worker *rescuer;        /* I; NULL without WQ_MEM_RECLAIM */
	struct wq_lock mayday_lock;
	struct wq_link maydays; /* R; pwqs that call for the rescuer */
	bool rescuer_stop;      /* A */
	char name[WQ_NAME_LEN]; /* I */
};

#endif
