/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFE_VU_MSG_H
#define VFE_VU_MSG_H

/**
 * @file
 * The messages of the vhost-user protocol as they are on the wire, in the host's byte order. Types
 * and constants only: a front end and a back end can both use them.
 */

#include <assert.h>
#include <stdint.h>

enum vfe_vu_request {
	VFE_VU_GET_FEATURES = 1,
	VFE_VU_SET_FEATURES = 2,
	VFE_VU_SET_OWNER = 3,
	VFE_VU_RESET_OWNER = 4,
	VFE_VU_SET_MEM_TABLE = 5,
	VFE_VU_SET_LOG_BASE = 6,
	VFE_VU_SET_LOG_FD = 7,
	VFE_VU_SET_VRING_NUM = 8,
	VFE_VU_SET_VRING_ADDR = 9,
	VFE_VU_SET_VRING_BASE = 10,
	VFE_VU_GET_VRING_BASE = 11,
	VFE_VU_SET_VRING_KICK = 12,
	VFE_VU_SET_VRING_CALL = 13,
	VFE_VU_SET_VRING_ERR = 14,
	VFE_VU_GET_PROTOCOL_FEATURES = 15,
	VFE_VU_SET_PROTOCOL_FEATURES = 16,
	VFE_VU_GET_QUEUE_NUM = 17,
	VFE_VU_SET_VRING_ENABLE = 18,
	VFE_VU_GET_CONFIG = 24,
};

/* Protocol features (bits of GET/SET_PROTOCOL_FEATURES). */
#define VFE_VU_PF_MQ             (UINT64_C(1) << 0)
#define VFE_VU_PF_REPLY_ACK      (UINT64_C(1) << 3)
#define VFE_VU_PF_CONFIG         (UINT64_C(1) << 9)
#define VFE_VU_PF_INFLIGHT_SHMFD (UINT64_C(1) << 12)

#define VFE_VU_MAX_FDS 8u

#define VFE_VU_MAX_REGIONS 8u /**< Of one SET_MEM_TABLE. */

#define VFE_VU_VERSION    1u
#define VFE_VU_REPLY      (1u << 2)
#define VFE_VU_NEED_REPLY (1u << 3)
#define VFE_VU_NO_FD      (1u << 8) /**< In the payload of SET_VRING_KICK, _CALL and _ERR. */

struct vfe_vu_hdr {
	uint32_t request;
	uint32_t flags;
	uint32_t size;
};

struct vfe_vu_state {
	uint32_t queue;
	uint32_t num;
};

struct vfe_vu_addr {
	uint32_t queue;
	uint32_t flags;
	uint64_t desc;
	uint64_t used;
	uint64_t avail;
	uint64_t log;
};

struct vfe_vu_region {
	uint64_t gpa;
	uint64_t len;
	uint64_t va;
	uint64_t mmap_offset;
};

struct vfe_vu_mem_table {
	uint32_t nb_regions;
	uint32_t padding;
	struct vfe_vu_region regions[VFE_VU_MAX_REGIONS];
};

#define VFE_VU_CONFIG_MAX 256u

struct vfe_vu_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t data[VFE_VU_CONFIG_MAX];
};

static_assert(sizeof(struct vfe_vu_hdr) == 12, "as on the wire");
static_assert(sizeof(struct vfe_vu_addr) == 40, "as on the wire");
static_assert(sizeof(struct vfe_vu_region) == 32, "as on the wire");

#endif /* VFE_VU_MSG_H */
