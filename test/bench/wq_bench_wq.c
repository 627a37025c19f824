/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <time.h>

#include "wq.h"
#include "wq_bench.h"

#define MAX_BLOCKED 64

struct item {
	struct wq_work work;
	struct producer *p;
};

struct producer {
	struct bench_producer base;
	unsigned next;
	struct item works[BENCH_MAX_WINDOW] __attribute__((aligned(BENCH_LINE)));
	struct item marked;
	struct item blocked[MAX_BLOCKED];
	bool announce;
};

static struct workqueue *wq;

static struct bench_producer *
base_of(struct wq_work *work)
{
	return &((struct item *)(void *)work)->p->base;
}

static void
noop(struct wq_work *work)
{
	bench_noop(base_of(work));
}

static void
started(struct wq_work *work)
{
	bench_started(base_of(work));
}

static void
blocked(struct wq_work *work)
{
	struct item *it = (struct item *)(void *)work;

	if (it->p->announce)
		wq_block_begin();
	bench_blocked(&it->p->base);
	if (it->p->announce)
		wq_block_end();
}

static int
start(int cpu)
{
	struct wq_config cfg = {0};
	cpu_set_t set;
	int rc;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	cfg.cpus = &set;
	rc = wq_init(&cfg);
	if (rc != 0)
		return rc;
	rc = wq_alloc("bench", 0, 0, &wq);
	if (rc != 0)
		wq_exit();
	return rc;
}

static void
stop(void)
{
	wq_destroy(wq);
	wq_exit();
}

static void
item_init(struct item *it, struct producer *p, wq_func_t fn)
{
	wq_work_init(&it->work, fn);
	it->p = p;
}

static struct bench_producer *
producer_new(void)
{
	struct producer *p = bench_alloc(sizeof(*p));

	for (unsigned i = 0; i < BENCH_MAX_WINDOW; i++)
		item_init(&p->works[i], p, noop);
	for (unsigned i = 0; i < MAX_BLOCKED; i++)
		item_init(&p->blocked[i], p, blocked);
	item_init(&p->marked, p, started);
	return &p->base;
}

static void
producer_free(struct bench_producer *base)
{
	free(base);
}

static void
burst(struct bench_producer *base, unsigned first, unsigned n)
{
	struct producer *p = (struct producer *)(void *)base;

	for (unsigned i = 0; i < n; i++)
		wq_queue_work(wq, &p->works[first + i].work);
}

static void
mark(struct bench_producer *base)
{
	wq_queue_work(wq, &((struct producer *)(void *)base)->marked.work);
}

static void
block(struct bench_producer *base, unsigned idx, bool announce)
{
	struct producer *p = (struct producer *)(void *)base;

	p->announce = announce;
	wq_queue_work(wq, &p->blocked[idx].work);
}

const struct bench_impl bench_wq = {
	.name = "wq",
	.start = start,
	.stop = stop,
	.producer_new = producer_new,
	.producer_free = producer_free,
	.burst = burst,
	.mark = mark,
	.block = block,
	.can_announce = true,
};
