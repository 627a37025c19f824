/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_VHOST_MSG_H
#define VSOCK_VHOST_MSG_H

/**
 * @file
 * Messages of the vhost-user protocol as librte_vhost passes them to external handlers, and the
 * checks that the library does not make. Pure functions, except for system calls on received fds.
 *
 * The library handles only well-formed messages safely. For a bad ring index it allocates hundreds
 * of rings; for a memory region that cannot be mapped it leaks the fd; it reads past the end of a
 * short message. Therefore unsupported and malformed messages are refused before the library
 * handles them.
 *
 * Context of all functions: control threads.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_version.h>

/** Memory regions of a front end, and fds of a message. */
#define VHOST_MSG_MAX_REGIONS 8
/** Bytes of the configuration space in a message. */
#define VHOST_MSG_MAX_CONFIG 256

/** Rings that a front end may set up: RX, TX and event queue. The switch uses the first two. */
#define VHOST_MSG_NB_RINGS 3

/** Flag of a message: the front end wants a reply. */
#define VHOST_MSG_NEED_REPLY 0x8u

/* Bits of the u64 of SET_VRING_KICK, SET_VRING_CALL and SET_VRING_ERR. */
#define VHOST_MSG_RING_IDX_MASK 0xffu
#define VHOST_MSG_NO_FD         0x100u

/** Requests (vhost-user protocol, "Front-end message types"). */
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

/** A memory region of SET_MEM_TABLE. */
struct vhost_msg_region {
	uint64_t gpa;            /**< guest physical address */
	uint64_t len;            /**< bytes */
	uint64_t front_end_addr; /**< address in the front end */
	uint64_t mmap_offset;    /**< bytes, in the file of the region's fd */
};

/** Payload of GET_CONFIG and SET_CONFIG. */
struct vhost_msg_config {
	uint32_t offset; /**< bytes, in the configuration space */
	uint32_t len;    /**< bytes */
	uint32_t flags;
	uint8_t data[VHOST_MSG_MAX_CONFIG];
};

/* Bytes of the library's largest payload, a crypto session. It gives the offset of the fds. */
#if RTE_VERSION < RTE_VERSION_NUM(25, 3, 0, 0)
#define VHOST_MSG_PAYLOAD_LEN 632
#else
#define VHOST_MSG_PAYLOAD_LEN 1072
#endif

/** A message: struct vhu_msg_context of the library, whose layout is part of its ABI. */
struct vhost_msg_ctx {
	uint32_t request;
	uint32_t flags;
	uint32_t len; /**< bytes of the payload */
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
 * Check a message before the library handles it. The message keeps its fds in all cases.
 * @param reason set to a constant string if the message is refused.
 * @return 0; -ENOTSUP the request is not supported: send an error reply if the front end wants one,
 *   else close the connection; -EPROTO malformed or beyond a limit: close the connection.
 */
int vhost_msg_check(const struct vhost_msg_ctx *msg, const char **reason);

/** @return true if the request removes or replaces memory, a ring or an fd of a running device. */
bool vhost_msg_takes_away(uint32_t request);

/** Close the fds of a message. The library does not close them if a handler has answered it. */
void vhost_msg_close_fds(struct vhost_msg_ctx *msg);

/**
 * Turn GET_CONFIG into its reply. The payload is the requested part of @p config, or empty, which
 * means an error, if that part does not exist.
 * @param config the configuration space. @param config_len its length, bytes.
 */
void vhost_msg_reply_config(struct vhost_msg_ctx *msg, const void *config, uint32_t config_len);

#endif
