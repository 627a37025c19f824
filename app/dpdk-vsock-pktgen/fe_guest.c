/* SPDX-License-Identifier: BSD-3-Clause */
#include "fe_guest.h"
#include "fe_priv.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEFAULT_TIMEOUT_MS 5000
#define DEFAULT_RING_SIZE  128u
#define DEFAULT_BUF_ALLOC  (256u << 10)
#define MIN_CTRL           256u
#define REGION_GPA(i)      ((UINT64_C(1) << 20) + ((uint64_t)(i) << 32))
#define EVENT_LEN          4u
#define NB_EVENTS          8u
#define PAGE_LEN           4096u

static const struct fe_guest_ops no_ops;

static const char *const fault_names[FE_NB_FAULTS] = {
	[FE_FAULT_BAD_USED] = "bad_used",
	[FE_FAULT_SHORT_PACKET] = "short_packet",
	[FE_FAULT_USED_LEN] = "used_len",
	[FE_FAULT_WRONG_CID] = "wrong_cid",
	[FE_FAULT_WRONG_TYPE] = "wrong_type",
	[FE_FAULT_WRONG_OP] = "wrong_op",
	[FE_FAULT_OVER_CREDIT] = "over_credit",
	[FE_FAULT_CREDIT_BACK] = "credit_back",
	[FE_FAULT_NO_CONNECTION] = "no_connection",
};

const char *
fe_fault_name(enum fe_fault fault)
{
	return fault_names[fault];
}

uint64_t
fe_guest_nb_faults(const struct fe_guest *g)
{
	uint64_t nb = 0;
	unsigned int i;

	for (i = 0; i < FE_NB_FAULTS; i++)
		nb += g->stats.faults[i];
	return nb;
}

static void
conf_defaults(struct fe_guest_conf *conf)
{
	if (conf->timeout_ms == 0)
		conf->timeout_ms = DEFAULT_TIMEOUT_MS;
	if (conf->ring_size == 0)
		conf->ring_size = DEFAULT_RING_SIZE;
	if (conf->nb_queues == 0)
		conf->nb_queues = 2;
	if (conf->nb_regions == 0)
		conf->nb_regions = 1;
	if (conf->to_guest_shape.nb_fixed == 0)
		conf->to_guest_shape = (struct fe_shape){.nb_fixed = 1, .fixed = {4096}};
	if (conf->from_guest_shape.nb_fixed == 0 && conf->from_guest_shape.rest == 0)
		conf->from_guest_shape =
			(struct fe_shape){.nb_fixed = 1, .fixed = {FE_HDR_LEN}, .rest = UINT32_MAX};
	if (conf->max_payload == 0)
		conf->max_payload = FE_PAYLOAD_MAX;
	if (conf->buf_alloc == 0)
		conf->buf_alloc = DEFAULT_BUF_ALLOC;
	if (conf->ops == NULL)
		conf->ops = &no_ops;
}

/* The two peers agree on what they say and what the device is. */
static int
negotiate(struct fe_guest *g)
{
	const uint64_t wanted = g->conf.features | g->conf.required | FE_F_VERSION_1;
	uint64_t proto = 0;
	int rc;

	rc = fe_vu_get_features(&g->vu, &g->device_features);
	if (rc < 0)
		return rc;
	if (~g->device_features & (g->conf.required | FE_F_VERSION_1))
		return -ENOTSUP;
	g->features = g->device_features & wanted;
	if (g->device_features & FE_F_PROTOCOL_FEATURES) {
		rc = fe_vu_get_protocol_features(&g->vu, &proto);
		if (rc < 0)
			return rc;
		proto &= FE_VU_PF_CONFIG | (g->conf.no_reply_ack ? 0 : FE_VU_PF_REPLY_ACK);
		rc = fe_vu_set_protocol_features(&g->vu, proto);
		if (rc < 0)
			return rc;
		g->features |= FE_F_PROTOCOL_FEATURES;
	}
	rc = fe_vu_set_owner(&g->vu);
	if (rc < 0)
		return rc;
	if (!(proto & FE_VU_PF_CONFIG))
		return -ENOTSUP;
	rc = fe_vu_get_config(&g->vu, &g->cid, sizeof(g->cid));
	g->cid = le64toh(g->cid);
	return rc;
}

static struct fe_vring_conf
vring_conf(const struct fe_guest *g)
{
	return (struct fe_vring_conf){
		.size = g->conf.ring_size,
		.event_idx = g->features & FE_F_EVENT_IDX,
		.indirect = g->features & FE_F_INDIRECT_DESC,
	};
}

static uint32_t
nb_slots(const struct fe_guest *g, const struct fe_layout *layout)
{
	if (layout->nb_segs == 1 || g->features & FE_F_INDIRECT_DESC)
		return g->conf.ring_size;
	return g->conf.ring_size / layout->nb_segs;
}

/* Buffers keep the region of the rings to themselves only when there are more regions. */
static unsigned int
slot_region(const struct fe_guest *g, uint32_t slot)
{
	return g->conf.nb_regions == 1 ? 0 : 1 + slot % (g->conf.nb_regions - 1u);
}

static int
alloc_memory(struct fe_guest *g)
{
	const struct fe_vring_conf vconf = vring_conf(g);
	const unsigned int nb_data_regions = g->conf.nb_regions == 1 ? 1 : g->conf.nb_regions - 1u;
	uint64_t slots_len, first_len;
	unsigned int i;
	int rc;

	slots_len = (uint64_t)g->nb_to_guest_slots * g->to_guest.slot_len +
		(uint64_t)g->nb_from_guest_slots * g->from_guest.slot_len;
	/* Shares differ by one buffer of each kind at the most. */
	slots_len = slots_len / nb_data_regions + g->to_guest.slot_len + g->from_guest.slot_len +
		2 * PAGE_LEN;
	first_len = fe_vring_mem_len(&vconf) * g->conf.nb_queues + NB_EVENTS * EVENT_LEN + PAGE_LEN;
	if (g->conf.nb_regions == 1)
		first_len += slots_len;
	for (i = 0; i < g->conf.nb_regions; i++) {
		rc = fe_mem_add(&g->mem, REGION_GPA(i), i == 0 ? first_len : slots_len);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
alloc_slots(struct fe_guest *g, const struct fe_layout *layout, uint32_t nb, struct fe_slot **out)
{
	uint32_t i;

	*out = calloc(nb, sizeof(**out));
	if (*out == NULL)
		return -ENOMEM;
	for (i = 0; i < nb; i++) {
		struct fe_slot *slot = &(*out)[i];

		/* The first on a page, so that buffers of a page lie on pages, as in Linux. */
		slot->va = fe_mem_alloc(
			&g->mem, slot_region(g, i), layout->slot_len, i == 0 ? PAGE_LEN : 64);
		if (slot->va == NULL)
			return -ENOMEM;
		slot->gpa = fe_mem_gpa(&g->mem, slot->va);
	}
	return 0;
}

static int
alloc_rings(struct fe_guest *g)
{
	const struct fe_vring_conf vconf = vring_conf(g);
	unsigned int q;
	int rc;

	for (q = 0; q < g->conf.nb_queues; q++) {
		rc = fe_vring_init(&g->vrings[q], &g->mem, &vconf);
		if (rc < 0)
			return rc;
	}
	g->events = fe_mem_alloc(&g->mem, 0, NB_EVENTS * EVENT_LEN, 8);
	return g->events == NULL ? -ENOMEM : 0;
}

static int
alloc_ctrl(struct fe_guest *g)
{
	uint32_t nb = MIN_CTRL;

	while (nb < 4u * g->conf.ring_size)
		nb *= 2;
	g->ctrl = calloc(nb, sizeof(*g->ctrl));
	g->ctrl_mask = nb - 1;
	return g->ctrl == NULL ? -ENOMEM : 0;
}

static int
post_event(struct fe_guest *g, uint32_t event)
{
	const struct fe_seg seg = {
		.gpa = fe_mem_gpa(&g->mem, g->events) + event * EVENT_LEN,
		.len = EVENT_LEN,
		.to_guest = true,
	};

	return fe_vring_add(&g->vrings[FE_QUEUE_EVENT], &seg, 1, event, false);
}

static void
post_all(struct fe_guest *g)
{
	uint32_t i;

	for (i = 0; i < g->nb_to_guest_slots; i++)
		fe_rx_post(g, i);
	for (i = 0; g->conf.nb_queues > FE_QUEUE_EVENT && i < NB_EVENTS; i++)
		post_event(g, i);
	for (i = 0; i < g->nb_from_guest_slots; i++)
		g->free_slots[i] = g->nb_from_guest_slots - 1 - i;
	g->nb_free_slots = g->nb_from_guest_slots;
	g->ctrl_head = g->ctrl_tail = 0;
}

static int
set_up_memory(struct fe_guest *g)
{
	int rc;

	rc = fe_layout_make(&g->to_guest, &g->conf.to_guest_shape, 0);
	if (rc < 0)
		return rc;
	rc = fe_layout_make(
		&g->from_guest, &g->conf.from_guest_shape, g->conf.max_payload + FE_HDR_LEN);
	if (rc < 0)
		return rc;
	g->max_payload = g->from_guest.total_len - FE_HDR_LEN;
	if (g->max_payload > g->conf.max_payload)
		g->max_payload = g->conf.max_payload;
	g->nb_to_guest_slots = nb_slots(g, &g->to_guest);
	/* Short packets need few descriptors: as many buffers as there can be packets. */
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

int
fe_guest_create(const struct fe_guest_conf *conf, struct fe_guest **out)
{
	struct fe_guest *g = calloc(1, sizeof(*g));
	unsigned int q;
	int rc;

	if (g == NULL)
		return -ENOMEM;
	g->conf = *conf;
	conf_defaults(&g->conf);
	g->ops = g->conf.ops;
	g->user = g->conf.user;
	g->vu.fd = -1;
	for (q = 0; q < FE_NB_QUEUES; q++)
		g->vrings[q].kick_fd = g->vrings[q].call_fd = -1;
	rc = -EINVAL;
	if (g->conf.nb_queues < 2 || g->conf.nb_queues > FE_NB_QUEUES || g->conf.nb_regions > 4)
		goto fail;
	rc = fe_conn_table_init(g);
	if (rc < 0)
		goto fail;
	if (g->conf.path != NULL)
		rc = fe_vu_connect(&g->vu, g->conf.path, g->conf.timeout_ms);
	else
		rc = fe_vu_accept(&g->vu, g->conf.listen_fd, g->conf.timeout_ms);
	if (rc < 0)
		goto fail;
	rc = negotiate(g);
	if (rc < 0)
		goto fail;
	rc = set_up_memory(g);
	if (rc < 0)
		goto fail;
	post_all(g);
	rc = fe_guest_start(g);
	if (rc < 0)
		goto fail;
	*out = g;
	return 0;

fail:
	fe_guest_destroy(g);
	return rc;
}

void
fe_guest_vanish(struct fe_guest *g)
{
	fe_vu_close(&g->vu);
	g->running = false;
}

void
fe_guest_destroy(struct fe_guest *g)
{
	unsigned int q;

	if (g == NULL)
		return;
	if (g->running)
		fe_guest_stop(g, NULL);
	fe_vu_close(&g->vu);
	for (q = 0; q < FE_NB_QUEUES; q++)
		fe_vring_fini(&g->vrings[q]);
	fe_conn_table_fini(g);
	free(g->to_guest_slots);
	free(g->from_guest_slots);
	free(g->free_slots);
	free(g->ctrl);
	fe_mem_free(&g->mem);
	free(g);
}

bool
fe_guest_alive(const struct fe_guest *g)
{
	struct pollfd pfd = {.fd = g->vu.fd, .events = POLLIN};
	char byte;

	if (g->vu.fd < 0 || poll(&pfd, 1, 0) < 0)
		return false;
	if (pfd.revents & (POLLHUP | POLLERR | POLLNVAL))
		return false;
	return !(pfd.revents & POLLIN) || recv(g->vu.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
}

static int
start_queue(struct fe_guest *g, unsigned int queue)
{
	const struct fe_vring *vr = &g->vrings[queue];
	const struct fe_vu_vring_addr addr = {
		.desc = vr->desc, .avail = vr->avail, .used = vr->used};
	int rc;

	rc = fe_vu_set_vring_num(&g->vu, queue, vr->size);
	if (rc < 0)
		return rc;
	rc = fe_vu_set_vring_base(&g->vu, queue, __atomic_load_n(&vr->used->idx, __ATOMIC_ACQUIRE));
	if (rc < 0)
		return rc;
	rc = fe_vu_set_vring_addr(&g->vu, queue, &addr);
	if (rc < 0)
		return rc;
	rc = fe_vu_set_vring_fd(&g->vu, FE_VU_SET_VRING_KICK, queue, vr->kick_fd);
	if (rc < 0)
		return rc;
	return fe_vu_set_vring_fd(&g->vu, FE_VU_SET_VRING_CALL, queue, vr->call_fd);
}

int
fe_guest_start(struct fe_guest *g)
{
	unsigned int q;
	int rc;

	rc = fe_vu_set_features(&g->vu, g->features);
	if (rc < 0)
		return rc;
	rc = fe_vu_set_mem_table(&g->vu, &g->mem);
	if (rc < 0)
		return rc;
	for (q = 0; q < g->conf.nb_queues; q++) {
		rc = start_queue(g, q);
		if (rc < 0)
			return rc;
	}
	for (q = 0; q < g->conf.nb_queues && g->features & FE_F_PROTOCOL_FEATURES; q++) {
		rc = fe_vu_set_vring_enable(&g->vu, q, true);
		if (rc < 0)
			return rc;
	}
	g->running = true;
	for (q = 0; q < g->conf.nb_queues; q++) {
		fe_vring_publish(&g->vrings[q]);
		/* What was there before the device came needs a kick whatever the ring says. */
		fe_vring_kick_always(&g->vrings[q]);
		g->vrings[q].kicked_idx = g->vrings[q].published_idx;
	}
	return 0;
}

int
fe_guest_stop(struct fe_guest *g, uint16_t bases[FE_NB_QUEUES])
{
	unsigned int q;
	int rc, first_rc = 0;

	g->running = false;
	for (q = 0; q < g->conf.nb_queues && g->features & FE_F_PROTOCOL_FEATURES; q++) {
		rc = fe_vu_set_vring_enable(&g->vu, q, false);
		if (rc < 0)
			return rc;
	}
	for (q = 0; q < g->conf.nb_queues; q++) {
		uint32_t base;

		rc = fe_vu_get_vring_base(&g->vu, q, &base);
		if (rc < 0)
			return rc;
		if (bases != NULL)
			bases[q] = (uint16_t)base;
		if ((uint16_t)base != __atomic_load_n(&g->vrings[q].used->idx, __ATOMIC_ACQUIRE))
			first_rc = -EBADMSG;
	}
	return first_rc;
}

void
fe_guest_reset(struct fe_guest *g)
{
	unsigned int q;

	assert(!g->running);
	fe_conn_table_clear(g);
	g->reset_some = true;
	for (q = 0; q < g->conf.nb_queues; q++)
		fe_vring_reset(&g->vrings[q]);
	post_all(g);
}

int
fe_guest_change_memory(struct fe_guest *g, uint64_t len)
{
	int rc;

	if (len > 0) {
		rc = fe_mem_add(&g->mem, REGION_GPA(g->mem.nb_regions), len);
		return rc < 0 ? rc : fe_vu_set_mem_table(&g->vu, &g->mem);
	}
	if (g->mem.nb_regions == g->conf.nb_regions)
		return -ENOENT;
	g->mem.nb_regions--;
	rc = fe_vu_set_mem_table(&g->vu, &g->mem);
	g->mem.nb_regions++;
	if (rc == 0)
		fe_mem_drop_last(&g->mem);
	return rc;
}

int
fe_guest_replace_call(struct fe_guest *g, enum fe_queue queue)
{
	struct fe_vring *vr = &g->vrings[queue];
	const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	rc = fe_vu_set_vring_fd(&g->vu, FE_VU_SET_VRING_CALL, queue, fd);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	g->stats.nb_calls += fe_vring_drain_calls(vr);
	close(vr->call_fd);
	vr->call_fd = fd;
	return 0;
}

static unsigned int
poll_events(struct fe_guest *g)
{
	struct fe_vring *vr = &g->vrings[FE_QUEUE_EVENT];
	uint32_t event, len, id;
	unsigned int nb = 0;

	while (fe_vring_get(vr, &event, &len) > 0) {
		memcpy(&id, g->events + event * EVENT_LEN, sizeof(id));
		if (len >= sizeof(id) && g->ops->on_event != NULL)
			g->ops->on_event(g, le32toh(id));
		post_event(g, event);
		nb++;
	}
	return nb;
}

unsigned int
fe_guest_poll(struct fe_guest *g, unsigned int burst)
{
	unsigned int nb;

	nb = fe_tx_reclaim(g);
	nb += fe_rx_poll(g, burst);
	if (g->conf.nb_queues > FE_QUEUE_EVENT)
		nb += poll_events(g);
	fe_guest_flush(g);
	return nb;
}

bool
fe_guest_arm(struct fe_guest *g)
{
	bool work = false;
	unsigned int q;

	for (q = 0; q < g->conf.nb_queues; q++)
		work |= fe_vring_enable_calls(&g->vrings[q]);
	return work;
}

void
fe_guest_disarm(struct fe_guest *g)
{
	unsigned int q;

	for (q = 0; q < g->conf.nb_queues; q++)
		fe_vring_disable_calls(&g->vrings[q]);
}

void
fe_guest_take_calls(struct fe_guest *g)
{
	unsigned int q;

	for (q = 0; q < g->conf.nb_queues; q++)
		g->stats.nb_calls += fe_vring_drain_calls(&g->vrings[q]);
}

int
fe_guest_call_fd(const struct fe_guest *g, enum fe_queue queue)
{
	return g->vrings[queue].call_fd;
}
