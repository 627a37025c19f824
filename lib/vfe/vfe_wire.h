/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFE_WIRE_H
#define VFE_WIRE_H

/**
 * @file
 * The virtio-vsock packet header as a driver writes and reads it, and the feature bits that a
 * driver negotiates. The device side (drivers/vsock) has its own definitions, so that a mistake in
 * one of the two shows as a disagreement.
 *
 * Virtio 1.2, section 5.10.6.
 */

#include <assert.h>
#include <endian.h>
#include <stdint.h>
#include <string.h>

#define VFE_HDR_LEN     44u
#define VFE_PAYLOAD_MAX 65536u
#define VFE_CID_HOST    2u

enum vfe_op {
	VFE_OP_REQUEST = 1,
	VFE_OP_RESPONSE = 2,
	VFE_OP_RST = 3,
	VFE_OP_SHUTDOWN = 4,
	VFE_OP_RW = 5,
	VFE_OP_CREDIT_UPDATE = 6,
	VFE_OP_CREDIT_REQUEST = 7,
};

enum vfe_type {
	VFE_TYPE_STREAM = 1,
	VFE_TYPE_SEQPACKET = 2,
};

#define VFE_SHUTDOWN_RECV 1u /**< The sender of the packet will not receive. */
#define VFE_SHUTDOWN_SEND 2u /**< The sender of the packet will not send. */
#define VFE_SHUTDOWN_BOTH 3u

#define VFE_SEQ_EOM 1u /**< Last packet of a message. */
#define VFE_SEQ_EOR 2u /**< End of a record, implies nothing about EOM. */

#define VFE_BIT(n) (UINT64_C(1) << (n))

#define VFE_F_STREAM            VFE_BIT(0)
#define VFE_F_SEQPACKET         VFE_BIT(1)
#define VFE_F_NO_IMPLIED_STREAM VFE_BIT(2)
#define VFE_F_NOTIFY_ON_EMPTY   VFE_BIT(24)
#define VFE_F_LOG_ALL           VFE_BIT(26)
#define VFE_F_ANY_LAYOUT        VFE_BIT(27)
#define VFE_F_INDIRECT_DESC     VFE_BIT(28)
#define VFE_F_EVENT_IDX         VFE_BIT(29)
#define VFE_F_PROTOCOL_FEATURES VFE_BIT(30)
#define VFE_F_VERSION_1         VFE_BIT(32)
#define VFE_F_RING_PACKED       VFE_BIT(34)
#define VFE_F_IN_ORDER          VFE_BIT(35)

/** A header in the host's byte order. */
struct vfe_hdr {
	uint64_t src_cid;
	uint64_t dst_cid;
	uint32_t src_port;
	uint32_t dst_port;
	uint32_t len;
	uint16_t type;
	uint16_t op;
	uint32_t flags;
	uint32_t buf_alloc;
	uint32_t fwd_cnt;
} __attribute__((packed));

static_assert(sizeof(struct vfe_hdr) == VFE_HDR_LEN, "header as on the wire");

/** Swaps between the host's order and the wire's; its own inverse. */
static inline struct vfe_hdr
vfe_hdr_swap(struct vfe_hdr hdr)
{
	hdr.src_cid = htole64(hdr.src_cid);
	hdr.dst_cid = htole64(hdr.dst_cid);
	hdr.src_port = htole32(hdr.src_port);
	hdr.dst_port = htole32(hdr.dst_port);
	hdr.len = htole32(hdr.len);
	hdr.type = htole16(hdr.type);
	hdr.op = htole16(hdr.op);
	hdr.flags = htole32(hdr.flags);
	hdr.buf_alloc = htole32(hdr.buf_alloc);
	hdr.fwd_cnt = htole32(hdr.fwd_cnt);
	return hdr;
}

/**
 * Writes @p hdr at @p to, which needs no alignment.
 *
 * Read @p hdr field by field, hence volatile. The store buffer forwards a header that was just
 * written only to loads of the same width. A wider load waits for all earlier stores, including
 * those to cache lines that the device holds.
 */
static inline void
vfe_hdr_encode(void *to, const struct vfe_hdr *hdr)
{
	const volatile struct vfe_hdr *from = hdr;
	struct vfe_hdr *wire = to;

	wire->src_cid = htole64(from->src_cid);
	wire->dst_cid = htole64(from->dst_cid);
	wire->src_port = htole32(from->src_port);
	wire->dst_port = htole32(from->dst_port);
	wire->len = htole32(from->len);
	wire->type = htole16(from->type);
	wire->op = htole16(from->op);
	wire->flags = htole32(from->flags);
	wire->buf_alloc = htole32(from->buf_alloc);
	wire->fwd_cnt = htole32(from->fwd_cnt);
}

/** Reads the header at @p from, which needs no alignment, once. */
static inline struct vfe_hdr
vfe_hdr_decode(const void *from)
{
	struct vfe_hdr wire;

	memcpy(&wire, from, sizeof(wire));
	return vfe_hdr_swap(wire);
}

/**
 * Starts an answer to a packet: source and destination change places, the type stays.
 *
 * @return a header of operation @p op whose other fields are 0
 */
static inline struct vfe_hdr
vfe_hdr_reply(const struct vfe_hdr *to, enum vfe_op op)
{
	return (struct vfe_hdr){
		.src_cid = to->dst_cid,
		.dst_cid = to->src_cid,
		.src_port = to->dst_port,
		.dst_port = to->src_port,
		.type = to->type,
		.op = (uint16_t)op,
	};
}

/**
 * Computes the free credit of a sender.
 *
 * @param buf_alloc the receiver's buffer in bytes, as it last said
 * @param tx_cnt bytes sent so far, modulo 2^32
 * @param fwd_cnt bytes that the receiver reported as consumed, modulo 2^32
 * @return free bytes; 0 when the receiver shrank its buffer below the bytes in flight.
 *         Virtio 1.2, section 5.10.6.3.
 */
static inline uint32_t
vfe_credit(uint32_t buf_alloc, uint32_t tx_cnt, uint32_t fwd_cnt)
{
	const uint32_t under_way = tx_cnt - fwd_cnt;

	return under_way >= buf_alloc ? 0 : buf_alloc - under_way;
}

#endif /* VFE_WIRE_H */
