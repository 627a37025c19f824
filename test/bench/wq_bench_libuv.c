/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <time.h>

#include <uv.h>

#include "wq_bench.h"

#define MAX_BLOCKED 64

struct producer {
	struct bench_producer base;
	uv_loop_t loop;
	uint64_t nb_after;
	uv_work_t works[BENCH_MAX_WINDOW];
	uv_work_t marked;
	uv_work_t blocked[MAX_BLOCKED];
};

static int consumer_cpu;

static void
pin(void)
{
	static __thread bool pinned;

	if (!pinned)
		bench_pin(consumer_cpu);
	pinned = true;
}

static void
noop(uv_work_t *req)
{
	pin();
	bench_noop(req->data);
}

static void
started(uv_work_t *req)
{
	pin();
	bench_started(req->data);
}

static void
blocked(uv_work_t *req)
{
	bench_blocked(req->data);
}

static void
after(uv_work_t *req, int status)
{
	((struct producer *)req->data)->nb_after++;
	(void)status;
}

static int
start(int cpu)
{
	/* The pool is one per process and stays; its size is set by the environment (see main). */
	consumer_cpu = cpu;
	return 0;
}

static void
stop(void)
{
}

static struct bench_producer *
producer_new(void)
{
	struct producer *p = bench_alloc(sizeof(*p));

	uv_loop_init(&p->loop);
	for (unsigned i = 0; i < BENCH_MAX_WINDOW; i++)
		p->works[i].data = p;
	for (unsigned i = 0; i < MAX_BLOCKED; i++)
		p->blocked[i].data = p;
	p->marked.data = p;
	return &p->base;
}

static void
producer_free(struct bench_producer *base)
{
	struct producer *p = (struct producer *)(void *)base;

	uv_run(&p->loop, UV_RUN_DEFAULT);
	uv_loop_close(&p->loop);
	free(p);
}

static void
burst(struct bench_producer *base, unsigned first, unsigned n)
{
	struct producer *p = (struct producer *)(void *)base;

	for (unsigned i = 0; i < n; i++)
		uv_queue_work(&p->loop, &p->works[first + i], noop, after);
}

/* A request can be used again when its loop has seen it done. */
static void
wait_done(struct bench_producer *base, uint64_t n)
{
	struct producer *p = (struct producer *)(void *)base;

	while (p->nb_after < n)
		uv_run(&p->loop, UV_RUN_ONCE);
}

static void
mark(struct bench_producer *base)
{
	struct producer *p = (struct producer *)(void *)base;

	uv_run(&p->loop, UV_RUN_NOWAIT);
	uv_queue_work(&p->loop, &p->marked, started, after);
}

static void
block(struct bench_producer *base, unsigned idx, bool announce)
{
	struct producer *p = (struct producer *)(void *)base;

	uv_queue_work(&p->loop, &p->blocked[idx], blocked, after);
	(void)announce;
}

const struct bench_impl bench_libuv = {
	.name = "libuv",
	.start = start,
	.stop = stop,
	.producer_new = producer_new,
	.producer_free = producer_free,
	.burst = burst,
	.wait = wait_done,
	.mark = mark,
	.block = block,
};
