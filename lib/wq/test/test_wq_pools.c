/* SPDX-License-Identifier: BSD-3-Clause */

/* Pools: names and CPUs of threads, growth, reaping, changes of the CPU set, failing creation. */

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "wq_stats.h"
#include "wq_test.h"

#define NB_ITEMS 12

/* Given with -Wl,--wrap: every creation of a thread comes here. */
int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg);

static uint32_t fail_creation; /* 1: from now on; n > 1: the (n - 1)th from now on, once */
static uint32_t nb_refused;
static uint32_t nb_stalls_told, nb_failures_told;

int
__wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg)
{
	uint32_t fail = test_load(&fail_creation);

	if (fail > 1)
		test_store(&fail_creation, fail == 2 ? 0 : fail - 1);
	if (fail == 1 || fail == 2) {
		test_add(&nb_refused, 1);
		return EAGAIN;
	}
	return __real_pthread_create(t, a, fn, arg);
}

struct item {
	struct wq_work work;
	uint32_t runs;
	int cpu;
	cpu_set_t cpus;
	char name[16];
};

static uint32_t gate, nb_started;
static struct item items[NB_ITEMS];

static void
note_func(struct wq_work *work)
{
	struct item *it = (struct item *)(void *)work;

	it->cpu = sched_getcpu();
	CHECK(sched_getaffinity(0, sizeof(it->cpus), &it->cpus) == 0);
	CHECK(pthread_getname_np(pthread_self(), it->name, sizeof(it->name)) == 0);
	test_add(&it->runs, 1);
}

static void
gate_func(struct wq_work *work)
{
	test_add(&nb_started, 1);
	wq_block_begin();
	CHECK(test_reaches(&gate, 1));
	wq_block_end();
	note_func(work);
}

static void
reset(wq_func_t fn)
{
	memset(items, 0, sizeof(items));
	for (unsigned i = 0; i < NB_ITEMS; i++)
		wq_work_init(&items[i].work, fn);
	test_store(&gate, 0);
	test_store(&nb_started, 0);
}

static struct workqueue *
make(unsigned flags)
{
	struct workqueue *wq;

	CHECK(wq_alloc("pools", flags, 0, &wq) == 0);
	return wq;
}

static cpu_set_t
only(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return set;
}

/* All threads of the library are on the given CPUs. Returns how many there are. */
static unsigned
check_threads(const cpu_set_t *cpus)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *e;
	unsigned nb = 0;

	CHECK(dir != NULL);
	while ((e = readdir(dir)) != NULL) {
		char path[300], name[32] = "";
		cpu_set_t set, both;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
		f = fopen(path, "re");
		if (f == NULL)
			continue;
		if (fgets(name, sizeof(name), f) == NULL)
			name[0] = '\0';
		fclose(f);
		if (strncmp(name, "wq/", 3) != 0)
			continue;
		nb++;
		if (sched_getaffinity(atoi(e->d_name), sizeof(set), &set) != 0)
			continue;
		CPU_AND(&both, &set, cpus);
		CHECK(CPU_EQUAL(&both, &set));
	}
	closedir(dir);
	return nb;
}

static void
test_names_and_cpus(void)
{
	static const struct {
		unsigned flags;
		const char *prefix;
		char suffix;
		int nb_cpus;
	} kinds[] = {
		{0, "wq/1:", 0, 1},
		{WQ_HIGHPRI, "wq/1:", 'H', 1},
		{WQ_UNBOUND | WQ_AFFN_CPU, "wq/u", 0, 1},
		{WQ_UNBOUND | WQ_AFFN_SYSTEM, "wq/u", 0, 2},
		{WQ_UNBOUND | WQ_AFFN_NUMA | WQ_HIGHPRI, "wq/u", 'H', 0},
		{WQ_UNBOUND, "wq/u", 0, 0},
	};

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct workqueue *wq = make(kinds[i].flags);
		size_t len;

		reset(note_func);
		CHECK(wq_queue_work_on(1, wq, &items[0].work));
		wq_flush(wq);
		CHECK(strncmp(items[0].name, kinds[i].prefix, strlen(kinds[i].prefix)) == 0);
		len = strlen(items[0].name);
		CHECK((items[0].name[len - 1] == 'H') == (kinds[i].suffix == 'H'));
		CHECK(kinds[i].nb_cpus == 0 || CPU_COUNT(&items[0].cpus) == kinds[i].nb_cpus);
		CHECK(CPU_ISSET(1, &items[0].cpus));
		wq_destroy(wq);
	}
}

struct totals {
	uint32_t workers;
	uint32_t idle;
	uint64_t reaped;
	uint64_t failed;
	uint64_t stalls;
};

static int
add_pool(const struct wq_stats_pool *s, void *arg)
{
	struct totals *t = arg;

	if (s->cpu == 0 && !s->highpri) {
		t->workers = s->workers;
		t->idle = s->idle;
	}
	t->reaped += s->reaped;
	t->failed += s->create_failed;
	t->stalls += s->stalls;
	return 0;
}

static struct totals
totals(void)
{
	struct totals t = {0};

	CHECK(wq_stats_visit_pools(add_pool, &t) == 0);
	return t;
}

/* A pool grows while works block, and lets its spare workers go later. */
static void
test_grow_and_reap(void)
{
	struct workqueue *wq = make(0);
	uint64_t end = test_now_us() + (uint64_t)TIMEOUT_MS * 1000;
	struct totals t;

	reset(gate_func);
	for (unsigned i = 0; i < NB_ITEMS; i++)
		CHECK(wq_queue_work_on(0, wq, &items[i].work));
	CHECK(test_reaches(&nb_started, NB_ITEMS));
	t = totals();
	/* And one is idle, for the next to come. */
	CHECK(t.workers > NB_ITEMS && t.idle >= 1);
	test_store(&gate, 1);
	wq_flush(wq);
	do {
		test_sleep_us(10000);
		t = totals();
	} while (t.workers > 2 && test_now_us() < end);
	CHECK(t.workers == 2 && t.reaped >= NB_ITEMS - 2);
	/* The remaining workers do the works. */
	CHECK(wq_queue_work_on(0, wq, &items[0].work));
	wq_flush(wq);
	CHECK(items[0].runs == 2);
	wq_destroy(wq);
}

static void
test_cpu_set(void)
{
	struct workqueue *wq = make(0), *un = make(WQ_UNBOUND | WQ_AFFN_CPU | WQ_MEM_RECLAIM);
	cpu_set_t all, one = only(1);

	wq_get_cpus(&all);
	CHECK(CPU_COUNT(&all) == 2);
	reset(gate_func);
	/* Two run on a CPU that leaves. */
	CHECK(wq_queue_work_on(0, wq, &items[0].work));
	CHECK(wq_queue_work_on(0, un, &items[1].work));
	CHECK(test_reaches(&nb_started, 2));
	CHECK(wq_set_cpus(&one) == 0);
	CHECK(check_threads(&one) >= 4);
	/* New ones go to the other, behind nothing. */
	for (unsigned i = 2; i < 6; i++) {
		items[i].work.func = note_func;
		CHECK(wq_queue_work_on(0, i % 2 ? wq : un, &items[i].work));
		CHECK(test_reaches(&items[i].runs, 1));
		CHECK(items[i].cpu == 1);
	}
	test_store(&gate, 1);
	wq_flush(wq);
	wq_flush(un);
	CHECK(items[0].runs == 1 && items[0].cpu == 1);
	CHECK(items[1].runs == 1 && items[1].cpu == 1);
	/* And back. */
	CHECK(wq_set_cpus(&all) == 0);
	CHECK(wq_queue_work_on(0, wq, &items[2].work));
	CHECK(wq_queue_work_on(0, un, &items[3].work));
	wq_flush(wq);
	wq_flush(un);
	CHECK(items[2].cpu == 0 && CPU_COUNT(&items[2].cpus) == 1);
	CHECK(items[3].cpu == 0 && CPU_COUNT(&items[3].cpus) == 1);
	wq_destroy(wq);
	wq_destroy(un);
}

/* No thread anywhere but on the CPUs given at the start, also when works are queued elsewhere. */
static void
test_confined(void)
{
	struct wq_config cfg = {0};
	cpu_set_t one = only(1);
	struct workqueue *wq, *un;

	cfg.cpus = &one;
	CHECK(wq_init(&cfg) == 0);
	wq = make(WQ_MEM_RECLAIM);
	un = make(WQ_UNBOUND | WQ_AFFN_SYSTEM);
	reset(note_func);
	for (unsigned i = 0; i < NB_ITEMS; i++)
		CHECK(wq_queue_work_on((int)i % 2, i % 3 ? wq : un, &items[i].work));
	wq_flush(wq);
	wq_flush(un);
	for (unsigned i = 0; i < NB_ITEMS; i++)
		CHECK(items[i].runs == 1 && items[i].cpu == 1);
	CHECK(check_threads(&one) >= 5);
	wq_destroy(wq);
	wq_destroy(un);
	wq_exit();
}

static int
add_rescued(const struct wq_stats_wq *s, void *arg)
{
	*(uint64_t *)arg += s->rescued;
	return 0;
}

/*
 * No thread can be created and the only worker blocks: the workqueue with a rescuer goes on, the
 * other one when threads can be created again.
 */
static void
test_rescuer(void)
{
	struct workqueue *wq = make(0), *safe = make(WQ_MEM_RECLAIM);
	uint64_t rescued = 0;
	unsigned i;

	reset(note_func);
	items[0].work.func = gate_func;
	test_store(&fail_creation, 1);
	CHECK(wq_queue_work_on(0, wq, &items[0].work));
	CHECK(test_reaches(&nb_started, 1));
	CHECK(wq_queue_work_on(0, wq, &items[1].work));
	for (i = 2; i < NB_ITEMS; i++)
		CHECK(wq_queue_work_on(0, safe, &items[i].work));
	for (i = 2; i < NB_ITEMS; i++) {
		CHECK(test_reaches(&items[i].runs, 1));
		CHECK(strncmp(items[i].name, "wq/r:", 5) == 0);
		CHECK(items[i].cpu == 0);
	}
	CHECK(wq_stats_visit_wqs(add_rescued, &rescued) == 0);
	CHECK(rescued == NB_ITEMS - 2);
	CHECK(test_load(&items[1].runs) == 0);
	CHECK(totals().failed > 0 && test_load(&nb_refused) > 0);
	/* That nothing happens there is told, once. */
	CHECK(test_reaches(&nb_stalls_told, 1));
	CHECK(totals().stalls == 1);
	CHECK(test_load(&nb_failures_told) > 0);
	test_store(&fail_creation, 0);
	CHECK(test_reaches(&items[1].runs, 1));
	test_store(&gate, 1);
	wq_flush(wq);
	wq_destroy(wq);
	wq_destroy(safe);
}

/* Every thread that the start needs fails once: an error, and nothing is left behind. */
static void
test_failing_start(void)
{
	struct workqueue *wq;

	for (uint32_t n = 2; n <= 3; n++) {
		test_store(&fail_creation, n);
		CHECK(wq_init(NULL) == -EAGAIN);
		CHECK(wq_alloc("x", 0, 0, &wq) == -ENODEV);
	}
	test_store(&fail_creation, 0);
	CHECK(wq_init(NULL) == 0);
	/* A rescuer and, on two CPUs, two workers. */
	for (uint32_t n = 2; n <= 5; n++) {
		test_store(&fail_creation, n);
		CHECK(wq_alloc("x", WQ_MEM_RECLAIM | WQ_HIGHPRI, 0, &wq) == (n < 5 ? -EAGAIN : 0));
		test_store(&fail_creation, 0);
		if (n == 5)
			wq_destroy(wq);
	}
	/* A pool whose worker could not be created gets it with its first work. */
	reset(note_func);
	CHECK(wq_queue_work_on(0, wq_system(WQ_SYSTEM_HIGHPRI), &items[0].work));
	CHECK(test_reaches(&items[0].runs, 1));
	wq_exit();
}

/* Outsiders are turned away while a workqueue drains, its own works are not. */
static struct workqueue *draining;
static struct item chained;

static void
chain_func(struct wq_work *work)
{
	test_add(&nb_started, 1);
	wq_block_begin();
	CHECK(test_reaches(&gate, 1));
	wq_block_end();
	CHECK(wq_queue_work(draining, &chained.work));
	(void)work;
}

static void *
drain_main(void *arg)
{
	wq_drain(draining);
	return arg;
}

static void
test_drain(void)
{
	pthread_t thread;

	draining = make(0);
	reset(note_func);
	memset(&chained, 0, sizeof(chained));
	wq_work_init(&chained.work, note_func);
	items[0].work.func = chain_func;
	CHECK(wq_queue_work(draining, &items[0].work));
	CHECK(test_reaches(&nb_started, 1));
	CHECK(pthread_create(&thread, NULL, drain_main, NULL) == 0);
	/* Accepted until the drain has begun. */
	while (wq_queue_work(draining, &items[1].work))
		test_sleep_us(1000);
	CHECK(!wq_work_pending(&items[1].work));
	test_store(&gate, 1);
	pthread_join(thread, NULL);
	CHECK(chained.runs == 1);
	CHECK(wq_queue_work(draining, &items[1].work));
	wq_destroy(draining);
}

static void
take_line(enum wq_log_level level, const char *line, void *arg)
{
	CHECK(arg == &nb_stalls_told);
	CHECK(strchr(line, '\n') == NULL);
	if (level == WQ_LOG_ERR && strstr(line, "no work started") != NULL)
		test_add(&nb_stalls_told, 1);
	if (level == WQ_LOG_WARNING && strstr(line, "cannot create a worker") != NULL)
		test_add(&nb_failures_told, 1);
}

int
main(void)
{
	struct wq_config cfg = {
		.idle_timeout_ms = 50,
		.create_cooldown_ms = 20,
		.watchdog_ms = 100,
		.log = take_line,
		.log_arg = &nb_stalls_told,
	};

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		printf("skipped: needs two CPUs\n");
		return 77;
	}
	RUN(test_failing_start);
	CHECK(wq_init(&cfg) == 0);
	RUN(test_rescuer);
	RUN(test_names_and_cpus);
	RUN(test_grow_and_reap);
	RUN(test_cpu_set);
	RUN(test_drain);
	wq_stats_dump(stdout);
	wq_exit();
	RUN(test_confined);
	return 0;
}
