/* SPDX-License-Identifier: BSD-3-Clause */

/* The front end's parts that need no device: shapes, layouts, credit, the pattern, the ring. */

#include <errno.h>
#include <string.h>

#include "check.h"
#include "vfe.h"

static void
test_shape_parse(void)
{
	static const char *const bad[] = {"", "+", "44+", "+44", "x", "44+*+1", "*4096", "0",
		"44+0*", "4096 ", "-1", "1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1", "99999999999"};
	struct vfe_shape shape;
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(vfe_shape_parse(bad[i], &shape), -EINVAL);
	CHECK_EQ(vfe_shape_parse("*", &shape), 0);
	CHECK_EQ(shape.nb_fixed, 0);
	CHECK_EQ(shape.rest, UINT32_MAX);
	CHECK_EQ(vfe_shape_parse("20+24+512*", &shape), 0);
	CHECK_EQ(shape.nb_fixed, 2);
	CHECK_EQ(shape.fixed[1], 24);
	CHECK_EQ(shape.rest, 512);
	CHECK_EQ(vfe_shape_parse("4096", &shape), 0);
	CHECK_EQ(shape.rest, 0);
}

static void
test_layout(void)
{
	uint8_t slot[4096], out[600];
	struct vfe_layout layout;
	struct vfe_shape shape;
	uint8_t in[600];
	unsigned int i;

	CHECK_EQ(vfe_shape_parse("20+24+100*", &shape), 0);
	CHECK_EQ(vfe_layout_make(&layout, &shape, 300), 0);
	CHECK_EQ(layout.nb_segs, 5);
	CHECK_EQ(layout.cap[4], 56);
	CHECK_EQ(layout.total_len, 300);
	for (i = 1; i < layout.nb_segs; i++)
		CHECK(layout.pos[i] > layout.pos[i - 1] + layout.cap[i - 1]);
	CHECK(layout.slot_len >= layout.pos[4] + layout.cap[4]);

	memset(slot, 0, sizeof(slot));
	vfe_pattern_fill(1, 0, in, 300);
	for (i = 0; i < 300; i += 7)
		vfe_layout_write(&layout, slot, i, in + i, i + 7 > 300 ? 300 - i : 7);
	vfe_layout_read(&layout, slot, 0, out, 300);
	CHECK(memcmp(in, out, 300) == 0);
	vfe_layout_read(&layout, slot, 19, out, 130);
	CHECK(memcmp(in + 19, out, 130) == 0);
	CHECK_EQ(slot[layout.pos[0] + layout.cap[0]], 0);

	CHECK_EQ(vfe_shape_parse("43", &shape), 0);
	CHECK_EQ(vfe_layout_make(&layout, &shape, 0), -EINVAL);
	CHECK_EQ(vfe_shape_parse("44+16*", &shape), 0);
	CHECK_EQ(vfe_layout_make(&layout, &shape, 65536), -E2BIG);
}

static void
test_credit(void)
{
	CHECK_EQ(vfe_credit(1000, 0, 0), 1000);
	CHECK_EQ(vfe_credit(1000, 400, 100), 700);
	CHECK_EQ(vfe_credit(1000, 1000, 0), 0);
	CHECK_EQ(vfe_credit(100, 1000, 0), 0);
	CHECK_EQ(vfe_credit(0, 0, 0), 0);
	CHECK_EQ(vfe_credit(1000, 200, UINT32_MAX - 99), 700);
	CHECK_EQ(vfe_credit(UINT32_MAX, 0, 0), UINT32_MAX);
}

static void
test_pattern(void)
{
	uint8_t whole[777], part[777];
	uint32_t i, n;

	vfe_pattern_fill(9, 1000003, whole, sizeof(whole));
	for (i = 0; i < sizeof(whole); i += n) {
		n = 1 + i % 29;
		if (n > sizeof(whole) - i)
			n = (uint32_t)sizeof(whole) - i;
		vfe_pattern_fill(9, 1000003 + i, part + i, n);
	}
	CHECK(memcmp(whole, part, sizeof(whole)) == 0);
	CHECK_EQ(vfe_pattern_check(9, 1000003, whole, sizeof(whole)), sizeof(whole));
	CHECK(vfe_pattern_check(9, 1000004, whole, sizeof(whole)) < 16);
	CHECK(vfe_pattern_check(10, 1000003, whole, sizeof(whole)) < 16);
	for (i = 0; i < sizeof(whole); i++) {
		whole[i] ^= 1;
		CHECK_EQ(vfe_pattern_check(9, 1000003, whole, sizeof(whole)), i);
		whole[i] ^= 1;
	}
}

/* A device of a few lines that gives back what it is told. */
static void
device_use(struct vfe_vring *vr, uint32_t id, uint32_t len)
{
	vr->used->ring[vr->used->idx & vr->mask] = (struct vfe_vring_used_elem){id, len};
	__atomic_store_n(&vr->used->idx, (uint16_t)(vr->used->idx + 1), __ATOMIC_RELEASE);
}

static void
test_vring(bool event_idx, bool indirect)
{
	const struct vfe_vring_conf conf = {
		.size = 8, .event_idx = event_idx, .indirect = indirect};
	const struct vfe_seg segs[3] = {
		{.gpa = 1, .len = 2}, {.gpa = 3, .len = 4}, {.gpa = 5, .len = 6, .to_guest = true}};
	struct vfe_mem mem = {0};
	uint32_t cookie, len, i;
	struct vfe_vring vr;

	CHECK_EQ(vfe_mem_add(&mem, 1 << 20, vfe_vring_mem_len(&conf)), 0);
	CHECK_EQ(vfe_vring_init(&vr, &mem, &conf), 0);
	/* Far more often than the indices can count without a wrap. */
	for (i = 0; i < 70000; i++) {
		uint16_t head;

		CHECK_EQ(vfe_vring_add(&vr, segs, 3, i, indirect), 0);
		CHECK_EQ(vfe_vring_add(&vr, segs, 3, i + 1, indirect), 0);
		if (!indirect)
			CHECK_EQ(vfe_vring_add(&vr, segs, 3, 0, false), -ENOSPC);
		CHECK_EQ(vfe_vring_nb_held(&vr), 0);
		vfe_vring_publish(&vr);
		CHECK_EQ(vfe_vring_nb_held(&vr), 2);
		head = vr.avail->ring[(uint16_t)(2 * i + 1) & 7];
		if (indirect) {
			CHECK_EQ(vr.desc[head].flags, VFE_DESC_INDIRECT);
			CHECK_EQ(vr.desc[head].len, 48);
		} else {
			CHECK_EQ(vr.desc[head].flags, VFE_DESC_NEXT);
			CHECK_EQ(vr.desc[vr.desc[vr.desc[head].next].next].flags, VFE_DESC_WRITE);
		}
		CHECK_EQ(vfe_vring_get(&vr, &cookie, &len), 0);
		device_use(&vr, head, 77);
		CHECK_EQ(vfe_vring_get(&vr, &cookie, &len), 1);
		CHECK_EQ(cookie, i + 1);
		CHECK_EQ(len, 77);
		device_use(&vr, head, 0);
		CHECK_EQ(vfe_vring_get(&vr, &cookie, &len), -EPROTO);
		/* The refused element moved the device's index: undo it for the next round. */
		vr.used->idx--;
		vr.used_idx--;
		device_use(&vr, vr.avail->ring[(uint16_t)(2 * i) & 7], 0);
		CHECK_EQ(vfe_vring_get(&vr, &cookie, &len), 1);
		CHECK_EQ(cookie, i);
		CHECK_EQ(vr.nb_free, 8);
	}
	device_use(&vr, 8, 0);
	CHECK_EQ(vfe_vring_get(&vr, &cookie, &len), -EPROTO);
	vfe_vring_fini(&vr);
	vfe_mem_free(&mem);
}

struct packed_desc {
	uint64_t gpa;
	uint32_t len;
	uint16_t id;
	uint16_t flags;
};

/* The same for a packed ring; the place is the one that the specification says is next. */
static void
packed_use(struct vfe_vring *vr, uint32_t place, bool wrap, uint16_t id, uint32_t len)
{
	struct packed_desc *desc = (struct packed_desc *)(void *)vr->desc + place;

	desc->id = id;
	desc->len = len;
	__atomic_store_n(&desc->flags, wrap ? 0x8080 : 0, __ATOMIC_RELEASE);
}

static void
test_packed(bool indirect)
{
	const struct vfe_vring_conf conf = {.size = 8, .packed = true, .indirect = indirect};
	const struct vfe_seg segs[3] = {
		{.gpa = 1, .len = 2}, {.gpa = 3, .len = 4}, {.gpa = 5, .len = 6, .to_guest = true}};
	const uint32_t nb_desc = indirect ? 1 : 3;
	struct vfe_mem mem = {0};
	uint32_t cookie, len, i, place = 0;
	struct vfe_vring vr;
	bool wrap = true;

	CHECK_EQ(vfe_mem_add(&mem, 1 << 20, vfe_vring_mem_len(&conf)), 0);
	CHECK_EQ(vfe_vring_init(&vr, &mem, &conf), 0);
	CHECK_EQ(vfe_vring_base(&vr), 0x8000);
	for (i = 0; i < 70000; i++) {
		struct packed_desc *first = (struct packed_desc *)(void *)vr.desc + place, *last;
		const uint16_t before = first->flags;

		CHECK_EQ(vfe_vring_add(&vr, segs, 3, i, indirect), 0);
		/* Nothing shows before the publication, in whichever lap. */
		CHECK_EQ(first->flags, before);
		CHECK_EQ(vfe_vring_nb_held(&vr), 0);
		vfe_vring_publish(&vr);
		CHECK_EQ(vfe_vring_nb_held(&vr), 1);
		CHECK_EQ(first->flags & 0x8080, wrap ? 0x80 : 0x8000);
		CHECK_EQ(first->flags & 7, indirect ? VFE_DESC_INDIRECT : VFE_DESC_NEXT);
		last = (struct packed_desc *)(void *)vr.desc + (place + nb_desc - 1) % 8;
		CHECK_EQ(last->flags & 0x8080, wrap == (place + nb_desc <= 8) ? 0x80 : 0x8000);
		CHECK_EQ(vfe_vring_get(&vr, &cookie, &len), 0);
		packed_use(&vr, place, wrap, last->id, 77);
		CHECK_EQ(vfe_vring_nb_used(&vr), 1);
		place += nb_desc;
		if (place >= 8) {
			place -= 8;
			wrap = !wrap;
		}
		CHECK_EQ(vfe_vring_base(&vr), place | (wrap ? 0x8000 : 0));
		CHECK_EQ(vfe_vring_get(&vr, &cookie, &len), 1);
		CHECK_EQ(cookie, i);
		CHECK_EQ(len, 77);
		CHECK_EQ(vr.nb_free, 8);
	}
	CHECK_EQ(vfe_vring_add(&vr, segs, 3, 5, indirect), 0);
	CHECK_EQ(vfe_vring_add(&vr, segs, 3, 6, indirect), 0);
	if (!indirect)
		CHECK_EQ(vfe_vring_add(&vr, segs, 3, 7, false), -ENOSPC);
	vfe_vring_publish(&vr);
	packed_use(&vr, place, wrap, 8, 0);
	CHECK_EQ(vfe_vring_get(&vr, &cookie, &len), -EPROTO);
	vfe_vring_fini(&vr);
	vfe_mem_free(&mem);
}

/* Kicks and calls by the place in the ring, over the end of it. */
static void
test_packed_notifications(void)
{
	const struct vfe_vring_conf conf = {.size = 4, .packed = true, .event_idx = true};
	const struct vfe_seg seg = {.gpa = 1, .len = 2};
	struct vfe_mem mem = {0};
	uint16_t *device, *driver;
	uint32_t cookie, len, i;
	struct vfe_vring vr;

	CHECK_EQ(vfe_mem_add(&mem, 0, vfe_vring_mem_len(&conf)), 0);
	CHECK_EQ(vfe_vring_init(&vr, &mem, &conf), 0);
	device = (uint16_t *)(void *)vr.used;
	driver = (uint16_t *)(void *)vr.avail;
	for (i = 0; i < 64; i++) {
		const bool lap = !(i & 4);

		/* Asked for exactly this place, for the one behind, for all, for none. */
		device[0] = (uint16_t)(i % 4 | (lap ? 0x8000 : 0));
		device[1] = 2;
		if (i % 3 == 1)
			device[0] = (uint16_t)((i + 1) % 4 | (!((i + 1) & 4) ? 0x8000 : 0));
		if (i % 7 == 3)
			device[1] = i & 1;
		vfe_vring_add(&vr, &seg, 1, i, false);
		vfe_vring_publish(&vr);
		CHECK_EQ(vfe_vring_kick(&vr), i % 7 == 3 ? !(i & 1) : i % 3 != 1);
		CHECK(!vfe_vring_enable_calls(&vr));
		CHECK_EQ(driver[0], i % 4 | (lap ? 0x8000 : 0));
		CHECK_EQ(driver[1], 2);
		packed_use(&vr, i % 4, lap, ((struct packed_desc *)(void *)vr.desc)[i % 4].id, 0);
		CHECK(vfe_vring_enable_calls(&vr));
		vfe_vring_disable_calls(&vr);
		CHECK_EQ(driver[1], 1);
		CHECK_EQ(vfe_vring_get(&vr, &cookie, &len), 1);
		CHECK_EQ(cookie, i);
	}
	vfe_vring_fini(&vr);
	vfe_mem_free(&mem);
}

static void
test_notifications(void)
{
	const struct vfe_vring_conf conf = {.size = 4, .event_idx = true};
	const struct vfe_seg seg = {.gpa = 1, .len = 2};
	struct vfe_mem mem = {0};
	uint16_t *avail_event;
	struct vfe_vring vr;

	CHECK_EQ(vfe_mem_add(&mem, 0, vfe_vring_mem_len(&conf)), 0);
	CHECK_EQ(vfe_vring_init(&vr, &mem, &conf), 0);
	avail_event = (uint16_t *)(void *)&vr.used->ring[4];
	CHECK(!vfe_vring_kick(&vr));
	CHECK_EQ(vfe_vring_add(&vr, &seg, 1, 0, false), 0);
	CHECK(!vfe_vring_kick(&vr));
	vfe_vring_publish(&vr);
	CHECK(vfe_vring_kick(&vr));
	CHECK(!vfe_vring_kick(&vr));
	/* The device asks for a kick behind entry 2: entry 1 gives none. */
	*avail_event = 2;
	vfe_vring_add(&vr, &seg, 1, 0, false);
	vfe_vring_publish(&vr);
	CHECK(!vfe_vring_kick(&vr));
	vfe_vring_add(&vr, &seg, 1, 0, false);
	vfe_vring_publish(&vr);
	CHECK(vfe_vring_kick(&vr));
	CHECK_EQ(vr.stats.nb_kicks, 2);

	CHECK(!vfe_vring_enable_calls(&vr));
	CHECK_EQ(vr.avail->ring[4], 0);
	device_use(&vr, 0, 0);
	CHECK(vfe_vring_enable_calls(&vr));
	vfe_vring_disable_calls(&vr);
	CHECK_EQ(vr.avail->ring[4], UINT16_MAX);
	vfe_vring_fini(&vr);
	vfe_mem_free(&mem);
}

int
main(void)
{
	unsigned int i;

	test_shape_parse();
	test_layout();
	test_credit();
	test_pattern();
	for (i = 0; i < 4; i++)
		test_vring(i & 1, i & 2);
	test_notifications();
	test_packed(false);
	test_packed(true);
	test_packed_notifications();
	return 0;
}
