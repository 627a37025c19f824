/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guests on two lcores send to each other while rings stop and start where they stood, memory
 * tables and call descriptors change on the live device. No connection may notice.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "st.h"
#include "st_daemon.h"
#include "st_guest.h"

#define NB_GUESTS 2u
#define NB_MINE   4u /* connections that each guest keeps open to the other */
#define MIN_OPS   200u
#define HOTPLUG   (2u << 20)

enum op {
	OP_PAUSE,
	OP_SAME_TABLE,
	OP_HOTPLUG,
	OP_CALLS,
	NB_OPS,
};

struct player {
	struct st_guest guest;
	uint64_t peer_cid;
	uint64_t play_until;
	bool restless; /* does the operations */
	bool grown;
	uint64_t nb_ops[NB_OPS];
	struct player *peer;
	bool done; /* atomic: opens no more, and holds none of its own */
};

static void
pause_rings(struct st_guest *g)
{
	const int rc = vfe_guest_stop(g->fe, NULL);

	if (rc != 0)
		ST_FAIL("%s: stop: %d", g->name, rc);
	if (st_chance(&g->rng, 50))
		st_sleep_us(st_below(&g->rng, 3000));
	ST_CHECK_EQ(vfe_guest_start(g->fe), 0);
}

static void
operate(struct player *p)
{
	struct st_guest *g = &p->guest;
	const enum op op = st_below(&g->rng, NB_OPS);

	switch (op) {
	case OP_PAUSE:
		pause_rings(g);
		break;
	case OP_SAME_TABLE:
		ST_CHECK_EQ(vfe_vu_set_mem_table(&g->fe->vu, &g->fe->mem), 0);
		break;
	case OP_HOTPLUG:
		/* All regions are mapped anew, at other places. */
		ST_CHECK_EQ(vfe_guest_change_memory(g->fe, p->grown ? 0 : HOTPLUG), 0);
		p->grown = !p->grown;
		break;
	case OP_CALLS:
		ST_CHECK_EQ(vfe_guest_replace_call(g->fe, VFE_QUEUE_TO_GUEST), 0);
		ST_CHECK_EQ(vfe_guest_replace_call(g->fe, VFE_QUEUE_FROM_GUEST), 0);
		break;
	case NB_OPS:
		break;
	}
	p->nb_ops[op]++;
}

static uint64_t
sum_ops(const struct player *p)
{
	uint64_t nb = 0;
	unsigned int i;

	for (i = 0; i < NB_OPS; i++)
		nb += p->nb_ops[i];
	return nb;
}

static bool
is_over(const struct player *p)
{
	return st_now_us() >= p->play_until && (!p->restless || sum_ops(p) >= MIN_OPS);
}

static void *
play(void *arg)
{
	struct player *p = arg;
	struct st_guest *g = &p->guest;
	uint64_t next_op = 0;

	while (!is_over(p) || !__atomic_load_n(&p->peer->done, __ATOMIC_ACQUIRE) ||
		g->nb_ends > 0) {
		while (!is_over(p) && g->nb_mine < NB_MINE &&
			st_guest_open(g, p->peer_cid, 1 + st_below(&g->rng, 1000)) != NULL)
			;
		st_guest_turn(g);
		if (is_over(p) && g->nb_mine == 0)
			__atomic_store_n(&p->done, true, __ATOMIC_RELEASE);
		if (p->restless && !is_over(p) && st_now_us() >= next_op) {
			operate(p);
			next_op = st_now_us() +
				st_below(&g->rng, st_chance(&g->rng, 30) ? 200 : 8000);
		}
	}
	st_guest_check(g);
	ST_CHECK_EQ(g->stats.nb_cut, 0);
	return NULL;
}

static void
run(bool both)
{
	static const char *const names[NB_GUESTS] = {"guest 3", "guest 4"};
	struct player players[NB_GUESTS];
	pthread_t threads[NB_GUESTS];
	const uint64_t until = st_play_until(4);
	unsigned int i;

	for (i = 0; i < NB_GUESTS; i++) {
		struct player *p = &players[i];

		*p = (struct player){.peer = &players[1 - i], .play_until = until};
		st_guest_init(&p->guest, names[i], i, i + 10 * both);
		p->guest.conf.nb_regions = (uint8_t)(1 + 2 * i);
		p->peer_cid = ST_FIRST_CID + 1 - i;
		p->restless = both || i == 0;
		st_guest_attach(&p->guest);
	}
	for (i = 0; i < NB_GUESTS; i++)
		ST_CHECK_EQ(pthread_create(&threads[i], NULL, play, &players[i]), 0);
	for (i = 0; i < NB_GUESTS; i++) {
		const struct player *p = &players[i];

		pthread_join(threads[i], NULL);
		st_guest_report(&p->guest);
		printf("  pauses %" PRIu64 ", same tables %" PRIu64 ", hotplugs %" PRIu64
		       ", call descriptors %" PRIu64 "\n",
			p->nb_ops[OP_PAUSE], p->nb_ops[OP_SAME_TABLE], p->nb_ops[OP_HOTPLUG],
			p->nb_ops[OP_CALLS]);
	}
	for (i = 0; i < NB_GUESTS; i++)
		st_guest_unplug(&players[i].guest, true);
	st_daemon_check_quiet();
}

int
main(void)
{
	static const struct st_daemon_conf conf = {
		.lcores = "0@0,1@1,2@0", .nb_ports = NB_GUESTS, .lcore = {1, 2}};

	st_init("stress_settle");
	st_daemon_start(&conf);
	run(false);
	run(true);
	/* Loans were out when a guest had to settle. */
	printf("loans copied: %" PRId64 "\n", st_daemon_lcores("loans_copied"));
	ST_CHECK(st_daemon_lcores("loans_copied") > 0);
	ST_CHECK_EQ(st_daemon_drops("guest_gone"), 0);
	ST_CHECK_EQ(st_daemon_drops("over_credit"), 0);
	st_daemon_stop();
	return 0;
}
