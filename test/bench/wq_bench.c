/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * wq_bench: what a work costs its producer, how many are executed, how fast an idle consumer
 * starts, and how long a work waits behind blocked ones; for lib/wq, for the thread pools of GLib
 * and libuv and for the bare queues that are the limits, all in one run, in alternating rounds, as
 * medians.
 */

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "wq_bench_report.h"

/* How long to wait for the next work to block. */
#define SETTLE_NS UINT64_C(50000000)

const struct bench_impl *impls[NB_IMPLS] = {
	&bench_wq,
#ifdef HAVE_GLIB
	&bench_gthreadpool,
#endif
#ifdef HAVE_LIBUV
	&bench_libuv,
#endif
	&bench_bare_mpsc,
	&bench_spsc_ring,
};

struct options opt = {
	.window = 1024, .burst = 32, .works = 500, .rounds = 5, .producers = 2, .wakes = 400};
struct result results[NB_IMPLS];
static double tsc_per_us;
static int consumer_cpu;
static int nb_cpus;

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void
sleep_us(long us)
{
	struct timespec ts = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

	nanosleep(&ts, NULL);
}

void *
bench_alloc(size_t len)
{
	void *p = aligned_alloc(BENCH_LINE, (len + BENCH_LINE - 1) / BENCH_LINE * BENCH_LINE);

	if (p == NULL) {
		perror("wq_bench");
		exit(1);
	}
	return memset(p, 0, len);
}

int
bench_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

void
bench_blocked(struct bench_producer *p)
{
	__atomic_add_fetch(&p->nb_blocked, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&p->gate, __ATOMIC_ACQUIRE) == 0)
		syscall(SYS_futex, &p->gate, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	__atomic_sub_fetch(&p->nb_blocked, 1, __ATOMIC_RELEASE);
}

void
bench_open_gate(struct bench_producer *p)
{
	__atomic_store_n(&p->gate, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &p->gate, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

struct flow {
	const struct bench_impl *impl;
	int cpu;
	pthread_t thread;
	pthread_barrier_t *barrier;
	uint64_t enqueue_tsc;
};

static void
wait_done(const struct bench_impl *impl, struct bench_producer *p, uint64_t n)
{
	if (impl->wait != NULL)
		impl->wait(p, n);
	while (__atomic_load_n(&p->nb_done, __ATOMIC_ACQUIRE) < n) {
		/* Looking takes the counter's line from the consumer. */
		for (unsigned i = 0; i < 32; i++)
			bench_pause();
	}
}

static void *
producer_main(void *arg)
{
	struct flow *f = arg;
	struct bench_producer *p = f->impl->producer_new();
	uint64_t nb = (uint64_t)opt.works * 1000, queued = 0;

	bench_pin(f->cpu);
	pthread_barrier_wait(f->barrier);
	while (queued < nb) {
		uint64_t start;

		/* Until the works that come next are idle again. */
		if (queued >= opt.window)
			wait_done(f->impl, p, queued - opt.window + opt.burst);
		start = bench_tsc();
		f->impl->burst(p, (unsigned)(queued % opt.window), opt.burst);
		f->enqueue_tsc += bench_tsc() - start;
		queued += opt.burst;
	}
	wait_done(f->impl, p, queued);
	pthread_barrier_wait(f->barrier);
	f->impl->producer_free(p);
	return NULL;
}

static void
run_throughput(const struct bench_impl *impl, struct result *r, unsigned nb, unsigned round)
{
	struct flow flows[MAX_PRODUCERS];
	pthread_barrier_t barrier;
	double tsc = 0, works = (double)opt.works * 1000 * nb;
	uint64_t start;

	pthread_barrier_init(&barrier, NULL, nb + 1);
	for (unsigned i = 0; i < nb; i++) {
		/* Not on the consumer's CPU, as far as there are others. */
		flows[i] = (struct flow){.impl = impl,
			.barrier = &barrier,
			.cpu = nb_cpus > 1 ? (int)i % (nb_cpus - 1) : 0};
		pthread_create(&flows[i].thread, NULL, producer_main, &flows[i]);
	}
	pthread_barrier_wait(&barrier);
	start = now_ns();
	pthread_barrier_wait(&barrier);
	r->works_per_s[nb - 1][round] = works * 1e9 / (double)(now_ns() - start);
	for (unsigned i = 0; i < nb; i++) {
		pthread_join(flows[i].thread, NULL);
		tsc += (double)flows[i].enqueue_tsc;
	}
	r->enqueue_ns[nb - 1][round] = tsc * 1000 / tsc_per_us / works;
	pthread_barrier_destroy(&barrier);
}

static void
run_wakes(const struct bench_impl *impl, struct result *r)
{
	struct bench_producer *p = impl->producer_new();

	bench_pin(0);
	for (unsigned i = 0; i < opt.wakes; i++) {
		uint64_t start;

		/* Longer than each implementation spins. */
		sleep_us(200 + (long)(i * 37 % 400));
		__atomic_store_n(&p->started, 0, __ATOMIC_RELAXED);
		start = bench_tsc();
		impl->mark(p);
		while (__atomic_load_n(&p->started, __ATOMIC_ACQUIRE) == 0)
			bench_pause();
		r->wake_us[r->nb_wakes++] = (double)(p->started_tsc - start) / tsc_per_us;
	}
	impl->producer_free(p);
}

/* Delay of a work behind @nb blocked ones, from the block of the last of them. */
static double
run_blocked(const struct bench_impl *impl, unsigned nb, bool announce)
{
	struct bench_producer *p = impl->producer_new();
	uint64_t start, end;

	for (unsigned i = 0; i < nb; i++)
		impl->block(p, i, announce);
	/* An implementation that cannot run as many at once keeps the others queued: go on then. */
	end = now_ns() + SETTLE_NS;
	for (unsigned blocked = 0, seen; blocked < nb && now_ns() < end; blocked = seen) {
		seen = __atomic_load_n(&p->nb_blocked, __ATOMIC_ACQUIRE);
		if (seen != blocked)
			end = now_ns() + SETTLE_NS;
	}
	end = now_ns() + BLOCK_CAP_NS;
	start = bench_tsc();
	impl->mark(p);
	while (__atomic_load_n(&p->started, __ATOMIC_ACQUIRE) == 0 && now_ns() < end)
		bench_pause();
	bench_open_gate(p);
	/* Also those that were queued behind: the gate is open for them. */
	do {
		sleep_us(20000);
	} while (__atomic_load_n(&p->started, __ATOMIC_ACQUIRE) == 0 ||
		__atomic_load_n(&p->nb_blocked, __ATOMIC_ACQUIRE) > 0);
	end = p->started_tsc;
	impl->producer_free(p);
	return (double)(end - start) / tsc_per_us;
}

/* In a process of its own, with default pool sizes: libuv's cannot be changed later. */
static int
run_all_blocked(const struct bench_impl *impl, struct result *r)
{
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	if (impl->block == NULL || opt.no_blocked)
		return 0;
	if (pipe(fds) != 0 || (pid = fork()) < 0)
		return -errno;
	if (pid == 0) {
		for (unsigned round = 0; round < opt.rounds; round++) {
			if (impl->start(consumer_cpu) != 0)
				_exit(1);
			bench_pin(0);
			for (unsigned n_blocked = 1; n_blocked <= MAX_BLOCKED; n_blocked++) {
				for (int a = 0; a <= impl->can_announce; a++)
					r->blocked_us[a][n_blocked - 1][round] =
						run_blocked(impl, n_blocked, a);
			}
			impl->stop();
		}
		_exit(write(fds[1], r->blocked_us, sizeof(r->blocked_us)) != sizeof(r->blocked_us));
	}
	close(fds[1]);
	for (size_t got = 0; got < sizeof(r->blocked_us); got += (size_t)n) {
		n = read(fds[0], (char *)r->blocked_us + got, sizeof(r->blocked_us) - got);
		if (n <= 0)
			break;
	}
	close(fds[0]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

static void
measure_tsc(void)
{
	uint64_t t0 = now_ns(), c0 = bench_tsc();

	sleep_us(20000);
	tsc_per_us = (double)(bench_tsc() - c0) * 1000 / (double)(now_ns() - t0);
}

static unsigned
number(const char *arg, unsigned max)
{
	char *end;
	unsigned long v = strtoul(arg, &end, 10);

	if (*end != '\0' || v == 0 || v > max) {
		fprintf(stderr, "wq_bench: '%s' is not a number from 1 to %u\n", arg, max);
		exit(2);
	}
	return (unsigned)v;
}

static void
parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{"json", no_argument, NULL, 'j'},
		{"burst", required_argument, NULL, 'b'},
		{"window", required_argument, NULL, 'W'},
		{"works", required_argument, NULL, 'n'},
		{"rounds", required_argument, NULL, 'r'},
		{"producers", required_argument, NULL, 'p'},
		{"wakes", required_argument, NULL, 'w'},
		{"only", required_argument, NULL, 'o'},
		{"no-blocked", no_argument, NULL, 'B'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'j')
			opt.json = true;
		else if (c == 'b')
			opt.burst = number(optarg, BENCH_MAX_WINDOW);
		else if (c == 'W')
			opt.window = number(optarg, BENCH_MAX_WINDOW);
		else if (c == 'n')
			opt.works = number(optarg, 1000000);
		else if (c == 'r')
			opt.rounds = number(optarg, MAX_ROUNDS);
		else if (c == 'p')
			opt.producers = number(optarg, MAX_PRODUCERS);
		else if (c == 'o')
			opt.only = optarg;
		else if (c == 'B')
			opt.no_blocked = true;
		else if (c == 'w')
			opt.wakes = number(optarg, 100000);
		else
			exit(2);
	}
	if (opt.window % opt.burst != 0) {
		fprintf(stderr, "wq_bench: the window must be a multiple of the burst\n");
		exit(2);
	}
}

static void
run_round(unsigned i, unsigned round)
{
	const struct bench_impl *impl = impls[i];

	if (impl->start(consumer_cpu) != 0) {
		fprintf(stderr, "wq_bench: %s does not start\n", impl->name);
		exit(1);
	}
	for (unsigned n = 1; n <= nb_producers(impl); n++)
		run_throughput(impl, &results[i], n, round);
	run_wakes(impl, &results[i]);
	impl->stop();
}

/* Leaves only the implementation asked for. */
static void
select_impls(void)
{
	unsigned nb = 0;

	for (unsigned i = 0; i < NB_IMPLS && impls[i] != NULL; i++) {
		if (opt.only == NULL || strcmp(opt.only, impls[i]->name) == 0)
			impls[nb++] = impls[i];
	}
	for (; nb < NB_IMPLS; nb++)
		impls[nb] = NULL;
	if (impls[0] == NULL) {
		fprintf(stderr, "wq_bench: no '%s' here\n", opt.only);
		exit(2);
	}
}

int
main(int argc, char **argv)
{
	parse(argc, argv);
	select_impls();
	nb_cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	consumer_cpu = nb_cpus - 1;
	measure_tsc();
	for (unsigned i = 0; i < NB_IMPLS && impls[i] != NULL; i++) {
		results[i].wake_us = calloc((size_t)opt.rounds * opt.wakes, sizeof(double));
		if (results[i].wake_us == NULL || run_all_blocked(impls[i], &results[i]) != 0) {
			fprintf(stderr, "wq_bench: %s: start delays failed\n", impls[i]->name);
			return 1;
		}
	}
	setenv("UV_THREADPOOL_SIZE", "1", 1);
	for (unsigned round = 0; round < opt.rounds; round++) {
		for (unsigned i = 0; i < NB_IMPLS && impls[i] != NULL; i++)
			run_round(i, round);
	}
	if (opt.json)
		print_json();
	else
		print_table();
	for (unsigned i = 0; i < NB_IMPLS; i++)
		free(results[i].wake_us);
	return 0;
}
