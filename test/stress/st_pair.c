/* SPDX-License-Identifier: BSD-3-Clause */
#include "st_pair.h"

#include <pthread.h>

#include "st_daemon.h"
#include "st_ping.h"

#define MAX_PAUSE    120u
#define NB_PINGS     200000u /* of each pair, when there is time */
#define STOP_WAIT_MS 5

/* An initiator and its acceptor; either may be a guest or a host program. */
struct pair {
	struct st_guest *guest; /* NULL: the host pings */
	struct st_host *host;
	struct st_flow *flow;
	uint64_t nb_pings;
};

static uint64_t play_until;
static bool stopped; /* atomic: who waits may wake up by himself */

static void
pause_about(struct st_rng *rng)
{
	const uint64_t until = st_now_us() + st_below(rng, MAX_PAUSE);

	if (st_chance(rng, 20)) {
		st_sleep_us(st_below(rng, MAX_PAUSE));
		return;
	}
	while (st_now_us() < until)
		;
}

static bool
goes_on(const struct pair *p)
{
	return p->nb_pings < NB_PINGS && st_now_us() < play_until;
}

static void *
guest_pings(void *arg)
{
	struct pair *p = arg;
	struct st_guest *g = p->guest;

	while (goes_on(p)) {
		while (!st_ping_is_back(p->flow)) {
			st_guest_turn(g);
			ST_CHECK_EQ(g->nb_mine, 1);
		}
		p->nb_pings++;
		pause_about(&g->rng);
		st_ping_next(p->flow, &g->rng);
	}
	p->flow->turn_at = 0;
	st_guest_finish(g);
	return NULL;
}

static void *
host_pings(void *arg)
{
	struct pair *p = arg;
	struct st_host *h = p->host;

	while (goes_on(p)) {
		while (!st_ping_is_back(p->flow)) {
			st_host_turn(h);
			ST_CHECK_EQ(h->nb_mine, 1);
		}
		p->nb_pings++;
		pause_about(&h->rng);
		st_ping_next(p->flow, &h->rng);
	}
	p->flow->turn_at = 0;
	st_host_finish(h);
	return NULL;
}

static void *
guest_echoes(void *arg)
{
	struct st_guest *g = arg;

	while (!__atomic_load_n(&stopped, __ATOMIC_ACQUIRE) || g->nb_ends > 0) {
		if (g->nb_ends == 0)
			g->wait_ms =
				STOP_WAIT_MS; /* before the first connection, behind the last */
		else
			g->wait_ms = (int)(st_stall_us() / 1000);
		st_guest_turn(g);
	}
	return NULL;
}

uint64_t
st_pairs_play(struct st_guest guests[ST_PAIR_NB_GUESTS], struct st_host *host, bool from_guest,
	bool with_host, uint64_t until_us)
{
	struct pair pairs[2] = {{.guest = &guests[0]}, {.host = host}};
	pthread_t pings[2], echo[2];
	uint64_t nb_pings = 0;
	unsigned int i;

	play_until = until_us;
	__atomic_store_n(&stopped, false, __ATOMIC_RELEASE);
	for (i = 0; i < 2; i++) {
		if (!(i == 0 ? from_guest : with_host))
			continue;
		if (i == 0)
			pairs[i].flow = &st_guest_open(&guests[0], ST_FIRST_CID + 1, 1)->flow;
		else
			pairs[i].flow = &st_host_open(host, 1)->flow;
		st_ping_begin(pairs[i].flow);
		ST_CHECK_EQ(pthread_create(&echo[i], NULL, guest_echoes, &guests[1 + i]), 0);
		ST_CHECK_EQ(pthread_create(
				    &pings[i], NULL, i == 0 ? guest_pings : host_pings, &pairs[i]),
			0);
	}
	for (i = 0; i < 2; i++) {
		if (i == 0 ? from_guest : with_host)
			pthread_join(pings[i], NULL);
		nb_pings += pairs[i].nb_pings;
	}
	__atomic_store_n(&stopped, true, __ATOMIC_RELEASE);
	for (i = 0; i < 2; i++) {
		if (i == 0 ? from_guest : with_host)
			pthread_join(echo[i], NULL);
	}
	return nb_pings;
}
