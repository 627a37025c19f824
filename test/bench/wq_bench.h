/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_BENCH_H
#define WQ_BENCH_H

/*
 * The measurement of each implementation: producers keep a window of works that do nothing
 * in flight, one consumer executes them. The loops are inside the implementations, so that no call
 * through a pointer is measured.
 */

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#define BENCH_LINE       64
#define BENCH_MAX_WINDOW 4096

/* The common part of the producers of all implementations. */
struct bench_producer {
	/* Written by the consumer: works executed since the start. */
	uint64_t nb_done __attribute__((aligned(BENCH_LINE)));
	/* Written by the consumer: when the marked work started. */
	uint64_t started_tsc;
	uint32_t started;
	uint32_t gate; /* blocked works go on when it is set */
	uint32_t nb_blocked;
	uint32_t pad __attribute__((aligned(BENCH_LINE)));
};

struct bench_impl {
	const char *name;
	/* Starts the consumer on a CPU. 0, or -errno. */
	int (*start)(int cpu);
	void (*stop)(void);
	/* In the producer's thread. */
	struct bench_producer *(*producer_new)(void);
	void (*producer_free)(struct bench_producer *p);
	/* Enqueues @n works from the @first on, all idle. */
	void (*burst)(struct bench_producer *p, unsigned first, unsigned n);
	/* Waits until nb_done has reached @n; NULL: by looking. */
	void (*wait)(struct bench_producer *p, uint64_t n);
	/* Enqueues one work that stores when it started. */
	void (*mark)(struct bench_producer *p);
	/* Enqueues a work that blocks until the gate opens; NULL: it cannot run two at a time. */
	void (*block)(struct bench_producer *p, unsigned idx, bool announce);
	bool can_announce;
};

extern const struct bench_impl bench_wq;
extern const struct bench_impl bench_bare_mpsc;
extern const struct bench_impl bench_spsc_ring;
extern const struct bench_impl bench_gthreadpool;
extern const struct bench_impl bench_libuv;

static inline uint64_t
bench_tsc(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
#endif
}

static inline void
bench_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

/* The works' functions, the same for all. */
static inline void
bench_noop(struct bench_producer *p)
{
	__atomic_fetch_add(&p->nb_done, 1, __ATOMIC_RELEASE);
}

static inline void
bench_started(struct bench_producer *p)
{
	p->started_tsc = bench_tsc();
	__atomic_store_n(&p->started, 1, __ATOMIC_RELEASE);
}

/** Block on a futex until the gate opens. Context: a work of the producer. */
void bench_blocked(struct bench_producer *p);

/** Open the gate. Context: any thread. */
void bench_open_gate(struct bench_producer *p);

/** @return @p len zeroed bytes on cache lines of their own; the caller frees them. Never NULL. */
void *bench_alloc(size_t len);

/** Pin the calling thread to a CPU. @return 0; -1 with errno. */
int bench_pin(int cpu);

#endif
