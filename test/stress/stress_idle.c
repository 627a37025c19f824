/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports that go from polling to kicks and back in every gap, and lcores that sleep in most:
 * ping-pong with pauses around the time that a port may be idle, between guests on one lcore, on
 * two, and with host programs. No thread here wakes up by a timeout, so that a lost wake-up, in
 * whichever direction, is a stall.
 *
 * STRESS_TRANSITIONS=N: until the daemon has counted N ports that went to kicks (under a sanitizer
 * a tenth of it), however long that takes; otherwise STRESS_SECONDS.
 */
#include <inttypes.h>
#include <stdio.h>

#include "st.h"
#include "st_daemon.h"
#include "st_guest.h"
#include "st_host.h"
#include "st_pair.h"
#include "st_ping.h"

#define NB_PORTS       8u
#define SMALL_RING     4u  /* 4 KiB each: less than a large ping */
#define PLAY_SECONDS   4.0 /* in all; starting and stopping the daemons takes longer */
#define SLICE_US       UINT64_C(2000000)
#define STOP_WAIT_MS   5
#define MIN_PINGS      200u /* independent of the time */
#define MIN_SLEEPS     50
#define SANITIZED_PART 10

#define NB_THREAD_PLAYS 3
#define THREADS_PERCENT 1 /* of the goal, each of these */

/* Counters of the daemon and of the test. */
struct counts {
	int64_t transitions;
	int64_t lcore_sleeps;
	int64_t kicks;
	uint64_t nb_pings;
	uint64_t nb_sends;    /* 0: not told */
	uint64_t nb_sleepers; /* of these, to a port asleep */
	uint64_t nb_armed;    /* answers that came with a call */
	uint64_t us;
};

static uint64_t goal; /* transitions; 0: none */
static struct counts total;

static struct counts
count(const struct st_pinger *pingers, unsigned int nb, unsigned int nb_ports)
{
	struct counts c = {
		.transitions = st_daemon_lcores("port_sleeps"),
		.lcore_sleeps = st_daemon_lcores("sleeps"),
	};
	unsigned int i;

	for (i = 0; i < nb_ports; i++)
		c.kicks += st_daemon_port(i, "kicks");
	for (i = 0; i < nb; i++) {
		c.nb_pings += pingers[i].nb_pings;
		c.nb_sends += pingers[i].nb_sends;
		c.nb_sleepers += pingers[i].nb_kicks;
		c.nb_armed += pingers[i].nb_armed;
	}
	c.us = st_now_us();
	return c;
}

static void
add(struct counts *to, const struct counts *now, const struct counts *before)
{
	to->transitions += now->transitions - before->transitions;
	to->lcore_sleeps += now->lcore_sleeps - before->lcore_sleeps;
	to->kicks += now->kicks - before->kicks;
	to->nb_pings += now->nb_pings - before->nb_pings;
	to->nb_sends += now->nb_sends - before->nb_sends;
	to->nb_sleepers += now->nb_sleepers - before->nb_sleepers;
	to->nb_armed += now->nb_armed - before->nb_armed;
	to->us += now->us - before->us;
}

static void
report(const char *name, const struct counts *c)
{
	printf("%s: %" PRId64 " transitions, %" PRId64 " sleeps of lcores, %" PRId64
	       " kicks, %" PRIu64 " pings in %.1f s: %.0f transitions/s",
		name, c->transitions, c->lcore_sleeps, c->kicks, c->nb_pings, (double)c->us / 1e6,
		(double)c->transitions * 1e6 / (double)(c->us + 1));
	if (c->nb_sends > 0)
		printf(", %.0f %% of the packets met a port asleep, %" PRIu64 " calls",
			100.0 * (double)c->nb_sleepers / (double)c->nb_sends, c->nb_armed);
	printf("\n");
	fflush(stdout);
}

/* @return the end of one of @p nb_parts equal parts of the time; or of a slice towards a goal */
static uint64_t
part_until(unsigned int nb_parts)
{
	const uint64_t now = st_now_us();

	if (goal > 0)
		return now + SLICE_US;
	return now + (st_play_until(PLAY_SECONDS) - now) / nb_parts;
}

/* ---- guests and host programs in threads of their own, which sleep when they wait ---- */

/* @param share of the goal */
static void
play_threads(struct st_guest *guests, struct st_host *host, bool from_guest, bool with_host,
	uint64_t share)
{
	struct counts sum = {0};

	do {
		const struct counts before = count(NULL, 0, ST_PAIR_NB_GUESTS);
		struct counts after;
		uint64_t nb_pings;

		nb_pings = st_pairs_play(
			guests, host, from_guest, with_host, part_until(2 * NB_THREAD_PLAYS));
		after = count(NULL, 0, ST_PAIR_NB_GUESTS);
		after.nb_pings = nb_pings;
		add(&sum, &after, &before);
	} while (sum.nb_pings < MIN_PINGS || (goal > 0 && (uint64_t)sum.transitions < share));
	report(!with_host ? "threads, guest to guest"
			  : (from_guest ? "threads, both" : "threads, host to guest"),
		&sum);
	ST_CHECK(sum.lcore_sleeps >= MIN_SLEEPS);
	add(&total, &sum, &(struct counts){0});
}

/* ---- the same with everybody in one thread, which never sleeps ---- */

/* The pairs that play at the same time; open_all() made them. */
struct cast {
	const char *name;
	unsigned int first; /* pinger */
	unsigned int nb;
	unsigned int percent; /* of the run's goal */
};

static const struct cast casts[] = {
	{"two guests", 0, 2, 25},
	{"six guests", 0, 6, 45},
	{"host programs", 6, 4, 5},
	{"all", 0, 10, 25},
};

#define NB_CASTS   (sizeof(casts) / sizeof(casts[0]))
#define NB_PINGERS 10u

struct one_run {
	const char *lcores;
	unsigned int nb_polling; /* lcores */
	const char *spin_us;
	uint64_t features; /* that no guest wants */
	bool small;        /* rings: guests run out of RX buffers */
	bool yield;
	unsigned int percent; /* of the goal */
};

static const struct one_run runs[] = {
	{"0@0,1@1", 1, "0", 0, false, false, 30},
	{"0@0,1@1", 1, "2", VFE_F_EVENT_IDX, true, false, 30},
	{"0@0,1@1,2@1", 2, "2", 0, true, false, 24},
	{"0@0,1@1,2@0", 2, "1", VFE_F_EVENT_IDX, false, true, 13},
};

#define NB_RUNS (sizeof(runs) / sizeof(runs[0]))

/* Guests 0-5 in pairs, a host program that pings guest 6, and guest 7 that pings another one. */
static void
open_all(struct st_pinger *pingers, struct st_guest *guests, struct st_host *hosts)
{
	unsigned int i;

	for (i = 0; i < 6; i++) {
		st_pinger_init(&pingers[i], &guests[i], NULL);
		if (i % 2 == 0)
			pingers[i].flow = &st_guest_open(&guests[i], ST_FIRST_CID + i + 1, 1)->flow;
	}
	st_pinger_init(&pingers[6], NULL, &hosts[0]);
	pingers[6].flow = &st_host_open(&hosts[0], 1)->flow;
	st_pinger_init(&pingers[7], &guests[6], NULL);
	st_pinger_init(&pingers[8], &guests[7], NULL);
	pingers[8].flow = &st_guest_open_host(&guests[7])->flow;
	st_pinger_init(&pingers[9], NULL, &hosts[1]);
	for (i = 0; i < NB_PINGERS; i++) {
		pingers[i].peer = &pingers[i ^ 1];
		if (pingers[i].flow != NULL)
			st_ping_begin(pingers[i].flow);
	}
}

static void
play_cast(struct st_pinger *pingers, const struct cast *cast, bool yield, uint64_t share)
{
	struct counts sum = {0};
	uint64_t longest_ns = 0;
	unsigned int i;

	do {
		struct counts before = count(pingers, NB_PINGERS, NB_PORTS), after;

		st_pingers_play(
			&pingers[cast->first], cast->nb, part_until(2 * NB_RUNS * NB_CASTS), yield);
		/* Only now is the daemon asked: that wakes its lcores. */
		after = count(pingers, NB_PINGERS, NB_PORTS);
		add(&sum, &after, &before);
	} while (sum.nb_pings < MIN_PINGS || (goal > 0 && (uint64_t)sum.transitions < share));
	report(cast->name, &sum);
	for (i = 0; i < NB_PINGERS; i++) {
		if (pingers[i].longest_ns > longest_ns)
			longest_ns = pingers[i].longest_ns;
		pingers[i].longest_ns = 0;
	}
	printf("\tlongest round trip: %.1f ms\n", (double)longest_ns / 1e6);
	ST_CHECK(sum.transitions >= MIN_SLEEPS);
	add(&total, &sum, &(struct counts){0});
}

static void
plug(struct st_guest *g, const char *name, unsigned int i, const struct one_run *r)
{
	st_guest_init(g, name, i, i);
	g->policy.seqpacket = 0;
	g->conf.features &= ~r->features;
	if (r->small && i % 2 == 1)
		g->conf.ring_size = SMALL_RING;
	st_guest_attach(g);
}

static void
unplug(struct st_guest *guests, unsigned int nb)
{
	unsigned int i;

	for (i = 0; i < nb; i++) {
		guests[i].wait_ms = STOP_WAIT_MS;
		st_guest_check(&guests[i]);
		st_guest_unplug(&guests[i], true);
	}
}

/* Ports that waited for buffers, asleep, are told of new ones by kicks of the other queue. */
static void
check_starved(const struct st_guest *guests, const struct one_run *r)
{
	uint64_t nb_kicks = 0;
	unsigned int i;

	for (i = 0; i < NB_PORTS; i++)
		nb_kicks += guests[i].fe->vrings[VFE_QUEUE_TO_GUEST].stats.nb_kicks;
	if (!r->small)
		return;
	printf("kicks for RX buffers: %" PRIu64 "\n", nb_kicks);
	ST_CHECK(nb_kicks > 0);
}

static void
play_run(const struct one_run *r)
{
	static const char *const names[NB_PORTS] = {"guest 3", "guest 4", "guest 5", "guest 6",
		"guest 7", "guest 8", "guest 9", "guest 10"};
	struct st_daemon_conf conf = {
		.lcores = r->lcores,
		.nb_ports = NB_PORTS,
		.app_args = {"--idle", "adaptive", "--spin-us", r->spin_us},
	};
	struct st_pinger pingers[NB_PINGERS];
	struct st_guest guests[NB_PORTS];
	struct st_host hosts[2];
	unsigned int i;

	printf("--lcores %s --spin-us %s, EVENT_IDX %s%s\n", r->lcores, r->spin_us,
		r->features & VFE_F_EVENT_IDX ? "off" : "on", r->small ? ", few buffers" : "");
	/* The guests of a pair are on different lcores, where there are. */
	for (i = 0; i < NB_PORTS; i++)
		conf.lcore[i] = 1 + i % r->nb_polling;
	st_daemon_start(&conf);
	for (i = 0; i < NB_PORTS; i++)
		plug(&guests[i], names[i], i, r);
	for (i = 0; i < 2; i++) {
		st_host_init(&hosts[i], i == 0 ? "host 9" : "host 10", 6 + i, NB_PORTS + i);
		hosts[i].policy.seqpacket = 0;
		hosts[i].wait_ms = 0;
	}
	open_all(pingers, guests, hosts);
	/* All of them have answered, without waiting for 10 s. */
	st_pingers_play(pingers, NB_PINGERS, 0, r->yield);
	for (i = 0; i < NB_CASTS; i++)
		play_cast(pingers, &casts[i], r->yield,
			goal * r->percent * casts[i].percent / 10000 + 1);
	st_pingers_finish(pingers, NB_PINGERS);
	check_starved(guests, r);
	for (i = 0; i < 2; i++)
		st_host_fini(&hosts[i]);
	unplug(guests, NB_PORTS);
	st_daemon_check_quiet();
	st_daemon_stop();
}

static void
play_with_threads(void)
{
	static const char *const names[ST_PAIR_NB_GUESTS] = {"guest 3", "guest 4", "guest 5"};
	const struct st_daemon_conf conf = {
		.lcores = "0@0,1@1,2@0",
		.nb_ports = ST_PAIR_NB_GUESTS,
		.lcore = {1, 2, 1},
		.app_args = {"--idle", "adaptive", "--spin-us", "20"},
	};
	const uint64_t share = goal * THREADS_PERCENT / 100 + 1;
	struct st_guest guests[ST_PAIR_NB_GUESTS];
	struct st_host host;
	unsigned int i;

	printf("--lcores %s --spin-us 20\n", conf.lcores);
	st_daemon_start(&conf);
	for (i = 0; i < ST_PAIR_NB_GUESTS; i++) {
		/* Both ways to ask for calls and kicks. */
		plug(&guests[i], names[i], i,
			&(struct one_run){.features = i == 1 ? VFE_F_EVENT_IDX : 0});
		guests[i].wait_ms = (int)(st_stall_us() / 1000);
	}
	st_host_init(&host, "host", 2, ST_PAIR_NB_GUESTS);
	host.policy.seqpacket = 0;
	host.wait_ms = (int)(st_stall_us() / 1000);
	play_threads(guests, &host, true, false, share);
	play_threads(guests, &host, false, true, share);
	play_threads(guests, &host, true, true, share);
	st_host_fini(&host);
	unplug(guests, ST_PAIR_NB_GUESTS);
	st_daemon_check_quiet();
	st_daemon_stop();
}

int
main(void)
{
	unsigned int i;

	st_init("stress_idle");
	goal = st_transitions();
	if (st_sanitized() && goal > 0)
		goal = goal / SANITIZED_PART + 1;
	play_with_threads();
	for (i = 0; i < NB_RUNS; i++)
		play_run(&runs[i]);
	report("in all", &total);
	ST_CHECK((uint64_t)total.transitions >= goal);
	return 0;
}
