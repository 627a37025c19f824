/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "ring/vq.h"
#include "vhost/vhost_msg.h"
#include "vhost/vhost_sock.h"

#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

/* User space has no larger address. Sums of smaller values do not wrap. */
#define MAX_ADDR (1ull << 56)

enum rule_flag {
	OFFERED = 1 << 0,
	TAKES_AWAY = 1 << 1, /* removes or replaces something of a running device */
	RING_STATE = 1 << 2, /* payload.ring.idx names a ring */
	RING_FD = 1 << 3,    /* payload.u64 names a ring and says whether there is an fd */
	FD_TABLE = 1 << 4,   /* one fd for each memory region */
};

static const struct {
	uint8_t min_len;
	uint8_t flags;
} rules[] = {
	[VHOST_MSG_GET_FEATURES] = {0, OFFERED},
	[VHOST_MSG_SET_FEATURES] = {8, OFFERED | TAKES_AWAY},
	[VHOST_MSG_SET_OWNER] = {0, OFFERED},
	[VHOST_MSG_RESET_OWNER] = {0, OFFERED},
	[VHOST_MSG_SET_MEM_TABLE] = {8, OFFERED | TAKES_AWAY | FD_TABLE},
	[VHOST_MSG_SET_VRING_NUM] = {8, OFFERED | TAKES_AWAY | RING_STATE},
	[VHOST_MSG_SET_VRING_ADDR] = {40, OFFERED | TAKES_AWAY | RING_STATE},
	[VHOST_MSG_SET_VRING_BASE] = {8, OFFERED | TAKES_AWAY | RING_STATE},
	[VHOST_MSG_GET_VRING_BASE] = {8, OFFERED | TAKES_AWAY | RING_STATE},
	[VHOST_MSG_SET_VRING_KICK] = {8, OFFERED | TAKES_AWAY | RING_FD},
	[VHOST_MSG_SET_VRING_CALL] = {8, OFFERED | TAKES_AWAY | RING_FD},
	[VHOST_MSG_SET_VRING_ERR] = {8, OFFERED | RING_FD},
	[VHOST_MSG_GET_PROTOCOL_FEATURES] = {0, OFFERED},
	[VHOST_MSG_SET_PROTOCOL_FEATURES] = {8, OFFERED},
	[VHOST_MSG_GET_QUEUE_NUM] = {0, OFFERED},
	[VHOST_MSG_SET_VRING_ENABLE] = {8, OFFERED | TAKES_AWAY | RING_STATE},
	[VHOST_MSG_GET_CONFIG] = {12, OFFERED},
	[VHOST_MSG_SET_CONFIG] = {12, OFFERED},
};

#define NB_RULES (sizeof(rules) / sizeof(rules[0]))

/* Try the mmap() that the library will do, because the library leaks the fd if it fails. */
static const char *
check_mapping(int fd, const struct vhost_msg_region *region)
{
	uint64_t len = region->mmap_offset + region->len;
	uint64_t align;
	struct statfs fs;
	struct stat st;
	void *va;

	if (fstat(fd, &st) != 0 || fstatfs(fd, &fs) != 0)
		return "memory region: fstat failed";
	if (!S_ISREG(st.st_mode) || st.st_blksize <= 0 ||
		(st.st_blksize & (st.st_blksize - 1)) != 0)
		return "memory region: fd is not a regular file";
	/* A page fault would block until the FUSE server, maybe the front end, answers. */
	if (fs.f_type == FUSE_SUPER_MAGIC)
		return "memory region: file is on FUSE";
	if ((uint64_t)st.st_size < len)
		return "memory region: larger than its file";
	/* Huge pages can only be unmapped as a whole. */
	align = (uint64_t)st.st_blksize;
	len = (len + align - 1) & ~(align - 1);
	va = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (va == MAP_FAILED)
		return "memory region: mmap failed";
	munmap(va, len);
	return NULL;
}

static bool
overlap(const struct vhost_msg_region *a, const struct vhost_msg_region *b)
{
	return a->gpa < b->gpa + b->len && b->gpa < a->gpa + a->len;
}

static const char *
check_mem_table(const struct vhost_msg_ctx *msg)
{
	struct vhost_msg_region regions[VHOST_MSG_MAX_REGIONS];
	uint32_t nb = msg->payload.mem.nb_regions;
	const char *reason;
	uint32_t i, j;

	if (nb == 0 || nb > VHOST_MSG_MAX_REGIONS)
		return "memory table: not 1 to 8 regions";
	if (msg->len < 8 + nb * sizeof(regions[0]))
		return "wrong message length";
	if (msg->nb_fds != (int32_t)nb)
		return "memory table: not one fd for each region";
	memcpy(regions, msg->payload.bytes + 8, nb * sizeof(regions[0]));
	for (i = 0; i < nb; i++) {
		const struct vhost_msg_region *r = &regions[i];

		if (r->len == 0 || r->len > MAX_ADDR || r->mmap_offset > MAX_ADDR ||
			r->gpa > MAX_ADDR || r->front_end_addr > UINT64_MAX - r->len)
			return "memory region: address or size out of range";
		for (j = 0; j < i; j++)
			if (overlap(r, &regions[j]))
				return "memory table: regions overlap";
		reason = check_mapping(msg->fds[i], r);
		if (reason != NULL)
			return reason;
	}
	return NULL;
}

static const char *
check_ring_fd(const struct vhost_msg_ctx *msg)
{
	uint64_t u64 = msg->payload.u64;

	if ((u64 & VHOST_MSG_RING_IDX_MASK) >= VHOST_MSG_NB_RINGS)
		return "no such ring";
	if (msg->nb_fds != ((u64 & VHOST_MSG_NO_FD) != 0 ? 0 : 1))
		return "wrong number of fds";
	if (msg->nb_fds == 1 && !vhost_sock_is_eventfd(msg->fds[0]))
		return "fd is not an eventfd";
	return NULL;
}

static const char *
check_ring_state(const struct vhost_msg_ctx *msg)
{
	uint32_t num = msg->payload.ring.num;

	if (msg->payload.ring.idx >= VHOST_MSG_NB_RINGS)
		return "no such ring";
	switch (msg->request) {
	case VHOST_MSG_SET_VRING_NUM:
		if (num == 0 || num > VQ_MAX_SIZE || (num & (num - 1)) != 0)
			return "ring size is not a power of two up to 32768";
		break;
	case VHOST_MSG_SET_VRING_BASE:
		if (num > UINT16_MAX)
			return "ring base has more than 16 bits";
		break;
	default:
		break;
	}
	return NULL;
}

int
vhost_msg_check(const struct vhost_msg_ctx *msg, const char **reason)
{
	uint8_t flags;

	*reason = "request not supported";
	if (msg->request >= NB_RULES || (rules[msg->request].flags & OFFERED) == 0)
		return -ENOTSUP;
	flags = rules[msg->request].flags;

	*reason = NULL;
	if (msg->len < rules[msg->request].min_len || msg->len > VHOST_MSG_PAYLOAD_LEN)
		*reason = "wrong message length";
	else if ((flags & FD_TABLE) != 0)
		*reason = check_mem_table(msg);
	else if ((flags & RING_FD) != 0)
		*reason = check_ring_fd(msg);
	else if (msg->nb_fds != 0)
		*reason = "wrong number of fds";
	else if ((flags & RING_STATE) != 0)
		*reason = check_ring_state(msg);
	return *reason == NULL ? 0 : -EPROTO;
}

bool
vhost_msg_takes_away(uint32_t request)
{
	return request < NB_RULES && (rules[request].flags & TAKES_AWAY) != 0;
}

void
vhost_msg_close_fds(struct vhost_msg_ctx *msg)
{
	int32_t i;

	for (i = 0; i < msg->nb_fds && i < VHOST_MSG_MAX_REGIONS; i++) {
		if (msg->fds[i] >= 0)
			close(msg->fds[i]);
		msg->fds[i] = -1;
	}
	msg->nb_fds = 0;
}

void
vhost_msg_reply_config(struct vhost_msg_ctx *msg, const void *config, uint32_t config_len)
{
	uint32_t offset = msg->payload.config.offset;
	uint32_t len = msg->payload.config.len;

	if (len == 0 || offset >= config_len || len > config_len - offset ||
		msg->len < offsetof(struct vhost_msg_config, data) + len) {
		msg->len = 0;
		return;
	}
	memcpy(msg->payload.config.data, (const uint8_t *)config + offset, len);
}
