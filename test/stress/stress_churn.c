/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections come and go as fast as they can, in all directions at once: some do their work and
 * close, some are half closed, some closed or reset in the middle, some given up before there is an
 * answer, some have no listener. No other connection is cut, and nothing is left over.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "st.h"
#include "st_daemon.h"
#include "st_guest.h"
#include "st_host.h"

#define NB_GUESTS       2u
#define NB_MINE         24u /* at a time, of each player */
#define PERCENT_REFUSED 10

static const struct st_policy policy = {
	.max_len = 100000, .half = 20, .close = 12, .reset = 12, .give_up = 6, .seqpacket = 30};

static uint64_t play_until;
static unsigned int nb_playing; /* atomic: players that still open connections */
static unsigned int nb_short;   /* atomic: players that have not had enough of each kind of end */

struct player {
	struct st_guest guest;
	struct st_host host;
	uint64_t nb_opened;
	bool playing;
	bool enough;
};

/* A busy machine gets more time for this. */
static bool
had_enough(const struct player *p, const struct st_flow_stats *stats)
{
	return p->nb_opened > 100 && stats->nb_complete > 50 && stats->nb_cut > 10 &&
		stats->nb_refused > 5;
}

static bool
is_over(void)
{
	return st_now_us() >= play_until && __atomic_load_n(&nb_short, __ATOMIC_ACQUIRE) == 0;
}

static bool
goes_on(struct player *p, const struct st_flow_stats *stats, unsigned int nb_mine)
{
	if (!p->enough && had_enough(p, stats)) {
		p->enough = true;
		__atomic_fetch_sub(&nb_short, 1, __ATOMIC_ACQ_REL);
	}
	if (p->playing && is_over() && nb_mine == 0) {
		p->playing = false;
		__atomic_fetch_sub(&nb_playing, 1, __ATOMIC_ACQ_REL);
	}
	return p->playing || __atomic_load_n(&nb_playing, __ATOMIC_ACQUIRE) > 0;
}

static bool
may_open(unsigned int nb_mine)
{
	return !is_over() && nb_mine < NB_MINE;
}

static uint32_t
any_port(struct st_rng *rng, bool *refused)
{
	*refused = st_chance(rng, PERCENT_REFUSED);
	return *refused ? ST_PORT_REFUSED + st_below(rng, 100) : 1 + st_below(rng, 1000);
}

static bool
open_from_guest(struct player *p)
{
	struct st_guest *g = &p->guest;
	const uint64_t other = ST_FIRST_CID + 1 - g->port;
	struct st_guest_end *end;
	bool refused;
	uint32_t port = any_port(&g->rng, &refused);

	if (refused)
		end = st_guest_open(g, st_chance(&g->rng, 50) ? VFE_CID_HOST : other, port);
	else if (st_chance(&g->rng, 50))
		end = st_guest_open_host(g);
	else
		end = st_guest_open(g, other, port);
	if (end == NULL)
		return false;
	end->flow.refused_expected = refused;
	p->nb_opened++;
	return true;
}

static bool
open_from_host(struct player *p)
{
	bool refused;
	uint32_t port = any_port(&p->host.rng, &refused);
	struct st_host_end *end = st_host_open(&p->host, port);

	if (end == NULL)
		return false;
	end->flow.refused_expected = refused;
	p->nb_opened++;
	return true;
}

static void *
play_guest(void *arg)
{
	struct player *p = arg;
	struct st_guest *g = &p->guest;

	while (goes_on(p, &g->stats, g->nb_mine) || g->nb_ends > 0) {
		while (may_open(g->nb_mine) && open_from_guest(p))
			;
		st_guest_turn(g);
	}
	st_guest_check(g);
	return NULL;
}

static void *
play_host(void *arg)
{
	struct player *p = arg;
	struct st_host *h = &p->host;

	while (goes_on(p, &h->stats, h->nb_mine) || h->nb_ends > 0) {
		while (may_open(h->nb_mine) && open_from_host(p))
			;
		st_host_turn(h);
	}
	return NULL;
}

static void
check_player(const struct player *p, const struct st_flow_stats *stats)
{
	printf("  opened %" PRIu64 "\n", p->nb_opened);
	ST_CHECK(had_enough(p, stats));
}

int
main(void)
{
	static const struct st_daemon_conf conf = {
		.lcores = "0@0,1@1,2@0", .nb_ports = NB_GUESTS, .lcore = {1, 2}};
	static const char *const guest_names[NB_GUESTS] = {"guest 3", "guest 4"};
	static const char *const host_names[NB_GUESTS] = {"host of 3", "host of 4"};
	struct player guests[NB_GUESTS], hosts[NB_GUESTS];
	pthread_t threads[2 * NB_GUESTS];
	unsigned int i;

	st_init("stress_churn");
	st_daemon_start(&conf);
	play_until = st_play_until(8);
	nb_playing = nb_short = 2 * NB_GUESTS;
	for (i = 0; i < NB_GUESTS; i++) {
		guests[i] = (struct player){.playing = true};
		hosts[i] = (struct player){.playing = true};
		st_guest_init(&guests[i].guest, guest_names[i], i, i);
		st_host_init(&hosts[i].host, host_names[i], i, NB_GUESTS + i);
		guests[i].guest.policy = policy;
		hosts[i].host.policy = policy;
		st_guest_attach(&guests[i].guest);
	}
	for (i = 0; i < NB_GUESTS; i++) {
		ST_CHECK_EQ(pthread_create(&threads[2 * i], NULL, play_guest, &guests[i]), 0);
		ST_CHECK_EQ(pthread_create(&threads[2 * i + 1], NULL, play_host, &hosts[i]), 0);
	}
	for (i = 0; i < 2 * NB_GUESTS; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < NB_GUESTS; i++) {
		st_guest_report(&guests[i].guest);
		check_player(&guests[i], &guests[i].guest.stats);
		st_host_report(&hosts[i].host);
		check_player(&hosts[i], &hosts[i].host.stats);
	}
	/* With the guests still there: nothing may lean on their going. */
	for (i = 0; i < NB_GUESTS; i++)
		st_daemon_await_port(i, "conns", 0);
	/* No connection ended by a timeout. */
	ST_CHECK_EQ(st_daemon_drops("connect_timeout"), 0);
	ST_CHECK_EQ(st_daemon_drops("close_timeout"), 0);
	ST_CHECK_EQ(st_daemon_drops("linger_timeout"), 0);
	for (i = 0; i < NB_GUESTS; i++) {
		st_host_fini(&hosts[i].host);
		st_guest_unplug(&guests[i].guest, true);
	}
	st_daemon_check_quiet();
	st_daemon_stop();
	return 0;
}
