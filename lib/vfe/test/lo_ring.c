/* SPDX-License-Identifier: BSD-3-Clause */
#include "lo_ring.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "lo_vhost.h"
#include "lo_packed.h"

struct desc {
	uint64_t gpa;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

static uint16_t *
u16_at(uint8_t *base, size_t off)
{
	return (uint16_t *)(void *)(base + off);
}

void
lo_ring_add_desc(const struct lo_guest *guest, struct lo_chain *chain, uint64_t gpa, uint32_t len,
	bool to_guest)
{
	const struct iovec iov = {.iov_base = lo_vhost_va(guest, gpa, len), .iov_len = len};

	assert(iov.iov_base != NULL);
	if (to_guest) {
		assert(chain->nb_in < LO_MAX_IOV);
		chain->in[chain->nb_in++] = iov;
		chain->in_len += len;
	} else {
		assert(chain->nb_out < LO_MAX_IOV && chain->nb_in == 0);
		chain->out[chain->nb_out++] = iov;
		chain->out_len += len;
	}
}

void
lo_ring_set_base(struct lo_guest *guest, struct lo_ring *ring, uint32_t base)
{
	ring->packed = guest->features & VFE_F_RING_PACKED;
	assert(ring->size <= LO_MAX_RING);
	ring->last_avail = (uint16_t)base;
	if (ring->packed)
		ring->last_avail = (uint16_t)((base & 0x7fff) | (base & 0x8000 ? 0 : ring->size));
	ring->used_idx = ring->told_idx = ring->last_avail;
}

uint32_t
lo_ring_base(const struct lo_ring *ring)
{
	if (!ring->packed)
		return ring->last_avail;
	return (ring->last_avail & (ring->size - 1)) | (ring->last_avail & ring->size ? 0 : 0x8000);
}

bool
lo_ring_pop(struct lo_guest *guest, struct lo_ring *ring, struct lo_chain *chain)
{
	const uint8_t *table = ring->desc;
	struct desc desc;
	uint16_t i;

	if (!ring->ready)
		return false;
	if (ring->packed)
		return lo_packed_pop(guest, ring, chain);
	if (__atomic_load_n(u16_at(ring->avail, 2), __ATOMIC_ACQUIRE) == ring->last_avail)
		return false;
	i = *u16_at(ring->avail, 4 + 2u * (ring->last_avail++ & (ring->size - 1)));
	chain->head = i;
	chain->nb_out = chain->nb_in = 0;
	chain->out_len = chain->in_len = 0;
	for (;;) {
		memcpy(&desc, table + 16u * i, sizeof(desc));
		if (desc.flags & 4) {
			table = lo_vhost_va(guest, desc.gpa, desc.len);
			assert(table != NULL);
			i = 0;
			continue;
		}
		lo_ring_add_desc(guest, chain, desc.gpa, desc.len, desc.flags & 2);
		if (!(desc.flags & 1))
			return true;
		i = desc.next;
	}
}

void
lo_ring_push(struct lo_ring *ring, uint16_t head, uint32_t len)
{
	const uint32_t elem[2] = {head, len};

	if (ring->packed) {
		lo_packed_push(ring, head, len);
		return;
	}
	memcpy(ring->used + 4 + 8u * (ring->used_idx & (ring->size - 1)), elem, sizeof(elem));
	__atomic_store_n(u16_at(ring->used, 2), ++ring->used_idx, __ATOMIC_RELEASE);
}

void
lo_ring_call(struct lo_guest *guest, struct lo_ring *ring)
{
	const uint64_t one = 1;
	bool wanted;

	if (!ring->ready || ring->told_idx == ring->used_idx)
		return;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (ring->packed) {
		wanted = lo_packed_call_wanted(ring);
	} else if (guest->features & VFE_F_EVENT_IDX) {
		const uint16_t event =
			__atomic_load_n(u16_at(ring->avail, 4 + 2u * ring->size), __ATOMIC_RELAXED);

		wanted = (uint16_t)(ring->used_idx - event - 1) <
			(uint16_t)(ring->used_idx - ring->told_idx);
	} else {
		wanted = !(__atomic_load_n(u16_at(ring->avail, 0), __ATOMIC_RELAXED) & 1);
	}
	ring->told_idx = ring->used_idx;
	if (wanted && ring->call_fd >= 0 && write(ring->call_fd, &one, sizeof(one)) < 0)
		return;
}

bool
lo_ring_arm(struct lo_guest *guest, struct lo_ring *ring)
{
	if (!ring->ready)
		return false;
	if (ring->packed)
		return lo_packed_arm(guest, ring);
	if (guest->features & VFE_F_EVENT_IDX)
		__atomic_store_n(u16_at(ring->used, 4 + 8u * ring->size), ring->last_avail,
			__ATOMIC_RELAXED);
	else
		__atomic_store_n(u16_at(ring->used, 0), 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(u16_at(ring->avail, 2), __ATOMIC_ACQUIRE) != ring->last_avail;
}

void
lo_ring_disarm(struct lo_guest *guest, struct lo_ring *ring)
{
	uint64_t kicks;

	if (!ring->ready)
		return;
	if (ring->packed)
		lo_packed_disarm(ring);
	else if (!(guest->features & VFE_F_EVENT_IDX))
		__atomic_store_n(u16_at(ring->used, 0), 1, __ATOMIC_RELAXED);
	if (read(ring->kick_fd, &kicks, sizeof(kicks)) < 0)
		return;
}
