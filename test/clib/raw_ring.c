/* SPDX-License-Identifier: BSD-3-Clause */
#include "raw_ring.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

void
raw_ring_create(struct raw_ring *r, uint32_t size, bool event_idx, uint16_t start_idx)
{
	*r = (struct raw_ring){.size = size, .event_idx = event_idx};
	r->mem0 = calloc(1, RAW_RING_MEM0_LEN);
	r->mem1 = calloc(1, RAW_RING_MEM1_LEN);
	CHECK(r->mem0 != NULL && r->mem1 != NULL);
	r->mem = calloc(1, sizeof(*r->mem) + 2 * sizeof(r->mem->regions[0]));
	CHECK(r->mem != NULL);
	r->mem->nb_regions = 2;
	r->mem->regions[0] =
		(struct gmem_region){.gpa = RAW_RING_GPA0, .len = RAW_RING_MEM0_LEN, .va = r->mem0};
	r->mem->regions[1] =
		(struct gmem_region){.gpa = RAW_RING_GPA1, .len = RAW_RING_MEM1_LEN, .va = r->mem1};

	r->desc = aligned_alloc(16, 16 * size);
	r->avail = malloc(6 + 2 * size);
	r->used = malloc(6 + 8 * size);
	CHECK(r->desc != NULL && r->avail != NULL && r->used != NULL);
	memset(r->desc, 0, 16 * size);
	memset(r->avail, 0, 6 + 2 * size);
	memset(r->used, 0, 6 + 8 * size);
	r->vr = (struct vfe_vring){
		.desc = (void *)r->desc,
		.avail = (void *)r->avail,
		.used = (void *)r->used,
		.size = (uint16_t)size,
		.mask = (uint16_t)(size - 1),
		.event_idx = event_idx,
		.avail_idx = start_idx,
		.published_idx = start_idx,
		.kicked_idx = start_idx,
		.used_idx = start_idx,
		.kick_fd = -1,
		.call_fd = -1,
	};
	r->vr.avail->idx = start_idx;
	r->vr.used->idx = start_idx;
}

void
raw_ring_destroy(struct raw_ring *r)
{
	free(r->mem0);
	free(r->mem1);
	free(r->mem);
	free(r->desc);
	free(r->avail);
	free(r->used);
}

struct vq_config
raw_ring_config(const struct raw_ring *r, bool to_guest)
{
	return (struct vq_config){
		.desc = r->desc,
		.avail = r->avail,
		.used = r->used,
		.size = r->vr.size,
		.last_avail = r->vr.avail_idx,
		.used_idx = r->vr.used_idx,
		.to_guest = to_guest,
		.event_idx = r->event_idx,
		.indirect = true,
		.mem = r->mem,
	};
}

uint8_t *
raw_ring_at(const struct raw_ring *r, uint64_t gpa)
{
	if (gpa >= RAW_RING_GPA1) {
		CHECK(gpa - RAW_RING_GPA1 < RAW_RING_MEM1_LEN);
		return r->mem1 + (gpa - RAW_RING_GPA1);
	}
	CHECK(gpa >= RAW_RING_GPA0 && gpa - RAW_RING_GPA0 < RAW_RING_MEM0_LEN);
	return r->mem0 + (gpa - RAW_RING_GPA0);
}

void
raw_ring_put_desc(uint8_t *table, uint32_t idx, struct vfe_vring_desc desc)
{
	memcpy(table + sizeof(desc) * (size_t)idx, &desc, sizeof(desc));
}

void
raw_ring_offer(struct raw_ring *r, uint16_t head)
{
	__atomic_store_n(&r->vr.avail->ring[r->vr.avail_idx % r->size], head, __ATOMIC_SEQ_CST);
	r->vr.avail_idx++;
}

void
raw_ring_publish(struct raw_ring *r)
{
	vfe_vring_publish(&r->vr);
}

bool
raw_ring_publish_kick(struct raw_ring *r)
{
	uint16_t event;
	bool kick = false;

	raw_ring_publish(r);
	/* The device asks for a kick, then looks at the index: one of the two sees the other. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!r->event_idx) {
		r->vr.kicked_idx = r->vr.avail_idx;
		return !(raw_ring_used_flags(r) & VFE_USED_NO_NOTIFY);
	}
	/* Did the index move over the entry that the device named? Counted, not computed. */
	event = raw_ring_avail_event(r);
	while (r->vr.kicked_idx != r->vr.avail_idx)
		kick |= r->vr.kicked_idx++ == event;
	return kick;
}

bool
raw_ring_take(struct raw_ring *r, uint32_t *id, uint32_t *len)
{
	const struct vfe_vring_used_elem *elem = &r->vr.used->ring[r->vr.used_idx % r->size];

	if (raw_ring_used_idx(r) == r->vr.used_idx)
		return false;
	*id = elem->id;
	*len = elem->len;
	r->vr.used_idx++;
	return true;
}

uint16_t
raw_ring_used_idx(const struct raw_ring *r)
{
	return __atomic_load_n(&r->vr.used->idx, __ATOMIC_SEQ_CST);
}

uint16_t
raw_ring_used_flags(const struct raw_ring *r)
{
	return __atomic_load_n(&r->vr.used->flags, __ATOMIC_SEQ_CST);
}

uint16_t
raw_ring_avail_event(const struct raw_ring *r)
{
	const uint16_t *event = (const void *)&r->vr.used->ring[r->size];

	return __atomic_load_n(event, __ATOMIC_SEQ_CST);
}

void
raw_ring_set_used_event(struct raw_ring *r, uint16_t event)
{
	__atomic_store_n(&r->vr.avail->ring[r->size], event, __ATOMIC_SEQ_CST);
}

void
raw_ring_set_avail_flags(struct raw_ring *r, uint16_t flags)
{
	__atomic_store_n(&r->vr.avail->flags, flags, __ATOMIC_SEQ_CST);
}

void
raw_ring_set_avail_idx(struct raw_ring *r, uint16_t idx)
{
	__atomic_store_n(&r->vr.avail->idx, idx, __ATOMIC_SEQ_CST);
	/* So that raw_ring_publish() writes the true index again. */
	r->vr.published_idx = idx;
}
