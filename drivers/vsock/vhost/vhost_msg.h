/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_VHOST_MSG_H
#define VSOCK_VHOST_MSG_H

/**
 * @file
 * Messages of the vhost-user protocol as librte_vhost hands them to external handlers, and the
 * checks that the library leaves out. Pure but for system calls on the fds that came along.
 *
 * The library is trusted with well-formed messages only: a bad ring index makes it allocate
 * hundreds of rings, a memory region that cannot be mapped leaks its fd, a short message is
 * completed from uninitialised memory. So whatever is not offered or not well-formed is stopped
 * before the library sees it.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_version.h>

#define VHOST_MSG_MAX_REGIONS 8
#define VHOST_MSG_MAX_CONFIG  256

/** Rings that a front end may set up: those of the switch and the event queue. */
#define VHOST_MSG_NB_RINGS 3

/* vhost_msg.flags */
#define VHOST_MSG_NEED_REPLY 0x8u

/* The u64 of SET_VRING_KICK and its kin */
#define VHOST_MSG_RING_IDX_MASK 0xffu
#define VHOST_MSG_NO_FD         0x100u

enum vhost_msg_request {
	VHOST_MSG_GET_FEATURES = 1,
	VHOST_MSG_SET_FEATURES = 2,
	VHOST_MSG_SET_OWNER = 3,
	VHOST_MSG_RESET_OWNER = 4,
	VHOST_MSG_SET_MEM_TABLE = 5,
	VHOST_MSG_SET_VRING_NUM = 8,
	VHOST_MSG_SET_VRING_ADDR = 9,
	VHOST_MSG_SET_VRING_BASE = 10,
	VHOST_MSG_GET_VRING_BASE = 11,
	VHOST_MSG_SET_VRING_KICK = 12,
	VHOST_MSG_SET_VRING_CALL = 13,
	VHOST_MSG_SET_VRING_ERR = 14,
	VHOST_MSG_GET_PROTOCOL_FEATURES = 15,
	VHOST_MSG_SET_PROTOCOL_FEATURES = 16,
	VHOST_MSG_GET_QUEUE_NUM = 17,
	VHOST_MSG_SET_VRING_ENABLE = 18,
	VHOST_MSG_GET_CONFIG = 24,
	VHOST_MSG_SET_CONFIG = 25,
};

struct vhost_msg_region {
	uint64_t gpa;
	uint64_t len;
	uint64_t front_end_addr;
	uint64_t mmap_offset;
};

struct vhost_msg_config {
	uint32_t offset;
	uint32_t len;
	uint32_t flags;
	uint8_t data[VHOST_MSG_MAX_CONFIG];
};

/* The library's largest payload, a crypto session: it decides where the fds lie. */
#if RTE_VERSION < RTE_VERSION_NUM(25, 3, 0, 0)
#define VHOST_MSG_PAYLOAD_LEN 632
#else
#define VHOST_MSG_PAYLOAD_LEN 1072
#endif

/** A message; the library's struct vhu_msg_context, which external handlers may rely on. */
struct vhost_msg_ctx {
	uint32_t request;
	uint32_t flags;
	uint32_t len; /**< of the payload */
	union {
		uint64_t u64;
		struct {
			uint32_t idx;
			uint32_t num;
		} ring;
		struct {
			uint32_t nb_regions;
			uint32_t padding;
			struct vhost_msg_region regions[VHOST_MSG_MAX_REGIONS];
		} mem;
		struct vhost_msg_config config;
		uint8_t bytes[VHOST_MSG_PAYLOAD_LEN];
	} payload;
	int32_t fds[VHOST_MSG_MAX_REGIONS];
	int32_t nb_fds;
} __attribute__((packed));

_Static_assert(
	sizeof(struct vhost_msg_ctx) == 12 + VHOST_MSG_PAYLOAD_LEN + 9 * 4, "vhu_msg_context");

/**
 * Check a message before the library handles it.
 * Context: control threads.
 * @param reason set to a few words when it is refused.
 * @return 0; -ENOTSUP a request that is not offered (an error reply, or the end of the connection,
 *   as the front end asked for); -EPROTO malformed or beyond the limits (the connection should
 *   end). The fds stay with the message.
 */
int vhost_msg_check(const struct vhost_msg_ctx *msg, const char **reason);

/** Whether the message takes memory, a ring or an fd of a running device away or replaces it. */
bool vhost_msg_takes_away(uint32_t request);

/** Close the fds that came along. The library does not for messages that a handler answered. */
void vhost_msg_close_fds(struct vhost_msg_ctx *msg);

/**
 * Turn GET_CONFIG into its reply: the bytes asked for of @p config, or an empty payload, which
 * means failure, when they do not exist.
 */
void vhost_msg_reply_config(struct vhost_msg_ctx *msg, const void *config, uint32_t config_len);

#endif
