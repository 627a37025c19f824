/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfe_guest.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vfe_rx.h"
#include "vfe_setup.h"
#include "vfe_table.h"
#include "vfe_tx.h"
#include "vfe_vring.h"

#define DEFAULT_TIMEOUT_MS 5000
#define DEFAULT_RING_SIZE  128u
#define DEFAULT_BUF_ALLOC  (256u << 10)

static const struct vfe_guest_ops no_ops;

static const char *const fault_names[VFE_NB_FAULTS] = {
	[VFE_FAULT_BAD_USED] = "bad_used",
	[VFE_FAULT_SHORT_PACKET] = "short_packet",
	[VFE_FAULT_USED_LEN] = "used_len",
	[VFE_FAULT_WRONG_CID] = "wrong_cid",
	[VFE_FAULT_WRONG_TYPE] = "wrong_type",
	[VFE_FAULT_WRONG_OP] = "wrong_op",
	[VFE_FAULT_OVER_CREDIT] = "over_credit",
	[VFE_FAULT_CREDIT_BACK] = "credit_back",
	[VFE_FAULT_NO_CONNECTION] = "no_connection",
};

const char *
vfe_guest_fault_name(enum vfe_fault fault)
{
	return fault_names[fault];
}

uint64_t
vfe_guest_nb_faults(const struct vfe_guest *g)
{
	uint64_t nb = 0;
	unsigned int i;

	for (i = 0; i < VFE_NB_FAULTS; i++)
		nb += g->stats.faults[i];
	return nb;
}

static void
conf_defaults(struct vfe_guest_conf *conf)
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
		conf->to_guest_shape = (struct vfe_shape){.nb_fixed = 1, .fixed = {4096}};
	if (conf->from_guest_shape.nb_fixed == 0 && conf->from_guest_shape.rest == 0)
		conf->from_guest_shape = (struct vfe_shape){
			.nb_fixed = 1, .fixed = {VFE_HDR_LEN}, .rest = UINT32_MAX};
	if (conf->max_payload == 0)
		conf->max_payload = VFE_PAYLOAD_MAX;
	if (conf->buf_alloc == 0)
		conf->buf_alloc = DEFAULT_BUF_ALLOC;
	if (conf->ops == NULL)
		conf->ops = &no_ops;
}

/* Agrees with the back end on features, and reads the CID. */
static int
negotiate(struct vfe_guest *g)
{
	const uint64_t wanted = g->conf.features | g->conf.required | VFE_F_VERSION_1;
	uint64_t proto = 0;
	int rc;

	rc = vfe_vu_get_features(&g->vu, &g->device_features);
	if (rc < 0)
		return rc;
	if (~g->device_features & (g->conf.required | VFE_F_VERSION_1))
		return -ENOTSUP;
	g->features = g->device_features & wanted;
	if (g->device_features & VFE_F_PROTOCOL_FEATURES) {
		rc = vfe_vu_get_protocol_features(&g->vu, &proto);
		if (rc < 0)
			return rc;
		proto &= VFE_VU_PF_CONFIG | (g->conf.no_reply_ack ? 0 : VFE_VU_PF_REPLY_ACK);
		rc = vfe_vu_set_protocol_features(&g->vu, proto);
		if (rc < 0)
			return rc;
		g->features |= VFE_F_PROTOCOL_FEATURES;
	}
	rc = vfe_vu_set_owner(&g->vu);
	if (rc < 0)
		return rc;
	if (!(proto & VFE_VU_PF_CONFIG))
		return -ENOTSUP;
	rc = vfe_vu_get_config(&g->vu, &g->cid, sizeof(g->cid));
	g->cid = le64toh(g->cid);
	return rc;
}

int
vfe_guest_create(const struct vfe_guest_conf *conf, struct vfe_guest **out)
{
	struct vfe_guest *g = calloc(1, sizeof(*g));
	unsigned int q;
	int rc;

	if (g == NULL)
		return -ENOMEM;
	g->conf = *conf;
	conf_defaults(&g->conf);
	g->ops = g->conf.ops;
	g->user = g->conf.user;
	g->vu.fd = -1;
	for (q = 0; q < VFE_NB_QUEUES; q++)
		g->vrings[q].kick_fd = g->vrings[q].call_fd = -1;
	rc = -EINVAL;
	if (g->conf.nb_queues < 2 || g->conf.nb_queues > VFE_NB_QUEUES || g->conf.nb_regions > 4)
		goto fail;
	rc = vfe_table_init(g);
	if (rc < 0)
		goto fail;
	if (g->conf.path != NULL)
		rc = vfe_vu_connect(&g->vu, g->conf.path, g->conf.timeout_ms);
	else
		rc = vfe_vu_accept(&g->vu, g->conf.listen_fd, g->conf.timeout_ms);
	if (rc < 0)
		goto fail;
	rc = negotiate(g);
	if (rc < 0)
		goto fail;
	rc = vfe_setup_memory(g);
	if (rc < 0)
		goto fail;
	vfe_setup_post(g);
	rc = vfe_guest_start(g);
	if (rc < 0)
		goto fail;
	*out = g;
	return 0;

fail:
	vfe_guest_destroy(g);
	return rc;
}

void
vfe_guest_vanish(struct vfe_guest *g)
{
	vfe_vu_close(&g->vu);
	g->running = false;
}

void
vfe_guest_destroy(struct vfe_guest *g)
{
	unsigned int q;

	if (g == NULL)
		return;
	if (g->running)
		vfe_guest_stop(g, NULL);
	vfe_vu_close(&g->vu);
	for (q = 0; q < VFE_NB_QUEUES; q++)
		vfe_vring_fini(&g->vrings[q]);
	vfe_table_fini(g);
	free(g->to_guest_slots);
	free(g->from_guest_slots);
	free(g->free_slots);
	free(g->ctrl);
	vfe_mem_free(&g->mem);
	free(g);
}

bool
vfe_guest_alive(const struct vfe_guest *g)
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
start_queue(struct vfe_guest *g, unsigned int queue)
{
	const struct vfe_vring *vr = &g->vrings[queue];
	const struct vfe_vu_vring_addr addr = {
		.desc = vr->desc, .avail = vr->avail, .used = vr->used};
	uint32_t base;
	int rc;

	rc = vfe_vu_set_vring_num(&g->vu, queue, vr->size);
	if (rc < 0)
		return rc;
	/* Packed: the place of the used side in the upper half. */
	base = vfe_vring_base(vr);
	rc = vfe_vu_set_vring_base(&g->vu, queue, vr->packed ? base | base << 16 : base);
	if (rc < 0)
		return rc;
	rc = vfe_vu_set_vring_addr(&g->vu, queue, &addr);
	if (rc < 0)
		return rc;
	rc = vfe_vu_set_vring_fd(&g->vu, VFE_VU_SET_VRING_KICK, queue, vr->kick_fd);
	if (rc < 0)
		return rc;
	return vfe_vu_set_vring_fd(&g->vu, VFE_VU_SET_VRING_CALL, queue, vr->call_fd);
}

int
vfe_guest_start(struct vfe_guest *g)
{
	unsigned int q;
	int rc;

	rc = vfe_vu_set_features(&g->vu, g->features);
	if (rc < 0)
		return rc;
	rc = vfe_vu_set_mem_table(&g->vu, &g->mem);
	if (rc < 0)
		return rc;
	for (q = 0; q < g->conf.nb_queues; q++) {
		rc = start_queue(g, q);
		if (rc < 0)
			return rc;
	}
	for (q = 0; q < g->conf.nb_queues && g->features & VFE_F_PROTOCOL_FEATURES; q++) {
		rc = vfe_vu_set_vring_enable(&g->vu, q, true);
		if (rc < 0)
			return rc;
	}
	g->running = true;
	for (q = 0; q < g->conf.nb_queues; q++) {
		vfe_vring_publish(&g->vrings[q]);
		/* Buffers posted before the start need a kick, even if kicks are suppressed. */
		vfe_vring_kick_always(&g->vrings[q]);
		g->vrings[q].kicked_idx = g->vrings[q].published_idx;
	}
	return 0;
}

int
vfe_guest_stop(struct vfe_guest *g, uint16_t bases[VFE_NB_QUEUES])
{
	unsigned int q;
	int rc, first_rc = 0;

	g->running = false;
	for (q = 0; q < g->conf.nb_queues && g->features & VFE_F_PROTOCOL_FEATURES; q++) {
		rc = vfe_vu_set_vring_enable(&g->vu, q, false);
		if (rc < 0)
			return rc;
	}
	for (q = 0; q < g->conf.nb_queues; q++) {
		uint32_t base;

		rc = vfe_vu_get_vring_base(&g->vu, q, &base);
		if (rc < 0)
			return rc;
		if (bases != NULL)
			bases[q] = (uint16_t)base;
		if ((uint16_t)base != vfe_vring_base(&g->vrings[q]))
			first_rc = -EBADMSG;
	}
	return first_rc;
}

void
vfe_guest_reset(struct vfe_guest *g)
{
	unsigned int q;

	assert(!g->running);
	vfe_table_clear(g);
	g->reset_some = true;
	for (q = 0; q < g->conf.nb_queues; q++)
		vfe_vring_reset(&g->vrings[q]);
	vfe_setup_post(g);
}

int
vfe_guest_change_memory(struct vfe_guest *g, uint64_t len)
{
	int rc;

	if (len > 0) {
		rc = vfe_mem_add(&g->mem, VFE_SETUP_REGION_GPA(g->mem.nb_regions), len);
		return rc < 0 ? rc : vfe_vu_set_mem_table(&g->vu, &g->mem);
	}
	if (g->mem.nb_regions == g->conf.nb_regions)
		return -ENOENT;
	g->mem.nb_regions--;
	rc = vfe_vu_set_mem_table(&g->vu, &g->mem);
	g->mem.nb_regions++;
	if (rc == 0)
		vfe_mem_drop_last(&g->mem);
	return rc;
}

int
vfe_guest_replace_call(struct vfe_guest *g, enum vfe_queue queue)
{
	struct vfe_vring *vr = &g->vrings[queue];
	const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	rc = vfe_vu_set_vring_fd(&g->vu, VFE_VU_SET_VRING_CALL, queue, fd);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	g->stats.nb_calls += vfe_vring_drain_calls(vr);
	close(vr->call_fd);
	vr->call_fd = fd;
	return 0;
}

static unsigned int
poll_events(struct vfe_guest *g)
{
	struct vfe_vring *vr = &g->vrings[VFE_QUEUE_EVENT];
	uint32_t event, len, id;
	unsigned int nb = 0;

	while (vfe_vring_get(vr, &event, &len) > 0) {
		memcpy(&id, g->events + event * VFE_SETUP_EVENT_LEN, sizeof(id));
		if (len >= sizeof(id) && g->ops->on_event != NULL)
			g->ops->on_event(g, le32toh(id));
		vfe_setup_post_event(g, event);
		nb++;
	}
	return nb;
}

void
vfe_guest_flush(struct vfe_guest *g)
{
	unsigned int q;

	vfe_tx_ctrl_flush(g);
	for (q = 0; q < g->conf.nb_queues; q++) {
		vfe_vring_publish(&g->vrings[q]);
		vfe_vring_kick(&g->vrings[q]);
	}
}

unsigned int
vfe_guest_poll(struct vfe_guest *g, unsigned int burst)
{
	unsigned int nb;

	nb = vfe_tx_reclaim(g);
	nb += vfe_rx_poll(g, burst);
	if (g->conf.nb_queues > VFE_QUEUE_EVENT)
		nb += poll_events(g);
	vfe_guest_flush(g);
	return nb;
}

bool
vfe_guest_arm(struct vfe_guest *g)
{
	bool work = false;
	unsigned int q;

	for (q = 0; q < g->conf.nb_queues; q++)
		work |= vfe_vring_enable_calls(&g->vrings[q]);
	return work;
}

void
vfe_guest_disarm(struct vfe_guest *g)
{
	unsigned int q;

	for (q = 0; q < g->conf.nb_queues; q++)
		vfe_vring_disable_calls(&g->vrings[q]);
}

void
vfe_guest_take_calls(struct vfe_guest *g)
{
	unsigned int q;

	for (q = 0; q < g->conf.nb_queues; q++)
		g->stats.nb_calls += vfe_vring_drain_calls(&g->vrings[q]);
}

int
vfe_guest_call_fd(const struct vfe_guest *g, enum vfe_queue queue)
{
	return g->vrings[queue].call_fd;
}
