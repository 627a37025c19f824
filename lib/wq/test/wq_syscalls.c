/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Queues N works from the main thread to a pool whose worker is busy, for test_wq_syscalls.py: it
 * counts the system calls of this thread.
 */

#include "wq_test.h"

static uint32_t gate, started, nb_done;

static void
busy_func(struct wq_work *work)
{
	(void)work;
	test_store(&started, 1);
	while (test_load(&gate) == 0)
		;
}

static void
done_func(struct wq_work *work)
{
	(void)work;
	test_add(&nb_done, 1);
}

int
main(int argc, char **argv)
{
	unsigned nb = argc > 1 ? (unsigned)atoi(argv[1]) : 1000;
	/* The busy worker must not be taken for one that burns: then a second one would sleep. */
	struct wq_config cfg = {.cpu_intensive_us = 3600000000u};
	struct wq_work busy, *works = calloc(nb, sizeof(*works));
	struct workqueue *wq;

	CHECK(works != NULL);
	CHECK(wq_init(&cfg) == 0);
	CHECK(wq_alloc("busy", 0, 0, &wq) == 0);
	wq_work_init(&busy, busy_func);
	CHECK(wq_queue_work_on(0, wq, &busy));
	while (test_load(&started) == 0)
		sched_yield();
	for (unsigned i = 0; i < nb; i++) {
		wq_work_init(&works[i], done_func);
		CHECK(wq_queue_work_on(0, wq, &works[i]));
	}
	test_store(&gate, 1);
	wq_flush(wq);
	CHECK(nb_done == nb);
	wq_destroy(wq);
	wq_exit();
	free(works);
	return 0;
}
