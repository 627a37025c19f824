/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains: what is accepted, what is refused, and how they come and go. */
#include <errno.h>

#include "check.h"
#include "raw_ring.h"

#define SIZE  16u
#define TABLE (RAW_RING_GPA0 + 0x8000 + 3) /* unaligned on purpose */

static struct vq_seg segs[VQ_CHAIN_MAX_SEGS];

struct fix {
	struct raw_ring d;
	struct vq vq;
	struct vq_chain c;
};

static void
fix_open(struct fix *f, bool to_guest, uint16_t start_idx)
{
	struct vq_config cfg;

	raw_ring_create(&f->d, SIZE, false, start_idx);
	cfg = raw_ring_config(&f->d, to_guest);
	CHECK_EQ(vq_init(&f->vq, &cfg), 0);
}

static void
fix_close(struct fix *f)
{
	raw_ring_destroy(&f->d);
}

static void
put_desc(struct fix *f, uint32_t idx, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	raw_ring_put_desc(f->d.desc, idx, (struct vfe_vring_desc){addr, len, flags, next});
}

static void
put_entry(struct fix *f, uint32_t idx, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	raw_ring_put_desc(
		raw_ring_at(&f->d, TABLE), idx, (struct vfe_vring_desc){addr, len, flags, next});
}

static void
offer(struct fix *f, uint16_t head)
{
	raw_ring_offer(&f->d, head);
	raw_ring_publish(&f->d);
}

static int
pop(struct fix *f)
{
	memset(&f->c, 0xee, sizeof(f->c));
	return vq_pop(&f->vq, &f->c, segs);
}

static void
check_seg(const struct fix *f, uint16_t i, uint64_t gpa, uint32_t len)
{
	CHECK(i < f->c.nb_segs);
	CHECK_EQ(f->c.segs[i].gpa, gpa);
	CHECK_EQ(f->c.segs[i].len, len);
	CHECK(f->c.segs[i].va == raw_ring_at(&f->d, gpa));
}

/* Offer head 0: it must be refused, handed back and seen by the driver; and the ring goes on. */
static void
check_refused(struct fix *f, uint16_t nb_descs)
{
	uint32_t id = 99;
	uint32_t len = 99;

	offer(f, 0);
	CHECK_EQ(pop(f), -EBADMSG);
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

	put_desc(f, 9, RAW_RING_GPA0, 1, f->vq.to_guest ? VFE_DESC_WRITE : 0, 0);
	offer(f, 9);
	CHECK_EQ(pop(f), 1);
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

	raw_ring_create(&d, SIZE, false, 0);
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
shapes_of_the_ring(void)
{
	for (unsigned int to_guest = 0; to_guest < 2; to_guest++) {
		uint16_t w = to_guest ? VFE_DESC_WRITE : 0;
		struct fix f;

		fix_open(&f, to_guest, 0);
		CHECK_EQ(pop(&f), 0);
		/* One descriptor. */
		put_desc(&f, 7, RAW_RING_GPA0 + 5, 4096, w, 0xffff);
		offer(&f, 7);
		CHECK_EQ(pop(&f), 1);
		CHECK_EQ(f.c.id, 7);
		CHECK_EQ(f.c.nb_segs, 1);
		CHECK_EQ(f.c.nb_descs, 1);
		CHECK_EQ(f.c.len, 4096);
		CHECK(f.c.segs == segs);
		check_seg(&f, 0, RAW_RING_GPA0 + 5, 4096);
		/* Three, in both regions, up to the last byte of each. */
		put_desc(&f, 1, RAW_RING_GPA0 + RAW_RING_MEM0_LEN - 44, 44, w | VFE_DESC_NEXT, 15);
		put_desc(&f, 15, RAW_RING_GPA1 + RAW_RING_MEM1_LEN - 1, 1, w | VFE_DESC_NEXT, 0);
		put_desc(&f, 0, RAW_RING_GPA0, RAW_RING_MEM0_LEN, w, 3);
		offer(&f, 1);
		CHECK_EQ(pop(&f), 1);
		CHECK_EQ(f.c.id, 1);
		CHECK_EQ(f.c.nb_segs, 3);
		CHECK_EQ(f.c.nb_descs, 3);
		CHECK_EQ(f.c.len, 45 + RAW_RING_MEM0_LEN);
		check_seg(&f, 0, RAW_RING_GPA0 + RAW_RING_MEM0_LEN - 44, 44);
		check_seg(&f, 1, RAW_RING_GPA1 + RAW_RING_MEM1_LEN - 1, 1);
		check_seg(&f, 2, RAW_RING_GPA0, RAW_RING_MEM0_LEN);
		/* Empty descriptors are left out, wherever they say they are. */
		put_desc(&f, 2, UINT64_MAX, 0, w | VFE_DESC_NEXT, 3);
		put_desc(&f, 3, RAW_RING_GPA1, 10, w | VFE_DESC_NEXT, 4);
		put_desc(&f, 4, 0, 0, w, 0);
		offer(&f, 2);
		CHECK_EQ(pop(&f), 1);
		CHECK_EQ(f.c.id, 2);
		CHECK_EQ(f.c.nb_segs, 1);
		CHECK_EQ(f.c.nb_descs, 3);
		check_seg(&f, 0, RAW_RING_GPA1, 10);
		/* Every descriptor of the ring in one chain. */
		for (uint16_t i = 0; i < SIZE; i++)
			put_desc(&f, i, RAW_RING_GPA0 + i, i + 1u,
				(uint16_t)(w | (i < SIZE - 1 ? VFE_DESC_NEXT : 0)), i + 1);
		offer(&f, 0);
		CHECK_EQ(pop(&f), 1);
		CHECK_EQ(f.c.nb_segs, SIZE);
		CHECK_EQ(f.c.nb_descs, SIZE);
		CHECK_EQ(f.c.len, SIZE * (SIZE + 1) / 2);
		CHECK_EQ(pop(&f), 0);
		CHECK_EQ(f.vq.nb_in_flight, 4);
		fix_close(&f);
	}
}

static void
shapes_of_tables(void)
{
	for (unsigned int to_guest = 0; to_guest < 2; to_guest++) {
		uint16_t w = to_guest ? VFE_DESC_WRITE : 0;
		struct fix f;

		fix_open(&f, to_guest, 0);
		/* A table of one, behind a descriptor whose WRITE flag means nothing. */
		put_entry(&f, 0, RAW_RING_GPA1 + 1, 44, w, 0xffff);
		put_desc(&f, 3, TABLE, 16, VFE_DESC_INDIRECT, 0xffff);
		put_desc(&f, 4, TABLE, 16, VFE_DESC_INDIRECT | VFE_DESC_WRITE, 0xffff);
		for (uint16_t head = 3; head <= 4; head++) {
			offer(&f, head);
			CHECK_EQ(pop(&f), 1);
			CHECK_EQ(f.c.id, head);
			CHECK_EQ(f.c.nb_segs, 1);
			CHECK_EQ(f.c.nb_descs, 1);
			check_seg(&f, 0, RAW_RING_GPA1 + 1, 44);
		}
		/* A table larger than the ring, walked out of order, with empty entries. */
		put_entry(&f, 0, RAW_RING_GPA0, 1, w | VFE_DESC_NEXT, 40);
		put_entry(&f, 40, RAW_RING_GPA0 + 7, 2, w | VFE_DESC_NEXT, 20);
		put_entry(&f, 20, 1, 0, w | VFE_DESC_NEXT, 1);
		put_entry(&f, 1, RAW_RING_GPA1, 3, w, 2);
		put_desc(&f, 5, TABLE, 41 * 16, VFE_DESC_INDIRECT, 0);
		offer(&f, 5);
		CHECK_EQ(pop(&f), 1);
		CHECK_EQ(f.c.nb_segs, 3);
		CHECK_EQ(f.c.nb_descs, 1);
		CHECK_EQ(f.c.len, 6);
		check_seg(&f, 0, RAW_RING_GPA0, 1);
		check_seg(&f, 1, RAW_RING_GPA0 + 7, 2);
		check_seg(&f, 2, RAW_RING_GPA1, 3);
		/* Plain descriptors first, the table last (2.7.5.3.2). */
		put_desc(&f, 6, RAW_RING_GPA1 + 100, 44, w | VFE_DESC_NEXT, 7);
		put_desc(&f, 7, RAW_RING_GPA1 + 200, 8, w | VFE_DESC_NEXT, 5);
		offer(&f, 6);
		CHECK_EQ(pop(&f), 1);
		CHECK_EQ(f.c.id, 6);
		CHECK_EQ(f.c.nb_segs, 5);
		CHECK_EQ(f.c.nb_descs, 3);
		CHECK_EQ(f.c.len, 44 + 8 + 6);
		check_seg(&f, 1, RAW_RING_GPA1 + 200, 8);
		check_seg(&f, 2, RAW_RING_GPA0, 1);
		/* The longest chain. */
		for (uint32_t i = 0; i < VQ_CHAIN_MAX_SEGS; i++)
			put_entry(&f, i, RAW_RING_GPA0 + i, 1,
				(uint16_t)(w | (i + 1 < VQ_CHAIN_MAX_SEGS ? VFE_DESC_NEXT : 0)),
				(uint16_t)(i + 1));
		put_desc(&f, 8, TABLE, VQ_CHAIN_MAX_SEGS * 16, VFE_DESC_INDIRECT, 0);
		offer(&f, 8);
		CHECK_EQ(pop(&f), 1);
		CHECK_EQ(f.c.nb_segs, VQ_CHAIN_MAX_SEGS);
		CHECK_EQ(f.c.len, VQ_CHAIN_MAX_SEGS);
		check_seg(&f, VQ_CHAIN_MAX_SEGS - 1, RAW_RING_GPA0 + VQ_CHAIN_MAX_SEGS - 1, 1);
		fix_close(&f);
	}
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
		{RAW_RING_GPA0, 1, VFE_DESC_NEXT, SIZE, 1},          /* next just past the table */
		{RAW_RING_GPA0, 1, VFE_DESC_NEXT, 0xffff, 1},        /* next far past it */
		{RAW_RING_GPA0, 1, VFE_DESC_NEXT, 0, SIZE},          /* a loop of one */
		{RAW_RING_GPA0, 1, VFE_DESC_NEXT, 1, SIZE},          /* a loop of two */
		{RAW_RING_GPA0, 0, VFE_DESC_NEXT, 0, SIZE},          /* a loop of nothing */
	};

	for (unsigned int to_guest = 0; to_guest < 2; to_guest++) {
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			uint16_t turn = to_guest ? VFE_DESC_WRITE : 0;
			struct fix f;

			fix_open(&f, to_guest, (uint16_t)(65530 + i));
			put_desc(&f, 1, RAW_RING_GPA0, 4, turn | VFE_DESC_NEXT, 0);
			put_desc(&f, 0, bad[i].addr, bad[i].len, bad[i].flags ^ turn, bad[i].next);
			/* A loop runs into the bound one descriptor after the last. */
			check_refused(&f, bad[i].nb_descs == SIZE ? SIZE : 1);
			fix_close(&f);
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
		{{TABLE, 32, VFE_DESC_INDIRECT | VFE_DESC_NEXT, 1}, {RAW_RING_GPA0, 1, 0, 0}},
		{{TABLE, 31, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0, 1, 0, 0}},
		{{TABLE, 15, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0, 1, 0, 0}},
		{{TABLE, 0, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0, 1, 0, 0}},
		{{RAW_RING_GPA0 + RAW_RING_MEM0_LEN - 16, 32, VFE_DESC_INDIRECT, 0},
			{RAW_RING_GPA0, 1, 0, 0}},
		{{RAW_RING_GPA0 + RAW_RING_MEM0_LEN - 1, 0, VFE_DESC_INDIRECT, 0},
			{RAW_RING_GPA0, 1, 0, 0}},
		{{0, 16, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0, 1, 0, 0}},
		{{UINT64_MAX - 15, 32, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0, 1, 0, 0}},
		{{TABLE, 0xfffffff0u, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0, 1, 0, 0}},
		/* A table in a table, itself, a loop, a next past the end, direction, memory. */
		{{TABLE, 32, VFE_DESC_INDIRECT, 0}, {TABLE + 64, 16, VFE_DESC_INDIRECT, 0}},
		{{TABLE, 32, VFE_DESC_INDIRECT, 0}, {TABLE, 32, VFE_DESC_INDIRECT, 0}},
		{{TABLE, 32, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0, 1, VFE_DESC_NEXT, 0}},
		{{TABLE, 32, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0, 1, VFE_DESC_NEXT, 2}},
		{{TABLE, 16, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0, 1, VFE_DESC_NEXT, 1}},
		{{TABLE, 16, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0, 1, VFE_DESC_WRITE, 0}},
		{{TABLE, 16, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0 - 1, 1, 0, 0}},
		{{TABLE, 16, VFE_DESC_INDIRECT, 0}, {RAW_RING_GPA0, 0, 0, 0}},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fix f;

		fix_open(&f, false, 0);
		put_desc(&f, 1, RAW_RING_GPA0, 1, 0, 0);
		put_entry(&f, 1, RAW_RING_GPA0, 1, 0, 0);
		raw_ring_put_desc(f.d.desc, 0, bad[i].ring);
		raw_ring_put_desc(raw_ring_at(&f.d, TABLE), 0, bad[i].first);
		check_refused(&f, 1);
		fix_close(&f);
	}
}

/* A guest may say that a table lies on the ring's own descriptors: no way to nest, or to loop. */
static void
table_on_the_ring_itself(void)
{
	struct vq_config cfg;
	struct fix f;
	uint8_t *ring;

	fix_open(&f, false, 0);
	ring = raw_ring_at(&f.d, RAW_RING_GPA0 + 0x4000);
	cfg = raw_ring_config(&f.d, false);
	cfg.desc = ring;
	CHECK_EQ(vq_init(&f.vq, &cfg), 0);
	raw_ring_put_desc(
		ring, 0, (struct vfe_vring_desc){RAW_RING_GPA0 + 0x4000, 16, VFE_DESC_INDIRECT, 0});
	offer(&f, 0);
	CHECK_EQ(pop(&f), -EBADMSG);
	vq_return(&f.vq, f.c.id);
	fix_close(&f);
}

static void
refused_too_long(void)
{
	struct fix f;

	fix_open(&f, false, 0);
	for (uint32_t i = 0; i <= VQ_CHAIN_MAX_SEGS; i++)
		put_entry(&f, i, RAW_RING_GPA0, i % 2, i < VQ_CHAIN_MAX_SEGS ? VFE_DESC_NEXT : 0,
			(uint16_t)(i + 1));
	put_desc(&f, 0, TABLE, (VQ_CHAIN_MAX_SEGS + 1) * 16, VFE_DESC_INDIRECT, 0);
	check_refused(&f, 1);
	fix_close(&f);
}

static void
refused_without_the_feature(void)
{
	struct vq_config cfg;
	struct fix f;

	fix_open(&f, false, 0);
	cfg = raw_ring_config(&f.d, false);
	cfg.indirect = false;
	CHECK_EQ(vq_init(&f.vq, &cfg), 0);
	put_entry(&f, 0, RAW_RING_GPA0, 1, 0, 0);
	put_desc(&f, 0, TABLE, 16, VFE_DESC_INDIRECT, 0);
	check_refused(&f, 1);
	fix_close(&f);
}

/* Lengths add up to more than 32 bits: saturated, not wrapped. */
static void
length_saturates(void)
{
	struct fix f;
	struct gmem *mem = calloc(1, sizeof(*mem) + sizeof(mem->regions[0]));
	struct vq_config cfg;

	CHECK(mem != NULL);
	fix_open(&f, false, 0);
	mem->nb_regions = 1;
	/* Never touched: only the arithmetic counts. */
	mem->regions[0] = (struct gmem_region){.gpa = 0, .len = 1ull << 40, .va = f.d.mem0};
	cfg = raw_ring_config(&f.d, false);
	cfg.mem = mem;
	CHECK_EQ(vq_init(&f.vq, &cfg), 0);
	put_desc(&f, 0, 0, UINT32_MAX, VFE_DESC_NEXT, 1);
	put_desc(&f, 1, 0, UINT32_MAX, 0, 0);
	offer(&f, 0);
	CHECK_EQ(pop(&f), 1);
	CHECK_EQ(f.c.len, UINT32_MAX);
	CHECK_EQ(f.c.nb_segs, 2);
	fix_close(&f);
	free(mem);
}

static void
broken_ring_stays_broken(void)
{
	for (unsigned int kind = 0; kind < 6; kind++) {
		uint16_t start = kind % 2 ? 65533 : 0;
		struct fix f;

		fix_open(&f, false, start);
		put_desc(&f, 3, RAW_RING_GPA0, 1, 0, 0);
		offer(&f, 3);
		offer(&f, 3);
		CHECK_EQ(pop(&f), 1);
		CHECK_EQ(pop(&f), 1);
		switch (kind) {
		case 0: /* one more than there can be: two are in flight */
			raw_ring_set_avail_idx(&f.d, (uint16_t)(start + SIZE + 1));
			break;
		case 1: /* backwards */
			raw_ring_set_avail_idx(&f.d, (uint16_t)(start + 1));
			break;
		case 2:
			raw_ring_set_avail_idx(&f.d, (uint16_t)(start + 0x8000));
			break;
		case 3: /* one more than there can be: staged entries still count */
			vq_return(&f.vq, 3);
			raw_ring_set_avail_idx(&f.d, (uint16_t)(start + SIZE + 1));
			break;
		case 4:
			offer(&f, SIZE);
			break;
		case 5:
			offer(&f, 0xffff);
			break;
		}
		CHECK_EQ(vq_nb_avail(&f.vq, SIZE), 1);
		CHECK_EQ(pop(&f), -EPROTO);
		CHECK_EQ(f.vq.last_avail, (uint16_t)(start + 2));
		raw_ring_set_avail_idx(&f.d, (uint16_t)(start + 3));
		CHECK_EQ(pop(&f), -EPROTO);
		CHECK_EQ(vq_nb_avail(&f.vq, 1), 0);
		CHECK(!vq_kick_enable(&f.vq));
		/* What is in flight can still be rewound or handed back. */
		vq_rewind(&f.vq, 1);
		CHECK_EQ(f.vq.last_avail, (uint16_t)(start + 1));
		CHECK_EQ(pop(&f), -EPROTO);
		CHECK_EQ(vq_nb_avail(&f.vq, 1), 0);
		fix_close(&f);
	}
}

/* Exactly as many as there are entries is no jump, whatever is in flight or staged. */
static void
full_ring_is_no_jump(void)
{
	struct fix f;

	fix_open(&f, false, 65530);
	put_desc(&f, 3, RAW_RING_GPA0, 1, 0, 0);
	for (unsigned int i = 0; i < SIZE; i++)
		raw_ring_offer(&f.d, 3);
	raw_ring_publish(&f.d);
	CHECK_EQ(vq_nb_avail(&f.vq, SIZE), SIZE);
	for (unsigned int i = 0; i < SIZE; i++)
		CHECK_EQ(pop(&f), 1);
	CHECK_EQ(pop(&f), 0);
	for (unsigned int i = 0; i < 3; i++)
		vq_return(&f.vq, 3);
	vq_flush(&f.vq);
	for (unsigned int i = 0; i < 3; i++)
		offer(&f, 3);
	CHECK_EQ(vq_nb_avail(&f.vq, SIZE), 3);
	CHECK_EQ(pop(&f), 1);
	fix_close(&f);
}

static void
rewind_is_exact(void)
{
	struct fix f;
	uint32_t id;
	uint32_t len;

	fix_open(&f, true, 65533);
	for (uint16_t i = 0; i < 6; i++) {
		put_desc(&f, i, RAW_RING_GPA0 + i, 1, i == 4 ? 0 : VFE_DESC_WRITE, 0);
		offer(&f, i);
	}
	for (uint16_t i = 0; i < 4; i++)
		CHECK_EQ(pop(&f), 1);
	CHECK_EQ(pop(&f), -EBADMSG);
	CHECK_EQ(f.vq.nb_in_flight, 5);
	vq_rewind(&f.vq, 3);
	CHECK_EQ(f.vq.nb_in_flight, 2);
	CHECK_EQ(f.vq.last_avail, (uint16_t)(65533 + 2));
	CHECK_EQ(vq_nb_avail(&f.vq, 1), 4);
	vq_rewind(&f.vq, 0);
	/* Read afresh: the driver may have changed it meanwhile. */
	put_desc(&f, 4, RAW_RING_GPA1, 77, VFE_DESC_WRITE, 0);
	for (uint16_t i = 2; i < 6; i++) {
		CHECK_EQ(pop(&f), 1);
		CHECK_EQ(f.c.id, i);
	}
	vq_push(&f.vq, &f.c, 1);
	CHECK_EQ(pop(&f), 0);
	vq_flush(&f.vq);
	CHECK(raw_ring_take(&f.d, &id, &len));
	CHECK_EQ(id, 5);
	CHECK_EQ(len, 1);
	CHECK_EQ(f.vq.nb_in_flight, 5);
	fix_close(&f);
}

static void
handed_back_in_any_order(void)
{
	static const uint16_t order[] = {3, 0, 4, 1, 2};
	struct vq_chain chains[5];
	struct fix f;
	uint32_t id;
	uint32_t len;

	fix_open(&f, true, 65534);
	for (unsigned int round = 0; round < 3; round++) {
		for (uint16_t i = 0; i < 5; i++) {
			put_desc(&f, i, RAW_RING_GPA0 + i, 1000, VFE_DESC_WRITE, 0);
			offer(&f, i);
			CHECK_EQ(vq_pop(&f.vq, &chains[i], segs + i), 1);
		}
		for (uint16_t i = 0; i < 5; i++)
			vq_push(&f.vq, &chains[order[i]], 100u * order[i] + round);
		CHECK_EQ(raw_ring_used_idx(&f.d), (uint16_t)(65534 + 5 * round));
		CHECK(vq_flush(&f.vq));
		for (uint16_t i = 0; i < 5; i++) {
			CHECK(raw_ring_take(&f.d, &id, &len));
			CHECK_EQ(id, order[i]);
			CHECK_EQ(len, 100u * order[i] + round);
		}
		CHECK(!raw_ring_take(&f.d, &id, &len));
	}
	fix_close(&f);
}

/* The shadow index saves looks at the ring, and never hides a chain for which one was asked. */
static void
nb_avail_looks_when_needed(void)
{
	struct fix f;

	fix_open(&f, false, 65535);
	put_desc(&f, 0, RAW_RING_GPA0, 1, 0, 0);
	CHECK_EQ(vq_nb_avail(&f.vq, 1), 0);
	offer(&f, 0);
	CHECK_EQ(vq_nb_avail(&f.vq, 0), 0);
	CHECK_EQ(vq_nb_avail(&f.vq, 1), 1);
	offer(&f, 0);
	CHECK_EQ(vq_nb_avail(&f.vq, 1), 1);
	CHECK_EQ(vq_nb_avail(&f.vq, 2), 2);
	/* A jump adds nothing to what is known. */
	raw_ring_set_avail_idx(&f.d, 40000);
	CHECK_EQ(vq_nb_avail(&f.vq, SIZE), 2);
	CHECK_EQ(pop(&f), 1);
	CHECK_EQ(pop(&f), 1);
	CHECK_EQ(vq_nb_avail(&f.vq, 1), 1);
	CHECK_EQ(pop(&f), -EPROTO);
	fix_close(&f);
}

int
main(void)
{
	RUN(init_refuses_nonsense);
	RUN(shapes_of_the_ring);
	RUN(shapes_of_tables);
	RUN(refused_in_the_ring);
	RUN(refused_tables);
	RUN(table_on_the_ring_itself);
	RUN(refused_too_long);
	RUN(refused_without_the_feature);
	RUN(length_saturates);
	RUN(broken_ring_stays_broken);
	RUN(full_ring_is_no_jump);
	RUN(rewind_is_exact);
	RUN(handed_back_in_any_order);
	RUN(nb_avail_looks_when_needed);
	return 0;
}
