/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Everything against everything, with an oracle: what was accepted was executed or cancelled, no
 * work ran on two workers at once, and every execution saw what was written before its queueing.
 *
 * test_wq_torture [THREADS [SECONDS [STEPS [SEED]]]]; whichever of time and steps ends first (0:
 * not limited).
 */

#include <string.h>

#include "wq_test.h"

#define NB_WORKS    16 /* of each kind and workqueue */
#define MAX_THREADS 64

enum kind {
	KIND_CANCEL,       /* queue, cancel, cancel_sync, disable, flush */
	KIND_VISIBLE,      /* queue, flush; requeues itself */
	KIND_MOD,          /* delayed: queue, mod, cancel, flush */
	KIND_DELAYED_SYNC, /* delayed: queue, cancel_sync, flush */
	NB_KINDS,
};

struct item {
	struct wq_delayed_work dw;
	struct workqueue *wq;
	enum kind kind;
	uint32_t running;
	uint32_t requeues;
	uint64_t accepted;
	uint64_t executed;
	uint64_t cancelled;
	uint32_t written[MAX_THREADS]; /* by thread: relaxed, before queueing */
	uint32_t seen[MAX_THREADS];    /* by the function: relaxed */
};

struct oneshot {
	struct wq_work work;
	uint32_t payload;
};

static const struct {
	unsigned flags;
	int max_active;
} wq_kinds[] = {
	{0, 0},
	{0, 1},
	{WQ_HIGHPRI | WQ_FREEZABLE, 3},
	{WQ_UNBOUND | WQ_AFFN_CPU, 4},
	{WQ_UNBOUND | WQ_MEM_RECLAIM, 0},
	{WQ_ORDERED, 1},
	{WQ_ORDERED | WQ_UNBOUND, 1},
	{WQ_CPU_INTENSIVE, 0},
};
#define NB_WQS (sizeof(wq_kinds) / sizeof(wq_kinds[0]))

static struct workqueue *wqs[NB_WQS];
#define NB_ITEMS (NB_WQS * NB_KINDS * NB_WORKS)
static struct item items[NB_ITEMS];
static uint64_t nb_steps, max_steps, oneshot_queued, oneshot_run, chained_queued, chained_run;
static uint32_t stop, thread_ids;

static void
add64(uint64_t *v)
{
	__atomic_add_fetch(v, 1, __ATOMIC_RELAXED);
}

/* xorshift; one state per thread. */
static uint32_t
rnd(uint32_t limit)
{
	static __thread uint64_t s;

	if (s == 0)
		s = (uint64_t)test_add(&thread_ids, 1) * UINT64_C(0x9e3779b97f4a7c15) + 1;
	s ^= s << 13;
	s ^= s >> 7;
	s ^= s << 17;
	return (uint32_t)(s >> 33) % limit;
}

/* Kinds of work. */
static void
spend(void)
{
	uint32_t r = rnd(1000);

	if (r < 4) {
		wq_block_begin();
		test_sleep_us(rnd(300));
		wq_block_end();
	} else if (r < 6) {
		test_sleep_us(rnd(3000));
	} else if (r < 20) {
		test_burn_us(rnd(50));
	}
}

static void
item_func(struct wq_work *work)
{
	struct item *it = (struct item *)(void *)work;

	CHECK(__atomic_exchange_n(&it->running, 1, __ATOMIC_RELAXED) == 0);
	for (unsigned i = 0; it->kind == KIND_VISIBLE && i < MAX_THREADS; i++)
		__atomic_store_n(&it->seen[i], __atomic_load_n(&it->written[i], __ATOMIC_RELAXED),
			__ATOMIC_RELAXED);
	spend();
	add64(&it->executed);
	if (it->kind == KIND_VISIBLE && rnd(4) == 0 && wq_queue_work(it->wq, work))
		add64(&it->accepted);
	CHECK(__atomic_exchange_n(&it->running, 0, __ATOMIC_RELAXED) == 1);
}

static void
oneshot_func(struct wq_work *work)
{
	struct oneshot *o = (struct oneshot *)(void *)work;

	CHECK(o->payload == 0xfeedface);
	memset(o, 0x5a, sizeof(*o));
	free(o);
	add64(&oneshot_run);
}

struct chain {
	struct wq_work work;
	struct workqueue *wq;
	uint32_t left;
};

static void
chain_func(struct wq_work *work)
{
	struct chain *c = (struct chain *)(void *)work;

	add64(&chained_run);
	if (c->left-- > 0) {
		add64(&chained_queued);
		CHECK(wq_queue_work(c->wq, work));
	} else {
		free(c);
	}
}

/* A workqueue that is destroyed while its works still queue each other. */
static void
destroy_against_chain(void)
{
	struct workqueue *wq;
	uint32_t k = rnd(NB_WQS);

	if (wq_alloc("chain", wq_kinds[k].flags & ~(unsigned)WQ_FREEZABLE, wq_kinds[k].max_active,
		    &wq) != 0)
		return;
	for (unsigned i = 0; i < 4; i++) {
		struct chain *c = calloc(1, sizeof(*c));

		CHECK(c != NULL);
		wq_work_init(&c->work, chain_func);
		c->wq = wq;
		c->left = rnd(20);
		add64(&chained_queued);
		CHECK(wq_queue_work_on((int)rnd(2), wq, &c->work));
	}
	wq_destroy(wq);
}

static void
one_shot(void)
{
	struct oneshot *o = calloc(1, sizeof(*o));

	CHECK(o != NULL);
	wq_work_init(&o->work, oneshot_func);
	o->payload = 0xfeedface;
	add64(&oneshot_queued);
	CHECK(wq_queue_work_on((int)rnd(3) - 1, wqs[rnd(NB_WQS)], &o->work));
}

static void
step_cancel(struct item *it)
{
	struct wq_work *work = &it->dw.work;
	uint32_t r = rnd(100);

	if (r < 60) {
		if (wq_queue_work_on((int)rnd(3) - 1, it->wq, work))
			add64(&it->accepted);
	} else if (r < 75) {
		if (wq_cancel_work(work))
			add64(&it->cancelled);
	} else if (r < 85) {
		if (wq_cancel_work_sync(work))
			add64(&it->cancelled);
	} else if (r < 90) {
		wq_flush_work(work);
	} else if (r < 95) {
		if (wq_disable_work(work))
			add64(&it->cancelled);
		if (rnd(4) == 0)
			test_sleep_us(rnd(50));
		wq_enable_work(work);
	} else {
		if (wq_disable_work_sync(work))
			add64(&it->cancelled);
		wq_enable_work(work);
	}
}

static void
step_visible(struct item *it, uint32_t self)
{
	uint32_t n = __atomic_add_fetch(&it->written[self], 1, __ATOMIC_RELAXED);

	bool queued = wq_queue_work_on((int)rnd(3) - 1, it->wq, &it->dw.work);

	if (queued)
		add64(&it->accepted);
	if (rnd(8) == 0) {
		wq_flush_work(&it->dw.work);
		CHECK(__atomic_load_n(&it->seen[self], __ATOMIC_RELAXED) >= n);
	} else if (queued && rnd(64) == 0) {
		wq_flush(it->wq);
		CHECK(__atomic_load_n(&it->seen[self], __ATOMIC_RELAXED) >= n);
	}
}

static void
step_mod(struct item *it)
{
	uint32_t r = rnd(100), us = rnd(4) == 0 ? 0 : rnd(2000);

	if (r < 50) {
		if (wq_queue_delayed(it->wq, &it->dw, us))
			add64(&it->accepted);
	} else if (r < 75) {
		if (!wq_mod_delayed(it->wq, &it->dw, us))
			add64(&it->accepted);
	} else if (r < 95) {
		if (wq_cancel_delayed(&it->dw))
			add64(&it->cancelled);
	} else {
		wq_flush_delayed(&it->dw);
	}
}

static void
step_delayed_sync(struct item *it)
{
	uint32_t r = rnd(100);

	if (r < 70) {
		if (wq_queue_delayed_on((int)rnd(3) - 1, it->wq, &it->dw, rnd(1000)))
			add64(&it->accepted);
	} else if (r < 90) {
		if (wq_cancel_delayed_sync(&it->dw))
			add64(&it->cancelled);
	} else {
		wq_flush_delayed(&it->dw);
	}
}

static void
step(uint32_t self)
{
	enum kind kind = (enum kind)rnd(NB_KINDS + 1);
	struct item *it;

	if (kind == NB_KINDS) {
		if (rnd(500) == 0)
			destroy_against_chain();
		else
			one_shot();
		return;
	}
	it = &items[(rnd(NB_WQS) * NB_KINDS + kind) * NB_WORKS + rnd(NB_WORKS)];
	if (kind == KIND_CANCEL)
		step_cancel(it);
	else if (kind == KIND_VISIBLE)
		step_visible(it, self);
	else if (kind == KIND_MOD)
		step_mod(it);
	else
		step_delayed_sync(it);
	if (rnd(50) == 0)
		test_sleep_us(rnd(100));
}

static void *
thread_main(void *arg)
{
	uint32_t self = (uint32_t)(uintptr_t)arg;

	while (!test_load(&stop)) {
		step(self);
		if (__atomic_add_fetch(&nb_steps, 1, __ATOMIC_RELAXED) == max_steps)
			test_store(&stop, 1);
	}
	return NULL;
}

/* Changes what may change while everything runs. */
static void *
control_main(void *arg)
{
	cpu_set_t all, one;

	wq_get_cpus(&all);
	while (!test_load(&stop)) {
		CPU_ZERO(&one);
		CPU_SET(rnd(2), &one);
		CHECK(wq_set_cpus(&one) == 0);
		CHECK(wq_set_max_active(wqs[0], 1 + (int)rnd(8)) == 0);
		test_sleep_us(rnd(20000));
		CHECK(wq_set_cpus(&all) == 0);
		wq_freeze();
		test_sleep_us(rnd(1000));
		(void)wq_freeze_busy();
		wq_thaw();
		test_sleep_us(rnd(20000));
	}
	return arg;
}

static void
set_up(void)
{
	struct wq_config cfg = {.idle_timeout_ms = 20, .mayday_ms = 2, .create_cooldown_ms = 5};

	CHECK(wq_init(&cfg) == 0);
	for (unsigned q = 0; q < NB_WQS; q++) {
		CHECK(wq_alloc("torture", wq_kinds[q].flags, wq_kinds[q].max_active, &wqs[q]) == 0);
	}
	for (unsigned i = 0; i < NB_ITEMS; i++) {
		items[i].wq = wqs[i / NB_WORKS / NB_KINDS];
		items[i].kind = (enum kind)(i / NB_WORKS % NB_KINDS);
		wq_delayed_init(&items[i].dw, item_func);
	}
}

static void
check_oracle(void)
{
	uint64_t accepted = 0, executed = 0, cancelled = 0;

	for (unsigned i = 0; i < NB_ITEMS; i++) {
		struct item *it = &items[i];

		if (it->kind >= KIND_MOD && wq_cancel_delayed_sync(&it->dw))
			add64(&it->cancelled);
	}
	for (unsigned q = 0; q < NB_WQS; q++)
		wq_destroy(wqs[q]);
	for (unsigned i = 0; i < NB_ITEMS; i++) {
		struct item *it = &items[i];

		CHECK(it->accepted == it->executed + it->cancelled);
		CHECK(!wq_work_pending(&it->dw.work));
		accepted += it->accepted;
		executed += it->executed;
		cancelled += it->cancelled;
	}
	CHECK(oneshot_queued == oneshot_run);
	CHECK(chained_queued == chained_run);
	printf("%llu steps: %llu accepted = %llu executed + %llu cancelled; %llu freed themselves, "
	       "%llu chained\n",
		(unsigned long long)nb_steps, (unsigned long long)accepted,
		(unsigned long long)executed, (unsigned long long)cancelled,
		(unsigned long long)oneshot_run, (unsigned long long)chained_run);
	CHECK(executed > 0 && cancelled > 0 && oneshot_run > 0);
}

int
main(int argc, char **argv)
{
	unsigned long nb = argc > 1 ? strtoul(argv[1], NULL, 10) : 8;
	unsigned long seconds = argc > 2 ? strtoul(argv[2], NULL, 10) : 5;
	pthread_t threads[MAX_THREADS], control;
	uint64_t end;

	if (nb < 1 || nb > MAX_THREADS) {
		fprintf(stderr, "from 1 to %d threads\n", MAX_THREADS);
		return 2;
	}
	max_steps = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
	thread_ids = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) * 1000 : 0;
	set_up();
	CHECK(pthread_create(&control, NULL, control_main, NULL) == 0);
	for (uintptr_t i = 0; i < nb; i++)
		CHECK(pthread_create(&threads[i], NULL, thread_main, (void *)i) == 0);
	end = test_now_us() + seconds * 1000000;
	while (!test_load(&stop) && (seconds == 0 || test_now_us() < end))
		test_sleep_us(10000);
	test_store(&stop, 1);
	for (unsigned i = 0; i < nb; i++)
		pthread_join(threads[i], NULL);
	pthread_join(control, NULL);
	check_oracle();
	wq_exit();
	return 0;
}
