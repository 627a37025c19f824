/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two guests, one on the sender's lcore and one on another, and host programs stop receiving again
 * and again, with large windows open, while a fourth guest receives steadily. What a slow one does
 * not take is copied, or its connection reset; the steady one's connections go on during each stop,
 * which ends only when some of them were completed.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "st.h"
#include "st_daemon.h"
#include "st_guest.h"
#include "st_host.h"

#define NB_GUESTS    4u
#define NB_SLOW      2u
#define SENDER       0u
#define FIRST_SLOW   1u
#define STEADY       3u
#define NB_TO_SLOW   10u
#define NB_TO_OTHERS 4u
#define SLOW_WINDOW  (4u << 20) /* of each connection; all together more than a pair may hold */
#define MAX_LEN      (6u << 20)
#define NB_AGAIN     4u
#define AGAIN_LEN    (2u << 20)

static uint64_t play_until;
static uint64_t nb_steady;   /* atomic: connections with the steady guest that were completed */
static bool sender_opens;    /* atomic: until the sender opens no more */
static bool sender_plays;    /* atomic: until all its connections are over */
static unsigned int nb_full; /* atomic: slow guests that have run into the bound */
static unsigned int nb_have_stopped; /* atomic: slow guests that have stopped receiving since */

struct slow_guest {
	struct st_guest guest;
	uint64_t nb_stops;
};

static bool
flag(const bool *what)
{
	return __atomic_load_n(what, __ATOMIC_ACQUIRE);
}

static unsigned int
nb_mine_to(const struct st_guest *g, uint64_t cid)
{
	const struct st_guest_end *end;
	unsigned int nb = 0;

	TAILQ_FOREACH (end, &g->ends, next)
		nb += end->flow.initiator && end->conn->peer_cid == cid;
	return nb;
}

/* Long ones, while the bound is still to be found. */
static void
open_one(struct st_guest *g, unsigned int port)
{
	struct st_guest_end *end =
		st_guest_open(g, ST_FIRST_CID + port, 1 + st_below(&g->rng, 1000));

	if (end != NULL && port != STEADY && __atomic_load_n(&nb_full, __ATOMIC_ACQUIRE) < NB_SLOW)
		end->flow.tx_len = end->flow.tx_limit = MAX_LEN;
}

static void
open_some(struct st_guest *g)
{
	unsigned int i;

	for (i = FIRST_SLOW; i < NB_GUESTS; i++) {
		const uint64_t cid = ST_FIRST_CID + i;
		const unsigned int max = i == STEADY ? NB_TO_OTHERS : NB_TO_SLOW;

		g->policy.max_len = i == STEADY ? MAX_LEN / 64 : MAX_LEN;
		if (nb_mine_to(g, cid) < max)
			open_one(g, i);
	}
	g->policy.max_len = MAX_LEN / 8;
	if (nb_mine_to(g, VFE_CID_HOST) < NB_TO_OTHERS)
		st_guest_open_host(g);
}

static void *
play_sender(void *arg)
{
	struct st_guest *g = arg;

	while (st_now_us() < play_until ||
		__atomic_load_n(&nb_have_stopped, __ATOMIC_ACQUIRE) < NB_SLOW) {
		open_some(g);
		st_guest_turn(g);
	}
	__atomic_store_n(&sender_opens, false, __ATOMIC_RELEASE);
	st_guest_finish(g);
	__atomic_store_n(&sender_plays, false, __ATOMIC_RELEASE);
	st_guest_check(g);
	return NULL;
}

static void *
play_steady(void *arg)
{
	struct st_guest *g = arg;

	while (flag(&sender_plays) || g->nb_ends > 0) {
		st_guest_turn(g);
		__atomic_store_n(&nb_steady, g->stats.nb_complete, __ATOMIC_RELEASE);
	}
	st_guest_check(g);
	return NULL;
}

/* Receives nothing while the steady guest completes some connections. */
static void
stop_receiving(struct st_guest *g, unsigned int nb_connections)
{
	const uint64_t deadline = st_now_us() + st_stall_us();
	const uint64_t target = __atomic_load_n(&nb_steady, __ATOMIC_ACQUIRE) + nb_connections;

	g->hold_rx = true;
	while (flag(&sender_opens) && __atomic_load_n(&nb_steady, __ATOMIC_ACQUIRE) < target) {
		if (st_now_us() > deadline)
			ST_FAIL("%s stops receiving, and the steady guest comes to a halt",
				g->name);
		st_guest_turn(g);
	}
	g->hold_rx = false;
}

/* Receives nothing until the daemon has given a connection up. */
static void
stop_until_full(struct st_guest *g)
{
	const uint64_t deadline = st_now_us() + st_stall_us();
	unsigned int i;

	g->hold_rx = true;
	while (st_daemon_port_drops(g->port, "pair_limit") +
			st_daemon_port_drops(g->port, "pool_exhausted") +
			st_daemon_port_drops(SENDER, "pair_limit") +
			st_daemon_port_drops(SENDER, "pool_exhausted") ==
		0) {
		if (st_now_us() > deadline)
			ST_FAIL("%s: windows beyond the bound, and no connection reset", g->name);
		for (i = 0; i < 10; i++)
			st_guest_turn(g);
	}
	g->hold_rx = false;
	__atomic_fetch_add(&nb_full, 1, __ATOMIC_ACQ_REL);
}

static void *
play_slow(void *arg)
{
	struct slow_guest *s = arg;
	struct st_guest *g = &s->guest;
	uint64_t until;

	while (g->nb_ends < NB_TO_SLOW)
		st_guest_turn(g);
	stop_until_full(g);
	while (flag(&sender_plays) || g->nb_ends > 0) {
		until = st_now_us() + st_below(&g->rng, 50000);
		while (st_now_us() < until)
			st_guest_turn(g);
		if (flag(&sender_opens)) {
			stop_receiving(g, 1 + st_below(&g->rng, 8));
			if (s->nb_stops++ == 0)
				__atomic_fetch_add(&nb_have_stopped, 1, __ATOMIC_ACQ_REL);
		}
	}
	st_guest_check(g);
	return NULL;
}

static void *
play_host(void *arg)
{
	struct st_host *h = arg;
	struct st_host_end *end;

	while (flag(&sender_plays) || h->nb_ends > 0) {
		TAILQ_FOREACH (end, &h->ends, next)
			end->hold_rx =
				flag(&sender_opens) && st_chance(&h->rng, end->hold_rx ? 90 : 3);
		st_host_turn(h);
	}
	return NULL;
}

static void
set_up(struct st_guest *steady, struct st_guest *sender, struct slow_guest *slow)
{
	static const char *const names[NB_SLOW] = {"slow 4", "slow 5"};
	unsigned int i;

	st_guest_init(sender, "sender", SENDER, SENDER);
	sender->policy.lenient = true;
	sender->firm_cid = ST_FIRST_CID + STEADY;
	st_guest_init(steady, "steady", STEADY, STEADY);
	st_guest_attach(sender);
	st_guest_attach(steady);
	for (i = 0; i < NB_SLOW; i++) {
		struct st_guest *g = &slow[i].guest;

		slow[i] = (struct slow_guest){0};
		st_guest_init(g, names[i], FIRST_SLOW + i, FIRST_SLOW + i);
		g->policy.lenient = true;
		/* Data that is queued for a connection is dropped if its receiver resets it. */
		g->policy.reset = 15;
		g->policy.close = 5;
		g->conf.buf_alloc = SLOW_WINDOW;
		st_guest_attach(g);
	}
}

static bool
something_unsent(const struct st_guest *g)
{
	const struct st_guest_end *end;

	TAILQ_FOREACH (end, &g->ends, next) {
		if (!st_flow_all_sent(&end->flow))
			return true;
	}
	return false;
}

/* Reset connections have freed their memory: one pair can use a large part of its bound again. */
static void
as_much_as_before(struct st_guest *sender, struct st_guest *slow)
{
	const uint64_t nb_complete = sender->stats.nb_complete;
	struct st_guest_end *end;
	unsigned int i;

	slow->policy.reset = slow->policy.close = 0;
	sender->firm_cid = slow->fe->cid;
	slow->firm_cid = sender->fe->cid;
	for (i = 0; i < NB_AGAIN; i++) {
		end = st_guest_open(sender, slow->fe->cid, 1 + i);
		ST_CHECK(end != NULL);
		end->flow.tx_len = end->flow.tx_limit = AGAIN_LEN;
	}
	while (slow->nb_ends < NB_AGAIN) {
		st_guest_turn(slow);
		st_guest_turn(sender);
	}
	slow->hold_rx = true;
	while (something_unsent(sender))
		st_guest_turn(sender);
	slow->hold_rx = false;
	while (sender->nb_ends + slow->nb_ends > 0) {
		st_guest_turn(slow);
		st_guest_turn(sender);
	}
	ST_CHECK_EQ(sender->stats.nb_complete - nb_complete, NB_AGAIN);
	st_guest_check(sender);
	st_guest_check(slow);
}

static void
run(unsigned int mem_mb)
{
	const struct st_daemon_conf conf = {.lcores = "0@0,1@1,2@0",
		.nb_ports = NB_GUESTS,
		.lcore = {1, 1, 2, 2},
		.mem_mb = mem_mb};
	struct st_guest steady, sender;
	struct slow_guest slow[NB_SLOW];
	struct st_host host;
	pthread_t threads[NB_GUESTS + 1];
	unsigned int i;

	st_daemon_start(&conf);
	set_up(&steady, &sender, slow);
	st_host_init(&host, "host", SENDER, NB_GUESTS);
	sender_opens = sender_plays = true;
	nb_full = 0;
	nb_have_stopped = 0;
	nb_steady = 0;
	play_until = st_play_until(5);
	ST_CHECK_EQ(pthread_create(&threads[0], NULL, play_sender, &sender), 0);
	ST_CHECK_EQ(pthread_create(&threads[1], NULL, play_steady, &steady), 0);
	ST_CHECK_EQ(pthread_create(&threads[2], NULL, play_host, &host), 0);
	for (i = 0; i < NB_SLOW; i++)
		ST_CHECK_EQ(pthread_create(&threads[3 + i], NULL, play_slow, &slow[i]), 0);
	for (i = 0; i < 3 + NB_SLOW; i++)
		pthread_join(threads[i], NULL);
	printf("%u MiB: resets by pair_limit %" PRId64 ", by pool_exhausted %" PRId64 "\n", mem_mb,
		st_daemon_drops("pair_limit"), st_daemon_drops("pool_exhausted"));
	st_guest_report(&sender);
	st_guest_report(&steady);
	ST_CHECK_EQ(steady.stats.nb_cut, 0);
	st_host_report(&host);
	ST_CHECK_EQ(host.stats.nb_cut, 0);
	for (i = 0; i < NB_SLOW; i++) {
		st_guest_report(&slow[i].guest);
		printf("  stopped receiving %" PRIu64 " times\n", slow[i].nb_stops);
		ST_CHECK(slow[i].nb_stops > 0);
		as_much_as_before(&sender, &slow[i].guest);
	}
	ST_CHECK(st_daemon_lcores("loans_copied") > 0);
	for (i = 0; i < NB_SLOW; i++)
		st_guest_unplug(&slow[i].guest, true);
	st_host_fini(&host);
	st_guest_unplug(&sender, true);
	st_guest_unplug(&steady, true);
	st_daemon_check_quiet();
	st_daemon_stop();
}

int
main(void)
{
	st_init("stress_slow");
	run(256); /* the pair's bound comes first */
	run(56);  /* the port's share of the pool comes first */
	return 0;
}
