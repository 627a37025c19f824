/* SPDX-License-Identifier: BSD-3-Clause */
#include "lo_vhost.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vfe_vu_msg.h"
#include "lo_ring.h"

#define ALL_FEATURES                                                                               \
	(VFE_F_STREAM | VFE_F_SEQPACKET | VFE_F_INDIRECT_DESC | VFE_F_EVENT_IDX |                  \
		VFE_F_PROTOCOL_FEATURES | VFE_F_VERSION_1 | VFE_F_RING_PACKED)

struct message {
	struct vfe_vu_hdr hdr;
	union {
		uint8_t bytes[512];
		uint64_t u64;
		struct vfe_vu_state state;
		struct vfe_vu_addr addr;
		struct vfe_vu_mem_table mem;
		struct vfe_vu_config config;
	} u;
} __attribute__((packed));

void *
lo_vhost_va(const struct lo_guest *guest, uint64_t gpa, uint64_t len)
{
	unsigned int i;

	for (i = 0; i < guest->nb_regions; i++) {
		const struct lo_region *region = &guest->regions[i];

		if (gpa >= region->gpa && gpa - region->gpa < region->len &&
			len <= region->len - (gpa - region->gpa))
			return region->va + (gpa - region->gpa);
	}
	return NULL;
}

static uint8_t *
front_va(const struct lo_guest *guest, uint64_t va)
{
	unsigned int i;

	for (i = 0; i < guest->nb_regions; i++) {
		const struct lo_region *region = &guest->regions[i];

		if (va >= region->front_va && va - region->front_va < region->len)
			return region->va + (va - region->front_va);
	}
	return NULL;
}

static void
unmap_all(struct lo_guest *guest)
{
	while (guest->nb_regions > 0) {
		struct lo_region *region = &guest->regions[--guest->nb_regions];

		munmap(region->va, region->len);
	}
}

static void
place_ring(const struct lo_guest *guest, struct lo_ring *ring)
{
	ring->desc = front_va(guest, ring->addr[0]);
	ring->avail = front_va(guest, ring->addr[1]);
	ring->used = front_va(guest, ring->addr[2]);
	ring->ready = ring->enabled && ring->kick_fd >= 0 && ring->desc != NULL &&
		ring->avail != NULL && ring->used != NULL;
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
lo_vhost_gone(struct lo_guest *guest)
{
	unsigned int q;

	close_fd(&guest->fd);
	for (q = 0; q < LO_NB_QUEUES; q++) {
		close_fd(&guest->rings[q].kick_fd);
		close_fd(&guest->rings[q].call_fd);
		guest->rings[q] = (struct lo_ring){.kick_fd = -1, .call_fd = -1};
	}
	unmap_all(guest);
}

static int
set_mem_table(struct lo_guest *guest, const struct message *msg, int *fds)
{
	unsigned int i, q;

	unmap_all(guest);
	for (i = 0; i < msg->u.mem.nb_regions && i < LO_MAX_REGIONS; i++) {
		struct lo_region *region = &guest->regions[i];

		region->gpa = msg->u.mem.regions[i].gpa;
		region->len = msg->u.mem.regions[i].len;
		region->front_va = msg->u.mem.regions[i].va;
		region->va = mmap(NULL, region->len, PROT_READ | PROT_WRITE, MAP_SHARED, fds[i], 0);
		if (region->va == MAP_FAILED)
			return -1;
		guest->nb_regions++;
	}
	for (q = 0; q < LO_NB_QUEUES; q++)
		place_ring(guest, &guest->rings[q]);
	return 0;
}

static int
reply(struct lo_guest *guest, struct message *msg, uint32_t size)
{
	const size_t len = offsetof(struct message, u) + size;

	msg->hdr.flags = VFE_VU_VERSION | VFE_VU_REPLY;
	msg->hdr.size = size;
	return send(guest->fd, msg, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -1;
}

static int
receive(struct lo_guest *guest, struct message *msg, int fds[VFE_VU_MAX_FDS])
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(VFE_VU_MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = msg, .iov_len = offsetof(struct message, u)};
	struct msghdr mh = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf)};
	const struct cmsghdr *cmsg;

	if (recvmsg(guest->fd, &mh, MSG_WAITALL | MSG_CMSG_CLOEXEC) != (ssize_t)iov.iov_len)
		return -1;
	cmsg = CMSG_FIRSTHDR(&mh);
	if (cmsg != NULL)
		memcpy(fds, CMSG_DATA(cmsg), cmsg->cmsg_len - CMSG_LEN(0));
	if (msg->hdr.size > sizeof(msg->u))
		return -1;
	if (msg->hdr.size > 0 &&
		recv(guest->fd, &msg->u, msg->hdr.size, MSG_WAITALL) != (ssize_t)msg->hdr.size)
		return -1;
	return 0;
}

static void
set_fd(struct lo_guest *guest, int *where, const struct message *msg, const int *fds)
{
	close_fd(where);
	if (!(msg->u.u64 & VFE_VU_NO_FD))
		*where = fds[0];
	place_ring(guest, &guest->rings[msg->u.u64 & 0xff]);
}

static int
ring_message(struct lo_guest *guest, struct message *msg, const int *fds)
{
	struct lo_ring *ring;

	if ((msg->u.state.queue & 0xff) >= LO_NB_QUEUES)
		return -1;
	ring = &guest->rings[msg->u.state.queue & 0xff];
	switch (msg->hdr.request) {
	case VFE_VU_SET_VRING_NUM:
		ring->size = msg->u.state.num;
		break;
	case VFE_VU_SET_VRING_ADDR:
		ring->addr[0] = msg->u.addr.desc;
		ring->addr[1] = msg->u.addr.avail;
		ring->addr[2] = msg->u.addr.used;
		place_ring(guest, ring);
		break;
	case VFE_VU_SET_VRING_BASE:
		lo_ring_set_base(guest, ring, msg->u.state.num);
		break;
	case VFE_VU_GET_VRING_BASE:
		ring->ready = false;
		close_fd(&ring->kick_fd);
		close_fd(&ring->call_fd);
		msg->u.state.num = lo_ring_base(ring);
		return reply(guest, msg, sizeof(msg->u.state));
	case VFE_VU_SET_VRING_KICK:
		set_fd(guest, &ring->kick_fd, msg, fds);
		break;
	case VFE_VU_SET_VRING_CALL:
		set_fd(guest, &ring->call_fd, msg, fds);
		break;
	default: /* VFE_VU_SET_VRING_ENABLE */
		ring->enabled = msg->u.state.num != 0;
		place_ring(guest, ring);
		break;
	}
	return 0;
}

int
lo_vhost_message(struct lo_guest *guest)
{
	int fds[VFE_VU_MAX_FDS] = {-1, -1, -1, -1, -1, -1, -1, -1};
	struct message msg = {0};
	bool need_ack;
	unsigned int i;
	int rc = 0;

	if (receive(guest, &msg, fds) < 0)
		return -1;
	need_ack = msg.hdr.flags & VFE_VU_NEED_REPLY && guest->proto & VFE_VU_PF_REPLY_ACK;
	switch (msg.hdr.request) {
	case VFE_VU_GET_FEATURES:
		msg.u.u64 = guest->lo->conf.features ? guest->lo->conf.features : ALL_FEATURES;
		return reply(guest, &msg, sizeof(msg.u.u64));
	case VFE_VU_SET_FEATURES:
		guest->features = msg.u.u64;
		break;
	case VFE_VU_SET_OWNER:
		break;
	case VFE_VU_SET_MEM_TABLE:
		rc = set_mem_table(guest, &msg, fds);
		for (i = 0; i < LO_MAX_REGIONS; i++)
			close_fd(&fds[i]);
		break;
	case VFE_VU_GET_PROTOCOL_FEATURES:
		msg.u.u64 = VFE_VU_PF_REPLY_ACK | VFE_VU_PF_CONFIG;
		return reply(guest, &msg, sizeof(msg.u.u64));
	case VFE_VU_SET_PROTOCOL_FEATURES:
		guest->proto = msg.u.u64;
		break;
	case VFE_VU_GET_CONFIG:
		memcpy(msg.u.config.data, &guest->cid, sizeof(guest->cid));
		return reply(guest, &msg, msg.hdr.size);
	case VFE_VU_SET_VRING_NUM:
	case VFE_VU_SET_VRING_ADDR:
	case VFE_VU_SET_VRING_BASE:
	case VFE_VU_SET_VRING_KICK:
	case VFE_VU_SET_VRING_CALL:
	case VFE_VU_SET_VRING_ENABLE:
		rc = ring_message(guest, &msg, fds);
		break;
	case VFE_VU_GET_VRING_BASE:
		return ring_message(guest, &msg, fds);
	default:
		rc = -1;
		break;
	}
	if (rc == 0 && need_ack) {
		msg.u.u64 = 0;
		rc = reply(guest, &msg, sizeof(msg.u.u64));
	}
	return rc;
}
