/* SPDX-License-Identifier: BSD-3-Clause */
/* Rings and chains that are refused. */
#include <errno.h>

#include "check.h"
#include "vq_fix.h"

/* Offer head 0: it must be refused, handed back and seen by the driver; and the ring goes on. */
static void
check_refused(struct vq_fix *f, uint16_t nb_descs)
{
	uint32_t id = 99;
	uint32_t len = 99;

	vq_fix_offer(f, 0);
	CHECK_EQ(vq_fix_pop(f), -EBADMSG);
	CHECK_EQ(f->c.id, 0);
	CHECK_EQ(f->c.nb_segs, 0);
	CHECK_EQ(f->c.len, 0);
	CHECK_EQ(f->c.nb_descs, nb_descs);
	CHECK_EQ(f->vq.nb_in_flight, 1);
	vq_return(&f->vq, f->c.id);
	CHECK_EQ(f->vq.nb_in_flight, 0);
	CHECK(!raw_ring_take(&f->d, &id, &len)); /* staged only */
	CHECK(vq_flush(&f->vq));
	CHECK(raw_ring_take(&f->d, &id, &len));
	CHECK_EQ(id, 0);
	CHECK_EQ(len, 0);

	vq_fix_desc(f, 9, RAW_RING_GPA0, 1, f->vq.to_guest ? VFE_DESC_WRITE : 0, 0);
	vq_fix_offer(f, 9);
	CHECK_EQ(vq_fix_pop(f), 1);
	CHECK_EQ(f->c.id, 9);
	vq_return(&f->vq, 9);
	CHECK(vq_flush(&f->vq));
	CHECK(raw_ring_take(&f->d, &id, &len));
	CHECK_EQ(id, 9);
}

static void
init_refuses_nonsense(void)
{
	static const uint32_t bad[] = {0, 3, 5, 24, 127, 32767, 32769, 65535};
	struct vq_config cfg;
	struct vq_config c;
	struct gmem none = {.nb_regions = 0};
	struct raw_ring d;
	struct vq vq;

	raw_ring_create(&d, VQ_FIX_SIZE, false, 0);
	cfg = raw_ring_config(&d, false);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		c = cfg;
		c.size = (uint16_t)bad[i];
		CHECK_EQ(vq_init(&vq, &c), -EINVAL);
	}
	for (uint32_t size = 1; size <= 32768; size *= 2) {
		c = cfg;
		c.size = (uint16_t)size;
		CHECK_EQ(vq_init(&vq, &c), 0);
	}
	for (unsigned int i = 0; i < 8; i++) {
		c = cfg;
		switch (i) {
		case 0:
			c.desc = NULL;
			break;
		case 1:
			c.avail = NULL;
			break;
		case 2:
			c.used = NULL;
			break;
		case 3:
			c.mem = NULL;
			break;
		case 4:
			c.mem = &none;
			break;
		case 5:
			c.desc = d.desc + 8;
			break;
		case 6:
			c.avail = d.avail + 1;
			break;
		case 7:
			c.used = d.used + 2;
			break;
		}
		CHECK_EQ(vq_init(&vq, &c), -EINVAL);
	}
	raw_ring_destroy(&d);
}

static void
refused_in_the_ring(void)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags; /* WRITE is turned over for to_guest */
		uint16_t next;
		uint16_t nb_descs;
	} bad[] = {
		{RAW_RING_GPA0, 1, VFE_DESC_WRITE, 0, 1},            /* wrong direction */
		{RAW_RING_GPA0, 0, VFE_DESC_WRITE, 0, 1},            /* the same, and empty */
		{RAW_RING_GPA0, 0, 0, 0, 1},                         /* empty chain */
		{RAW_RING_GPA0 - 1, 1, 0, 0, 1},                     /* outside of memory */
		{RAW_RING_GPA0 - 1, 2, 0, 0, 1},                     /* from outside in */
		{RAW_RING_GPA0, RAW_RING_MEM0_LEN + 1, 0, 0, 1},     /* from inside out */
		{RAW_RING_GPA0 + RAW_RING_MEM0_LEN, 1, 0, 0, 1},     /* just behind */
		{RAW_RING_GPA1 + RAW_RING_MEM1_LEN - 1, 2, 0, 0, 1}, /* the second region */
		{UINT64_MAX, 2, 0, 0, 1},                            /* address + length wraps */
		{UINT64_MAX - 0xfffffffe, UINT32_MAX, 0, 0, 1},      /* wraps to 0 */
		{0, UINT32_MAX, 0, 0, 1},                            /* a great length */
		{RAW_RING_GPA0, 1, VFE_DESC_NEXT, VQ_FIX_SIZE, 1},   /* next just past the table */
		{RAW_RING_GPA0, 1, VFE_DESC_NEXT, 0xffff, 1},        /* next far past it */
		{RAW_RING_GPA0, 1, VFE_DESC_NEXT, 0, VQ_FIX_SIZE},   /* a loop of one */
		{RAW_RING_GPA0, 1, VFE_DESC_NEXT, 1, VQ_FIX_SIZE},   /* a loop of two */
		{RAW_RING_GPA0, 0, VFE_DESC_NEXT, 0, VQ_FIX_SIZE},   /* a loop of nothing */
	};

	for (unsigned int to_guest = 0; to_guest < 2; to_guest++) {
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			uint16_t turn = to_guest ? VFE_DESC_WRITE : 0;
			struct vq_fix f;

			vq_fix_open(&f, to_guest, (uint16_t)(65530 + i));
			vq_fix_desc(&f, 1, RAW_RING_GPA0, 4, turn | VFE_DESC_NEXT, 0);
			vq_fix_desc(
				&f, 0, bad[i].addr, bad[i].len, bad[i].flags ^ turn, bad[i].next);
			/* A loop runs into the bound one descriptor after the last. */
			check_refused(&f, bad[i].nb_descs == VQ_FIX_SIZE ? VQ_FIX_SIZE : 1);
			vq_fix_close(&f);
		}
	}
}

static void
refused_tables(void)
{
	static const struct {
		struct vfe_vring_desc ring;
		struct vfe_vring_desc first;
	} bad[] = {
		/* INDIRECT with NEXT, odd lengths, nothing in it, outside of memory. */
		{{VQ_FIX_TABLE, 32, VFE_DESC_INDIRECT | VFE_DESC_NEXT, 1},
			{RAW_RING_GPA0, 1, 0, 0}},
		{{VQ_FIX_TABLE, 31, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0, 1, 0, 0}},
		{{VQ_FIX_TABLE, 15, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0, 1, 0, 0}},
		{{VQ_FIX_TABLE, 0, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0, 1, 0, 0}},
		{{RAW_RING_GPA0 + RAW_RING_MEM0_LEN - 16, 32, VFE_DESC_INDIRECT, 0},
			{RAW_RING_GPA0, 1, 0, 0}},
		{{RAW_RING_GPA0 + RAW_RING_MEM0_LEN - 1, 0, VFE_DESC_INDIRECT, 0},
			{RAW_RING_GPA0, 1, 0, 0}},
		{{0, 16, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0, 1, 0, 0}},
		{{UINT64_MAX - 15, 32, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0, 1, 0, 0}},
		{{VQ_FIX_TABLE, 0xfffffff0u, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0, 1, 0, 0}},
		/* A table in a table, itself, a loop, a next past the end, direction, memory. */
		{{VQ_FIX_TABLE, 32, VFE_DESC_INDIRECT, 0},
			{VQ_FIX_TABLE + 64, 16, VFE_DESC_INDIRECT, 0}},
		{{VQ_FIX_TABLE, 32, VFE_DESC_INDIRECT, 0},
			{VQ_FIX_TABLE, 32, VFE_DESC_INDIRECT, 0}},
		{{VQ_FIX_TABLE, 32, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0, 1, VFE_DESC_NEXT, 0}},
		{{VQ_FIX_TABLE, 32, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0, 1, VFE_DESC_NEXT, 2}},
		{{VQ_FIX_TABLE, 16, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0, 1, VFE_DESC_NEXT, 1}},
		{{VQ_FIX_TABLE, 16, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0, 1, VFE_DESC_WRITE, 0}},
		{{VQ_FIX_TABLE, 16, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0 - 1, 1, 0, 0}},
		{{VQ_FIX_TABLE, 16, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0, 0, 0, 0}},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vq_fix f;

		vq_fix_open(&f, false, 0);
		vq_fix_desc(&f, 1, RAW_RING_GPA0, 1, 0, 0);
		vq_fix_entry(&f, 1, RAW_RING_GPA0, 1, 0, 0);
		raw_ring_put_desc(f.d.desc, 0, bad[i].ring);
		raw_ring_put_desc(raw_ring_at(&f.d, VQ_FIX_TABLE), 0, bad[i].first);
		check_refused(&f, 1);
		vq_fix_close(&f);
	}
}

/* A guest may say that a table lies on the ring's own descriptors: no way to nest, or to loop. */
static void
table_on_the_ring_itself(void)
{
	struct vq_config cfg;
	struct vq_fix f;
	uint8_t *ring;

	vq_fix_open(&f, false, 0);
	ring = raw_ring_at(&f.d, RAW_RING_GPA0 + 0x4000);
	cfg = raw_ring_config(&f.d, false);
	cfg.desc = ring;
	CHECK_EQ(vq_init(&f.vq, &cfg), 0);
	raw_ring_put_desc(
		ring, 0, (struct vfe_vring_desc){RAW_RING_GPA0 + 0x4000, 16, VFE_DESC_INDIRECT, 0});
	vq_fix_offer(&f, 0);
	CHECK_EQ(vq_fix_pop(&f), -EBADMSG);
	vq_return(&f.vq, f.c.id);
	vq_fix_close(&f);
}

static void
refused_too_long(void)
{
	struct vq_fix f;

	vq_fix_open(&f, false, 0);
	for (uint32_t i = 0; i <= VQ_CHAIN_MAX_SEGS; i++)
		vq_fix_entry(&f, i, RAW_RING_GPA0, i % 2, i < VQ_CHAIN_MAX_SEGS ? VFE_DESC_NEXT : 0,
			(uint16_t)(i + 1));
	vq_fix_desc(&f, 0, VQ_FIX_TABLE, (VQ_CHAIN_MAX_SEGS + 1) * 16, VFE_DESC_INDIRECT, 0);
	check_refused(&f, 1);
	vq_fix_close(&f);
}

static void
refused_without_the_feature(void)
{
	struct vq_config cfg;
	struct vq_fix f;

	vq_fix_open(&f, false, 0);
	cfg = raw_ring_config(&f.d, false);
	cfg.indirect = false;
	CHECK_EQ(vq_init(&f.vq, &cfg), 0);
	vq_fix_entry(&f, 0, RAW_RING_GPA0, 1, 0, 0);
	vq_fix_desc(&f, 0, VQ_FIX_TABLE, 16, VFE_DESC_INDIRECT, 0);
	check_refused(&f, 1);
	vq_fix_close(&f);
}

static void
broken_ring_stays_broken(void)
{
	for (unsigned int kind = 0; kind < 6; kind++) {
		uint16_t start = kind % 2 ? 65533 : 0;
		struct vq_fix f;

		vq_fix_open(&f, false, start);
		vq_fix_desc(&f, 3, RAW_RING_GPA0, 1, 0, 0);
		vq_fix_offer(&f, 3);
		vq_fix_offer(&f, 3);
		CHECK_EQ(vq_fix_pop(&f), 1);
		CHECK_EQ(vq_fix_pop(&f), 1);
		switch (kind) {
		case 0: /* one more than there can be: two are in flight */
			raw_ring_set_avail_idx(&f.d, (uint16_t)(start + VQ_FIX_SIZE + 1));
			break;
		case 1: /* backwards */
			raw_ring_set_avail_idx(&f.d, (uint16_t)(start + 1));
			break;
		case 2:
			raw_ring_set_avail_idx(&f.d, (uint16_t)(start + 0x8000));
			break;
		case 3: /* one more than there can be: staged entries still count */
			vq_return(&f.vq, 3);
			raw_ring_set_avail_idx(&f.d, (uint16_t)(start + VQ_FIX_SIZE + 1));
			break;
		case 4:
			vq_fix_offer(&f, VQ_FIX_SIZE);
			break;
		case 5:
			vq_fix_offer(&f, 0xffff);
			break;
		}
		CHECK_EQ(vq_nb_avail(&f.vq, VQ_FIX_SIZE), 1);
		CHECK_EQ(vq_fix_pop(&f), -EPROTO);
		CHECK_EQ(f.vq.last_avail, (uint16_t)(start + 2));
		raw_ring_set_avail_idx(&f.d, (uint16_t)(start + 3));
		CHECK_EQ(vq_fix_pop(&f), -EPROTO);
		CHECK_EQ(vq_nb_avail(&f.vq, 1), 0);
		CHECK(!vq_kick_enable(&f.vq));
		/* Chains in flight can still be rewound or returned. */
		vq_rewind(&f.vq, 1);
		CHECK_EQ(f.vq.last_avail, (uint16_t)(start + 1));
		CHECK_EQ(vq_fix_pop(&f), -EPROTO);
		CHECK_EQ(vq_nb_avail(&f.vq, 1), 0);
		vq_fix_close(&f);
	}
}

int
main(void)
{
	RUN(init_refuses_nonsense);
	RUN(refused_in_the_ring);
	RUN(refused_tables);
	RUN(table_on_the_ring_itself);
	RUN(refused_too_long);
	RUN(refused_without_the_feature);
	RUN(broken_ring_stays_broken);
	return 0;
}
