/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Serves the telemetry of a few busy workqueues until its standard input ends: for
 * test_wq_monitor.py. Arguments are EAL's.
 */

#include <string.h>

#include <rte_eal.h>

#include "wq_telemetry.h"
#include "wq_test.h"

#define NB_WQS 40

static struct wq_delayed_work tick;
static struct workqueue *wqs[NB_WQS];

static void
tick_func(struct wq_work *work)
{
	test_burn_us(100);
	wq_queue_delayed(wqs[0], wq_to_delayed(work), 1000);
}

int
main(int argc, char **argv)
{
	char c;

	CHECK(rte_eal_init(argc, argv) >= 0);
	CHECK(wq_init(NULL) == 0);
	for (unsigned i = 0; i < NB_WQS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "busy%u", i);
		CHECK(wq_alloc(name, i == 1 ? WQ_MEM_RECLAIM : 0, 7, &wqs[i]) == 0);
	}
	CHECK(wq_telemetry_register() == 0);
	wq_delayed_init(&tick, tick_func);
	CHECK(wq_queue_delayed(wqs[0], &tick, 1000));
	printf("ready %s\n", rte_eal_get_runtime_dir());
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	wq_cancel_delayed_sync(&tick);
	for (unsigned i = 0; i < NB_WQS; i++)
		wq_destroy(wqs[i]);
	wq_exit();
	return rte_eal_cleanup() == 0 ? 0 : 1;
}
