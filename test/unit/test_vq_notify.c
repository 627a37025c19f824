/* SPDX-License-Identifier: BSD-3-Clause */
/* Notifications in both directions, exactly as the specification wants them. */
#include <errno.h>

#include "check.h"
#include "raw_ring.h"

#define SIZE 256u

static struct vq_seg segs[VQ_CHAIN_MAX_SEGS];

struct fix {
	struct raw_ring d;
	struct vq vq;
};

static void
fix_open(struct fix *f, bool event_idx, bool notify_on_empty, uint16_t start_idx)
{
	struct vq_config cfg;

	raw_ring_create(&f->d, SIZE, event_idx, start_idx);
	raw_ring_put_desc(f->d.desc, 0, (struct vfe_vring_desc){RAW_RING_GPA0, 64, 0, 0});
	cfg = raw_ring_config(&f->d, false);
	cfg.notify_on_empty = notify_on_empty;
	CHECK_EQ(vq_init(&f->vq, &cfg), 0);
}

/* The driver offers nb chains; the device takes and returns them in one flush. */
static bool
turn(struct fix *f, unsigned int nb)
{
	struct vq_chain c;
	uint32_t id;
	uint32_t len;
	bool notify;

	for (unsigned int i = 0; i < nb; i++)
		raw_ring_offer(&f->d, 0);
	raw_ring_publish(&f->d);
	for (unsigned int i = 0; i < nb; i++) {
		CHECK_EQ(vq_pop(&f->vq, &c, segs), 1);
		vq_return(&f->vq, c.id);
	}
	notify = vq_flush(&f->vq);
	CHECK(!vq_flush(&f->vq)); /* nothing staged since */
	while (raw_ring_take(&f->d, &id, &len))
		nb--;
	CHECK_EQ(nb, 0);
	return notify;
}

static void
flags_suppress(void)
{
	struct fix f;

	fix_open(&f, false, false, 65500);
	CHECK(!vq_flush(&f.vq));
	for (unsigned int i = 0; i < 100; i++) {
		raw_ring_set_avail_flags(&f.d, 0);
		CHECK(turn(&f, 1 + i % 7));
		raw_ring_set_avail_flags(&f.d, 1);
		CHECK(!turn(&f, 1 + i % 7));
		/* Bits that have no meaning say nothing. */
		raw_ring_set_avail_flags(&f.d, 0xfffe);
		CHECK(turn(&f, 1));
	}
	raw_ring_destroy(&f.d);
}

/* Every distance between the index and used_event, for every burst: counted, not computed. */
static void
used_event_decides(void)
{
	for (unsigned int nb = 1; nb <= SIZE; nb = nb * 3 + 1) {
		for (int dist = -5; dist <= (int)nb + 5; dist++) {
			for (unsigned int k = 0; k < 8; k++) {
				uint16_t start = (uint16_t)(65536 - 4 * nb - 3 + k * nb);
				struct fix f;
				bool want;

				fix_open(&f, true, false, start);
				/* The first one always notifies. */
				raw_ring_set_used_event(&f.d, (uint16_t)(start + 30000));
				CHECK(turn(&f, 1));
				start++;
				raw_ring_set_used_event(&f.d, (uint16_t)(start + dist));
				want = dist >= 0 && dist < (int)nb;
				CHECK_EQ(turn(&f, nb), want);
				raw_ring_destroy(&f.d);
			}
		}
	}
}

/* With EVENT_IDX the flag has no say (2.7.7.2). */
static void
flags_mean_nothing_with_event_idx(void)
{
	struct fix f;

	fix_open(&f, true, false, 10);
	CHECK(turn(&f, 1));
	raw_ring_set_avail_flags(&f.d, 1);
	raw_ring_set_used_event(&f.d, 11);
	CHECK(turn(&f, 1));
	raw_ring_set_avail_flags(&f.d, 0);
	CHECK(!turn(&f, 1));
	raw_ring_destroy(&f.d);
}

/* Several rounds over the wrap: a driver that asks for every 100th is told every 100th. */
static void
event_every_hundredth(void)
{
	uint16_t next = 100;
	unsigned int nb_told = 0;
	struct fix f;

	fix_open(&f, true, false, 0);
	CHECK(turn(&f, 1));
	raw_ring_set_used_event(&f.d, next);
	for (uint32_t i = 1; i < 200001; i++) {
		bool told = turn(&f, 1);

		CHECK_EQ(told, (uint16_t)i == next);
		if (told) {
			nb_told++;
			next += 100;
			raw_ring_set_used_event(&f.d, next);
		}
	}
	CHECK_EQ(nb_told, 2000);
	raw_ring_destroy(&f.d);
}

/* Out of chains: told although the driver asked for silence; chains left: not. */
static void
on_empty(void)
{
	for (unsigned int event_idx = 0; event_idx < 2; event_idx++) {
		struct vq_chain c;
		struct fix f;

		fix_open(&f, event_idx, true, 65530);
		turn(&f, 1);
		for (unsigned int i = 0; i < 20; i++) {
			raw_ring_set_avail_flags(&f.d, 1);
			raw_ring_set_used_event(&f.d, (uint16_t)(f.d.vr.avail_idx + 1000));
			CHECK(turn(&f, 3));
			for (unsigned int k = 0; k < 3; k++)
				raw_ring_offer(&f.d, 0);
			raw_ring_publish(&f.d);
			for (unsigned int k = 0; k < 3; k++) {
				CHECK_EQ(vq_pop(&f.vq, &c, segs), 1);
				vq_return(&f.vq, c.id);
				CHECK_EQ(vq_flush(&f.vq), k == 2);
			}
			/* A chain that came in meanwhile counts. */
			raw_ring_offer(&f.d, 0);
			raw_ring_publish(&f.d);
			CHECK_EQ(vq_pop(&f.vq, &c, segs), 1);
			raw_ring_offer(&f.d, 0);
			raw_ring_publish(&f.d);
			vq_return(&f.vq, c.id);
			CHECK(!vq_flush(&f.vq));
			/* Rewound is not taken. */
			CHECK_EQ(vq_pop(&f.vq, &c, segs), 1);
			raw_ring_offer(&f.d, 0);
			raw_ring_publish(&f.d);
			CHECK_EQ(vq_pop(&f.vq, &c, segs), 1);
			vq_rewind(&f.vq, 1);
			vq_return(&f.vq, c.id);
			CHECK(!vq_flush(&f.vq));
			CHECK_EQ(vq_pop(&f.vq, &c, segs), 1);
			vq_return(&f.vq, c.id);
			CHECK(vq_flush(&f.vq));
			f.d.vr.used_idx = raw_ring_used_idx(&f.d);
		}
		/* Nothing staged: nothing to tell, however empty it is. */
		CHECK(!vq_flush(&f.vq));
		raw_ring_destroy(&f.d);
	}
}

static void
kicks_by_flags(void)
{
	struct fix f;

	fix_open(&f, false, false, 65535);
	CHECK_EQ(raw_ring_used_flags(&f.d), 0); /* vq_init() wrote nothing */
	CHECK(raw_ring_publish_kick(&f.d));
	vq_kick_disable(&f.vq);
	CHECK(!raw_ring_publish_kick(&f.d));
	vq_kick_disable(&f.vq);
	CHECK(!raw_ring_publish_kick(&f.d));
	CHECK(!vq_kick_enable(&f.vq));
	CHECK(raw_ring_publish_kick(&f.d));
	/* The check after the fence finds chains that came in meanwhile. */
	vq_kick_disable(&f.vq);
	raw_ring_offer(&f.d, 0);
	CHECK(!raw_ring_publish_kick(&f.d));
	CHECK(vq_kick_enable(&f.vq));
	raw_ring_destroy(&f.d);
}

static void
kicks_by_index(void)
{
	struct vq_chain c;
	struct fix f;

	fix_open(&f, true, false, 65400);
	for (unsigned int i = 0; i < 300; i++) {
		bool kick;

		CHECK(!vq_kick_enable(&f.vq));
		CHECK_EQ(raw_ring_avail_event(&f.d), f.vq.last_avail);
		raw_ring_offer(&f.d, 0);
		CHECK(raw_ring_publish_kick(&f.d));
		/* It holds for one kick. */
		raw_ring_offer(&f.d, 0);
		CHECK(!raw_ring_publish_kick(&f.d));
		CHECK(vq_kick_enable(&f.vq));
		CHECK_EQ(vq_pop(&f.vq, &c, segs), 1);
		vq_return(&f.vq, c.id);
		CHECK(vq_kick_enable(&f.vq)); /* one is left */
		CHECK_EQ(vq_pop(&f.vq, &c, segs), 1);
		vq_return(&f.vq, c.id);
		/* Asked for and then not needed: the next is not told. */
		CHECK(!vq_kick_enable(&f.vq));
		vq_kick_disable(&f.vq);
		raw_ring_offer(&f.d, 0);
		kick = raw_ring_publish_kick(&f.d);
		CHECK(!kick);
		CHECK_EQ(vq_pop(&f.vq, &c, segs), 1);
		vq_return(&f.vq, c.id);
		vq_flush(&f.vq);
	}
	raw_ring_destroy(&f.d);
}

/* A daemon that takes over a ring from another one finds its used entries. */
static void
takes_over_a_silent_ring(void)
{
	struct vq_config cfg;
	struct fix f;

	fix_open(&f, false, false, 7);
	vq_kick_disable(&f.vq);
	cfg = raw_ring_config(&f.d, false);
	CHECK_EQ(vq_init(&f.vq, &cfg), 0);
	CHECK_EQ(raw_ring_used_flags(&f.d), 1);
	CHECK(!vq_kick_enable(&f.vq));
	CHECK_EQ(raw_ring_used_flags(&f.d), 0);
	CHECK_EQ(vq_init(&f.vq, &cfg), 0);
	vq_kick_disable(&f.vq);
	CHECK_EQ(raw_ring_used_flags(&f.d), 1);
	raw_ring_destroy(&f.d);
}

int
main(void)
{
	RUN(flags_suppress);
	RUN(used_event_decides);
	RUN(flags_mean_nothing_with_event_idx);
	RUN(event_every_hundredth);
	RUN(on_empty);
	RUN(kicks_by_flags);
	RUN(kicks_by_index);
	RUN(takes_over_a_silent_ring);
	return 0;
}
