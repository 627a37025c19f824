/* SPDX-License-Identifier: BSD-3-Clause */
#include "lo_packed.h"

#include <assert.h>
#include <string.h>

#include "lo_vhost.h"
#include "lo_ring.h"

struct packed_desc {
	uint64_t gpa;
	uint32_t len;
	uint16_t id;
	uint16_t flags;
};

/* The driver made the entry available: both bits differ, and avail is that of the lap. */
static bool
is_avail(const struct lo_ring *ring, uint16_t idx)
{
	const uint16_t *flags =
		(const uint16_t *)(const void *)(ring->desc + 16u * (idx & (ring->size - 1)) + 14);
	const uint16_t value = __atomic_load_n(flags, __ATOMIC_ACQUIRE);
	const bool lap = !(idx & ring->size);

	return !!(value & 0x80) == lap && !!(value & 0x8000) != lap;
}

static void
pop_table(struct lo_guest *guest, const struct packed_desc *head, struct lo_chain *chain)
{
	const uint8_t *table = lo_vhost_va(guest, head->gpa, head->len);
	struct packed_desc desc;
	uint32_t off;

	assert(table != NULL && head->len % 16 == 0);
	for (off = 0; off < head->len; off += 16) {
		memcpy(&desc, table + off, sizeof(desc));
		lo_ring_add_desc(guest, chain, desc.gpa, desc.len, desc.flags & 2);
	}
}

bool
lo_packed_pop(struct lo_guest *guest, struct lo_ring *ring, struct lo_chain *chain)
{
	struct packed_desc desc;
	uint16_t nb = 0;

	if (!is_avail(ring, ring->last_avail))
		return false;
	chain->nb_out = chain->nb_in = 0;
	chain->out_len = chain->in_len = 0;
	do {
		memcpy(&desc, ring->desc + 16u * (ring->last_avail & (ring->size - 1)), 16);
		if (desc.flags & 4)
			pop_table(guest, &desc, chain);
		else
			lo_ring_add_desc(guest, chain, desc.gpa, desc.len, desc.flags & 2);
		ring->last_avail++;
		nb++;
	} while (desc.flags & 1);
	/* The id of the last descriptor is the chain's. */
	assert(desc.id < LO_MAX_RING);
	chain->head = desc.id;
	ring->nb_desc[desc.id] = nb;
	return true;
}

void
lo_packed_push(struct lo_ring *ring, uint16_t id, uint32_t len)
{
	uint8_t *at = ring->desc + 16u * (ring->used_idx & (ring->size - 1));
	const bool lap = !(ring->used_idx & ring->size);

	memcpy(at + 8, &len, sizeof(len));
	memcpy(at + 12, &id, sizeof(id));
	__atomic_store_n(
		(uint16_t *)(void *)(at + 14), (uint16_t)(lap ? 0x8080 : 0), __ATOMIC_RELEASE);
	ring->used_idx = (uint16_t)(ring->used_idx + (id < ring->size ? ring->nb_desc[id] : 1));
}

bool
lo_packed_call_wanted(const struct lo_ring *ring)
{
	const uint16_t *event = (const uint16_t *)(const void *)ring->avail;
	const uint16_t flags = __atomic_load_n(&event[1], __ATOMIC_ACQUIRE);
	const uint16_t at = __atomic_load_n(&event[0], __ATOMIC_RELAXED);
	uint32_t idx;

	if (flags != 2)
		return flags == 0;
	/* Was the place passed since the last time? */
	for (idx = 1; idx <= (uint16_t)(ring->used_idx - ring->told_idx); idx++) {
		const uint16_t passed = (uint16_t)(ring->used_idx - idx);
		const uint16_t lap = passed & ring->size ? 0 : 0x8000;

		if (((passed & (ring->size - 1)) | lap) == at)
			return true;
	}
	return false;
}

bool
lo_packed_arm(const struct lo_guest *guest, struct lo_ring *ring)
{
	uint16_t *event = (uint16_t *)(void *)ring->used;
	const uint16_t idx = ring->last_avail;
	const uint16_t lap = !(idx & ring->size) ? 0x8000 : 0;
	const bool by_place = guest->features & VFE_F_EVENT_IDX;

	__atomic_store_n(&event[0], (uint16_t)((idx & (ring->size - 1)) | lap), __ATOMIC_RELAXED);
	__atomic_store_n(&event[1], by_place ? 2 : 0, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return is_avail(ring, idx);
}

void
lo_packed_disarm(struct lo_ring *ring)
{
	__atomic_store_n((uint16_t *)(void *)(ring->used + 2), 1, __ATOMIC_RELEASE);
}
