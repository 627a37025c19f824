/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Front ends die, stop in order, or break off in the middle of the handshake, at any moment of
 * traffic within and across lcores. Who stays gets RSTs and its own descriptors back, and the
 * daemon ends up with what it began with.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "st.h"
#include "st_daemon.h"
#include "st_guest.h"

#define NB_GUESTS   4u
#define NB_STAYING  2u /* the first ones; one on each lcore */
#define NB_MINE     6u
#define MIN_VANISHS 40u
#define MAX_LIFE_US 30000u

struct player {
	struct st_guest guest;
	uint64_t play_until;
	uint64_t nb_vanished;
	uint64_t nb_orderly;
	uint64_t nb_rebound;
	uint64_t nb_broken_off;
};

static unsigned int nb_playing; /* atomic: players that still open connections */

static uint64_t
other_cid(struct st_guest *g)
{
	unsigned int port = st_below(&g->rng, NB_GUESTS - 1);

	return ST_FIRST_CID + port + (port >= g->port);
}

static void
open_some(struct st_guest *g)
{
	while (g->nb_mine < NB_MINE &&
		st_guest_open(g, other_cid(g), 1 + st_below(&g->rng, 1000)) != NULL)
		;
}

/* A handshake up to some message, and then nothing. */
static void
break_off(struct st_guest *g)
{
	const unsigned int nb_steps = st_below(&g->rng, 7);
	struct vfe_mem mem = {0};
	uint64_t value = 0, cid;
	struct vfe_vu vu;
	unsigned int i;
	int rc;

	ST_CHECK_EQ(vfe_vu_connect(&vu, st_daemon_iface(g->port), g->conf.timeout_ms), 0);
	ST_CHECK(vfe_mem_add(&mem, 1u << 20, 1u << 20) == 0);
	for (i = 0, rc = 0; i < nb_steps && rc == 0; i++) {
		switch (i) {
		case 0:
			rc = vfe_vu_get_features(&vu, &value);
			break;
		case 1:
			rc = vfe_vu_set_protocol_features(
				&vu, VFE_VU_PF_CONFIG | VFE_VU_PF_REPLY_ACK);
			break;
		case 2:
			rc = vfe_vu_get_config(&vu, &cid, sizeof(cid));
			break;
		case 3:
			rc = vfe_vu_set_features(&vu, VFE_F_VERSION_1 | VFE_F_PROTOCOL_FEATURES);
			break;
		case 4:
			rc = vfe_vu_set_mem_table(&vu, &mem);
			break;
		default:
			rc = vfe_vu_set_vring_num(&vu, i & 1, 128);
			break;
		}
	}
	/* Refused while the daemon still sees the last front end. */
	if (rc != 0 && rc != -ECONNRESET && rc != -EPIPE)
		ST_FAIL("%s: step %u of the handshake: %d", g->name, i, rc);
	vfe_vu_close(&vu);
	vfe_mem_free(&mem);
}

/* The driver forgets everything and binds anew; the front end stays. */
static void
rebind(struct st_guest *g)
{
	struct st_guest_end *end;

	ST_CHECK_EQ(vfe_guest_stop(g->fe, NULL), 0);
	while ((end = TAILQ_FIRST(&g->ends)) != NULL)
		st_guest_forget(end);
	vfe_guest_reset(g->fe);
	ST_CHECK_EQ(vfe_guest_start(g->fe), 0);
}

static void
restless_life(struct player *p)
{
	struct st_guest *g = &p->guest;
	const uint64_t end_us = st_now_us() + st_below(&g->rng, MAX_LIFE_US);

	if (g->fe == NULL)
		st_guest_plug(g);
	do {
		open_some(g);
		st_guest_turn(g);
	} while (st_now_us() < end_us);
	st_guest_check_faults(g, VFE_NB_FAULTS);
	switch (st_below(&g->rng, 8)) {
	case 0:
		st_guest_unplug(g, true);
		p->nb_orderly++;
		break;
	case 1:
	case 2:
		rebind(g);
		p->nb_rebound++;
		break;
	case 3:
		st_guest_unplug(g, false);
		break_off(g);
		p->nb_broken_off++;
		break;
	default:
		st_guest_unplug(g, false);
		p->nb_vanished++;
		break;
	}
}

static void *
play_restless(void *arg)
{
	struct player *p = arg;

	while (st_now_us() < p->play_until || p->nb_vanished < MIN_VANISHS)
		restless_life(p);
	st_guest_unplug(&p->guest, false);
	__atomic_fetch_sub(&nb_playing, 1, __ATOMIC_ACQ_REL);
	return NULL;
}

static void *
play_staying(void *arg)
{
	struct player *p = arg;
	struct st_guest *g = &p->guest;
	bool playing = true;

	/* Its connections end, too, when all the others are gone. */
	while (__atomic_load_n(&nb_playing, __ATOMIC_ACQUIRE) > 0 || g->nb_ends > 0) {
		const bool over = __atomic_load_n(&nb_playing, __ATOMIC_ACQUIRE) <= NB_STAYING;

		if (!over)
			open_some(g);
		st_guest_turn(g);
		if (playing && over && g->nb_mine == 0) {
			playing = false;
			__atomic_fetch_sub(&nb_playing, 1, __ATOMIC_ACQ_REL);
		}
	}
	st_guest_check(g);
	return NULL;
}

int
main(void)
{
	static const struct st_daemon_conf conf = {
		.lcores = "0@0,1@1,2@0", .nb_ports = NB_GUESTS, .lcore = {1, 2, 1, 2}};
	static const char *const names[NB_GUESTS] = {"guest 3", "guest 4", "guest 5", "guest 6"};
	struct player players[NB_GUESTS];
	pthread_t threads[NB_GUESTS];
	unsigned int i;

	st_init("stress_vanish");
	st_daemon_start(&conf);
	nb_playing = NB_GUESTS;
	for (i = 0; i < NB_GUESTS; i++) {
		players[i] = (struct player){.play_until = st_play_until(8)};
		st_guest_init(&players[i].guest, names[i], i, i);
		players[i].guest.policy.lenient = true;
		if (i < NB_STAYING) {
			players[i].guest.firm_cid = ST_FIRST_CID + 1 - i;
			st_guest_attach(&players[i].guest);
		}
	}
	for (i = 0; i < NB_GUESTS; i++)
		ST_CHECK_EQ(pthread_create(&threads[i], NULL,
				    i < NB_STAYING ? play_staying : play_restless, &players[i]),
			0);
	for (i = 0; i < NB_GUESTS; i++) {
		const struct player *p = &players[i];

		pthread_join(threads[i], NULL);
		st_guest_report(&p->guest);
		printf("  vanished %" PRIu64 ", in order %" PRIu64 ", driver anew %" PRIu64
		       ", handshake broken off %" PRIu64 "\n",
			p->nb_vanished, p->nb_orderly, p->nb_rebound, p->nb_broken_off);
	}
	for (i = 0; i < NB_STAYING; i++) {
		ST_CHECK(players[i].guest.stats.nb_complete > 0);
		st_guest_unplug(&players[i].guest, true);
	}
	st_daemon_check_quiet();
	st_daemon_stop();
	return 0;
}
