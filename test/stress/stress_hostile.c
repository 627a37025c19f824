/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest whose memory changes at random under the lcore's eyes: descriptors, indirect tables, both
 * indices, headers and payload, while its driver goes on as if nothing were. Its neighbours on the
 * same lcore and on another one must not notice.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "st.h"
#include "st_daemon.h"
#include "st_guest.h"
#include "st_host.h"

#define NB_GUESTS 3u
#define HOSTILE   0u /* shares an lcore with the first of the others */
#define NB_MINE   4u
#define MIN_LIVES 20u
#define MAX_LIFE  40000u /* us */

struct hostile {
	struct st_guest guest;
	pthread_t scribbler;
	bool stop; /* atomic */
	uint64_t nb_lives;
	uint64_t nb_scribbles;
};

static uint64_t play_until;
static bool playing;            /* atomic: the hostile guest */
static unsigned int nb_opening; /* atomic: neighbours that still open connections */

/* ---- the scribbler ---- */

/* The memory to overwrite, and the bound of one write. */
struct target {
	uint8_t *va;
	uint64_t len;
	uint32_t step; /* alignment of a hit */
};

static unsigned int
ring_targets(struct st_guest *g, enum vfe_queue q, struct target *t)
{
	struct vfe_vring *vr = &g->fe->vrings[q];
	const uint64_t nb = vr->size;

	t[0] = (struct target){(uint8_t *)vr->desc, nb * sizeof(*vr->desc), 1};
	t[1] = (struct target){(uint8_t *)vr->avail, 4 + 2 * nb + 2, 2};
	t[2] = (struct target){(uint8_t *)&vr->avail->ring[0], 2 * nb, 2};
	t[3] = (struct target){
		(uint8_t *)vr->indirect, nb * VFE_VRING_MAX_SEGS * sizeof(*vr->indirect), 1};
	return vr->indirect != NULL ? 4 : 3;
}

/* Values that a parser trips over more often than over others. */
static uint64_t
nasty(struct st_rng *rng)
{
	switch (st_below(rng, 6)) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return st_below(rng, 8);
	case 3:
		return UINT64_C(1) << st_below(rng, 64);
	case 4:
		return (UINT64_C(1) << 20) + st_below(rng, 1 << 20);
	default:
		return st_random(rng);
	}
}

/* The race is the point: ThreadSanitizer is not to see the test's own part of it. */
__attribute__((no_sanitize("thread"), no_sanitize("address"), noinline)) static void
hit(uint8_t *va, uint64_t value, uint32_t len)
{
	volatile uint8_t *to = va;
	uint32_t i;

	for (i = 0; i < len; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

static void
scribble(struct st_guest *g, struct st_rng *rng)
{
	const struct vfe_guest *fe = g->fe;
	struct target targets[8], *t;
	unsigned int nb = ring_targets(g, VFE_QUEUE_TO_GUEST, targets);
	static const uint8_t lens[] = {1, 2, 2, 4, 8};
	uint32_t len = lens[st_below(rng, sizeof(lens))];
	uint64_t off;

	nb += ring_targets(g, VFE_QUEUE_FROM_GUEST, targets + nb);
	if (st_chance(rng, 50)) {
		/* A header, whose fields are what most code looks at. */
		const uint32_t slot = st_below(rng, fe->nb_from_guest_slots);

		hit(fe->from_guest_slots[slot].va + st_below(rng, VFE_HDR_LEN - len), nasty(rng),
			len);
		return;
	}
	t = &targets[st_below(rng, nb)];
	/* The indices rarely: a jump ends the device, and all the rest with it. */
	if (t->step == 2 && !st_chance(rng, 5))
		return;
	off = st_random(rng) % (t->len - len) / t->step * t->step;
	hit(t->va + off, nasty(rng), len);
}

static void *
play_scribbler(void *arg)
{
	struct hostile *h = arg;
	struct st_rng rng = st_rng(1000 + h->nb_lives);

	while (!__atomic_load_n(&h->stop, __ATOMIC_ACQUIRE)) {
		scribble(&h->guest, &rng);
		h->nb_scribbles++;
		if (st_chance(&rng, 10))
			st_sleep_us(st_below(&rng, 50));
	}
	return NULL;
}

/* ---- the hostile guest's driver ---- */

static bool
accept_any(struct vfe_conn *conn)
{
	(void)conn;
	return true;
}

static const struct vfe_guest_ops hostile_ops = {.on_request = accept_any};

static void
send_any(struct st_guest *g)
{
	struct vfe_conn *conn;
	uint32_t i;

	if (g->fe->nb_conns < 3 * NB_MINE) {
		const uint64_t cid = st_chance(&g->rng, 30)
			? VFE_CID_HOST
			: ST_FIRST_CID + 1 + st_below(&g->rng, NB_GUESTS - 1);
		const uint32_t port =
			cid == VFE_CID_HOST ? ST_HOST_STREAM : 1 + st_below(&g->rng, 1000);

		vfe_conn_open(g->fe, cid, port, VFE_TYPE_STREAM, NULL, &conn);
	}
	for (i = 0; i <= g->fe->bucket_mask; i++) {
		conn = g->fe->buckets[i];
		if (conn == NULL || conn->state != VFE_CONN_OPEN)
			continue;
		vfe_conn_send(conn, 1 + st_below(&g->rng, VFE_PAYLOAD_MAX), 0);
		if (st_chance(&g->rng, 1))
			vfe_conn_close(conn);
	}
}

static void
one_life(struct hostile *h)
{
	struct st_guest *g = &h->guest;
	const uint64_t end_us = st_now_us() + st_below(&g->rng, MAX_LIFE);

	__atomic_store_n(&h->stop, false, __ATOMIC_RELEASE);
	ST_CHECK_EQ(pthread_create(&h->scribbler, NULL, play_scribbler, h), 0);
	while (st_now_us() < end_us) {
		send_any(g);
		vfe_guest_poll(g->fe, 64);
		if (st_chance(&g->rng, 20))
			st_sleep_us(st_below(&g->rng, 200));
	}
	__atomic_store_n(&h->stop, true, __ATOMIC_RELEASE);
	pthread_join(h->scribbler, NULL);
	h->nb_lives++;
}

/* A new front end, or the same one with a driver that binds anew. */
static void
next_life(struct st_guest *g)
{
	if (st_chance(&g->rng, 50)) {
		const int rc = vfe_guest_stop(g->fe, NULL);

		/* Its used index is not the device's any more. */
		if (rc != 0 && rc != -EBADMSG)
			ST_FAIL("%s: stop: %d", g->name, rc);
		vfe_guest_reset(g->fe);
		ST_CHECK_EQ(vfe_guest_start(g->fe), 0);
		return;
	}
	st_guest_unplug(g, false);
	st_guest_plug(g);
}

static void *
play_hostile(void *arg)
{
	struct hostile *h = arg;

	while (st_now_us() < play_until || h->nb_lives < MIN_LIVES) {
		one_life(h);
		next_life(&h->guest);
	}
	st_guest_unplug(&h->guest, false);
	__atomic_store_n(&playing, false, __ATOMIC_RELEASE);
	return NULL;
}

/* ---- host programs of the hostile guest, who expect nothing of it ---- */

#define NB_JUNK 16u

static void
junk_step(int *fd, int listen_fd, struct st_rng *rng)
{
	static uint8_t buf[1 << 16]; /* one thread */

	if (*fd < 0) {
		*fd = vfe_host_accept(listen_fd);
		if (*fd < 0 && st_chance(rng, 10))
			*fd = vfe_host_connect(st_daemon_uds(HOSTILE), 1, VFE_TYPE_STREAM);
		return;
	}
	if (recv(*fd, buf, sizeof(buf), 0) == 0 || st_chance(rng, 1)) {
		close(*fd);
		*fd = -1;
	} else if (send(*fd, buf, 1 + st_below(rng, sizeof(buf) - 1), MSG_NOSIGNAL) < 0) {
		st_sleep_us(100);
	}
}

static void *
play_junk_host(void *arg)
{
	const int listen_fd =
		vfe_host_listen(st_daemon_uds(HOSTILE), ST_HOST_STREAM, VFE_TYPE_STREAM);
	struct st_rng rng = st_rng(2000);
	int fds[NB_JUNK];
	unsigned int i;

	(void)arg;
	ST_CHECK(listen_fd >= 0);
	for (i = 0; i < NB_JUNK; i++)
		fds[i] = -1;
	while (__atomic_load_n(&playing, __ATOMIC_ACQUIRE)) {
		for (i = 0; i < NB_JUNK; i++)
			junk_step(&fds[i], listen_fd, &rng);
	}
	for (i = 0; i < NB_JUNK; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	close(listen_fd);
	vfe_host_unlink(st_daemon_uds(HOSTILE), ST_HOST_STREAM);
	return NULL;
}

/* ---- its neighbours ---- */

static void *
play_neighbour(void *arg)
{
	struct st_guest *g = arg;
	const uint64_t other = ST_FIRST_CID + NB_GUESTS - g->port;
	bool opening = true;

	while (__atomic_load_n(&nb_opening, __ATOMIC_ACQUIRE) > 0 || g->nb_ends > 0) {
		const bool over = !__atomic_load_n(&playing, __ATOMIC_ACQUIRE);

		while (!over && g->nb_mine < NB_MINE &&
			(st_chance(&g->rng, 40) ? st_guest_open_host(g)
						: st_guest_open(g, other,
							  1 + st_below(&g->rng, 1000))) != NULL)
			;
		st_guest_turn(g);
		if (over && opening && g->nb_mine == 0) {
			opening = false;
			__atomic_fetch_sub(&nb_opening, 1, __ATOMIC_ACQ_REL);
		}
	}
	/* The hostile guest's own numbers of credit are passed on to who talks to it. */
	st_guest_check_faults(g, VFE_FAULT_CREDIT_BACK);
	return NULL;
}

static void *
play_host(void *arg)
{
	struct st_host *h = arg;

	while (__atomic_load_n(&nb_opening, __ATOMIC_ACQUIRE) > 0 || h->nb_ends > 0) {
		while (__atomic_load_n(&playing, __ATOMIC_ACQUIRE) && h->nb_mine < NB_MINE &&
			st_host_open(h, 1 + st_below(&h->rng, 1000)) != NULL)
			;
		st_host_turn(h);
	}
	return NULL;
}

int
main(void)
{
	static const struct st_daemon_conf conf = {
		.lcores = "0@0,1@1,2@0", .nb_ports = NB_GUESTS, .lcore = {1, 1, 2}};
	static const char *const names[NB_GUESTS] = {"hostile", "guest 4", "guest 5"};
	struct st_guest guests[NB_GUESTS];
	struct hostile hostile = {0};
	struct st_host hosts[NB_GUESTS];
	pthread_t threads[2 * NB_GUESTS];
	unsigned int i;

	st_init("stress_hostile");
	st_daemon_start(&conf);
	play_until = st_play_until(8);
	playing = true;
	nb_opening = NB_GUESTS - 1;
	st_guest_init(&hostile.guest, names[HOSTILE], HOSTILE, HOSTILE);
	hostile.guest.conf.ops = &hostile_ops;
	st_guest_attach(&hostile.guest);
	for (i = 1; i < NB_GUESTS; i++) {
		st_guest_init(&guests[i], names[i], i, i);
		guests[i].junk_cid = ST_FIRST_CID + HOSTILE;
		st_guest_attach(&guests[i]);
		st_host_init(&hosts[i], "host", i, NB_GUESTS + i);
	}
	ST_CHECK_EQ(pthread_create(&threads[0], NULL, play_hostile, &hostile), 0);
	for (i = 1; i < NB_GUESTS; i++) {
		ST_CHECK_EQ(pthread_create(&threads[i], NULL, play_neighbour, &guests[i]), 0);
		ST_CHECK_EQ(pthread_create(&threads[NB_GUESTS + i], NULL, play_host, &hosts[i]), 0);
	}
	ST_CHECK_EQ(pthread_create(&threads[NB_GUESTS], NULL, play_junk_host, NULL), 0);
	pthread_join(threads[0], NULL);
	pthread_join(threads[NB_GUESTS], NULL);
	printf("hostile: %" PRIu64 " lives, %" PRIu64 " scribbles, bad chains %" PRId64
	       ", bad lengths %" PRId64 ", broken rings %" PRId64 ", host calls %" PRId64
	       "/%" PRId64 "\n",
		hostile.nb_lives, hostile.nb_scribbles, st_daemon_port_drops(0, "bad_chain"),
		st_daemon_port_drops(0, "bad_len"), st_daemon_port_drops(0, "ring_broken"),
		st_daemon_port(0, "host_send_calls"), st_daemon_port(0, "host_recv_calls"));
	for (i = 1; i < NB_GUESTS; i++) {
		pthread_join(threads[i], NULL);
		pthread_join(threads[NB_GUESTS + i], NULL);
		st_guest_report(&guests[i]);
		st_host_report(&hosts[i]);
		ST_CHECK_EQ(guests[i].stats.nb_cut + hosts[i].stats.nb_cut, 0);
		st_host_fini(&hosts[i]);
		st_guest_unplug(&guests[i], true);
	}
	ST_CHECK(st_daemon_port_drops(0, "bad_chain") > 0);
	ST_CHECK(st_daemon_port_drops(0, "ring_broken") > 0);
	st_daemon_check_quiet();
	st_daemon_stop();
	return 0;
}
