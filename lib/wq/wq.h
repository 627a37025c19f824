/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_H
#define WQ_H

/**
 * @file
 * A concurrency-managed workqueue for threads.
 *
 * It follows Linux's workqueue. Works are queued to workqueues. A workqueue is a front end of
 * shared worker pools: one normal and one high-priority pool per CPU, and unbound pools by affinity
 * scope. A pool runs one worker as long as that worker does not block, and starts the next one when
 * it does. `doc/workqueue.md` tells which kind of workqueue to use, and lists the differences from
 * the kernel.
 *
 * Guarantees:
 *  1. wq_queue_work() returns false iff the work was already pending (or is disabled, or the
 *     workqueue drains). The execution sees all that the caller wrote before, also after false: the
 *     claim is one fully ordered read-modify-write.
 *  2. A work stops being pending before its function runs.
 *  3. A work never runs on two workers at once (same function, same address, same workqueue); a
 *     second queueing waits behind the running worker.
 *  4. The function may free its own work: the library does not touch it afterwards.
 *  5. During wq_drain() only works of the workqueue can queue to it; wq_destroy() drains. Ordered
 *     workqueues run one work at a time, in queue order.
 *  6. After wq_cancel_work_sync() the work is neither pending nor running.
 *
 * Context words used below:
 *  - "any thread, lcores included": wait-free; no lock, no allocation; a system call only when a
 *    worker sleeps and must be woken.
 *  - "slow path": takes locks and may wait for other threads. Works may call it, polling lcores
 *    must not.
 */

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WQ_API __attribute__((visibility("default")))
#else
#define WQ_API
#endif

struct wq_work;
struct wq_pwq;
struct workqueue;

/** Function of a work. Called by a worker without any lock held; may free @p work. */
typedef void (*wq_func_t)(struct wq_work *work);

/** Link of the library's lists. Users of the library do not touch it. */
struct wq_link {
	struct wq_link *next;
	struct wq_link *prev;
};

/**
 * One work. Embed it in your own struct and initialise it once with wq_work_init(). All fields
 * belong to the library; `lib/wq/work.h` documents them.
 */
struct wq_work {
	uint32_t state;
	uint32_t where;
	struct wq_work *inbox_next;
	struct wq_link entry;
	wq_func_t func;
	struct wq_pwq *pwq;
	uint32_t last_pool;
	uint16_t disable_depth;
	uint8_t flags;
	uint8_t colour;
};

/** A work with a timer in front of it. Initialise with wq_delayed_init(). */
struct wq_delayed_work {
	struct wq_work work; /**< First: the function gets a pointer to this. */
	struct workqueue *wq;
	uint64_t expires_ns;
	struct wq_delayed_work *child;
	struct wq_delayed_work *next;
	struct wq_delayed_work *prev;
	int cpu;
};

/** The delayed work that a function's @p work belongs to. */
static inline struct wq_delayed_work *
wq_to_delayed(struct wq_work *work)
{
	return (struct wq_delayed_work *)(void *)work;
}

/** Severities given to wq_config::log. */
enum wq_log_level {
	WQ_LOG_ERR,
	WQ_LOG_WARNING,
	WQ_LOG_INFO,
};

/** No spinning before a worker sleeps (wq_config::spin_us). */
#define WQ_SPIN_NONE UINT32_MAX

/** Settings of wq_init(). A field that is 0 takes its default. */
struct wq_config {
	/** CPUs on which the library's threads may run; NULL: all that the process may use. */
	const cpu_set_t *cpus;
	/**
	 * Time for which a worker looks for new works before it sleeps; default 2 µs;
	 * WQ_SPIN_NONE: none. More pays only on CPUs that no other program uses.
	 */
	uint32_t spin_us;
	/** Shortest period of the monitor; default 1000 µs. Backs off to 10 times that. */
	uint32_t monitor_us;
	/** CPU time after which a work counts as CPU intensive; default 10000 µs. */
	uint32_t cpu_intensive_us;
	/** Time for which a spare worker stays idle before it is reaped; default 300000 ms. */
	uint32_t idle_timeout_ms;
	/** Pause after the creation of a worker has failed; default 1000 ms. */
	uint32_t create_cooldown_ms;
	/** Stall after which rescuers are called; default 10 ms. Repeated after 10 times that. */
	uint32_t mayday_ms;
	/** Stall of a pool, waiting works and none started, that is logged; default 30000 ms. */
	uint32_t watchdog_ms;
	/** Receives log lines, without a line end, in any thread of the library; NULL: stderr. */
	void (*log)(enum wq_log_level level, const char *line, void *arg);
	void *log_arg; /**< Last argument of log. */
};

/** Flags of wq_alloc(). */
enum wq_flags {
	/** Workers are not bound to a CPU and not concurrency-managed: each work gets a worker. */
	WQ_UNBOUND = 1u << 0,
	/** Use the pools of high priority (threads of high priority, if the process may). */
	WQ_HIGHPRI = 1u << 1,
	/** Works may burn CPU: other works of the CPU do not wait for them. */
	WQ_CPU_INTENSIVE = 1u << 2,
	/** wq_freeze() and wq_thaw() apply to it. */
	WQ_FREEZABLE = 1u << 3,
	/** Has a rescuer thread: makes progress even when no thread can be created. */
	WQ_MEM_RECLAIM = 1u << 4,
	/**
	 * One work at a time, in queue order; max_active is not used. Without WQ_UNBOUND it uses
	 * the managed pool of one CPU, which is cheapest to queue to while its worker is busy.
	 */
	WQ_ORDERED = 1u << 5,
	/** Affinity scope of an unbound workqueue: a pool per CPU, per last-level cache (the
	 * default), per NUMA node, or one for the system. */
	WQ_AFFN_CPU = 1u << 8,
	WQ_AFFN_CACHE = 2u << 8,
	WQ_AFFN_NUMA = 3u << 8,
	WQ_AFFN_SYSTEM = 4u << 8,
	WQ_AFFN_MASK = 7u << 8,
};

/** Upper limit of max_active. */
#define WQ_MAX_ACTIVE 2048
/** max_active that is used for 0. */
#define WQ_DFL_ACTIVE 1024
/** Longest name of a workqueue, with its terminating zero. */
#define WQ_NAME_LEN 32

/**
 * Starts the library: reads the topology, creates the pools, and starts the monitor and the timer
 * thread. wq_alloc() creates workers. There is one library per process.
 *
 * Context: slow path; no other function of the library before it has returned.
 * @param cfg settings, copied; NULL: all defaults.
 * @return 0; -EALREADY if it is started already; -EINVAL if cfg->cpus names no usable CPU; -ENOMEM;
 *   -EAGAIN or another errno of pthread_create().
 */
WQ_API int wq_init(const struct wq_config *cfg);

/**
 * Stops all threads and frees all memory. The caller has destroyed every workqueue that it
 * allocated and has cancelled every delayed work. Works that are pending in the system workqueues
 * still run.
 *
 * Context: slow path, not from a work. No other thread may use the library.
 */
WQ_API void wq_exit(void);

/**
 * Allocates a workqueue.
 *
 * Context: slow path.
 * @param name shown in statistics; cut to WQ_NAME_LEN - 1 bytes.
 * @param flags of enum wq_flags.
 * @param max_active works that may be in execution at once, per CPU (bound) or per affinity pod
 *   (unbound), 1 … WQ_MAX_ACTIVE; 0: WQ_DFL_ACTIVE.
 * @param out receives the workqueue, owned by the caller until wq_destroy().
 * @return 0; -EINVAL for unknown flags or max_active out of range; -ENOMEM; -ENODEV before
 *   wq_init(); -EAGAIN or another errno of pthread_create() when the first workers cannot start.
 */
WQ_API int wq_alloc(const char *name, unsigned flags, int max_active, struct workqueue **out);

/** wq_alloc() with WQ_ORDERED added. Same context and return values. */
WQ_API int wq_alloc_ordered(const char *name, unsigned flags, struct workqueue **out);

/**
 * Drains and frees a workqueue. Threads outside of its works must not queue to it any more. A
 * delayed work of it that still waits for its time aborts the program: the timer would use freed
 * memory.
 *
 * Context: slow path, not from a work of @p wq.
 * @param wq workqueue; NULL does nothing.
 */
WQ_API void wq_destroy(struct workqueue *wq);

/**
 * Changes the number of works that may be in execution at once.
 *
 * Context: slow path.
 * @param max_active as of wq_alloc().
 * @return 0; -EINVAL if out of range or @p wq is ordered.
 */
WQ_API int wq_set_max_active(struct workqueue *wq, int max_active);

/** Name of a workqueue. Context: any thread, lcores included. @return owned by @p wq. */
WQ_API const char *wq_name(const struct workqueue *wq);

/**
 * System workqueues. They exist between wq_init() and wq_exit(); their workers start with the first
 * work. Allocate your own workqueue to flush or drain it, or for many works.
 */
enum wq_system_id {
	WQ_SYSTEM,           /**< Per CPU; short works. */
	WQ_SYSTEM_HIGHPRI,   /**< Per CPU, high priority. */
	WQ_SYSTEM_LONG,      /**< Per CPU; works that may take long. */
	WQ_SYSTEM_UNBOUND,   /**< Unbound. */
	WQ_SYSTEM_FREEZABLE, /**< Per CPU, freezable. */
	WQ_NB_SYSTEM,
};

/** A system workqueue. Context: any thread, lcores included. @return NULL before wq_init(). */
WQ_API struct workqueue *wq_system(enum wq_system_id id);

/** Initialises a work that is not queued. Context: the owner of @p work. */
WQ_API void wq_work_init(struct wq_work *work, wq_func_t func);

/** Initialises a delayed work that is not queued. Context: the owner of @p dw. */
WQ_API void wq_delayed_init(struct wq_delayed_work *dw, wq_func_t func);

/**
 * Queues a work to the pool of the caller's CPU, or of the nearest CPU if that one is not in the
 * library's set. Works of an unbound workqueue go to the pool of that CPU's pod.
 *
 * Context: any thread, lcores included.
 * @return true if this call queued it; false if it was pending already, is disabled, or if @p wq
 *   drains and the caller is not one of its works.
 */
WQ_API bool wq_queue_work(struct workqueue *wq, struct wq_work *work);

/**
 * wq_queue_work() for the pool of a given CPU; a CPU that is not in the library's set stands for
 * the nearest one. A work that still runs in another pool waits there.
 *
 * Context: any thread, lcores included.
 * @param cpu CPU number; -1: the caller's.
 * @return as wq_queue_work().
 */
WQ_API bool wq_queue_work_on(int cpu, struct workqueue *wq, struct wq_work *work);

/**
 * Queues a delayed work after a delay. The work is pending from now on.
 *
 * Context: any thread, lcores included (the timer thread is woken only if it sleeps past the new
 * time); reads the clock.
 * @param delay_us microseconds; 0 queues at once.
 * @return as wq_queue_work().
 */
WQ_API bool wq_queue_delayed(struct workqueue *wq, struct wq_delayed_work *dw, uint64_t delay_us);

/** wq_queue_delayed() for the pool of a given CPU; -1: the CPU of the caller. */
WQ_API bool wq_queue_delayed_on(
	int cpu, struct workqueue *wq, struct wq_delayed_work *dw, uint64_t delay_us);

/**
 * Sets the time of a delayed work anew. Queues it if it is idle. Moves it if it is pending, also
 * from a pool back into the timer.
 *
 * Context: slow path.
 * @return true if it was pending before; false if this call queued it, or if it is disabled.
 */
WQ_API bool wq_mod_delayed(struct workqueue *wq, struct wq_delayed_work *dw, uint64_t delay_us);

/**
 * Cancels a pending work. Does not wait for its function if it runs.
 *
 * Context: slow path.
 * @return true if it was pending: it will not run for that queueing.
 */
WQ_API bool wq_cancel_work(struct wq_work *work);

/**
 * Cancels a pending work and waits until its function has returned. Meanwhile no thread can queue
 * the work, not even its own function.
 *
 * Context: slow path; not from the function of @p work (that aborts the program).
 * @return true if it was pending.
 */
WQ_API bool wq_cancel_work_sync(struct wq_work *work);

/** wq_cancel_work() for a delayed work, in the timer or in a pool. */
WQ_API bool wq_cancel_delayed(struct wq_delayed_work *dw);

/** wq_cancel_work_sync() for a delayed work. */
WQ_API bool wq_cancel_delayed_sync(struct wq_delayed_work *dw);

/**
 * Cancels a pending work and keeps it from being queued until wq_enable_work(). Calls nest.
 *
 * Context: slow path.
 * @return true if it was pending.
 */
WQ_API bool wq_disable_work(struct wq_work *work);

/** wq_disable_work() that also waits until the function has returned (see wq_cancel_work_sync). */
WQ_API bool wq_disable_work_sync(struct wq_work *work);

/**
 * Undoes one wq_disable_work().
 *
 * Context: slow path.
 * @return true if the work can be queued again.
 */
WQ_API bool wq_enable_work(struct wq_work *work);

/** Whether the work is queued, waits for its timer or is disabled. Context: any thread. */
WQ_API bool wq_work_pending(const struct wq_work *work);

/**
 * Waits until the last queueing of a work has been executed.
 *
 * Context: slow path; not from the function of @p work.
 * @return true if it had to wait; false if the work was idle.
 */
WQ_API bool wq_flush_work(struct wq_work *work);

/** wq_flush_work() for a delayed work. A work in the timer is queued at once. */
WQ_API bool wq_flush_delayed(struct wq_delayed_work *dw);

/**
 * Waits for the execution of all works whose queueing has returned true before. Does not wait for
 * works in the timer.
 *
 * Context: slow path; not from a work of @p wq.
 */
WQ_API void wq_flush(struct workqueue *wq);

/**
 * Flushes until no work is left. Meanwhile only works of @p wq itself can queue to it.
 *
 * Context: slow path; not from a work of @p wq.
 */
WQ_API void wq_drain(struct workqueue *wq);

/**
 * Runs a function in a worker of a CPU and waits for it.
 *
 * Context: slow path.
 * @return what @p func returned.
 */
WQ_API long wq_work_on(int cpu, long (*func)(void *arg), void *arg);

/**
 * Announces that the calling work is about to block: its pool may start another worker. Calls nest.
 * Outside of a work they do nothing. Between begin and end only wait.
 *
 * Context: any thread but polling lcores. Keeps errno.
 */
WQ_API void wq_block_begin(void);

/** Announces that the calling work runs again. Keeps errno. Context: as wq_block_begin(). */
WQ_API void wq_block_end(void);

/** Whether the caller is a work of @p wq (NULL: of any workqueue). Context: any thread. */
WQ_API bool wq_in_work(const struct workqueue *wq);

/**
 * Stops starting works of freezable workqueues. Running works go on.
 *
 * Context: slow path.
 */
WQ_API void wq_freeze(void);

/** Whether works of freezable workqueues still run after wq_freeze(). Context: slow path. */
WQ_API bool wq_freeze_busy(void);

/** Undoes wq_freeze(). Context: slow path. */
WQ_API void wq_thaw(void);

/**
 * Changes the CPUs of the library while it runs. Workers of a CPU that leaves the set finish their
 * works on the remaining CPUs. New works go to the nearest remaining CPU. A CPU that comes back
 * gets its workers back.
 *
 * Context: slow path.
 * @return 0; -EINVAL if @p cpus names no CPU of the machine.
 */
WQ_API int wq_set_cpus(const cpu_set_t *cpus);

/** The CPUs of the library. Context: slow path. @param out filled in. */
WQ_API void wq_get_cpus(cpu_set_t *out);

#ifdef __cplusplus
}
#endif

#endif
