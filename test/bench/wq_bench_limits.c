/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The limits: a bare intrusive push of many producers, and DPDK's ring with one producer, both to a
 * thread that never sleeps.
 */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include <rte_ring.h>

#include "wq_bench.h"

#define RING_LEN (2 * BENCH_MAX_WINDOW)

/* As long as a struct wq_work with its owner, so that as many cache lines move. */
struct node {
	struct node *next;
	struct producer *p;
	void (*func)(struct node *n);
	uint64_t pad[5];
};

struct producer {
	struct bench_producer base;
	struct node nodes[BENCH_MAX_WINDOW] __attribute__((aligned(BENCH_LINE)));
	struct node marked;
};

static struct {
	struct node *tail __attribute__((aligned(BENCH_LINE)));
	struct node stub __attribute__((aligned(BENCH_LINE)));
	struct rte_ring *ring;
	pthread_t thread;
	int cpu;
	bool stop;
} q;

static void
noop(struct node *n)
{
	bench_noop(&n->p->base);
}

static void
started(struct node *n)
{
	bench_started(&n->p->base);
}

static struct bench_producer *
producer_new(void)
{
	struct producer *p = bench_alloc(sizeof(*p));

	for (unsigned i = 0; i < BENCH_MAX_WINDOW; i++) {
		p->nodes[i].p = p;
		p->nodes[i].func = noop;
	}
	p->marked.p = p;
	p->marked.func = started;
	return &p->base;
}

static void
producer_free(struct bench_producer *base)
{
	free(base);
}

static inline void
push(struct node *n)
{
	struct node *prev;

	__atomic_store_n(&n->next, NULL, __ATOMIC_RELAXED);
	prev = __atomic_exchange_n(&q.tail, n, __ATOMIC_SEQ_CST);
	__atomic_store_n(&prev->next, n, __ATOMIC_RELEASE);
}

/* Takes the chain off and runs it. */
static void
run_chain(void)
{
	struct node *n = __atomic_load_n(&q.stub.next, __ATOMIC_ACQUIRE), *last;

	if (n == NULL) {
		bench_pause();
		return;
	}
	__atomic_store_n(&q.stub.next, NULL, __ATOMIC_RELAXED);
	last = __atomic_exchange_n(&q.tail, &q.stub, __ATOMIC_SEQ_CST);
	for (;;) {
		struct node *next = NULL;

		while (n != last && (next = __atomic_load_n(&n->next, __ATOMIC_ACQUIRE)) == NULL)
			bench_pause();
		n->func(n);
		if (n == last)
			return;
		n = next;
	}
}

static void *
mpsc_main(void *arg)
{
	bench_pin(q.cpu);
	while (!__atomic_load_n(&q.stop, __ATOMIC_RELAXED))
		run_chain();
	return arg;
}

static void *
ring_main(void *arg)
{
	bench_pin(q.cpu);
	while (!__atomic_load_n(&q.stop, __ATOMIC_RELAXED)) {
		void *objs[32];
		unsigned n = rte_ring_sc_dequeue_burst(q.ring, objs, 32, NULL);

		for (unsigned i = 0; i < n; i++)
			((struct node *)objs[i])->func(objs[i]);
		if (n == 0)
			bench_pause();
	}
	return arg;
}

static int
start(int cpu, void *(*fn)(void *))
{
	q.cpu = cpu;
	q.stop = false;
	q.stub.next = NULL;
	q.tail = &q.stub;
	return -pthread_create(&q.thread, NULL, fn, NULL);
}

static void
stop(void)
{
	__atomic_store_n(&q.stop, true, __ATOMIC_RELAXED);
	pthread_join(q.thread, NULL);
	free(q.ring);
	q.ring = NULL;
}

static int
mpsc_start(int cpu)
{
	return start(cpu, mpsc_main);
}

static void
mpsc_burst(struct bench_producer *base, unsigned first, unsigned n)
{
	struct producer *p = (struct producer *)(void *)base;

	for (unsigned i = 0; i < n; i++)
		push(&p->nodes[first + i]);
}

static void
mpsc_mark(struct bench_producer *base)
{
	push(&((struct producer *)(void *)base)->marked);
}

static int
ring_start(int cpu)
{
	ssize_t len = rte_ring_get_memsize(RING_LEN);
	int rc;

	/* In memory of our own: no EAL. */
	q.ring = bench_alloc((size_t)len);
	rc = rte_ring_init(q.ring, "bench", RING_LEN, RING_F_SP_ENQ | RING_F_SC_DEQ);
	return rc != 0 ? rc : start(cpu, ring_main);
}

static void
ring_burst(struct bench_producer *base, unsigned first, unsigned n)
{
	struct producer *p = (struct producer *)(void *)base;

	/* The ring holds more than a window. */
	for (unsigned i = 0; i < n; i++)
		rte_ring_sp_enqueue(q.ring, &p->nodes[first + i]);
}

static void
ring_mark(struct bench_producer *base)
{
	rte_ring_sp_enqueue(q.ring, &((struct producer *)(void *)base)->marked);
}

const struct bench_impl bench_bare_mpsc = {
	.name = "bare_mpsc",
	.start = mpsc_start,
	.stop = stop,
	.producer_new = producer_new,
	.producer_free = producer_free,
	.burst = mpsc_burst,
	.mark = mpsc_mark,
};

const struct bench_impl bench_spsc_ring = {
	.name = "spsc_ring",
	.start = ring_start,
	.stop = stop,
	.producer_new = producer_new,
	.producer_free = producer_free,
	.burst = ring_burst,
	.mark = ring_mark,
};
