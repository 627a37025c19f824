/* SPDX-License-Identifier: BSD-3-Clause */
#include "pg_hist.h"

#include <string.h>

#define STEPS (1u << PG_HIST_STEP_BITS)

void
pg_hist_clear(struct pg_hist *hist)
{
	memset(hist, 0, sizeof(*hist));
}

static unsigned int
bucket_of(uint64_t ns)
{
	unsigned int shift;

	if (ns < STEPS)
		return (unsigned int)ns;
	shift = 63u - (unsigned int)__builtin_clzll(ns) - PG_HIST_STEP_BITS;
	return ((shift + 1) << PG_HIST_STEP_BITS) + ((ns >> shift) & (STEPS - 1));
}

/* The largest value that falls into a bucket. */
static uint64_t
bucket_top(unsigned int bucket)
{
	unsigned int shift;

	if (bucket < STEPS)
		return bucket;
	shift = (bucket >> PG_HIST_STEP_BITS) - 1;
	return ((STEPS + (bucket & (STEPS - 1)) + UINT64_C(1)) << shift) - 1;
}

void
pg_hist_add(struct pg_hist *hist, uint64_t ns)
{
	if (hist->nb == 0 || ns < hist->min_ns)
		hist->min_ns = ns;
	if (ns > hist->max_ns)
		hist->max_ns = ns;
	hist->nb++;
	hist->sum_ns += ns;
	hist->buckets[bucket_of(ns)]++;
}

uint64_t
pg_hist_quantile(const struct pg_hist *hist, double share)
{
	const double rank = share * (double)hist->nb;
	uint64_t seen = 0;
	unsigned int i;

	if (hist->nb == 0)
		return 0;
	for (i = 0; i < PG_HIST_NB; i++) {
		seen += hist->buckets[i];
		if (hist->buckets[i] > 0 && (double)seen >= rank)
			break;
	}
	return i == PG_HIST_NB || bucket_top(i) > hist->max_ns ? hist->max_ns : bucket_top(i);
}

double
pg_hist_mean(const struct pg_hist *hist)
{
	return hist->nb == 0 ? 0 : (double)hist->sum_ns / (double)hist->nb;
}
