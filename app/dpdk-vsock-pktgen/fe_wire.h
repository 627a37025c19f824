/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FE_WIRE_H
#define FE_WIRE_H

/**
 * @file
 * The virtio-vsock packet header as a driver writes and reads it, and the feature bits that a
 * driver negotiates. Nothing here is shared with the device side: a mistake in one of the two
 * shows as a disagreement.
 *
 * Virtio 1.2, section 5.10.6.
 */

#include <assert.h>
#include <endian.h>
#include <stdint.h>
#include <string.h>

#define FE_HDR_LEN     44u
#define FE_PAYLOAD_MAX 65536u
#define FE_CID_HOST    2u

enum fe_op {
	FE_OP_REQUEST = 1,
	FE_OP_RESPONSE = 2,
	FE_OP_RST = 3,
	FE_OP_SHUTDOWN = 4,
	FE_OP_RW = 5,
	FE_OP_CREDIT_UPDATE = 6,
	FE_OP_CREDIT_REQUEST = 7,
};

enum fe_type {
	FE_TYPE_STREAM = 1,
	FE_TYPE_SEQPACKET = 2,
};

#define FE_SHUTDOWN_RECV 1u /**< The sender of the packet will not receive. */
#define FE_SHUTDOWN_SEND 2u /**< The sender of the packet will not send. */
#define FE_SHUTDOWN_BOTH 3u

#define FE_SEQ_EOM 1u /**< Last packet of a message. */
#define FE_SEQ_EOR 2u /**< End of a record, implies nothing about EOM. */

#define FE_BIT(n) (UINT64_C(1) << (n))

#define FE_F_STREAM            FE_BIT(0)
#define FE_F_SEQPACKET         FE_BIT(1)
#define FE_F_NO_IMPLIED_STREAM FE_BIT(2)
#define FE_F_NOTIFY_ON_EMPTY   FE_BIT(24)
#define FE_F_LOG_ALL           FE_BIT(26)
#define FE_F_ANY_LAYOUT        FE_BIT(27)
#define FE_F_INDIRECT_DESC     FE_BIT(28)
#define FE_F_EVENT_IDX         FE_BIT(29)
#define FE_F_PROTOCOL_FEATURES FE_BIT(30)
#define FE_F_VERSION_1         FE_BIT(32)
#define FE_F_RING_PACKED       FE_BIT(34)
#define FE_F_IN_ORDER          FE_BIT(35)

/** A header in the host's byte order. */
struct fe_hdr {
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

static_assert(sizeof(struct fe_hdr) == FE_HDR_LEN, "header as on the wire");

/** Swaps between the host's order and the wire's; its own inverse. */
static inline struct fe_hdr
fe_hdr_swap(struct fe_hdr hdr)
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
 * A header that was just put together comes back from the store buffer only in the widths in which
 * it was written. A wider load waits for all stores before it, those to lines that the device holds
 * among them. Hence volatile: field by field, and no compiler makes one load of two.
 */
static inline void
fe_hdr_encode(void *to, const struct fe_hdr *hdr)
{
	const volatile struct fe_hdr *from = hdr;
	struct fe_hdr *wire = to;

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
static inline struct fe_hdr
fe_hdr_decode(const void *from)
{
	struct fe_hdr wire;

	memcpy(&wire, from, sizeof(wire));
	return fe_hdr_swap(wire);
}

/**
 * What a sender may still send.
 *
 * @param buf_alloc the receiver's buffer in bytes, as it last said
 * @param tx_cnt bytes sent so far, modulo 2^32
 * @param fwd_cnt bytes that the receiver said it had passed on, modulo 2^32
 * @return free bytes; 0 when the receiver shrank its buffer below what is under way.
 *         Virtio 1.2, section 5.10.6.3.
 */
static inline uint32_t
fe_credit(uint32_t buf_alloc, uint32_t tx_cnt, uint32_t fwd_cnt)
{
	const uint32_t under_way = tx_cnt - fwd_cnt;

	return under_way >= buf_alloc ? 0 : buf_alloc - under_way;
}

#endif /* FE_WIRE_H */
