/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <time.h>

#include <glib.h>

#include "wq_bench.h"

#define MAX_BLOCKED 64

struct item {
	struct producer *p;
	void (*func)(struct bench_producer *p);
};

struct producer {
	struct bench_producer base;
	struct item works[BENCH_MAX_WINDOW];
	struct item marked;
	struct item blocked;
};

static GThreadPool *pool;
static int consumer_cpu;

static void
run(gpointer data, gpointer user)
{
	struct item *it = data;
	static __thread bool pinned;

	if (!pinned) {
		bench_pin(consumer_cpu);
		pinned = true;
	}
	it->func(&it->p->base);
	(void)user;
}

static int
start(int cpu)
{
	consumer_cpu = cpu;
	/* One exclusive thread: as our pool, one consumer on one CPU. */
	pool = g_thread_pool_new(run, NULL, 1, TRUE, NULL);
	return pool == NULL ? -1 : 0;
}

static void
stop(void)
{
	g_thread_pool_free(pool, FALSE, TRUE);
}

static struct bench_producer *
producer_new(void)
{
	struct producer *p = bench_alloc(sizeof(*p));

	for (unsigned i = 0; i < BENCH_MAX_WINDOW; i++)
		p->works[i] = (struct item){p, bench_noop};
	p->marked = (struct item){p, bench_started};
	p->blocked = (struct item){p, bench_blocked};
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
		g_thread_pool_push(pool, &p->works[first + i], NULL);
}

static void
mark(struct bench_producer *base)
{
	g_thread_pool_push(pool, &((struct producer *)(void *)base)->marked, NULL);
}

static void
block(struct bench_producer *base, unsigned idx, bool announce)
{
	/* Its default: as many threads as CPUs. */
	g_thread_pool_set_max_threads(pool, (gint)g_get_num_processors(), NULL);
	g_thread_pool_push(pool, &((struct producer *)(void *)base)->blocked, NULL);
	(void)idx;
	(void)announce;
}

const struct bench_impl bench_gthreadpool = {
	.name = "gthreadpool",
	.start = start,
	.stop = stop,
	.producer_new = producer_new,
	.producer_free = producer_free,
	.burst = burst,
	.mark = mark,
	.block = block,
};
