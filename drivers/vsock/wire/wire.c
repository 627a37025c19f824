/* SPDX-License-Identifier: BSD-3-Clause */
#include <endian.h>
#include <string.h>

#include "wire/wire.h"

/* Offsets of the fields (virtio 1.2, 5.10.6: struct virtio_vsock_hdr). */
enum wire_off {
	OFF_SRC_CID = 0,
	OFF_DST_CID = 8,
	OFF_SRC_PORT = 16,
	OFF_DST_PORT = 20,
	OFF_LEN = 24,
	OFF_TYPE = 28,
	OFF_OP = 30,
	OFF_FLAGS = 32,
	OFF_BUF_ALLOC = 36,
	OFF_FWD_CNT = 40,
	OFF_END = 44,
};

_Static_assert(OFF_END == WIRE_HDR_LEN, "the header is 44 bytes");
_Static_assert(WIRE_OP_CREDIT_REQUEST == WIRE_OP_MAX, "operations are numbered 1 to 7");

static inline uint16_t
get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return le16toh(v);
}

static inline uint32_t
get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static inline uint64_t
get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline void
put16(uint8_t *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, sizeof(v));
}

static inline void
put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void
put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

void
wire_decode(const uint8_t *raw, struct wire_hdr *hdr)
{
	hdr->src_cid = get64(raw + OFF_SRC_CID);
	hdr->dst_cid = get64(raw + OFF_DST_CID);
	hdr->src_port = get32(raw + OFF_SRC_PORT);
	hdr->dst_port = get32(raw + OFF_DST_PORT);
	hdr->len = get32(raw + OFF_LEN);
	hdr->type = get16(raw + OFF_TYPE);
	hdr->op = get16(raw + OFF_OP);
	hdr->flags = get32(raw + OFF_FLAGS);
	hdr->buf_alloc = get32(raw + OFF_BUF_ALLOC);
	hdr->fwd_cnt = get32(raw + OFF_FWD_CNT);
}

void
wire_encode(const struct wire_hdr *hdr, uint8_t *raw)
{
	put64(raw + OFF_SRC_CID, hdr->src_cid);
	put64(raw + OFF_DST_CID, hdr->dst_cid);
	put32(raw + OFF_SRC_PORT, hdr->src_port);
	put32(raw + OFF_DST_PORT, hdr->dst_port);
	put32(raw + OFF_LEN, hdr->len);
	put16(raw + OFF_TYPE, hdr->type);
	put16(raw + OFF_OP, hdr->op);
	put32(raw + OFF_FLAGS, hdr->flags);
	put32(raw + OFF_BUF_ALLOC, hdr->buf_alloc);
	put32(raw + OFF_FWD_CNT, hdr->fwd_cnt);
}

static bool
op_is_known(uint16_t op)
{
	return op > WIRE_OP_INVALID && op <= WIRE_OP_MAX;
}

enum wire_verdict
wire_check(const struct wire_hdr *hdr, uint32_t own_cid, uint32_t payload_len)
{
	if (hdr->len > WIRE_PAYLOAD_MAX_LEN || hdr->len > payload_len)
		return WIRE_BAD_LEN;
	/* An unknown operation may have a payload. It gets WIRE_BAD_OP below. */
	if (hdr->len != 0 && hdr->op != WIRE_OP_RW && op_is_known(hdr->op))
		return WIRE_BAD_LEN;
	if (hdr->src_cid != own_cid || hdr->dst_cid > UINT32_MAX)
		return WIRE_BAD_SRC_CID;
	if (hdr->type != WIRE_TYPE_STREAM && hdr->type != WIRE_TYPE_SEQPACKET)
		return WIRE_BAD_TYPE;
	if (!op_is_known(hdr->op))
		return WIRE_BAD_OP;
	return WIRE_OK;
}

bool
wire_cid_is_guest(uint64_t cid)
{
	return cid > VSOCK_CID_HOST && cid < VSOCK_CID_ANY;
}
