/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_BENCH_REPORT_H
#define WQ_BENCH_REPORT_H

/* Options and results of wq_bench, and their output. */

#include <stddef.h>

#include "wq_bench.h"

#define MAX_PRODUCERS 16
#define MAX_ROUNDS    99
#define MAX_BLOCKED   8
#define NB_IMPLS      5
/* How long blocked works block at the most: who waits so long was not helped. */
#define BLOCK_CAP_NS UINT64_C(300000000)

struct options {
	unsigned window; /* works in flight of a producer */
	unsigned burst;  /* of them enqueued at a time */
	unsigned works;  /* thousands of them in a round */
	unsigned rounds;
	unsigned producers;
	unsigned wakes;
	bool json;
	const char *only; /* one implementation; NULL: all */
	bool no_blocked;
};

struct result {
	double enqueue_ns[MAX_PRODUCERS][MAX_ROUNDS];
	double works_per_s[MAX_PRODUCERS][MAX_ROUNDS];
	double *wake_us; /* rounds × wakes */
	size_t nb_wakes;
	double blocked_us[2][MAX_BLOCKED][MAX_ROUNDS]; /* [announced] */
};

extern struct options opt;
extern const struct bench_impl *impls[NB_IMPLS]; /* NULL behind the last one */
extern struct result results[NB_IMPLS];

/** @return the number of producers that an implementation is measured with. */
unsigned nb_producers(const struct bench_impl *impl);

/** Print all results as JSON. */
void print_json(void);

/** Print the medians as a table. */
void print_table(void);

#endif
