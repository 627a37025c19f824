/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The monitor: a thread that looks at all pools every wq_config::monitor_us while workers run, less
 * often while it finds nothing new, and sleeps while no worker runs. It finds works that block
 * unannounced and works that burn CPU, creates workers if a pool has none that could, calls
 * rescuers, logs stalls, and reaps spare workers.
 */

#include "global.h"
#include "log.h"
#include "monitor.h"
#include "os.h"
#include "pool.h"
#include "probe.h"
#include "reap.h"
#include "rescuer.h"
#include "thread.h"
#include "worker.h"

#define MONITOR (&wq_global.monitor)
/* Longest period, in wq_config::monitor_us, while no work waits. */
#define QUIET_PERIODS 2
/* The same while works wait, but all running executions were seen before. */
#define SEEN_PERIODS 10
/* Passes without a running worker before it sleeps: to wake it again costs a system call. */
#define LINGER_PASSES 4

/* Calls rescuers and logs a stall if waiting works are not started. P is held. */
static void
check_progress(struct wq_pool *pool, uint64_t now)
{
	uint64_t mayday_ns = wq_global.cfg.mayday_ms * WQ_NS_PER_MS, stalled;

	if (pool->nb_started != pool->progress_works || !wq_pool_work_waits(pool)) {
		pool->progress_works = pool->nb_started;
		pool->progress_ns = now;
		pool->mayday_ns = 0;
		pool->stall_told = false;
		return;
	}
	stalled = now - pool->progress_ns;
	if (stalled >= mayday_ns && pool->nb_idle == 0 &&
		(pool->mayday_ns == 0 || now - pool->mayday_ns >= 10 * mayday_ns)) {
		pool->mayday_ns = now;
		wq_rescuer_mayday(pool);
	}
	if (stalled >= wq_global.cfg.watchdog_ms * WQ_NS_PER_MS && !pool->stall_told) {
		pool->stall_told = true;
		pool->nb_stalls++;
		wq_log(WQ_LOG_ERR, "pool %u: no work started for %u ms, %u of %u workers idle",
			pool->id, (unsigned)(stalled / WQ_NS_PER_MS), pool->nb_idle,
			pool->nb_workers);
	}
}

/* Looks at all pools once. Returns the time at which the next worker is to be reaped. */
static uint64_t
pass(struct wq_probe *sum)
{
	uint32_t nb_pools = __atomic_load_n(&wq_global.nb_pools, __ATOMIC_ACQUIRE);
	uint64_t reap = WQ_FOREVER, now = wq_os_now_ns();

	for (uint32_t id = 1; id <= nb_pools; id++) {
		struct wq_pool *pool = wq_pool_by_id(id);
		uint64_t due;

		wq_lock(&pool->lock);
		/* Works wait, and no worker of the pool can create the one that they need. */
		if (wq_pool_need_more(pool) && pool->nb_idle == 0)
			wq_worker_manage(pool, WQ_WORKER_MONITOR);
		check_progress(pool, now);
		wq_pool_unlock(pool);
		wq_probe_pool(pool, sum);
		due = wq_reap_pool(pool, now);
		if (due < reap)
			reap = due;
	}
	return reap;
}

/*
 * Announces that the monitor will sleep, then looks once more: a worker that began to run before
 * the announcement has not woken the monitor. false: a worker runs, or works wait.
 */
static bool
disarm(void)
{
	uint32_t nb_pools = __atomic_load_n(&wq_global.nb_pools, __ATOMIC_ACQUIRE);
	bool active = false;

	__atomic_store_n(&MONITOR->ticking, 0, __ATOMIC_SEQ_CST);
	for (uint32_t id = 1; id <= nb_pools && !active; id++) {
		struct wq_pool *pool = wq_pool_by_id(id);

		wq_lock(&pool->lock);
		active = pool->nb_running > 0 || wq_pool_work_waits(pool);
		wq_pool_unlock(pool);
	}
	if (active)
		__atomic_store_n(&MONITOR->ticking, 1, __ATOMIC_SEQ_CST);
	return !active;
}

static uint64_t
next_period(uint64_t period, const struct wq_probe *sum)
{
	uint64_t base = wq_global.cfg.monitor_us * WQ_NS_PER_US, longest;

	if (sum->found || sum->fresh)
		return base;
	longest = base * (sum->waits ? SEEN_PERIODS : QUIET_PERIODS);
	period *= 2;
	return period < longest ? period : longest;
}

static void *
monitor_main(void *arg)
{
	uint64_t period = wq_global.cfg.monitor_us * WQ_NS_PER_US;
	unsigned quiet = 0;

	pthread_setname_np(pthread_self(), "wq/monitor");
	while (!__atomic_load_n(&MONITOR->stop, __ATOMIC_ACQUIRE)) {
		struct wq_probe sum = {0};
		uint64_t reap = pass(&sum), until;

		quiet = sum.active ? 0 : quiet + 1;
		if (quiet >= LINGER_PASSES && disarm()) {
			wq_waker_sleep(&MONITOR->waker, reap);
			__atomic_store_n(&MONITOR->ticking, 1, __ATOMIC_SEQ_CST);
			period = wq_global.cfg.monitor_us * WQ_NS_PER_US;
			quiet = 0;
			continue;
		}
		period = next_period(period, &sum);
		until = wq_os_now_ns() + period;
		wq_waker_sleep(&MONITOR->waker, until < reap ? until : reap);
	}
	return arg;
}

int
wq_monitor_start(void)
{
	int rc;

	MONITOR->stop = false;
	MONITOR->ticking = 1;
	rc = wq_thread_start(&MONITOR->thread, &wq_global.cpus, monitor_main, NULL);
	MONITOR->started = rc == 0;
	return rc;
}

void
wq_monitor_stop(void)
{
	if (!MONITOR->started)
		return;
	__atomic_store_n(&MONITOR->stop, true, __ATOMIC_RELEASE);
	wq_waker_wake(&MONITOR->waker);
	pthread_join(MONITOR->thread, NULL);
	MONITOR->started = false;
}
