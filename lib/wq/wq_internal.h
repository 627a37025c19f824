/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_INTERNAL_H
#define WQ_INTERNAL_H

/*
 * The structs behind wq.h. Legend of the exclusion rules that the fields cite:
 *
 *  I  written before others can see the struct, read by everybody since
 *  P  pool->lock
 *  M  wq->mutex
 *  G  wq_global.mutex
 *  T  timer lock (wq_global.timer.lock)
 *  D  the lock of the work's hash slot (disable.c)
 *  A  atomic, any thread; the accesses name their partner
 *  W  the worker's own thread only
 *  WP written by the worker's thread under pool->lock, read under pool->lock or by that thread
 *  MP as M for writers together with P; readers take either
 *  C  who holds the claim, i.e. set PENDING (or found it set and took the work out of its place)
 *
 * Order of locks: G, M, D, then one of {P, T}. Never two pools' locks at once. Lcores take none.
 */

#include <pthread.h>

#include "wq.h"
#include "completion.h"
#include "link.h"
#include "lock.h"
#include "os.h"
#include "waker.h"

/*
 * struct wq_work:
 *  state         A  WQ_PENDING or 0: queueing is one exchange of it. Held while disabled.
 *  where         A  kind and pool: written by C, by P once the work has left the inbox
 *  inbox_next    A  release by the next producer, acquire by who drains (P)
 *  entry         P  on pool->worklist, pwq->inactive or worker->scheduled
 *  func          I
 *  pwq           C, then P
 *  last_pool     A  id of the pool that executed it last: written under P before PENDING clears
 *  disable_depth D
 *  flags, colour P
 */
#define WQ_PENDING 1u

enum wq_where {
	WQ_AT_NONE,     /* idle, or in transit in the hands of C */
	WQ_AT_INBOX,    /* in the pool's inbox, or between it and the pool's lists */
	WQ_AT_POOL,     /* in a list of the pool */
	WQ_AT_TIMER,    /* in the timer's inbox or heap */
	WQ_AT_DISABLED, /* PENDING is held by wq_disable_work() */
};
#define WQ_WHERE_SHIFT          16
#define WQ_WHERE(kind, pool_id) ((uint32_t)(kind) << WQ_WHERE_SHIFT | (pool_id))
#define WQ_WHERE_KIND(w)        ((enum wq_where)((w) >> WQ_WHERE_SHIFT))
#define WQ_WHERE_POOL(w)        ((w)&0xffffu)

enum wq_work_flags {
	WQ_F_INACTIVE = 1 << 0, /* not counted in pwq->nb_active */
	WQ_F_LINKED = 1 << 1,   /* the next one in the list goes where this one goes */
	WQ_F_BARRIER = 1 << 2,  /* completes a flush; not counted in statistics */
};

#define WQ_NB_COLOURS      16
#define WQ_NO_COLOUR       (-1)
#define WQ_BUSY_SLOTS      64
#define WQ_MAX_WORKERS     2048
#define WQ_MAX_POOLS       8192
#define WQ_MAX_CPUS        CPU_SETSIZE
#define WQ_NB_SCOPES       4
#define WQ_THREAD_NAME_LEN 16

/*
 * Many producers, one consumer at a time (who holds the lock behind it). Producers exchange the
 * tail, then link the predecessor: between the two the rest of the chain cannot be reached and the
 * inbox is "half linked". The consumer takes whole chains off by exchanging the tail with the stub.
 */
struct wq_inbox {
	struct wq_work *tail;     /* A; xchg by producers and consumer */
	struct wq_waker *sleeper; /* A; whom a producer has to wake; NULL: somebody will look */
	struct wq_work stub __attribute__((aligned(WQ_LINE))); /* inbox_next: A */
	struct wq_work *cur __attribute__((aligned(WQ_LINE))); /* P; chain taken off, undelivered */
	struct wq_work *last;                                  /* P; its end */
	uint64_t nb_chains;                                    /* P; chains taken off so far */
} __attribute__((aligned(WQ_LINE)));

enum wq_inbox_state {
	WQ_INBOX_EMPTY,
	WQ_INBOX_MORE, /* the caller's budget ended first */
	WQ_INBOX_HALF, /* a producer is between its two steps */
};

enum wq_worker_flags {
	WQ_W_IDLE = 1 << 0,
	WQ_W_DIE = 1 << 1,
	WQ_W_RESCUER = 1 << 2,
	/* Not counted in pool->nb_running: */
	WQ_W_PREP = 1 << 3,          /* between sleep and work */
	WQ_W_CPU_INTENSIVE = 1 << 4, /* by flag of the workqueue, or found by the monitor */
	WQ_W_UNBOUND = 1 << 5,       /* its pool is not concurrency-managed */
	WQ_W_BLOCKED = 1 << 6,       /* announced */
	WQ_W_SEEN_BLOCKED = 1 << 7,  /* found by the monitor */
	WQ_W_NOT_RUNNING =
		WQ_W_PREP | WQ_W_CPU_INTENSIVE | WQ_W_UNBOUND | WQ_W_BLOCKED | WQ_W_SEEN_BLOCKED,
};

struct wq_worker {
	struct wq_waker waker;                                  /* A */
	struct wq_pool *pool __attribute__((aligned(WQ_LINE))); /* WP (changes for rescuers only) */
	struct wq_link entry;         /* P: pool->idle, or a slot of pool->busy */
	struct wq_link node;          /* P: pool->workers, pool->dying or pool->cast_off */
	struct wq_link scheduled;     /* P: works this worker alone will run */
	struct wq_work *current_work; /* WP; the address only, it may be freed */
	wq_func_t current_func;       /* WP */
	struct wq_pwq *current_pwq;   /* WP */
	uint32_t flags;               /* P */
	uint32_t id;                  /* I */
	uint64_t nb_works;            /* P; grows with each execution: progress for the monitor */
	uint64_t idle_since_ns;       /* P */
	uint8_t current_colour;       /* WP */
	uint8_t current_flags;        /* WP */
	uint32_t block_depth;         /* W */
	uint32_t sample_in;           /* W; executions until the next one is timed */
	pid_t tid;                    /* A; 0 until the thread runs */
	pthread_t thread;             /* I, by the creator */
	/* The monitor's, under P: */
	uint64_t seen_works;           /* nb_works at the last pass */
	uint64_t seen_cpu_ns;          /* CPU clock up to which time is accounted; 0: not seen */
	uint64_t hog_cpu_ns;           /* CPU clock when this execution was first seen */
	struct workqueue *rescues;     /* I; the workqueue of a rescuer */
	char name[WQ_THREAD_NAME_LEN]; /* I */
};

enum wq_pool_flags {
	WQ_P_UNBOUND = 1 << 0,       /* made for unbound workqueues */
	WQ_P_DISASSOCIATED = 1 << 1, /* per CPU, but its CPU has left the set */
};

struct wq_pool {
	struct wq_inbox inbox;
	struct wq_lock lock __attribute__((aligned(WQ_LINE)));
	uint32_t flags;                     /* P */
	uint32_t id;                        /* I; from 1 */
	int cpu;                            /* I; -1 for unbound pools */
	bool highpri;                       /* I */
	int scope, pod;                     /* I; of unbound pools */
	int nb_running;                     /* P; workers that run and may take works */
	uint32_t nb_workers;                /* P */
	uint32_t nb_idle;                   /* P */
	uint32_t nb_transit;                /* P; works taken from the inbox, not yet placed */
	struct wq_link worklist;            /* P */
	struct wq_link idle;                /* P; the latest to become idle is first */
	struct wq_link workers;             /* P */
	struct wq_link dying;               /* P; to be joined by the monitor */
	struct wq_link cast_off;            /* P; joined, kept: somebody may still wake them */
	struct wq_worker *manager;          /* P; who creates workers; (void *)-1: the monitor */
	struct wq_worker *to_wake;          /* P; woken when the lock is dropped */
	uint64_t create_after_ns;           /* P; no creation before (a failed one cools down) */
	uint64_t progress_ns;               /* P; monitor: when a work was last started */
	uint64_t progress_works;            /* P; monitor: nb_started then */
	uint64_t mayday_ns;                 /* P; monitor: when rescuers were called */
	uint64_t nb_started;                /* P */
	uint64_t nb_stalls;                 /* P */
	uint64_t nb_create_failed;          /* P */
	uint64_t nb_created;                /* P */
	uint64_t nb_reaped;                 /* P */
	bool stall_told;                    /* P */
	bool armed;                         /* P; inbox.sleeper was set, and perhaps taken since */
	cpu_set_t cpus;                     /* P; where its workers may run */
	uint32_t cpus_gen;                  /* P; counts changes of cpus */
	uint64_t ids[WQ_MAX_WORKERS / 64];  /* P; workers' ids in use */
	struct wq_link busy[WQ_BUSY_SLOTS]; /* P; by address of the work */
};

/* Counters of one workqueue in one pool; all P. */
struct wq_pwq_stats {
	uint64_t started;
	uint64_t completed;
	uint64_t cpu_ns;
	uint64_t cpu_hogs;
	uint64_t woken;   /* another worker was started because this one's work blocked */
	uint64_t blocked; /* found blocked unannounced */
	uint64_t mayday;
	uint64_t rescued;
};

struct wq_pwq {
	/* Read by producers: nothing here changes. */
	struct wq_pool *pool; /* I */
	struct workqueue *wq; /* I */
	uint32_t pool_id;     /* I */
	/* Changes with every work. */
	struct wq_link inactive __attribute__((aligned(WQ_LINE))); /* P */
	int nb_active;                                             /* P */
	int max_active;                                            /* P; 0 while frozen */
	int work_colour;                                           /* P; given to works that come */
	int flush_colour;                /* P; waited for, or WQ_NO_COLOUR */
	uint64_t nb_inserted;            /* P; works that came, ever */
	int nb_in_flight[WQ_NB_COLOURS]; /* P */
	struct wq_pwq_stats stats;       /* P */
	struct wq_link node;             /* I; wq->pwqs */
	struct wq_link mayday;           /* rescuer's lock (wq->mayday_lock) */
};

struct wq_flusher {
	struct wq_link node; /* M */
	int colour;          /* M */
	struct wq_completion done;
};

struct workqueue {
	/* Read by producers. */
	struct wq_pwq **route; /* array I; entries A: by CPU, the pwq to use */
	uint32_t flags;        /* I */
	uint32_t draining;     /* A; depth, changed under M */
	/* Slow path. */
	pthread_mutex_t mutex __attribute__((aligned(WQ_LINE)));
	struct wq_link node;              /* G; wq_global.workqueues */
	struct wq_link pwqs;              /* I */
	unsigned nb_pwqs;                 /* I */
	int max_active;                   /* M */
	int work_colour;                  /* M */
	int flush_colour;                 /* M */
	uint32_t nb_pwqs_to_flush;        /* A */
	struct wq_flusher *first_flusher; /* M for writers */
	struct wq_link flushers;          /* M */
	struct wq_link overflow;          /* M */
	uint64_t nb_delayed;              /* T; delayed works in the timer */
	struct wq_worker *rescuer;        /* I */
	struct wq_lock mayday_lock;
	struct wq_link maydays; /* mayday_lock */
	bool rescuer_stop;      /* A */
	char name[WQ_NAME_LEN]; /* I */
};

struct wq_topology {
	int nb_cpus;                    /* I */
	int nb_pods[WQ_NB_SCOPES];      /* I */
	uint16_t *pod_of[WQ_NB_SCOPES]; /* I; by CPU */
};

struct wq_timer {
	struct wq_lock lock;
	struct wq_inbox inbox;        /* its consumers hold T */
	struct wq_delayed_work *heap; /* T */
	uint64_t sleep_until_ns;      /* A; 0 while the thread is awake */
	bool started;                 /* I */
	struct wq_waker waker;        /* A */
	pthread_t thread;             /* I */
	bool stop;                    /* A */
};

struct wq_monitor {
	struct wq_waker waker; /* A */
	uint32_t ticking;      /* A; 0: asleep until armed, or until it is to reap */
	bool started;          /* I */
	bool stop;             /* A */
	pthread_t thread;      /* I */
};

struct wq_global {
	pthread_mutex_t mutex;
	bool started;                           /* A */
	struct wq_config cfg;                   /* I; defaults filled in */
	struct wq_topology topo;                /* I */
	cpu_set_t cpus;                         /* G */
	int *home;                              /* G; by CPU, the nearest CPU of the set */
	struct wq_pool **cpu_pools;             /* I; [2 * cpu + highpri] */
	struct wq_pool *pools[WQ_MAX_POOLS];    /* A entries: released once; by id */
	uint32_t nb_pools;                      /* A; under G */
	struct wq_link workqueues;              /* G */
	bool frozen;                            /* G */
	unsigned next_ordered;                  /* G; spreads ordered workqueues over CPUs */
	struct workqueue *system[WQ_NB_SYSTEM]; /* I */
	struct wq_monitor monitor;
	struct wq_timer timer;
};

extern struct wq_global wq_global;
extern __thread struct wq_worker *wq_current; /* the worker that the calling thread is */

/* global.c */
void wq_global_get_cpus(cpu_set_t *out);

/* log.c */
void wq_log(enum wq_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* inbox.c */
void wq_inbox_init(struct wq_inbox *in);
/* The next work, in order; NULL with *state EMPTY or HALF. The lock behind the inbox is held. */
struct wq_work *wq_inbox_pop(struct wq_inbox *in, enum wq_inbox_state *state);

/* Wait-free. Returns with the work linked; the caller then wakes who sleeps. */
static inline void
wq_inbox_push(struct wq_inbox *in, struct wq_work *work)
{
	struct wq_work *prev;

	__atomic_store_n(&work->inbox_next, NULL, __ATOMIC_RELAXED);
	/*
	 * Sequentially consistent: pairs with the store of in->sleeper and the load of in->tail in
	 * wq_inbox_arm(), so that either the sleeper sees the work or we see the sleeper.
	 */
	prev = __atomic_exchange_n(&in->tail, work, __ATOMIC_SEQ_CST);
	__atomic_store_n(&prev->inbox_next, work, __ATOMIC_RELEASE);
}

/* Nothing was pushed since the last chain was taken off. Without the lock: a hint. */
static inline bool
wq_inbox_quiet(const struct wq_inbox *in)
{
	return __atomic_load_n(&in->tail, __ATOMIC_SEQ_CST) == &in->stub;
}

/* Whether nothing is in it. The lock behind the inbox is held. */
static inline bool
wq_inbox_empty(const struct wq_inbox *in)
{
	return in->cur == NULL && wq_inbox_quiet(in);
}

/*
 * A point in the inbox, reached when all that was pushed before it has been popped: that is in the
 * chain being delivered, or in the next to be taken off. The lock behind the inbox is held.
 */
static inline uint64_t
wq_inbox_mark(const struct wq_inbox *in)
{
	return in->nb_chains + (wq_inbox_quiet(in) ? 0 : 1);
}

static inline bool
wq_inbox_reached(const struct wq_inbox *in, uint64_t mark)
{
	return in->nb_chains > mark || (in->nb_chains == mark && in->cur == NULL);
}

/*
 * Claims a work: true when the caller has it now. WQ_PENDING is the only bit of the word, so that
 * an exchange does what a fetch_or would; some compilers make a compare-and-swap loop of the
 * latter.
 */
static inline bool
wq_work_claim(struct wq_work *work)
{
	return __atomic_exchange_n(&work->state, WQ_PENDING, __ATOMIC_SEQ_CST) == 0;
}

/*
 * Gives the claim back. A read-modify-write on purpose: it reads the value that the last failed
 * claim wrote, and so what that claimer did before happens before what follows here.
 */
static inline void
wq_work_unclaim(struct wq_work *work)
{
	__atomic_exchange_n(&work->state, 0, __ATOMIC_SEQ_CST);
}

static inline uint32_t
wq_work_where(const struct wq_work *work)
{
	return __atomic_load_n(&work->where, __ATOMIC_ACQUIRE);
}

static inline void
wq_work_set_where(struct wq_work *work, uint32_t where)
{
	__atomic_store_n(&work->where, where, __ATOMIC_RELEASE);
}

/* block.c */
/* Announces blocking when a work calls it. */
void wq_block_wait(struct wq_completion *c);

/* queue.c */
struct wq_pwq *wq_queue_route(const struct workqueue *wq, int cpu);
void wq_queue_push(struct wq_pwq *pwq, struct wq_work *work);

/* pwq.c */
void wq_pwq_insert(struct wq_pwq *pwq, struct wq_work *work);
void wq_pwq_activate(struct wq_pwq *pwq);
void wq_pwq_done(struct wq_pwq *pwq, unsigned colour, unsigned flags);
void wq_pwq_set_max_active(struct wq_pwq *pwq, int max_active);
void wq_pwq_colour_done(struct workqueue *wq);
bool wq_pwq_idle(const struct wq_pwq *pwq);
enum wq_inbox_state wq_pwq_drain(struct wq_pool *pool, unsigned budget);
void wq_pwq_drain_marked(struct wq_pool *pool);
/* Moves a work and those linked to it to the tail of a list. */
void wq_pwq_move_linked(struct wq_work *work, struct wq_link *to);

/* pool.c */
int wq_pool_create(int cpu, int scope, int pod, bool highpri, struct wq_pool **out);
void wq_pool_destroy(struct wq_pool *pool);
struct wq_pool *wq_pool_by_id(uint32_t id);
void wq_pool_unlock(struct wq_pool *pool);
bool wq_pool_work_waits(const struct wq_pool *pool);
bool wq_pool_need_more(const struct wq_pool *pool);
struct wq_worker *wq_pool_find_executing(struct wq_pool *pool, const struct wq_work *work);
struct wq_link *wq_pool_busy_slot(struct wq_pool *pool, const struct wq_work *work);
unsigned wq_pool_too_many(const struct wq_pool *pool);

void wq_pool_mask(const struct wq_pool *pool, const cpu_set_t *set, cpu_set_t *out);
void wq_pool_set_worker_flags(struct wq_worker *w, uint32_t flags);
void wq_pool_clear_worker_flags(struct wq_worker *w, uint32_t flags);
void wq_pool_enter_idle(struct wq_worker *w);
void wq_pool_leave_idle(struct wq_worker *w);

/* thread.c */
int wq_thread_start(pthread_t *thread, const cpu_set_t *cpus, void *(*fn)(void *), void *arg);

/* worker.c */
int wq_worker_create(struct wq_pool *pool);

/* execute.c */
void wq_execute(struct wq_worker *w, struct wq_work *work);
void wq_execute_scheduled(struct wq_worker *w);
bool wq_execute_assign(struct wq_worker *w, struct wq_work *work);

/* flush.c */
/* All works that were queued to @wq are in the lists of pools. M is held. */
void wq_flush_settle(struct workqueue *wq);

/* cancel.c: takes the claim of a work whatever its state. */
enum wq_grab {
	WQ_GRAB_IDLE,     /* it was idle; the caller holds the claim */
	WQ_GRAB_PENDING,  /* it was pending; the caller holds the claim */
	WQ_GRAB_DISABLED, /* somebody holds it disabled; the caller holds nothing */
};
enum wq_grab wq_cancel_grab(struct wq_work *work);

/* timer.c */
void wq_timer_set(int cpu, struct workqueue *wq, struct wq_delayed_work *dw, uint64_t delay_us);
int wq_timer_start(void);
void wq_timer_stop(void);
bool wq_timer_remove(struct wq_delayed_work *dw);
uint64_t wq_timer_nb_delayed(struct workqueue *wq);

/* monitor.c */
int wq_monitor_start(void);
void wq_monitor_stop(void);

/* watch.c: looks at the workers of a pool. */
struct wq_watch {
	bool active; /* somebody runs, or waits: look again */
	bool waits;  /* work waits behind somebody who runs */
	bool fresh;  /* a worker runs something that was not seen before */
	bool found;  /* a worker was found that blocks or burns */
};
void wq_watch_pool(struct wq_pool *pool, struct wq_watch *sum);

/* reap.c: joins spare workers; returns when the next one is due. */
uint64_t wq_reap_pool(struct wq_pool *pool, uint64_t now);

/* rescuer.c */
int wq_rescuer_create(struct workqueue *wq);
void wq_rescuer_destroy(struct workqueue *wq);
void wq_rescuer_mayday(struct wq_pool *pool);
struct wq_stats_worker;
void wq_rescuer_snapshot(struct wq_worker *w,
	void (*snap)(const struct wq_worker *w, struct wq_stats_worker *s),
	struct wq_stats_worker *s);

/* workqueue.c */
int wq_workqueue_create(
	const char *name, unsigned flags, int max_active, bool eager, struct workqueue **out);
void wq_workqueue_reroute(struct workqueue *wq);
void wq_workqueue_apply_max_active(struct workqueue *wq);

/* topology.c */
int wq_topology_read(struct wq_topology *topo);
void wq_topology_free(struct wq_topology *topo);
void wq_topology_pod_cpus(const struct wq_topology *topo, int scope, int pod, cpu_set_t *out);
int wq_topology_nearest(const struct wq_topology *topo, int cpu, const cpu_set_t *set);

#endif
