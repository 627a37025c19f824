/* SPDX-License-Identifier: BSD-3-Clause */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "data/lcore.h"
#include "data/vsock_switch.h"
#include "life/vsock.h"
#include "loop/lcore_ctl.h"
#include "sim.h"
#include "sim_device.h"
#include "sim_guest.h"
#include "sim_world.h"

#define NB_TRACED 50

struct sim_world sim_world;
uint64_t sim_now_ns = 1000000000;
bool sim_tracing;

static uint64_t hash;
static char lines[NB_TRACED][160];
static unsigned int nb_lines;
static bool stopping, stopped, at_end;
static bool quiet; /* --seeds: one line for each fault */

/* ---- numbers ---- */

void
sim_rand_init(struct sim_rand *r, uint64_t seed, uint64_t stream)
{
	r->state = seed * 0x9e3779b97f4a7c15ull + stream * 0xbf58476d1ce4e5b9ull + 1;
	for (int i = 0; i < 4; i++)
		(void)sim_rand(r, 2);
}

uint32_t
sim_rand(struct sim_rand *r, uint32_t bound)
{
	uint64_t x = r->state += 0x9e3779b97f4a7c15ull;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return (uint32_t)((x ^ (x >> 31)) % bound);
}

bool
sim_chance(struct sim_rand *r, uint32_t n)
{
	return sim_rand(r, n) == 0;
}

/* ---- reports ---- */

void
sim_hash(uint64_t value)
{
	hash = (hash ^ value) * 0x100000001b3ull;
}

void
sim_trace(const char *fmt, ...)
{
	char *line = lines[nb_lines++ % NB_TRACED];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(lines[0]), fmt, ap);
	va_end(ap);
	if (sim_tracing)
		printf("%8lu %s\n", (unsigned long)sim_world.step, line);
}

static const char *ignored = "";

bool
sim_ignores(const char *oracle)
{
	return strstr(ignored, oracle) != NULL;
}

void
sim_fault(const char *oracle, const char *fmt, ...)
{
	va_list ap;

	printf("seed %lu step %lu: FAULT %s: ", (unsigned long)sim_world.seed,
		(unsigned long)sim_world.step, oracle);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	for (unsigned int i = nb_lines > NB_TRACED ? nb_lines - NB_TRACED : 0; i < nb_lines; i++) {
		if (!sim_tracing && !quiet)
			printf("    %s\n", lines[i % NB_TRACED]);
	}
	fflush(stdout);
	_exit(1);
}

/* ---- an lcore's turn ends here ---- */

void __real_lcore_ctl_step(struct lcore *lc);
void __wrap_lcore_ctl_step(struct lcore *lc);
void
__wrap_lcore_ctl_step(struct lcore *lc)
{
	__real_lcore_ctl_step(lc);
	sim_yield();
}

/* ---- the control plane ---- */

struct setup {
	unsigned int nb_guests;
	bool restarts;
};

static struct setup setup;

static bool
is_stopping(void *arg)
{
	(void)arg;
	return stopping;
}

static void
control(void *arg)
{
	struct vsock_conf conf = {.spin_us = 100};
	struct sim_rand r;

	(void)arg;
	sim_rand_init(&r, sim_world.seed, 2);
	if (vsock_create(0, &sim_world.sw) != 0 || vsock_start(sim_world.sw, &conf) != 0)
		sim_fault("simulator", "the switch does not start");
	for (unsigned int i = 0; i < setup.nb_guests; i++) {
		sim_device_create(i);
		sim_device_up(i);
	}
	while (!stopping) {
		unsigned int i;

		sim_wait(is_stopping, NULL, sim_now_ns + sim_rand(&r, 3000000));
		if (stopping || !setup.restarts)
			continue;
		i = sim_rand(&r, setup.nb_guests);
		sim_device_down(i);
		sim_wait(is_stopping, NULL, sim_now_ns + sim_rand(&r, 200000));
		sim_device_up(i);
	}
	for (unsigned int i = 0; i < setup.nb_guests; i++)
		sim_device_down(i);
	for (unsigned int i = 0; i < setup.nb_guests; i++)
		sim_device_destroy(i);
	vsock_stop(sim_world.sw);
	vsock_free(sim_world.sw);
	sim_world.sw = NULL;
	stopped = true;
}

/* ---- the schedule ---- */

/* Nobody can run: go on to the next thing that happens by itself. */
static void
jump(void)
{
	uint64_t next = sim_co_next_deadline();

	if (sim_wq_next() < next)
		next = sim_wq_next();
	if (next == UINT64_MAX)
		sim_fault("wake", "nobody can run, and nothing is due");
	if (next > sim_now_ns)
		sim_now_ns = next;
}

static void
one_step(void)
{
	struct sim_co *co, *able[64];
	unsigned int nb = 0, nb_guests = 0, guests[SIM_NB_GUESTS], who;

	sim_world.step++;
	/* In the end all time-outs pass. */
	sim_now_ns += (50 + sim_rand(&sim_world.schedule, 400)) * (at_end ? 100 : 1);
	sim_wq_poll();
	for (unsigned int i = 0; (co = sim_co_at(i)) != NULL && nb < 64; i++) {
		if (sim_co_runnable(co))
			able[nb++] = co;
	}
	for (unsigned int i = 0; i < setup.nb_guests; i++) {
		if (sim_guest_runnable(i))
			guests[nb_guests++] = i;
	}
	if (nb + nb_guests == 0) {
		jump();
		return;
	}
	who = sim_rand(&sim_world.schedule, nb + nb_guests);
	if (who < nb)
		sim_co_run(able[who]);
	else
		sim_guest_step(guests[who - nb]);
	if (sim_world.sw != NULL && sim_world.sw->nb_launched > 0)
		sim_check_custody();
}

static void
run(uint64_t seed, uint64_t nb_steps)
{
	struct sim_rand r;
	uint64_t end;

	sim_world.seed = seed;
	sim_rand_init(&r, seed, 1);
	sim_rand_init(&sim_world.schedule, seed, 3);
	sim_rand_init(&sim_world.rand, seed, 4);
	sim_world.nb_lcores = 1 + sim_rand(&r, 2);
	setup.nb_guests = 2 + sim_rand(&r, 2);
	setup.restarts = sim_chance(&r, 2);
	sim_co_start("control", control, NULL);
	while (sim_world.step < nb_steps)
		one_step();
	setup.restarts = false;
	sim_guests_finish();
	at_end = true;
	for (end = sim_world.step + 2000000; sim_world.step < end;) {
		one_step();
		if (sim_world.step % 1000 == 0 && sim_guests_at_rest())
			break;
	}
	sim_guests_check_end();
	stopping = true;
	for (end = sim_world.step + 2000000; !stopped && sim_world.step < end;)
		one_step();
	if (!stopped)
		sim_fault("progress", "the switch does not stop");
	if (sim_nb_fds() != 0)
		sim_fault("leak", "%u descriptors are open", sim_nb_fds());
}

/* ---- command line ---- */

static void
usage(void)
{
	printf("Usage: vsock_sim [OPTION]...\n"
	       "Runs the data plane of dpdk-vsockd in a simulated world. The same seed gives the "
	       "same "
	       "run.\n"
	       "\n"
	       "  --seed N       the seed (1); a fault prints the last 50 packets\n"
	       "  --seeds A-B    each seed in a process of its own; prints the faults\n"
	       "  --steps N      choices of the schedule, before all comes to an end (50000)\n"
	       "  --long-chains  guests send chains that need several packet objects\n"
	       "  --without LIST oracles to leave out, such as order,custody\n"
	       "  --trace        print each packet\n"
	       "  --help\n"
	       "\n"
	       "Exit status: 0 no fault, 1 a fault, 2 wrong use.\n");
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{"seed", required_argument, NULL, 's'},
		{"seeds", required_argument, NULL, 'S'},
		{"steps", required_argument, NULL, 'n'},
		{"long-chains", no_argument, NULL, 'l'},
		{"trace", no_argument, NULL, 't'},
		{"without", required_argument, NULL, 'w'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	unsigned long long first = 1, last = 0, nb_steps = 50000, nb_faults = 0;
	int opt;

	while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (opt) {
		case 's':
			first = strtoull(optarg, NULL, 10);
			break;
		case 'S':
			if (sscanf(optarg, "%llu-%llu", &first, &last) != 2)
				return 2;
			break;
		case 'n':
			nb_steps = strtoull(optarg, NULL, 10);
			break;
		case 'l':
			sim_long_chains = true;
			break;
		case 'w':
			ignored = optarg;
			break;
		case 't':
			sim_tracing = true;
			break;
		case 'h':
			usage();
			return 0;
		default:
			return 2;
		}
	}
	if (last == 0) {
		run(first, nb_steps);
		printf("seed %llu: %lu steps, %lu packets, %lu bytes checked, hash %016lx\n", first,
			(unsigned long)sim_world.step, (unsigned long)sim_nb_packets,
			(unsigned long)sim_nb_bytes, (unsigned long)hash);
		return 0;
	}
	quiet = true;
	for (unsigned long long seed = first; seed <= last; seed++) {
		int status = 0;
		pid_t pid;

		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			run(seed, nb_steps);
			_exit(0);
		}
		waitpid(pid, &status, 0);
		if (WIFSIGNALED(status))
			printf("seed %llu: FAULT signal %d\n", seed, WTERMSIG(status));
		nb_faults += status != 0;
	}
	printf("%llu of %llu seeds failed\n", nb_faults, last - first + 1);
	return nb_faults > 0;
}
