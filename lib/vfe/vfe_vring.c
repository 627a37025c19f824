/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfe_vring.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vfe_packed.h"

#define RING_ALIGN 64u

static_assert(sizeof(struct vfe_vring_desc) == 16, "descriptor as in guest memory");
static_assert(sizeof(struct vfe_vring_used_elem) == 8, "used element as in guest memory");

static uint64_t
desc_len(const struct vfe_vring_conf *conf)
{
	return sizeof(struct vfe_vring_desc) * conf->size;
}

static uint64_t
avail_len(const struct vfe_vring_conf *conf)
{
	return sizeof(struct vfe_vring_avail) + sizeof(uint16_t) * (conf->size + 1u);
}

static uint64_t
used_len(const struct vfe_vring_conf *conf)
{
	return sizeof(struct vfe_vring_used) + sizeof(struct vfe_vring_used_elem) * conf->size +
		sizeof(uint16_t);
}

static uint64_t
indirect_len(const struct vfe_vring_conf *conf)
{
	return conf->indirect ? desc_len(conf) * VFE_VRING_MAX_SEGS : 0;
}

uint64_t
vfe_vring_mem_len(const struct vfe_vring_conf *conf)
{
	return desc_len(conf) + avail_len(conf) + used_len(conf) + indirect_len(conf) +
		4 * RING_ALIGN;
}

static uint16_t *
used_event(const struct vfe_vring *vr)
{
	return &vr->avail->ring[vr->size];
}

static const uint16_t *
avail_event(const struct vfe_vring *vr)
{
	return (const uint16_t *)(const void *)&vr->used->ring[vr->size];
}

int
vfe_vring_init(struct vfe_vring *vr, struct vfe_mem *mem, const struct vfe_vring_conf *conf)
{
	const unsigned int region = conf->region;

	*vr = (struct vfe_vring){.kick_fd = -1, .call_fd = -1};
	if (conf->size == 0 || conf->size > VFE_VRING_MAX_SIZE || conf->size & (conf->size - 1))
		return -EINVAL;
	vr->size = conf->size;
	vr->mask = (uint16_t)(conf->size - 1);
	vr->event_idx = conf->event_idx;
	vr->packed = conf->packed;
	vr->desc = vfe_mem_alloc(mem, region, desc_len(conf), RING_ALIGN);
	vr->avail = vfe_mem_alloc(mem, region, avail_len(conf), RING_ALIGN);
	vr->used = vfe_mem_alloc(mem, region, used_len(conf), RING_ALIGN);
	if (vr->desc == NULL || vr->avail == NULL || vr->used == NULL)
		return -ENOMEM;
	if (conf->indirect) {
		vr->indirect = vfe_mem_alloc(mem, region, indirect_len(conf), RING_ALIGN);
		if (vr->indirect == NULL)
			return -ENOMEM;
		vr->indirect_gpa = vfe_mem_gpa(mem, vr->indirect);
	}
	vr->heads = calloc(vr->size, sizeof(*vr->heads));
	vr->next = calloc(vr->size, sizeof(*vr->next));
	if (vr->heads == NULL || vr->next == NULL) {
		vfe_vring_fini(vr);
		return -ENOMEM;
	}
	vr->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	vr->call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (vr->kick_fd < 0 || vr->call_fd < 0) {
		const int rc = -errno;

		vfe_vring_fini(vr);
		return rc;
	}
	vfe_vring_reset(vr);
	return 0;
}

void
vfe_vring_fini(struct vfe_vring *vr)
{
	if (vr->kick_fd >= 0)
		close(vr->kick_fd);
	if (vr->call_fd >= 0)
		close(vr->call_fd);
	free(vr->heads);
	free(vr->next);
	*vr = (struct vfe_vring){.kick_fd = -1, .call_fd = -1};
}

void
vfe_vring_reset(struct vfe_vring *vr)
{
	uint16_t i;

	memset(vr->heads, 0, sizeof(*vr->heads) * vr->size);
	memset(vr->avail, 0, sizeof(*vr->avail) + sizeof(uint16_t) * (vr->size + 1u));
	memset(vr->used, 0, sizeof(*vr->used) + sizeof(vr->used->ring[0]) * vr->size + 2);
	for (i = 0; i < vr->size; i++)
		vr->next[i] = (uint16_t)((i + 1) & vr->mask);
	vr->free_head = 0;
	vr->nb_free = vr->size;
	vr->avail_idx = vr->published_idx = vr->kicked_idx = vr->used_idx = 0;
	if (vr->packed)
		vfe_packed_reset(vr);
	vfe_vring_disable_calls(vr);
}

static void
fill_desc(struct vfe_vring_desc *desc, const struct vfe_seg *seg, bool last, uint16_t next)
{
	desc->gpa = seg->gpa;
	desc->len = seg->len;
	desc->flags = (uint16_t)((seg->to_guest ? VFE_DESC_WRITE : 0) | (last ? 0 : VFE_DESC_NEXT));
	desc->next = last ? 0 : next;
}

static void
fill_indirect(struct vfe_vring *vr, uint16_t head, const struct vfe_seg *segs, unsigned int nb_segs)
{
	struct vfe_vring_desc *table = &vr->indirect[(uint32_t)head * VFE_VRING_MAX_SEGS];
	unsigned int i;

	for (i = 0; i < nb_segs; i++)
		fill_desc(&table[i], &segs[i], i + 1 == nb_segs, (uint16_t)(i + 1));
	vr->desc[head] = (struct vfe_vring_desc){
		.gpa = vr->indirect_gpa + (uintptr_t)table - (uintptr_t)vr->indirect,
		.len = (uint32_t)(nb_segs * sizeof(*table)),
		.flags = VFE_DESC_INDIRECT,
	};
}

int
vfe_vring_add(struct vfe_vring *vr, const struct vfe_seg *segs, unsigned int nb_segs,
	uint32_t cookie, bool indirect)
{
	const unsigned int nb_desc = indirect ? 1 : nb_segs;
	const uint16_t head = vr->free_head;
	uint16_t last = head;

	if (vr->packed)
		return vfe_packed_add(vr, segs, nb_segs, cookie, indirect);
	assert(nb_segs > 0 && nb_segs <= VFE_VRING_MAX_SEGS);
	assert(!indirect || vr->indirect != NULL);
	if (nb_desc > vr->nb_free)
		return -ENOSPC;
	if (indirect) {
		fill_indirect(vr, head, segs, nb_segs);
	} else {
		unsigned int i;

		for (i = 0; i < nb_segs; i++) {
			if (i > 0)
				last = vr->next[last];
			fill_desc(&vr->desc[last], &segs[i], i + 1 == nb_segs, vr->next[last]);
		}
	}
	vr->free_head = vr->next[last];
	vr->nb_free = (uint16_t)(vr->nb_free - nb_desc);
	vr->heads[head] = (struct vfe_vring_head){
		.cookie = cookie, .nb_desc = (uint16_t)nb_desc, .last = last};
	vr->avail->ring[vr->avail_idx++ & vr->mask] = head;
	vr->stats.nb_added++;
	return 0;
}

void
vfe_vring_publish(struct vfe_vring *vr)
{
	if (vr->published_idx == vr->avail_idx)
		return;
	if (vr->packed) {
		vfe_packed_publish(vr);
		return;
	}
	/* Pairs with the device's acquire of the avail index. */
	__atomic_store_n(&vr->avail->idx, vr->avail_idx, __ATOMIC_RELEASE);
	vr->published_idx = vr->avail_idx;
}

void
vfe_vring_kick_always(struct vfe_vring *vr)
{
	const uint64_t one = 1;
	ssize_t n;

	/* A full counter (EAGAIN) still wakes the device, so nothing is lost. */
	n = write(vr->kick_fd, &one, sizeof(one));
	(void)n;
	vr->stats.nb_kicks++;
}

bool
vfe_vring_kick(struct vfe_vring *vr)
{
	const uint16_t old_idx = vr->kicked_idx;
	const uint16_t new_idx = vr->published_idx;
	bool wanted;

	if (old_idx == new_idx)
		return false;
	vr->kicked_idx = new_idx;
	/*
	 * The device asks for a kick, then reads the avail index again. Publish the index before
	 * reading whether the device wants a kick: one of the two then sees the other's write.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (vr->packed) {
		wanted = vfe_packed_kick_wanted(vr, old_idx, new_idx);
	} else if (vr->event_idx) {
		const uint16_t event = __atomic_load_n(avail_event(vr), __ATOMIC_RELAXED);

		wanted = (uint16_t)(new_idx - event - 1) < (uint16_t)(new_idx - old_idx);
	} else {
		wanted =
			!(__atomic_load_n(&vr->used->flags, __ATOMIC_RELAXED) & VFE_USED_NO_NOTIFY);
	}
	if (wanted)
		vfe_vring_kick_always(vr);
	else
		vr->stats.nb_no_kicks++;
	return wanted;
}

uint16_t
vfe_vring_nb_used(const struct vfe_vring *vr)
{
	uint16_t idx;

	if (vr->packed)
		return vfe_packed_nb_used(vr);
	/* Pairs with the device's release of the used index. */
	idx = __atomic_load_n(&vr->used->idx, __ATOMIC_ACQUIRE);
	return (uint16_t)(idx - vr->used_idx);
}

int
vfe_vring_get(struct vfe_vring *vr, uint32_t *cookie, uint32_t *len)
{
	struct vfe_vring_used_elem elem;
	struct vfe_vring_head *head;

	if (vr->packed)
		return vfe_packed_get(vr, cookie, len);
	if (vfe_vring_nb_used(vr) == 0)
		return 0;
	elem = vr->used->ring[vr->used_idx++ & vr->mask];
	if (elem.id >= vr->size || vr->heads[elem.id].nb_desc == 0) {
		vr->stats.nb_bad_used++;
		return -EPROTO;
	}
	head = &vr->heads[elem.id];
	*cookie = head->cookie;
	*len = elem.len;
	vr->next[head->last] = vr->free_head;
	vr->free_head = (uint16_t)elem.id;
	vr->nb_free = (uint16_t)(vr->nb_free + head->nb_desc);
	head->nb_desc = 0;
	vr->stats.nb_used++;
	return 1;
}

bool
vfe_vring_enable_calls(struct vfe_vring *vr)
{
	if (vr->packed)
		vfe_packed_want_calls(vr, true);
	else if (vr->event_idx)
		__atomic_store_n(used_event(vr), vr->used_idx, __ATOMIC_RELAXED);
	else
		__atomic_store_n(&vr->avail->flags, 0, __ATOMIC_RELAXED);
	/* Ask for calls, then read the used index: the counterpart of vfe_vring_kick(). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return vfe_vring_nb_used(vr) != 0;
}

void
vfe_vring_disable_calls(struct vfe_vring *vr)
{
	/* With EVENT_IDX, name the most distant entry: the one before the next used entry. */
	if (vr->packed)
		vfe_packed_want_calls(vr, false);
	else if (vr->event_idx)
		__atomic_store_n(used_event(vr), (uint16_t)(vr->used_idx - 1), __ATOMIC_RELAXED);
	else
		__atomic_store_n(&vr->avail->flags, VFE_AVAIL_NO_INTERRUPT, __ATOMIC_RELAXED);
}

uint64_t
vfe_vring_drain_calls(struct vfe_vring *vr)
{
	uint64_t nb_calls = 0;

	if (read(vr->call_fd, &nb_calls, sizeof(nb_calls)) != (ssize_t)sizeof(nb_calls))
		return 0;
	return nb_calls;
}

uint16_t
vfe_vring_base(const struct vfe_vring *vr)
{
	return vr->packed ? vfe_packed_base(vr) : __atomic_load_n(&vr->used->idx, __ATOMIC_ACQUIRE);
}

uint16_t
vfe_vring_nb_held(const struct vfe_vring *vr)
{
	if (vr->packed)
		return vr->nb_chains;
	return (uint16_t)(vr->published_idx - vr->used_idx);
}
