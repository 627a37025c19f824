/* SPDX-License-Identifier: BSD-3-Clause */

/* Workers: creating them, and their threads, which execute works, spin, and sleep. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "current.h"
#include "execute.h"
#include "global.h"
#include "link.h"
#include "log.h"
#include "os.h"
#include "pool.h"
#include "pwq.h"
#include "thread.h"
#include "worker.h"

/* Works taken from the inbox at once. More of them make longer lists, without lower cost. */
#define DRAIN_BATCH 16
/* Nice value of workers of high priority, if the process may set it. */
#define HIGHPRI_NICE (-20)

/*
 * Takes works from the inbox until the worklist holds one. P is held; it is released while a
 * producer is between its two steps. false: no work waits.
 */
static bool
fill_worklist(struct wq_pool *pool)
{
	unsigned round = 0;

	while (wq_link_empty(&pool->worklist)) {
		enum wq_inbox_state state = wq_pwq_drain(pool, DRAIN_BATCH);

		if (!wq_link_empty(&pool->worklist))
			return true;
		if (state == WQ_INBOX_EMPTY)
			return false;
		if (state == WQ_INBOX_MORE)
			continue;
		wq_pool_unlock(pool);
		if (round < 64) {
			for (unsigned i = 0; i < 16; i++)
				wq_os_pause();
		} else if (round < 128) {
			wq_os_yield();
		} else {
			/* The producer was preempted, perhaps by this thread: leave the CPU. */
			wq_os_sleep_ns(50 * WQ_NS_PER_US);
		}
		round++;
		wq_lock(&pool->lock);
	}
	return true;
}

/*
 * Looks for new works for wq_config::spin_us, so that producers need not wake the worker. The
 * worker counts as running meanwhile. P is held, and released meanwhile. true: works wait.
 */
static bool
spin(struct wq_worker *w)
{
	struct wq_pool *pool = w->pool;
	bool counted = !(w->flags & WQ_W_NOT_RUNNING);
	uint64_t until;

	if (wq_global.cfg.spin_us == 0 || pool->nb_running > (counted ? 1 : 0) ||
		(w->flags & WQ_W_RESCUER))
		return false;
	if (!counted)
		pool->nb_running++;
	wq_pool_unlock(pool);
	until = wq_os_now_ns() + wq_global.cfg.spin_us * WQ_NS_PER_US;
	do {
		for (unsigned i = 0; i < 8 && wq_inbox_quiet(&pool->inbox); i++)
			wq_os_pause();
	} while (wq_inbox_quiet(&pool->inbox) && wq_os_now_ns() < until);
	wq_lock(&pool->lock);
	if (!counted)
		pool->nb_running--;
	return wq_pool_work_waits(pool);
}

/*
 * A turn of a worker, from its wake-up to the next sleep. It executes works until none waits, or
 * until another worker of a managed pool runs as well. P is held, and released at the end.
 */
static void
serve(struct wq_worker *w)
{
	struct wq_pool *pool = w->pool;

	wq_pool_leave_idle(w);
	while (wq_pool_need_more(pool)) {
		/*
		 * Create a spare worker before the last one starts to work. Without one it works
		 * all the same: the monitor goes on trying, and calls rescuers.
		 */
		if (pool->nb_idle == 0 && wq_worker_manage(pool, w))
			continue;
		wq_pool_clear_worker_flags(w, WQ_W_PREP);
		do {
			while (pool->nb_running <= 1 && fill_worklist(pool)) {
				struct wq_work *first =
					wq_container_of(pool->worklist.next, struct wq_work, entry);

				if (wq_execute_assign(w, first))
					wq_execute_scheduled(w);
			}
		} while (pool->nb_running <= 1 && spin(w));
		wq_pool_set_worker_flags(w, WQ_W_PREP);
	}
	wq_pool_enter_idle(w);
	wq_pool_unlock(pool);
}

static void *
worker_main(void *arg)
{
	struct wq_worker *w = arg;
	struct wq_pool *pool = w->pool;
	bool dies = false;

	wq_current = w;
	pthread_setname_np(pthread_self(), w->name);
	__atomic_store_n(&w->tid, wq_os_gettid(), __ATOMIC_RELEASE);
	/* Fails without the privilege. Then these workers run at normal priority. */
	if (pool->highpri)
		(void)setpriority(PRIO_PROCESS, (id_t)w->tid, HIGHPRI_NICE);
	while (!dies) {
		wq_waker_sleep(&w->waker, WQ_FOREVER);
		wq_lock(&pool->lock);
		dies = w->flags & WQ_W_DIE;
		/*
		 * If the worker is not idle, a late wake-up was meant for the former user of the
		 * struct, and the creator has not entered this worker in the idle list yet.
		 */
		if (!dies && (w->flags & WQ_W_IDLE))
			serve(w);
		else
			wq_pool_unlock(pool);
	}
	return NULL;
}

/* Takes a struct for a new worker, with its id and name. P is not held. */
static int
prepare(struct wq_pool *pool, struct wq_worker **out)
{
	const char *suffix = pool->highpri ? "H" : "";
	struct wq_worker *w = NULL;
	char name[64];
	int id = -1;

	wq_lock(&pool->lock);
	for (int i = 0; i < WQ_MAX_WORKERS / 64 && id < 0; i++) {
		if (~pool->ids[i] != 0) {
			id = i * 64 + __builtin_ctzll(~pool->ids[i]);
			pool->ids[i] |= UINT64_C(1) << id % 64;
		}
	}
	if (id >= 0 && !wq_link_empty(&pool->cast_off)) {
		w = wq_container_of(pool->cast_off.next, struct wq_worker, node);
		wq_link_del(&w->node);
	}
	wq_unlock(&pool->lock);
	if (id < 0)
		return -EAGAIN;
	if (w == NULL) {
		w = aligned_alloc(WQ_LINE, sizeof(*w));
		if (w == NULL) {
			wq_lock(&pool->lock);
			pool->ids[id / 64] &= ~(UINT64_C(1) << id % 64);
			wq_unlock(&pool->lock);
			return -ENOMEM;
		}
		w->waker.word = WQ_WAKER_AWAKE;
	}
	/* Keep the waker: a thread may still be about to wake the former user of the struct. */
	memset((char *)w + offsetof(struct wq_worker, pool), 0,
		sizeof(*w) - offsetof(struct wq_worker, pool));
	w->pool = pool;
	w->id = (uint32_t)id;
	w->flags = WQ_W_PREP;
	wq_link_init(&w->entry);
	wq_link_init(&w->node);
	wq_link_init(&w->scheduled);
	if (pool->cpu < 0)
		snprintf(name, sizeof(name), "wq/u%u:%u%s", pool->id, w->id, suffix);
	else
		snprintf(name, sizeof(name), "wq/%d:%u%s", pool->cpu, w->id, suffix);
	/* The kernel keeps 15 bytes of a thread's name. */
	snprintf(w->name, sizeof(w->name), "%.15s", name);
	*out = w;
	return 0;
}

int
wq_worker_create(struct wq_pool *pool)
{
	struct wq_worker *w;
	cpu_set_t cpus;
	uint32_t gen;
	int rc;

	rc = prepare(pool, &w);
	if (rc != 0)
		return rc;
	wq_lock(&pool->lock);
	cpus = pool->cpus;
	gen = pool->cpus_gen;
	wq_unlock(&pool->lock);
	rc = wq_thread_start(&w->thread, &cpus, worker_main, w);
	wq_lock(&pool->lock);
	if (rc != 0) {
		pool->nb_create_failed++;
		wq_pool_cast_off(w);
		wq_unlock(&pool->lock);
		return rc;
	}
	if (pool->cpus_gen != gen)
		pthread_setaffinity_np(w->thread, sizeof(pool->cpus), &pool->cpus);
	if (pool->flags & (WQ_P_UNBOUND | WQ_P_DISASSOCIATED))
		w->flags |= WQ_W_UNBOUND;
	wq_link_append(&w->node, &pool->workers);
	pool->nb_workers++;
	pool->nb_created++;
	wq_pool_enter_idle(w);
	wq_pool_unlock(pool);
	return 0;
}

bool
wq_worker_manage(struct wq_pool *pool, struct wq_worker *manager)
{
	int rc;

	if (pool->manager != NULL)
		return false;
	if (wq_unlikely(pool->create_after_ns != 0) && wq_os_now_ns() < pool->create_after_ns)
		return false;
	pool->manager = manager;
	wq_pool_unlock(pool);
	rc = wq_worker_create(pool);
	if (rc != 0)
		wq_log(WQ_LOG_WARNING, "pool %u: cannot create a worker: %s", pool->id,
			strerror(-rc));
	wq_lock(&pool->lock);
	pool->manager = NULL;
	pool->create_after_ns =
		rc == 0 ? 0 : wq_os_now_ns() + wq_global.cfg.create_cooldown_ms * WQ_NS_PER_MS;
	return true;
}
