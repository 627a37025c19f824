/* SPDX-License-Identifier: BSD-3-Clause */

/* The guest's memory: rings, buffers of both directions, and the buffers posted at the start. */

#include <errno.h>
#include <stdlib.h>

#include "vfe_rx.h"
#include "vfe_setup.h"
#include "vfe_vring.h"

#define MIN_CTRL  256u
#define NB_EVENTS 8u
#define PAGE_LEN  4096u

static struct vfe_vring_conf
vring_conf(const struct vfe_guest *g)
{
	return (struct vfe_vring_conf){
		.size = g->conf.ring_size,
		.event_idx = g->features & VFE_F_EVENT_IDX,
		.indirect = g->features & VFE_F_INDIRECT_DESC,
		.packed = g->features & VFE_F_RING_PACKED,
	};
}

static uint32_t
nb_slots(const struct vfe_guest *g, const struct vfe_layout *layout)
{
	if (layout->nb_segs == 1 || g->features & VFE_F_INDIRECT_DESC)
		return g->conf.ring_size;
	return g->conf.ring_size / layout->nb_segs;
}

/* With several regions, the rings have the first one for themselves. */
static unsigned int
slot_region(const struct vfe_guest *g, uint32_t slot)
{
	return g->conf.nb_regions == 1 ? 0 : 1 + slot % (g->conf.nb_regions - 1u);
}

static int
alloc_memory(struct vfe_guest *g)
{
	const struct vfe_vring_conf vconf = vring_conf(g);
	const unsigned int nb_data_regions = g->conf.nb_regions == 1 ? 1 : g->conf.nb_regions - 1u;
	uint64_t slots_len, first_len;
	unsigned int i;
	int rc;

	slots_len = (uint64_t)g->nb_to_guest_slots * g->to_guest.slot_len +
		(uint64_t)g->nb_from_guest_slots * g->from_guest.slot_len;
	/* Shares of the regions differ by at most one buffer of each kind. */
	slots_len = slots_len / nb_data_regions + g->to_guest.slot_len + g->from_guest.slot_len +
		2 * PAGE_LEN;
	first_len = vfe_vring_mem_len(&vconf) * g->conf.nb_queues +
		NB_EVENTS * VFE_SETUP_EVENT_LEN + PAGE_LEN;
	if (g->conf.nb_regions == 1)
		first_len += slots_len;
	for (i = 0; i < g->conf.nb_regions; i++) {
		rc = vfe_mem_add(&g->mem, VFE_SETUP_REGION_GPA(i), i == 0 ? first_len : slots_len);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
alloc_slots(
	struct vfe_guest *g, const struct vfe_layout *layout, uint32_t nb, struct vfe_slot **out)
{
	uint32_t i;

	*out = calloc(nb, sizeof(**out));
	if (*out == NULL)
		return -ENOMEM;
	for (i = 0; i < nb; i++) {
		struct vfe_slot *slot = &(*out)[i];

		/* Align the first to a page: buffers of one page are page-aligned, as in Linux. */
		slot->va = vfe_mem_alloc(
			&g->mem, slot_region(g, i), layout->slot_len, i == 0 ? PAGE_LEN : 64);
		if (slot->va == NULL)
			return -ENOMEM;
		slot->gpa = vfe_mem_gpa(&g->mem, slot->va);
	}
	return 0;
}

static int
alloc_rings(struct vfe_guest *g)
{
	const struct vfe_vring_conf vconf = vring_conf(g);
	unsigned int q;
	int rc;

	for (q = 0; q < g->conf.nb_queues; q++) {
		rc = vfe_vring_init(&g->vrings[q], &g->mem, &vconf);
		if (rc < 0)
			return rc;
	}
	g->events = vfe_mem_alloc(&g->mem, 0, NB_EVENTS * VFE_SETUP_EVENT_LEN, 8);
	return g->events == NULL ? -ENOMEM : 0;
}

static int
alloc_ctrl(struct vfe_guest *g)
{
	uint32_t nb = MIN_CTRL;

	while (nb < 4u * g->conf.ring_size)
		nb *= 2;
	g->ctrl = calloc(nb, sizeof(*g->ctrl));
	g->ctrl_mask = nb - 1;
	return g->ctrl == NULL ? -ENOMEM : 0;
}

int
vfe_setup_post_event(struct vfe_guest *g, uint32_t event)
{
	const struct vfe_seg seg = {
		.gpa = vfe_mem_gpa(&g->mem, g->events) + event * VFE_SETUP_EVENT_LEN,
		.len = VFE_SETUP_EVENT_LEN,
		.to_guest = true,
	};

	return vfe_vring_add(&g->vrings[VFE_QUEUE_EVENT], &seg, 1, event, false);
}

void
vfe_setup_post(struct vfe_guest *g)
{
	uint32_t i;

	for (i = 0; i < g->nb_to_guest_slots; i++)
		vfe_rx_post(g, i);
	for (i = 0; g->conf.nb_queues > VFE_QUEUE_EVENT && i < NB_EVENTS; i++)
		vfe_setup_post_event(g, i);
	for (i = 0; i < g->nb_from_guest_slots; i++)
		g->free_slots[i] = g->nb_from_guest_slots - 1 - i;
	g->nb_free_slots = g->nb_from_guest_slots;
	g->ctrl_head = g->ctrl_tail = 0;
}

int
vfe_setup_memory(struct vfe_guest *g)
{
	int rc;

	rc = vfe_layout_make(&g->to_guest, &g->conf.to_guest_shape, 0);
	if (rc < 0)
		return rc;
	rc = vfe_layout_make(
		&g->from_guest, &g->conf.from_guest_shape, g->conf.max_payload + VFE_HDR_LEN);
	if (rc < 0)
		return rc;
	g->max_payload = g->from_guest.total_len - VFE_HDR_LEN;
	if (g->max_payload > g->conf.max_payload)
		g->max_payload = g->conf.max_payload;
	g->nb_to_guest_slots = nb_slots(g, &g->to_guest);
	/* A short packet needs one descriptor: provide a buffer for each. */
	g->nb_from_guest_slots = g->conf.ring_size;
	if (g->nb_to_guest_slots == 0 || g->from_guest.nb_segs > g->conf.ring_size)
		return -E2BIG;
	rc = alloc_memory(g);
	if (rc < 0)
		return rc;
	rc = alloc_rings(g);
	if (rc < 0)
		return rc;
	rc = alloc_slots(g, &g->to_guest, g->nb_to_guest_slots, &g->to_guest_slots);
	if (rc < 0)
		return rc;
	rc = alloc_slots(g, &g->from_guest, g->nb_from_guest_slots, &g->from_guest_slots);
	if (rc < 0)
		return rc;
	g->free_slots = calloc(g->nb_from_guest_slots, sizeof(*g->free_slots));
	if (g->free_slots == NULL)
		return -ENOMEM;
	return alloc_ctrl(g);
}
