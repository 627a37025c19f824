/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Concurrency management: what blocks or burns does not hold up what waits. The three works of the
 * kernel's documentation (5 ms burn, 10 ms sleep) in their three settings, announced and not.
 */

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "wq_block.h"
#include "wq_stats.h"
#include "wq_test.h"

#define NB_BLOCKED 8
#define NB_MANY    100 /* more than the monitor looks up in one pass */
/* Attempts to see the exact order on a busy machine. What must always hold is checked in each. */
#define ATTEMPTS 100

struct item {
	struct wq_work work;
	bool announce;
	uint32_t runs;
};

static uint32_t nb_blocked, nb_done;
static int gate_fd; /* eventfd: readable when the blocked works may end */

static void
close_gate(void)
{
	gate_fd = eventfd(0, EFD_CLOEXEC);
	CHECK(gate_fd >= 0);
}

static void
block_func(struct wq_work *work)
{
	struct item *it = (struct item *)(void *)work;
	struct pollfd pfd = {.fd = gate_fd, .events = POLLIN};

	if (it->announce)
		wq_block_begin();
	test_add(&nb_blocked, 1);
	(void)poll(&pfd, 1, -1);
	if (it->announce)
		wq_block_end();
}

static void
done_func(struct wq_work *work)
{
	(void)work;
	test_add(&nb_done, 1);
}

/* A work starts while N others of its pool block. */
static void
behind_blocked(bool announce, unsigned nb)
{
	static struct item blocked[NB_MANY];
	struct item it;
	struct workqueue *wq;

	CHECK(wq_alloc("block", 0, 0, &wq) == 0);
	memset(blocked, 0, sizeof(blocked));
	nb_blocked = 0;
	nb_done = 0;
	close_gate();
	wq_work_init(&it.work, done_func);
	for (unsigned i = 0; i < nb; i++) {
		wq_work_init(&blocked[i].work, block_func);
		blocked[i].announce = announce;
		CHECK(wq_queue_work_on(0, wq, &blocked[i].work));
		CHECK(test_reaches(&nb_blocked, i + 1));
		CHECK(wq_queue_work_on(0, wq, &it.work));
		CHECK(test_reaches(&nb_done, i + 1));
	}
	CHECK(eventfd_write(gate_fd, 1) == 0);
	wq_flush(wq);
	wq_destroy(wq);
	close(gate_fd);
}

static void
burn_func(struct wq_work *work)
{
	uint64_t end = test_now_us() + (uint64_t)TIMEOUT_MS * 1000;

	(void)work;
	while (test_load(&nb_done) == 0)
		CHECK(test_now_us() < end);
}

/* A work starts though another one burns the CPU: by flag, or found by the monitor. */
static void
behind_burner(unsigned flags)
{
	struct workqueue *burners, *wq;
	struct item burner, it;

	CHECK(wq_alloc("burn", flags, 0, &burners) == 0);
	CHECK(wq_alloc("other", 0, 0, &wq) == 0);
	nb_done = 0;
	wq_work_init(&burner.work, burn_func);
	wq_work_init(&it.work, done_func);
	CHECK(wq_queue_work_on(0, burners, &burner.work));
	CHECK(wq_queue_work_on(0, wq, &it.work));
	CHECK(test_reaches(&nb_done, 1));
	wq_destroy(wq);
	wq_destroy(burners);
}

static int
find_burn(const struct wq_stats_wq *s, void *arg)
{
	if (strcmp(s->name, "burn") == 0)
		*(uint64_t *)arg = s->cpu_hogs;
	return 0;
}

static void
test_burner_is_counted(void)
{
	struct workqueue *wq;
	struct item burner;
	uint64_t hogs = 0;

	CHECK(wq_alloc("burn", 0, 0, &wq) == 0);
	nb_done = 0;
	wq_work_init(&burner.work, burn_func);
	CHECK(wq_queue_work(wq, &burner.work));
	for (unsigned i = 0; i < 3000 && hogs == 0; i++) {
		test_sleep_us(10000);
		CHECK(wq_stats_visit_wqs(find_burn, &hogs) == 0);
	}
	test_store(&nb_done, 1);
	wq_destroy(wq);
	CHECK(hogs == 1);
}

static int
find_found(const struct wq_stats_wq *s, void *arg)
{
	if (strcmp(s->name, "found") == 0)
		*(uint64_t *)arg = s->blocked;
	return 0;
}

/*
 * A worker that was found blocked goes on with a work that burns, while the monitor has gone to
 * sleep since: it is watched again.
 */
static void
test_found_then_burns(void)
{
	struct item blocked = {.announce = false}, burner, it;
	struct workqueue *wq, *other;
	uint64_t found = 0;

	CHECK(wq_alloc("found", 0, 1, &wq) == 0);
	CHECK(wq_alloc("other", 0, 0, &other) == 0);
	close_gate();
	nb_done = 0;
	wq_work_init(&blocked.work, block_func);
	wq_work_init(&burner.work, burn_func);
	wq_work_init(&it.work, done_func);
	CHECK(wq_queue_work_on(0, wq, &blocked.work));
	CHECK(wq_queue_work_on(0, wq, &burner.work));
	for (unsigned i = 0; i < 3000 && found == 0; i++) {
		test_sleep_us(10000);
		CHECK(wq_stats_visit_wqs(find_found, &found) == 0);
	}
	CHECK(found == 1);
	/* Long enough for the monitor to sleep; that it does not is no fault. */
	test_sleep_us(100000);
	CHECK(eventfd_write(gate_fd, 1) == 0);
	/* max_active 1: the same worker takes it. */
	while (wq_work_pending(&burner.work))
		test_sleep_us(100);
	CHECK(wq_queue_work_on(0, other, &it.work));
	CHECK(test_reaches(&nb_done, 1));
	wq_destroy(other);
	wq_destroy(wq);
	close(gate_fd);
}

/* The kernel's example: events in their order. */
enum event {
	START = 0,
	SLEEP = 1,
	WAKE = 2,
	DONE = 3,
};
#define EV(w, e) ((w)*4 + (e))

static struct {
	struct wq_work work;
	unsigned idx;
} w[3];
static bool announced;
static uint8_t order[12];
static uint32_t nb_events;

static void
event(unsigned idx, enum event e)
{
	order[test_add(&nb_events, 1) - 1] = (uint8_t)EV(idx, e);
}

static void
w_func(struct wq_work *work)
{
	unsigned idx = work == &w[0].work ? 0 : work == &w[1].work ? 1 : 2;

	event(idx, START);
	test_burn_us(5000);
	event(idx, SLEEP);
	if (announced)
		wq_sleep_us(10000);
	else
		test_sleep_us(10000);
	event(idx, WAKE);
	if (idx == 0)
		test_burn_us(5000);
	event(idx, DONE);
}

static unsigned
place(unsigned idx, enum event e)
{
	for (unsigned i = 0; i < 12; i++) {
		if (order[i] == EV(idx, e))
			return i;
	}
	abort();
}

static void
run_once(struct workqueue *q0, struct workqueue *q1)
{
	nb_events = 0;
	for (unsigned i = 0; i < 3; i++)
		CHECK(wq_queue_work_on(0, i == 0 ? q0 : q1, &w[i].work));
	wq_flush(q0);
	wq_flush(q1);
	CHECK(nb_events == 12);
	/* In order; two CPU-intensive ones start at once. */
	CHECK(place(0, START) < place(1, START));
	CHECK(q0 != q1 || place(1, START) < place(2, START));
}

/*
 * w0 sleeps, w1 starts; w1 sleeps, w2 starts, all before w0 wakes and burns again. Unannounced each
 * start comes a detection later, and the last one may find w0 done, but not w1.
 */
static void
timeline_three(void)
{
	struct workqueue *wq;
	bool seen = false;

	CHECK(wq_alloc("q0", 0, 0, &wq) == 0);
	for (unsigned i = 0; i < ATTEMPTS && !seen; i++) {
		run_once(wq, wq);
		seen = place(0, SLEEP) < place(1, START) && place(1, SLEEP) < place(2, START) &&
			place(2, START) < place(announced ? 0 : 1, DONE) &&
			place(0, DONE) < place(2, DONE);
	}
	CHECK(seen);
	wq_destroy(wq);
}

/* max_active 2: w2 waits until one has finished. */
static void
timeline_two(void)
{
	struct workqueue *wq;
	bool seen = false;

	CHECK(wq_alloc("q0", 0, 2, &wq) == 0);
	for (unsigned i = 0; i < ATTEMPTS && !seen; i++) {
		run_once(wq, wq);
		CHECK(place(2, START) > place(0, DONE) || place(2, START) > place(1, DONE));
		seen = place(0, SLEEP) < place(1, START) && place(1, START) < place(0, DONE) &&
			place(2, DONE) == 11;
	}
	CHECK(seen);
	wq_destroy(wq);
}

/* w1 and w2 in a CPU-intensive workqueue: both start when w0 sleeps. */
static void
timeline_intensive(void)
{
	struct workqueue *q0, *q1;
	bool seen = false;

	CHECK(wq_alloc("q0", 0, 0, &q0) == 0);
	CHECK(wq_alloc("q1", WQ_CPU_INTENSIVE, 0, &q1) == 0);
	for (unsigned i = 0; i < ATTEMPTS && !seen; i++) {
		run_once(q0, q1);
		seen = place(0, SLEEP) < place(1, START) && place(2, START) < place(1, SLEEP) &&
			place(2, START) < place(0, WAKE);
	}
	CHECK(seen);
	wq_destroy(q0);
	wq_destroy(q1);
}

/* Announced calls of wq_block.h, in a work and outside. */
static void
wrappers(struct wq_work *work)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
	struct timespec past = {0};
	struct pollfd fd = {.fd = -1};

	CHECK(wq_poll(&fd, 1, 0) == 0);
	CHECK(wq_poll(&fd, 1, 1) == 0);
	CHECK(wq_mutex_lock(&mutex) == 0);
	CHECK(wq_cond_timedwait(&cond, &mutex, &past) != 0);
	pthread_mutex_unlock(&mutex);
	wq_sleep_us(100);
	wq_block_begin();
	wq_block_begin();
	wq_block_end();
	wq_block_end();
	if (work != NULL)
		test_add(&nb_done, 1);
}

static void
test_wrappers(void)
{
	struct wq_work work;

	nb_done = 0;
	wrappers(NULL);
	wq_work_init(&work, wrappers);
	CHECK(wq_queue_work(wq_system(WQ_SYSTEM), &work));
	wq_flush_work(&work);
	CHECK(nb_done == 1);
}

int
main(void)
{
	CHECK(wq_init(NULL) == 0);
	for (unsigned i = 0; i < 3; i++)
		wq_work_init(&w[i].work, w_func);
	behind_blocked(true, NB_BLOCKED);
	behind_blocked(false, NB_BLOCKED);
	behind_blocked(true, NB_MANY);
	behind_blocked(false, NB_MANY);
	behind_burner(0);
	behind_burner(WQ_CPU_INTENSIVE);
	RUN(test_burner_is_counted);
	RUN(test_found_then_burns);
	RUN(test_wrappers);
	for (unsigned i = 0; i < 2; i++) {
		announced = i == 0;
		printf("announced: %d\n", announced);
		RUN(timeline_three);
		RUN(timeline_two);
		RUN(timeline_intensive);
	}
	wq_exit();
	return 0;
}
