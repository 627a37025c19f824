/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfe_packed.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define FLAG_AVAIL (1u << 7)
#define FLAG_USED  (1u << 15)

#define EVENT_ENABLE  0u
#define EVENT_DISABLE 1u
#define EVENT_DESC    2u

struct packed_desc {
	uint64_t gpa;
	uint32_t len;
	uint16_t id;
	uint16_t flags;
};

struct packed_event {
	uint16_t off_wrap;
	uint16_t flags;
};

static_assert(sizeof(struct packed_desc) == sizeof(struct vfe_vring_desc), "same memory");

static struct packed_desc *
ring(const struct vfe_vring *vr)
{
	return (struct packed_desc *)(void *)vr->desc;
}

/* The driver's structure is in place of the avail ring, the device's in place of the used ring. */
static struct packed_event *
driver_event(const struct vfe_vring *vr)
{
	return (struct packed_event *)(void *)vr->avail;
}

static const struct packed_event *
device_event(const struct vfe_vring *vr)
{
	return (const struct packed_event *)(const void *)vr->used;
}

static bool
wrap_of(const struct vfe_vring *vr, uint16_t idx)
{
	return !(idx & vr->size);
}

static uint16_t
off_wrap(const struct vfe_vring *vr, uint16_t idx)
{
	return (uint16_t)((idx & vr->mask) | (wrap_of(vr, idx) ? 1u << 15 : 0));
}

static uint16_t
avail_flags(const struct vfe_vring *vr, uint16_t idx)
{
	return wrap_of(vr, idx) ? FLAG_AVAIL : FLAG_USED;
}

void
vfe_packed_reset(struct vfe_vring *vr)
{
	memset(vr->desc, 0, sizeof(*vr->desc) * vr->size);
	vr->nb_chains = vr->nb_new_chains = 0;
}

static void
fill_table(struct vfe_vring *vr, uint16_t id, const struct vfe_seg *segs, unsigned int nb_segs)
{
	struct packed_desc *table =
		(struct packed_desc *)(void *)&vr->indirect[(uint32_t)id * VFE_VRING_MAX_SEGS];
	unsigned int i;

	for (i = 0; i < nb_segs; i++) {
		table[i] = (struct packed_desc){
			.gpa = segs[i].gpa,
			.len = segs[i].len,
			.flags = segs[i].to_guest ? VFE_DESC_WRITE : 0,
		};
	}
}

/* The flags of the first new descriptor make all new ones visible: store them last. */
static void
set_flags(struct vfe_vring *vr, uint16_t idx, uint16_t flags)
{
	if (idx == vr->published_idx)
		vr->first_flags = flags;
	else
		ring(vr)[idx & vr->mask].flags = flags;
}

int
vfe_packed_add(struct vfe_vring *vr, const struct vfe_seg *segs, unsigned int nb_segs,
	uint32_t cookie, bool indirect)
{
	const unsigned int nb_desc = indirect ? 1 : nb_segs;
	const uint16_t id = vr->free_head;
	unsigned int i;

	assert(nb_segs > 0 && nb_segs <= VFE_VRING_MAX_SEGS);
	assert(!indirect || vr->indirect != NULL);
	if (nb_desc > vr->nb_free)
		return -ENOSPC;
	if (indirect)
		fill_table(vr, id, segs, nb_segs);
	for (i = 0; i < nb_desc; i++, vr->avail_idx++) {
		struct packed_desc *desc = &ring(vr)[vr->avail_idx & vr->mask];
		uint16_t flags = avail_flags(vr, vr->avail_idx);

		desc->id = id;
		if (indirect) {
			desc->gpa = vr->indirect_gpa +
				(uint64_t)id * VFE_VRING_MAX_SEGS * sizeof(*desc);
			desc->len = (uint32_t)(nb_segs * sizeof(*desc));
			flags |= VFE_DESC_INDIRECT;
		} else {
			desc->gpa = segs[i].gpa;
			desc->len = segs[i].len;
			flags |= (segs[i].to_guest ? VFE_DESC_WRITE : 0) |
				(i + 1 < nb_desc ? VFE_DESC_NEXT : 0);
		}
		set_flags(vr, vr->avail_idx, flags);
	}
	vr->free_head = vr->next[id];
	vr->nb_free = (uint16_t)(vr->nb_free - nb_desc);
	vr->heads[id] = (struct vfe_vring_head){.cookie = cookie, .nb_desc = (uint16_t)nb_desc};
	vr->nb_new_chains++;
	vr->stats.nb_added++;
	return 0;
}

void
vfe_packed_publish(struct vfe_vring *vr)
{
	/* Pairs with the device's acquire of these flags. */
	__atomic_store_n(
		&ring(vr)[vr->published_idx & vr->mask].flags, vr->first_flags, __ATOMIC_RELEASE);
	vr->published_idx = vr->avail_idx;
	vr->nb_chains = (uint16_t)(vr->nb_chains + vr->nb_new_chains);
	vr->nb_new_chains = 0;
}

bool
vfe_packed_kick_wanted(const struct vfe_vring *vr, uint16_t old_idx, uint16_t new_idx)
{
	const uint16_t flags = __atomic_load_n(&device_event(vr)->flags, __ATOMIC_ACQUIRE);
	const uint16_t place = new_idx & vr->mask;
	uint16_t event;

	if (flags != EVENT_DESC)
		return flags == EVENT_ENABLE;
	event = __atomic_load_n(&device_event(vr)->off_wrap, __ATOMIC_RELAXED);
	/* The event is in the previous lap. */
	if ((event >> 15) != wrap_of(vr, new_idx))
		event = (uint16_t)((event & 0x7fff) - vr->size);
	else
		event &= 0x7fff;
	return (uint16_t)(place - event - 1) < (uint16_t)(new_idx - old_idx);
}

static bool
is_used(const struct vfe_vring *vr, uint16_t idx)
{
	/* Pairs with the device's release of the flags. */
	const uint16_t flags = __atomic_load_n(&ring(vr)[idx & vr->mask].flags, __ATOMIC_ACQUIRE);
	const bool avail = flags & FLAG_AVAIL, used = flags & FLAG_USED;

	return avail == used && used == wrap_of(vr, idx);
}

uint16_t
vfe_packed_nb_used(const struct vfe_vring *vr)
{
	return vr->used_idx != vr->published_idx && is_used(vr, vr->used_idx);
}

int
vfe_packed_get(struct vfe_vring *vr, uint32_t *cookie, uint32_t *len)
{
	const struct packed_desc *desc = &ring(vr)[vr->used_idx & vr->mask];
	struct vfe_vring_head *head;
	uint16_t id;

	if (vfe_packed_nb_used(vr) == 0)
		return 0;
	id = desc->id;
	if (id >= vr->size || vr->heads[id].nb_desc == 0) {
		vr->used_idx++;
		vr->stats.nb_bad_used++;
		return -EPROTO;
	}
	head = &vr->heads[id];
	*cookie = head->cookie;
	*len = desc->len;
	vr->used_idx = (uint16_t)(vr->used_idx + head->nb_desc);
	vr->nb_free = (uint16_t)(vr->nb_free + head->nb_desc);
	vr->next[id] = vr->free_head;
	vr->free_head = id;
	head->nb_desc = 0;
	vr->nb_chains--;
	vr->stats.nb_used++;
	return 1;
}

void
vfe_packed_want_calls(struct vfe_vring *vr, bool wanted)
{
	struct packed_event *event = driver_event(vr);
	uint16_t flags = wanted ? EVENT_ENABLE : EVENT_DISABLE;

	if (wanted && vr->event_idx) {
		__atomic_store_n(&event->off_wrap, off_wrap(vr, vr->used_idx), __ATOMIC_RELAXED);
		flags = EVENT_DESC;
	}
	__atomic_store_n(&event->flags, flags, __ATOMIC_RELEASE);
}

uint16_t
vfe_packed_base(const struct vfe_vring *vr)
{
	uint16_t idx = vr->used_idx;

	while (idx != vr->published_idx && is_used(vr, idx)) {
		const uint16_t id = ring(vr)[idx & vr->mask].id;

		if (id >= vr->size || vr->heads[id].nb_desc == 0)
			break;
		idx = (uint16_t)(idx + vr->heads[id].nb_desc);
	}
	return off_wrap(vr, idx);
}
