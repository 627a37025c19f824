/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lcores that fall asleep in every gap: ping-pong with pauses around the time that an lcore waits
 * before it sleeps, between guests on two lcores and between a guest and a host program. Nobody
 * here wakes up by himself, so that a wake-up that is lost, in whichever direction, is a stall.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "st.h"
#include "st_daemon.h"
#include "st_guest.h"
#include "st_host.h"

#define NB_GUESTS    3u
#define PING_LEN     (UINT64_C(1) << 40)
#define MAX_PING     200u
#define LARGE_PING   20000u
#define MAX_PAUSE    120u
#define NB_PINGS     200000u /* of each pair, when there is time */
#define STOP_WAIT_MS 5

/* An initiator and its acceptor; either may be a guest or a host program. */
struct pinger {
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

static void
begin_pings(struct st_flow *f)
{
	f->plan = ST_PLAN_RESET;
	f->turn_at = UINT64_MAX;
	f->echo = true;
	f->tx_len = PING_LEN;
	f->tx_limit = ST_PREAMBLE_LEN;
}

static bool
is_back(const struct st_flow *f)
{
	return f->opened && f->rx_off >= f->tx_limit;
}

static void
next_ping(struct st_flow *f, struct st_rng *rng)
{
	f->tx_limit += 1 + st_below(rng, st_chance(rng, 5) ? LARGE_PING : MAX_PING);
}

static bool
goes_on(const struct pinger *p)
{
	return p->nb_pings < NB_PINGS && st_now_us() < play_until;
}

static void *
guest_pings(void *arg)
{
	struct pinger *p = arg;
	struct st_guest *g = p->guest;

	while (goes_on(p)) {
		while (!is_back(p->flow)) {
			st_guest_turn(g);
			ST_CHECK_EQ(g->nb_mine, 1);
		}
		p->nb_pings++;
		pause_about(&g->rng);
		next_ping(p->flow, &g->rng);
	}
	p->flow->turn_at = 0;
	st_guest_finish(g);
	return NULL;
}

static void *
host_pings(void *arg)
{
	struct pinger *p = arg;
	struct st_host *h = p->host;

	while (goes_on(p)) {
		while (!is_back(p->flow)) {
			st_host_turn(h);
			ST_CHECK_EQ(h->nb_mine, 1);
		}
		p->nb_pings++;
		pause_about(&h->rng);
		next_ping(p->flow, &h->rng);
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

/* @param from_guest the first guest pings the second; @param with_host the host pings the third */
static void
run(struct st_guest guests[NB_GUESTS], struct st_host *host, bool from_guest, bool with_host)
{
	struct pinger pingers[2] = {{.guest = &guests[0]}, {.host = host}};
	pthread_t ping[2], echo[2];
	const int64_t sleeps = st_daemon_lcores("sleeps");
	uint64_t nb_pings = 0;
	unsigned int i;

	__atomic_store_n(&stopped, false, __ATOMIC_RELEASE);
	play_until = st_play_until(4);
	for (i = 0; i < 2; i++) {
		if (!(i == 0 ? from_guest : with_host))
			continue;
		if (i == 0)
			pingers[i].flow = &st_guest_open(&guests[0], ST_FIRST_CID + 1, 1)->flow;
		else
			pingers[i].flow = &st_host_open(host, 1)->flow;
		begin_pings(pingers[i].flow);
		ST_CHECK_EQ(pthread_create(&echo[i], NULL, guest_echoes, &guests[1 + i]), 0);
		ST_CHECK_EQ(pthread_create(
				    &ping[i], NULL, i == 0 ? guest_pings : host_pings, &pingers[i]),
			0);
	}
	for (i = 0; i < 2; i++) {
		if (i == 0 ? from_guest : with_host)
			pthread_join(ping[i], NULL);
		nb_pings += pingers[i].nb_pings;
	}
	__atomic_store_n(&stopped, true, __ATOMIC_RELEASE);
	for (i = 0; i < 2; i++) {
		if (i == 0 ? from_guest : with_host)
			pthread_join(echo[i], NULL);
	}
	printf("%s%s: %" PRIu64 " pings, lcores slept %" PRId64 " times\n",
		from_guest ? "guest to guest, " : "", with_host ? "host to guest" : "", nb_pings,
		st_daemon_lcores("sleeps") - sleeps);
	fflush(stdout);
	ST_CHECK(nb_pings >= 100);
	ST_CHECK(st_daemon_lcores("sleeps") - sleeps >= 50);
}

static void
play_with(const char *spin_us)
{
	static const char *const names[NB_GUESTS] = {"guest 3", "guest 4", "guest 5"};
	const struct st_daemon_conf conf = {
		.lcores = "0@0,1@1,2@0",
		.nb_ports = NB_GUESTS,
		.lcore = {1, 2, 1},
		.app_args = {"--idle", "adaptive", "--spin-us", spin_us},
	};
	struct st_guest guests[NB_GUESTS];
	struct st_host host;
	unsigned int i;

	printf("--spin-us %s\n", spin_us);
	st_daemon_start(&conf);
	for (i = 0; i < NB_GUESTS; i++) {
		st_guest_init(&guests[i], names[i], i, i);
		guests[i].policy.seqpacket = 0;
		guests[i].wait_ms = (int)(st_stall_us() / 1000);
		/* Both ways to ask for calls and kicks. */
		if (i == 1)
			guests[i].conf.features &= ~FE_F_EVENT_IDX;
		st_guest_attach(&guests[i]);
	}
	st_host_init(&host, "host", 2, NB_GUESTS);
	host.policy.seqpacket = 0;
	host.wait_ms = (int)(st_stall_us() / 1000);
	run(guests, &host, true, false);
	run(guests, &host, false, true);
	run(guests, &host, true, true);
	st_host_fini(&host);
	for (i = 0; i < NB_GUESTS; i++) {
		guests[i].wait_ms = STOP_WAIT_MS;
		st_guest_check(&guests[i]);
		st_guest_unplug(&guests[i], true);
	}
	st_daemon_check_quiet();
	st_daemon_stop();
}

int
main(void)
{
	st_init("stress_idle");
	play_with("20");
	return 0;
}
