/* SPDX-License-Identifier: BSD-3-Clause */

/* The guarantees of wq.h one by one, with few threads. */

#include <errno.h>
#include <string.h>

#include "wq_test.h"

struct item {
	struct wq_work work;
	struct workqueue *wq;
	uint32_t runs;
	uint32_t started;
	uint32_t gate; /* the function returns when it is set */
	uint32_t left; /* self-requeues to do */
	uint32_t seq;  /* order in which it ran */
};

static uint32_t next_seq;
static uint32_t nb_freed;

static struct item *
item_of(struct wq_work *work)
{
	return (struct item *)(void *)work;
}

static void
count(struct wq_work *work)
{
	struct item *it = item_of(work);

	it->seq = test_add(&next_seq, 1);
	test_add(&it->runs, 1);
}

static void
gated(struct wq_work *work)
{
	struct item *it = item_of(work);

	test_add(&it->started, 1);
	wq_block_begin();
	CHECK(test_reaches(&it->gate, 1));
	wq_block_end();
	test_add(&it->runs, 1);
}

static void
requeue(struct wq_work *work)
{
	struct item *it = item_of(work);

	test_add(&it->runs, 1);
	if (it->left-- > 0)
		CHECK(wq_queue_work(it->wq, work));
}

static void
free_self(struct wq_work *work)
{
	memset(work, 0x5a, sizeof(struct item));
	free(work);
	test_add(&nb_freed, 1);
}

static struct workqueue *
make(unsigned flags, int max_active)
{
	struct workqueue *wq;

	CHECK(wq_alloc("test", flags, max_active, &wq) == 0);
	return wq;
}

static void
test_arguments(void)
{
	struct workqueue *wq = NULL;
	cpu_set_t none;

	CHECK(wq_alloc("x", 1u << 30, 0, &wq) == -EINVAL);
	CHECK(wq_alloc("x", 0, WQ_MAX_ACTIVE + 1, &wq) == -EINVAL);
	CHECK(wq_alloc("x", 0, -1, &wq) == -EINVAL);
	CHECK(wq_alloc("x", WQ_AFFN_NUMA, 0, &wq) == -EINVAL);
	CHECK(wq_alloc("x", WQ_UNBOUND | WQ_AFFN_MASK, 0, &wq) == -EINVAL);
	CHECK(wq == NULL);
	CHECK(wq_init(NULL) == -EALREADY);
	CPU_ZERO(&none);
	CHECK(wq_set_cpus(&none) == -EINVAL);
	wq_destroy(NULL);
	wq = make(0, 3);
	CHECK(strcmp(wq_name(wq), "test") == 0);
	CHECK(wq_set_max_active(wq, WQ_MAX_ACTIVE + 1) == -EINVAL);
	wq_destroy(wq);
	CHECK(wq_alloc_ordered("o", 0, &wq) == 0);
	CHECK(wq_set_max_active(wq, 2) == -EINVAL);
	wq_destroy(wq);
}

static void
test_queue_and_flush(unsigned flags)
{
	struct workqueue *wq = make(flags, 0);
	struct item it[50];

	memset(it, 0, sizeof(it));
	for (unsigned round = 1; round <= 20; round++) {
		for (unsigned i = 0; i < 50; i++) {
			if (round == 1)
				wq_work_init(&it[i].work, count);
			CHECK(wq_queue_work(wq, &it[i].work));
		}
		wq_flush(wq);
		for (unsigned i = 0; i < 50; i++) {
			CHECK(it[i].runs == round);
			CHECK(!wq_work_pending(&it[i].work));
			CHECK(!wq_flush_work(&it[i].work));
		}
	}
	wq_destroy(wq);
}

/* Pending once only, also while it runs; and never on two workers. */
static void
test_pending_once(unsigned flags)
{
	struct workqueue *wq = make(flags, 0);
	struct item it = {.wq = wq};

	wq_work_init(&it.work, gated);
	CHECK(wq_queue_work(wq, &it.work));
	CHECK(test_reaches(&it.started, 1));
	CHECK(!wq_work_pending(&it.work));
	CHECK(wq_queue_work(wq, &it.work));
	CHECK(!wq_queue_work(wq, &it.work));
	CHECK(wq_work_pending(&it.work));
	test_sleep_us(20000);
	CHECK(test_load(&it.started) == 1);
	test_store(&it.gate, 1);
	CHECK(wq_flush_work(&it.work));
	CHECK(it.started == 2 && it.runs == 2);
	wq_destroy(wq);
}

/* The second queueing comes by another CPU's pool, and waits behind the running worker, too. */
static void
test_not_on_two_cpus(void)
{
	struct workqueue *wq = make(0, 0);
	struct item it = {.wq = wq};

	wq_work_init(&it.work, gated);
	CHECK(wq_queue_work_on(0, wq, &it.work));
	CHECK(test_reaches(&it.started, 1));
	CHECK(wq_queue_work_on(1, wq, &it.work));
	test_sleep_us(20000);
	CHECK(test_load(&it.started) == 1);
	test_store(&it.gate, 1);
	wq_flush(wq);
	CHECK(it.runs == 2);
	wq_destroy(wq);
}

static void
test_requeue_and_free(void)
{
	struct workqueue *wq = make(0, 0);
	struct item it = {.wq = wq, .left = 1000};

	wq_work_init(&it.work, requeue);
	CHECK(wq_queue_work(wq, &it.work));
	for (unsigned i = 0; i < 1000; i++) {
		struct item *one = calloc(1, sizeof(*one));

		CHECK(one != NULL);
		wq_work_init(&one->work, free_self);
		CHECK(wq_queue_work(wq, &one->work));
	}
	/* Chained works are let in while it drains. */
	wq_drain(wq);
	CHECK(it.runs == 1001);
	CHECK(nb_freed == 1000);
	wq_destroy(wq);
}

static void
test_ordered(unsigned flags)
{
	struct workqueue *wq;
	struct item it[200];

	memset(it, 0, sizeof(it));
	CHECK(wq_alloc_ordered("ordered", flags, &wq) == 0);
	next_seq = 0;
	for (unsigned i = 0; i < 200; i++) {
		wq_work_init(&it[i].work, count);
		CHECK(wq_queue_work_on((int)i % 2, wq, &it[i].work));
	}
	wq_flush(wq);
	for (unsigned i = 0; i < 200; i++)
		CHECK(it[i].seq == i + 1);
	wq_destroy(wq);
}

static void
test_max_active(unsigned flags)
{
	struct workqueue *wq = make(flags, 2);
	struct item it[4];

	memset(it, 0, sizeof(it));
	for (unsigned i = 0; i < 4; i++) {
		wq_work_init(&it[i].work, gated);
		CHECK(wq_queue_work_on(0, wq, &it[i].work));
	}
	CHECK(test_reaches(&it[0].started, 1) && test_reaches(&it[1].started, 1));
	test_sleep_us(20000);
	CHECK(test_load(&it[2].started) == 0);
	CHECK(wq_set_max_active(wq, 3) == 0);
	CHECK(test_reaches(&it[2].started, 1));
	test_sleep_us(10000);
	CHECK(test_load(&it[3].started) == 0);
	/* A cancelled inactive work does not come back, and what is flushed with it goes on. */
	CHECK(wq_cancel_work(&it[3].work));
	for (unsigned i = 0; i < 4; i++)
		test_store(&it[i].gate, 1);
	wq_flush(wq);
	CHECK(it[2].runs == 1 && it[3].runs == 0);
	wq_destroy(wq);
}

static void
test_cancel(void)
{
	struct workqueue *wq = make(0, 1);
	struct item busy = {.wq = wq}, it = {.wq = wq};

	wq_work_init(&busy.work, gated);
	wq_work_init(&it.work, count);
	CHECK(!wq_cancel_work(&it.work));
	CHECK(!wq_cancel_work_sync(&it.work));
	CHECK(wq_queue_work_on(0, wq, &busy.work));
	CHECK(wq_queue_work_on(0, wq, &it.work));
	CHECK(wq_cancel_work_sync(&it.work));
	CHECK(wq_queue_work_on(0, wq, &it.work));
	CHECK(wq_disable_work(&it.work));
	CHECK(!wq_disable_work(&it.work));
	CHECK(!wq_queue_work_on(0, wq, &it.work));
	CHECK(!wq_cancel_work(&it.work));
	CHECK(!wq_enable_work(&it.work));
	CHECK(wq_enable_work(&it.work));
	CHECK(wq_queue_work_on(0, wq, &it.work));
	CHECK(test_reaches(&busy.started, 1));
	test_store(&busy.gate, 1);
	wq_cancel_work_sync(&busy.work);
	CHECK(busy.runs == 1);
	wq_flush(wq);
	CHECK(it.runs == 1);
	wq_destroy(wq);
}

struct delayed {
	struct wq_delayed_work dw;
	uint32_t runs;
	uint64_t at_us;
};

static void
delayed_func(struct wq_work *work)
{
	struct delayed *d = (struct delayed *)(void *)wq_to_delayed(work);

	d->at_us = test_now_us();
	test_add(&d->runs, 1);
}

static void
test_delayed(void)
{
	struct workqueue *wq = make(0, 0);
	struct delayed d[8];
	uint64_t start;

	memset(d, 0, sizeof(d));
	for (unsigned i = 0; i < 8; i++)
		wq_delayed_init(&d[i].dw, delayed_func);
	start = test_now_us();
	CHECK(wq_queue_delayed(wq, &d[0].dw, 30000));
	CHECK(!wq_queue_delayed(wq, &d[0].dw, 1));
	CHECK(wq_queue_delayed(wq, &d[1].dw, 10000));
	CHECK(wq_queue_delayed(wq, &d[2].dw, 0));
	CHECK(wq_queue_delayed(wq, &d[3].dw, UINT64_MAX));
	CHECK(wq_queue_delayed(wq, &d[4].dw, 60000000));
	CHECK(wq_queue_delayed(wq, &d[5].dw, 60000000));
	CHECK(wq_mod_delayed(wq, &d[4].dw, 20000));
	CHECK(!wq_mod_delayed(wq, &d[6].dw, 5000));
	CHECK(test_reaches(&d[0].runs, 1));
	CHECK(d[0].at_us - start >= 30000);
	CHECK(d[1].runs == 1 && d[1].at_us - start >= 10000);
	CHECK(test_reaches(&d[2].runs, 1));
	CHECK(test_reaches(&d[4].runs, 1) && d[4].at_us - start >= 20000);
	CHECK(test_reaches(&d[6].runs, 1));
	CHECK(wq_cancel_delayed_sync(&d[3].dw));
	CHECK(!wq_cancel_delayed(&d[3].dw));
	CHECK(wq_flush_delayed(&d[5].dw));
	CHECK(d[5].runs == 1 && d[3].runs == 0);
	CHECK(!wq_flush_delayed(&d[7].dw));
	wq_destroy(wq);
}

static long
where_am_i(void *arg)
{
	cpu_set_t set;
	char name[16];

	CHECK(wq_in_work(NULL));
	CHECK(wq_in_work(wq_system(WQ_SYSTEM)));
	CHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
	CHECK(CPU_COUNT(&set) == 1);
	CHECK(pthread_getname_np(pthread_self(), name, sizeof(name)) == 0);
	snprintf(arg, 16, "%s", name);
	return sched_getcpu();
}

static void
test_work_on(void)
{
	char name[16];

	CHECK(!wq_in_work(NULL));
	CHECK(wq_work_on(0, where_am_i, name) == 0);
	CHECK(strncmp(name, "wq/0:", 5) == 0);
}

static void
test_freeze(void)
{
	struct workqueue *wq = make(WQ_FREEZABLE, 0);
	struct item busy = {.wq = wq}, it = {.wq = wq};

	wq_work_init(&busy.work, gated);
	wq_work_init(&it.work, count);
	CHECK(wq_queue_work(wq, &busy.work));
	CHECK(test_reaches(&busy.started, 1));
	wq_freeze();
	CHECK(wq_freeze_busy());
	CHECK(wq_queue_work(wq, &it.work));
	test_store(&busy.gate, 1);
	CHECK(wq_flush_work(&busy.work) || busy.runs == 1);
	CHECK(!wq_freeze_busy());
	test_sleep_us(10000);
	CHECK(test_load(&it.runs) == 0);
	wq_thaw();
	wq_flush(wq);
	CHECK(it.runs == 1);
	wq_destroy(wq);
}

int
main(void)
{
	CHECK(wq_system(WQ_SYSTEM) == NULL);
	for (unsigned i = 0; i < 2; i++) {
		CHECK(wq_init(NULL) == 0);
		RUN(test_arguments);
		nb_freed = 0;
		for (unsigned flags = 0; flags < 4; flags++) {
			printf("flags %u\n", flags);
			test_queue_and_flush(flags);
			test_pending_once(flags);
			test_ordered(flags);
			test_max_active(flags);
		}
		RUN(test_not_on_two_cpus);
		RUN(test_requeue_and_free);
		RUN(test_cancel);
		RUN(test_delayed);
		RUN(test_work_on);
		RUN(test_freeze);
		wq_exit();
	}
	wq_exit();
	return 0;
}
