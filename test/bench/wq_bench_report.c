/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>

#include "wq_bench_report.h"

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts. */
static double
quantile(double *v, size_t n, double q)
{
	size_t i = (size_t)((double)n * q);

	qsort(v, n, sizeof(*v), by_value);
	return n == 0 ? 0 : v[i < n ? i : n - 1];
}

static void
print_series(const char *name, double v[][MAX_ROUNDS], unsigned n)
{
	printf("\"%s\": [", name);
	for (unsigned i = 0; i < n; i++)
		printf("%s%.1f", i > 0 ? ", " : "", quantile(v[i], opt.rounds, 0.5));
	printf("]");
}

/* A ring of one producer stays one. */
unsigned
nb_producers(const struct bench_impl *impl)
{
	return impl == &bench_spsc_ring ? 1 : opt.producers;
}

void
print_json(void)
{
	printf("{\n");
	for (unsigned i = 0; i < NB_IMPLS && impls[i] != NULL; i++) {
		struct result *r = &results[i];

		printf("  \"%s\": {\"enqueue_ns\": %.1f, \"works_per_s\": %.0f,\n", impls[i]->name,
			quantile(r->enqueue_ns[0], opt.rounds, 0.5),
			quantile(r->works_per_s[0], opt.rounds, 0.5));
		printf("    \"idle_wake_p50_us\": %.2f, \"idle_wake_p99_us\": %.2f, "
		       "\"idle_wake_p999_us\": %.2f,\n",
			quantile(r->wake_us, r->nb_wakes, 0.5),
			quantile(r->wake_us, r->nb_wakes, 0.99),
			quantile(r->wake_us, r->nb_wakes, 0.999));
		printf("    \"producers\": {");
		print_series("enqueue_ns", r->enqueue_ns, nb_producers(impls[i]));
		printf(", ");
		print_series("works_per_s", r->works_per_s, nb_producers(impls[i]));
		printf("},\n    \"blocked_start_us\": {");
		print_series("announced", r->blocked_us[1],
			impls[i]->can_announce && !opt.no_blocked ? MAX_BLOCKED : 0);
		printf(", ");
		print_series("unannounced", r->blocked_us[0],
			impls[i]->block != NULL && !opt.no_blocked ? MAX_BLOCKED : 0);
		printf("}}%s\n", i + 1 < NB_IMPLS && impls[i + 1] != NULL ? "," : "");
	}
	printf("}\n");
}

void
print_table(void)
{
	printf("%-12s %9s %10s %10s   %s\n", "", "producers", "ns/enqueue", "M works/s",
		"idle wake p50/p99/p99.9 us");
	for (unsigned i = 0; i < NB_IMPLS && impls[i] != NULL; i++) {
		struct result *r = &results[i];

		for (unsigned n = 0; n < nb_producers(impls[i]); n++) {
			printf("%-12s %9u %10.1f %10.2f", n == 0 ? impls[i]->name : "", n + 1,
				quantile(r->enqueue_ns[n], opt.rounds, 0.5),
				quantile(r->works_per_s[n], opt.rounds, 0.5) / 1e6);
			if (n == 0)
				printf("   %.1f/%.1f/%.1f", quantile(r->wake_us, r->nb_wakes, 0.5),
					quantile(r->wake_us, r->nb_wakes, 0.99),
					quantile(r->wake_us, r->nb_wakes, 0.999));
			printf("\n");
		}
	}
	if (opt.no_blocked)
		return;
	printf("\nstart delay behind N blocked works, us (not helped before: %u)\n%-24s",
		(unsigned)(BLOCK_CAP_NS / 1000), "N");
	for (unsigned n = 1; n <= MAX_BLOCKED; n++)
		printf(" %8u", n);
	printf("\n");
	for (unsigned i = 0; i < NB_IMPLS && impls[i] != NULL; i++) {
		for (int a = impls[i]->can_announce; a >= 0 && impls[i]->block != NULL; a--) {
			printf("%-12s%-12s", impls[i]->name, a ? "announced" : "unannounced");
			for (unsigned n = 0; n < MAX_BLOCKED; n++)
				printf(" %8.0f",
					quantile(results[i].blocked_us[a][n], opt.rounds, 0.5));
			printf("\n");
		}
	}
}
