/* SPDX-License-Identifier: BSD-3-Clause */

/* The load generator's pure parts: histogram, sizes, CPU times. */

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "pg_cpu.h"
#include "pg_hist.h"
#include "pg_sizes.h"

static struct pg_hist hist;

static void
test_hist(void)
{
	uint64_t value;
	unsigned int i;

	pg_hist_clear(&hist);
	CHECK_EQ(pg_hist_quantile(&hist, 0.5), 0);
	CHECK(pg_hist_mean(&hist) == 0);
	for (value = 1; value <= 100; value++)
		pg_hist_add(&hist, value);
	CHECK_EQ(hist.nb, 100);
	CHECK_EQ(pg_hist_quantile(&hist, 0), 1);
	CHECK_EQ(pg_hist_quantile(&hist, 0.5), 50);
	CHECK_EQ(pg_hist_quantile(&hist, 0.99), 99);
	CHECK_EQ(pg_hist_quantile(&hist, 1), 100);
	CHECK(pg_hist_mean(&hist) == 50.5);
	CHECK_EQ(hist.min_ns, 1);
	CHECK_EQ(hist.max_ns, 100);

	/* Every magnitude: alone, and beside a larger one so that the maximum does not help. */
	for (i = 0; i < 63; i++) {
		const uint64_t near = (UINT64_C(1) << i) + (UINT64_C(1) << i) / 3;

		pg_hist_clear(&hist);
		pg_hist_add(&hist, near);
		CHECK_EQ(pg_hist_quantile(&hist, 0.5), near);
		pg_hist_add(&hist, UINT64_MAX);
		value = pg_hist_quantile(&hist, 0.5);
		CHECK(value >= near && value - near <= near / 64);
		CHECK_EQ(pg_hist_quantile(&hist, 1), UINT64_MAX);
	}
}

static void
test_parse(void)
{
	static const char *const bad[] = {"", "0", "x", "4096,", ",1", "1:0", "1:", "1048577",
		"99999999999999999999", "1 ", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
		"17592186044416G"};
	struct pg_sizes sizes;
	const char *end;
	uint64_t value;
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(pg_sizes_parse(bad[i], &sizes), -EINVAL);
	CHECK_EQ(pg_sizes_parse("64:10,1500,64k:2", &sizes), 0);
	CHECK_EQ(sizes.nb, 3);
	CHECK_EQ(sizes.len[2], 65536);
	CHECK_EQ(sizes.upto[2], 13);
	CHECK_EQ(sizes.max_len, 65536);
	CHECK_EQ(pg_sizes_parse_bytes("3Mx", &value, &end), 0);
	CHECK_EQ(value, 3 << 20);
	CHECK_EQ(*end, 'x');
}

static void
test_mix(void)
{
	struct pg_rng rng = {7}, again = {7};
	unsigned int nb_small = 0, i;
	struct pg_sizes sizes;

	CHECK_EQ(pg_sizes_parse("10:3,20", &sizes), 0);
	for (i = 0; i < 100000; i++) {
		const uint32_t len = pg_sizes_next(&sizes, &rng);

		CHECK(len == 10 || len == 20);
		CHECK_EQ(pg_sizes_next(&sizes, &again), len);
		nb_small += len == 10;
	}
	CHECK(nb_small > 74000 && nb_small < 76000);
}

static void
test_cpu(void)
{
	struct pg_cpu before, after;
	volatile uint64_t work = 0;
	uint64_t used_ns;
	clock_t start;

	CHECK_EQ(pg_cpu_read(getpid(), &before), 0);
	CHECK_EQ(before.nb_threads, 1);
	CHECK_EQ(before.threads[0].tid, getpid());
	CHECK(strncmp(before.threads[0].name, "test_pg_pure", 12) == 0);
	start = clock();
	while (clock() - start < CLOCKS_PER_SEC / 5)
		work++;
	CHECK_EQ(pg_cpu_read(getpid(), &after), 0);
	used_ns = pg_cpu_thread_ns(&before, &after.threads[0]);
	CHECK(used_ns > 150000000 && used_ns < 10000000000);
	CHECK(after.run_ns - before.run_ns > 150000000);
	CHECK_EQ(pg_cpu_read(0x7fffffff, &after), -ESRCH);
}

int
main(void)
{
	test_hist();
	test_parse();
	test_mix();
	test_cpu();
	return 0;
}
