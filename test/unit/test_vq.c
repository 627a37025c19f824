/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains that are accepted: their shapes, and how they come and go. */
#include <errno.h>

#include "check.h"
#include "vq_fix.h"

static void
shapes_of_the_ring(void)
{
	for (unsigned int to_guest = 0; to_guest < 2; to_guest++) {
		uint16_t w = to_guest ? VFE_DESC_WRITE : 0;
		struct vq_fix f;

		vq_fix_open(&f, to_guest, 0);
		CHECK_EQ(vq_fix_pop(&f), 0);
		/* One descriptor. */
		vq_fix_desc(&f, 7, RAW_RING_GPA0 + 5, 4096, w, 0xffff);
		vq_fix_offer(&f, 7);
		CHECK_EQ(vq_fix_pop(&f), 1);
		CHECK_EQ(f.c.id, 7);
		CHECK_EQ(f.c.nb_segs, 1);
		CHECK_EQ(f.c.nb_descs, 1);
		CHECK_EQ(f.c.len, 4096);
		CHECK(f.c.segs == vq_fix_segs);
		vq_fix_check_seg(&f, 0, RAW_RING_GPA0 + 5, 4096);
		/* Three, in both regions, up to the last byte of each. */
		vq_fix_desc(
			&f, 1, RAW_RING_GPA0 + RAW_RING_MEM0_LEN - 44, 44, w | VFE_DESC_NEXT, 15);
		vq_fix_desc(&f, 15, RAW_RING_GPA1 + RAW_RING_MEM1_LEN - 1, 1, w | VFE_DESC_NEXT, 0);
		vq_fix_desc(&f, 0, RAW_RING_GPA0, RAW_RING_MEM0_LEN, w, 3);
		vq_fix_offer(&f, 1);
		CHECK_EQ(vq_fix_pop(&f), 1);
		CHECK_EQ(f.c.id, 1);
		CHECK_EQ(f.c.nb_segs, 3);
		CHECK_EQ(f.c.nb_descs, 3);
		CHECK_EQ(f.c.len, 45 + RAW_RING_MEM0_LEN);
		vq_fix_check_seg(&f, 0, RAW_RING_GPA0 + RAW_RING_MEM0_LEN - 44, 44);
		vq_fix_check_seg(&f, 1, RAW_RING_GPA1 + RAW_RING_MEM1_LEN - 1, 1);
		vq_fix_check_seg(&f, 2, RAW_RING_GPA0, RAW_RING_MEM0_LEN);
		/* Empty descriptors are left out, wherever they say they are. */
		vq_fix_desc(&f, 2, UINT64_MAX, 0, w | VFE_DESC_NEXT, 3);
		vq_fix_desc(&f, 3, RAW_RING_GPA1, 10, w | VFE_DESC_NEXT, 4);
		vq_fix_desc(&f, 4, 0, 0, w, 0);
		vq_fix_offer(&f, 2);
		CHECK_EQ(vq_fix_pop(&f), 1);
		CHECK_EQ(f.c.id, 2);
		CHECK_EQ(f.c.nb_segs, 1);
		CHECK_EQ(f.c.nb_descs, 3);
		vq_fix_check_seg(&f, 0, RAW_RING_GPA1, 10);
		/* Every descriptor of the ring in one chain. */
		for (uint16_t i = 0; i < VQ_FIX_SIZE; i++)
			vq_fix_desc(&f, i, RAW_RING_GPA0 + i, i + 1u,
				(uint16_t)(w | (i < VQ_FIX_SIZE - 1 ? VFE_DESC_NEXT : 0)), i + 1);
		vq_fix_offer(&f, 0);
		CHECK_EQ(vq_fix_pop(&f), 1);
		CHECK_EQ(f.c.nb_segs, VQ_FIX_SIZE);
		CHECK_EQ(f.c.nb_descs, VQ_FIX_SIZE);
		CHECK_EQ(f.c.len, VQ_FIX_SIZE * (VQ_FIX_SIZE + 1) / 2);
		CHECK_EQ(vq_fix_pop(&f), 0);
		CHECK_EQ(f.vq.nb_in_flight, 4);
		vq_fix_close(&f);
	}
}

static void
shapes_of_tables(void)
{
	for (unsigned int to_guest = 0; to_guest < 2; to_guest++) {
		uint16_t w = to_guest ? VFE_DESC_WRITE : 0;
		struct vq_fix f;

		vq_fix_open(&f, to_guest, 0);
		/* A table of one, behind a descriptor whose WRITE flag means nothing. */
		vq_fix_entry(&f, 0, RAW_RING_GPA1 + 1, 44, w, 0xffff);
		vq_fix_desc(&f, 3, VQ_FIX_TABLE, 16, VFE_DESC_INDIRECT, 0xffff);
		vq_fix_desc(&f, 4, VQ_FIX_TABLE, 16, VFE_DESC_INDIRECT | VFE_DESC_WRITE, 0xffff);
		for (uint16_t head = 3; head <= 4; head++) {
			vq_fix_offer(&f, head);
			CHECK_EQ(vq_fix_pop(&f), 1);
			CHECK_EQ(f.c.id, head);
			CHECK_EQ(f.c.nb_segs, 1);
			CHECK_EQ(f.c.nb_descs, 1);
			vq_fix_check_seg(&f, 0, RAW_RING_GPA1 + 1, 44);
		}
		/* A table larger than the ring, walked out of order, with empty entries. */
		vq_fix_entry(&f, 0, RAW_RING_GPA0, 1, w | VFE_DESC_NEXT, 40);
		vq_fix_entry(&f, 40, RAW_RING_GPA0 + 7, 2, w | VFE_DESC_NEXT, 20);
		vq_fix_entry(&f, 20, 1, 0, w | VFE_DESC_NEXT, 1);
		vq_fix_entry(&f, 1, RAW_RING_GPA1, 3, w, 2);
		vq_fix_desc(&f, 5, VQ_FIX_TABLE, 41 * 16, VFE_DESC_INDIRECT, 0);
		vq_fix_offer(&f, 5);
		CHECK_EQ(vq_fix_pop(&f), 1);
		CHECK_EQ(f.c.nb_segs, 3);
		CHECK_EQ(f.c.nb_descs, 1);
		CHECK_EQ(f.c.len, 6);
		vq_fix_check_seg(&f, 0, RAW_RING_GPA0, 1);
		vq_fix_check_seg(&f, 1, RAW_RING_GPA0 + 7, 2);
		vq_fix_check_seg(&f, 2, RAW_RING_GPA1, 3);
		/* Plain descriptors first, the table last (2.7.5.3.2). */
		vq_fix_desc(&f, 6, RAW_RING_GPA1 + 100, 44, w | VFE_DESC_NEXT, 7);
		vq_fix_desc(&f, 7, RAW_RING_GPA1 + 200, 8, w | VFE_DESC_NEXT, 5);
		vq_fix_offer(&f, 6);
		CHECK_EQ(vq_fix_pop(&f), 1);
		CHECK_EQ(f.c.id, 6);
		CHECK_EQ(f.c.nb_segs, 5);
		CHECK_EQ(f.c.nb_descs, 3);
		CHECK_EQ(f.c.len, 44 + 8 + 6);
		vq_fix_check_seg(&f, 1, RAW_RING_GPA1 + 200, 8);
		vq_fix_check_seg(&f, 2, RAW_RING_GPA0, 1);
		/* The longest chain. */
		for (uint32_t i = 0; i < VQ_CHAIN_MAX_SEGS; i++)
			vq_fix_entry(&f, i, RAW_RING_GPA0 + i, 1,
				(uint16_t)(w | (i + 1 < VQ_CHAIN_MAX_SEGS ? VFE_DESC_NEXT : 0)),
				(uint16_t)(i + 1));
		vq_fix_desc(&f, 8, VQ_FIX_TABLE, VQ_CHAIN_MAX_SEGS * 16, VFE_DESC_INDIRECT, 0);
		vq_fix_offer(&f, 8);
		CHECK_EQ(vq_fix_pop(&f), 1);
		CHECK_EQ(f.c.nb_segs, VQ_CHAIN_MAX_SEGS);
		CHECK_EQ(f.c.len, VQ_CHAIN_MAX_SEGS);
		vq_fix_check_seg(
			&f, VQ_CHAIN_MAX_SEGS - 1, RAW_RING_GPA0 + VQ_CHAIN_MAX_SEGS - 1, 1);
		vq_fix_close(&f);
	}
}

/* Lengths add up to more than 32 bits: saturated, not wrapped. */
static void
length_saturates(void)
{
	struct vq_fix f;
	struct gmem *mem = calloc(1, sizeof(*mem) + sizeof(mem->regions[0]));
	struct vq_config cfg;

	CHECK(mem != NULL);
	vq_fix_open(&f, false, 0);
	mem->nb_regions = 1;
	/* Never touched: only the arithmetic counts. */
	mem->regions[0] = (struct gmem_region){.gpa = 0, .len = 1ull << 40, .va = f.d.mem0};
	cfg = raw_ring_config(&f.d, false);
	cfg.mem = mem;
	CHECK_EQ(vq_init(&f.vq, &cfg), 0);
	vq_fix_desc(&f, 0, 0, UINT32_MAX, VFE_DESC_NEXT, 1);
	vq_fix_desc(&f, 1, 0, UINT32_MAX, 0, 0);
	vq_fix_offer(&f, 0);
	CHECK_EQ(vq_fix_pop(&f), 1);
	CHECK_EQ(f.c.len, UINT32_MAX);
	CHECK_EQ(f.c.nb_segs, 2);
	vq_fix_close(&f);
	free(mem);
}

/* A step by the size of the ring is no jump, with any chains in flight or staged. */
static void
full_ring_is_no_jump(void)
{
	struct vq_fix f;

	vq_fix_open(&f, false, 65530);
	vq_fix_desc(&f, 3, RAW_RING_GPA0, 1, 0, 0);
	for (unsigned int i = 0; i < VQ_FIX_SIZE; i++)
		raw_ring_offer(&f.d, 3);
	raw_ring_publish(&f.d);
	CHECK_EQ(vq_nb_avail(&f.vq, VQ_FIX_SIZE), VQ_FIX_SIZE);
	for (unsigned int i = 0; i < VQ_FIX_SIZE; i++)
		CHECK_EQ(vq_fix_pop(&f), 1);
	CHECK_EQ(vq_fix_pop(&f), 0);
	for (unsigned int i = 0; i < 3; i++)
		vq_return(&f.vq, 3);
	vq_flush(&f.vq);
	for (unsigned int i = 0; i < 3; i++)
		vq_fix_offer(&f, 3);
	CHECK_EQ(vq_nb_avail(&f.vq, VQ_FIX_SIZE), 3);
	CHECK_EQ(vq_fix_pop(&f), 1);
	vq_fix_close(&f);
}

static void
rewind_is_exact(void)
{
	struct vq_fix f;
	uint32_t id;
	uint32_t len;

	vq_fix_open(&f, true, 65533);
	for (uint16_t i = 0; i < 6; i++) {
		vq_fix_desc(&f, i, RAW_RING_GPA0 + i, 1, i == 4 ? 0 : VFE_DESC_WRITE, 0);
		vq_fix_offer(&f, i);
	}
	for (uint16_t i = 0; i < 4; i++)
		CHECK_EQ(vq_fix_pop(&f), 1);
	CHECK_EQ(vq_fix_pop(&f), -EBADMSG);
	CHECK_EQ(f.vq.nb_in_flight, 5);
	vq_rewind(&f.vq, 3);
	CHECK_EQ(f.vq.nb_in_flight, 2);
	CHECK_EQ(f.vq.last_avail, (uint16_t)(65533 + 2));
	CHECK_EQ(vq_nb_avail(&f.vq, 1), 4);
	vq_rewind(&f.vq, 0);
	/* Read afresh: the driver may have changed it meanwhile. */
	vq_fix_desc(&f, 4, RAW_RING_GPA1, 77, VFE_DESC_WRITE, 0);
	for (uint16_t i = 2; i < 6; i++) {
		CHECK_EQ(vq_fix_pop(&f), 1);
		CHECK_EQ(f.c.id, i);
	}
	vq_push(&f.vq, &f.c, 1);
	CHECK_EQ(vq_fix_pop(&f), 0);
	vq_flush(&f.vq);
	CHECK(raw_ring_take(&f.d, &id, &len));
	CHECK_EQ(id, 5);
	CHECK_EQ(len, 1);
	CHECK_EQ(f.vq.nb_in_flight, 5);
	vq_fix_close(&f);
}

static void
handed_back_in_any_order(void)
{
	static const uint16_t order[] = {3, 0, 4, 1, 2};
	struct vq_chain chains[5];
	struct vq_fix f;
	uint32_t id;
	uint32_t len;

	vq_fix_open(&f, true, 65534);
	for (unsigned int round = 0; round < 3; round++) {
		for (uint16_t i = 0; i < 5; i++) {
			vq_fix_desc(&f, i, RAW_RING_GPA0 + i, 1000, VFE_DESC_WRITE, 0);
			vq_fix_offer(&f, i);
			CHECK_EQ(vq_pop(&f.vq, &chains[i], vq_fix_segs + i), 1);
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
	vq_fix_close(&f);
}

/* The shadow index saves looks at the ring, and never hides a chain for which one was asked. */
static void
nb_avail_looks_when_needed(void)
{
	struct vq_fix f;

	vq_fix_open(&f, false, 65535);
	vq_fix_desc(&f, 0, RAW_RING_GPA0, 1, 0, 0);
	CHECK_EQ(vq_nb_avail(&f.vq, 1), 0);
	vq_fix_offer(&f, 0);
	CHECK_EQ(vq_nb_avail(&f.vq, 0), 0);
	CHECK_EQ(vq_nb_avail(&f.vq, 1), 1);
	vq_fix_offer(&f, 0);
	CHECK_EQ(vq_nb_avail(&f.vq, 1), 1);
	CHECK_EQ(vq_nb_avail(&f.vq, 2), 2);
	/* A jump adds nothing to what is known. */
	raw_ring_set_avail_idx(&f.d, 40000);
	CHECK_EQ(vq_nb_avail(&f.vq, VQ_FIX_SIZE), 2);
	CHECK_EQ(vq_fix_pop(&f), 1);
	CHECK_EQ(vq_fix_pop(&f), 1);
	CHECK_EQ(vq_nb_avail(&f.vq, 1), 1);
	CHECK_EQ(vq_fix_pop(&f), -EPROTO);
	vq_fix_close(&f);
}

int
main(void)
{
	RUN(shapes_of_the_ring);
	RUN(shapes_of_tables);
	RUN(length_saturates);
	RUN(full_ring_is_no_jump);
	RUN(rewind_is_exact);
	RUN(handed_back_in_any_order);
	RUN(nb_avail_looks_when_needed);
	return 0;
}
