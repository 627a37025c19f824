/* SPDX-License-Identifier: BSD-3-Clause */
/* Stand-in of lib/wq: a work that is due runs as a coroutine. The next one is chosen at random. */
#include <stdlib.h>
#include <string.h>

#include <wq.h>
#include <wq_stats.h>

#include "sim.h"
#include "sim_world.h"

#define NB_WORKS 16384

enum state { IDLE, TIMED, QUEUED, RUNNING, RUNNING_QUEUED };

/* wq_work.where holds an enum state. */
struct timed {
	struct wq_work *work;
	uint64_t at_ns;
};

static struct timed timed[NB_WORKS];
static unsigned int nb_timed;
static struct wq_work *queued[NB_WORKS];
static unsigned int nb_queued;
static unsigned int nb_running;

struct runner {
	struct wq_work *work;
	struct sim_co *co;
};

static struct runner runners[64];

int
wq_alloc(const char *name, unsigned int flags, int max_active, struct workqueue **out)
{
	(void)name;
	(void)flags;
	(void)max_active;
	*out = (struct workqueue *)(void *)runners; /* only compared with NULL */
	return 0;
}

void
wq_work_init(struct wq_work *work, wq_func_t func)
{
	memset(work, 0, sizeof(*work));
	work->func = func;
}

void
wq_delayed_init(struct wq_delayed_work *dw, wq_func_t func)
{
	memset(dw, 0, sizeof(*dw));
	dw->work.func = func;
}

bool
wq_queue_work(struct workqueue *wq, struct wq_work *work)
{
	(void)wq;
	switch ((enum state)work->where) {
	case IDLE:
		work->where = QUEUED;
		break;
	case RUNNING:
		work->where = RUNNING_QUEUED;
		return true;
	default:
		return false;
	}
	if (nb_queued == NB_WORKS)
		sim_fault("simulator", "too many works");
	queued[nb_queued++] = work;
	return true;
}

bool
wq_queue_delayed(struct workqueue *wq, struct wq_delayed_work *dw, uint64_t delay_us)
{
	struct wq_work *work = &dw->work;

	if (delay_us == 0)
		return wq_queue_work(wq, work);
	/* A work that runs may be queued again with a delay: it counts as idle then. */
	if (work->where != IDLE && work->where != RUNNING)
		return false;
	for (unsigned int i = 0; i < nb_timed; i++) {
		if (timed[i].work == work)
			return false;
	}
	if (nb_timed == NB_WORKS)
		sim_fault("simulator", "too many delayed works");
	timed[nb_timed++] = (struct timed){work, sim_now_ns + delay_us * 1000};
	if (work->where == IDLE)
		work->where = TIMED;
	return true;
}

static bool
drop_timer(struct wq_work *work)
{
	for (unsigned int i = 0; i < nb_timed; i++) {
		if (timed[i].work != work)
			continue;
		timed[i] = timed[--nb_timed];
		if (work->where == TIMED)
			work->where = IDLE;
		return true;
	}
	return false;
}

static bool
drop_queued(struct wq_work *work)
{
	for (unsigned int i = 0; i < nb_queued; i++) {
		if (queued[i] != work)
			continue;
		memmove(&queued[i], &queued[i + 1], (nb_queued - i - 1) * sizeof(queued[0]));
		nb_queued--;
		work->where = IDLE;
		return true;
	}
	return false;
}

static bool
not_running(void *arg)
{
	const struct wq_work *work = arg;

	return work->where != RUNNING && work->where != RUNNING_QUEUED;
}

bool
wq_cancel_work_sync(struct wq_work *work)
{
	bool was = drop_timer(work);

	was = drop_queued(work) || was;
	if (work->where == RUNNING_QUEUED)
		work->where = RUNNING;
	if (!not_running(work))
		sim_wait(not_running, work, UINT64_MAX);
	return was;
}

bool
wq_cancel_delayed_sync(struct wq_delayed_work *dw)
{
	return wq_cancel_work_sync(&dw->work);
}

bool
wq_flush_delayed(struct wq_delayed_work *dw)
{
	if (drop_timer(&dw->work))
		wq_queue_work(NULL, &dw->work);
	sim_wait(not_running, &dw->work, UINT64_MAX);
	return true;
}

static bool
all_done(void *arg)
{
	(void)arg;
	return nb_queued == 0 && nb_running == 0;
}

void
wq_flush(struct workqueue *wq)
{
	(void)wq;
	sim_wait(all_done, NULL, UINT64_MAX);
}

void
wq_destroy(struct workqueue *wq)
{
	wq_flush(wq);
}

void
wq_block_begin(void)
{
}

void
wq_block_end(void)
{
}

int
wq_stats_visit_pools(int (*fn)(const struct wq_stats_pool *pool, void *arg), void *arg)
{
	(void)fn;
	(void)arg;
	return 0;
}

/* ---- the worker ---- */

uint64_t
sim_wq_next(void)
{
	uint64_t next = UINT64_MAX;

	for (unsigned int i = 0; i < nb_timed; i++) {
		if (timed[i].at_ns < next)
			next = timed[i].at_ns;
	}
	return next;
}

static void
reap(void)
{
	for (unsigned int i = 0; i < sizeof(runners) / sizeof(runners[0]); i++) {
		struct runner *r = &runners[i];

		if (r->co == NULL || !sim_co_ended(r->co))
			continue;
		sim_co_free(r->co);
		r->co = NULL;
		nb_running--;
	}
}

static struct runner *
free_runner(void)
{
	for (unsigned int i = 0; i < sizeof(runners) / sizeof(runners[0]); i++) {
		if (runners[i].co == NULL)
			return &runners[i];
	}
	return NULL;
}

static void
run_one(void *arg)
{
	struct runner *r = arg;
	struct wq_work *work = r->work;

	work->func(work);
	if (work->where == RUNNING_QUEUED) {
		work->where = IDLE;
		wq_queue_work(NULL, work);
	} else if (work->where == RUNNING) {
		work->where = IDLE;
		for (unsigned int i = 0; i < nb_timed; i++) {
			if (timed[i].work == work)
				work->where = TIMED;
		}
	}
}

void
sim_wq_poll(void)
{
	struct runner *r;
	unsigned int i;

	reap();
	for (i = 0; i < nb_timed;) {
		struct wq_work *work = timed[i].work;

		if (timed[i].at_ns > sim_now_ns || (work->where != TIMED)) {
			i++;
			continue;
		}
		drop_timer(work);
		wq_queue_work(NULL, work);
	}
	if (nb_queued == 0)
		return;
	r = free_runner();
	if (r == NULL)
		return;
	i = sim_rand(&sim_world.schedule, nb_queued < 4 ? nb_queued : 4);
	r->work = queued[i];
	drop_queued(r->work);
	r->work->where = RUNNING;
	nb_running++;
	r->co = sim_co_start("work", run_one, r);
}
