/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_WIRE_H
#define VSOCK_WIRE_H

/**
 * @file
 * The virtio-vsock wire format: header, operations, and the checks that need only the header.
 * Virtio 1.2, section 5.10 "Socket Device". Pure functions; builds without EAL.
 */

#include <stdbool.h>
#include <stdint.h>

/** Bytes of a header. */
#define WIRE_HDR_LEN 44u
/** Bytes of the largest payload of a packet. */
#define WIRE_PAYLOAD_MAX_LEN 65536u

/** CID of the host. */
#define VSOCK_CID_HOST 2u
/** Reserved: no guest has it. */
#define VSOCK_CID_ANY UINT32_MAX

/** Feature bits of the device (virtio 1.2, 5.10.3). */
#define VSOCK_F_STREAM            0
#define VSOCK_F_SEQPACKET         1
#define VSOCK_F_NO_IMPLIED_STREAM 2

/** Socket type of a connection. */
enum wire_type {
	WIRE_TYPE_STREAM = 1,
	WIRE_TYPE_SEQPACKET = 2,
};

/** Operation of a packet. */
enum wire_op {
	WIRE_OP_INVALID = 0,
	WIRE_OP_REQUEST = 1,
	WIRE_OP_RESPONSE = 2,
	WIRE_OP_RST = 3,
	WIRE_OP_SHUTDOWN = 4,
	WIRE_OP_RW = 5,
	WIRE_OP_CREDIT_UPDATE = 6,
	WIRE_OP_CREDIT_REQUEST = 7,
	WIRE_OP_MAX = 7,
};

/** Flags of SHUTDOWN. Once sent, a flag holds for the rest of the connection. */
#define WIRE_SHUTDOWN_RCV  1u
#define WIRE_SHUTDOWN_SEND 2u
#define WIRE_SHUTDOWN_BOTH 3u
/** Flag of RW on a seqpacket connection: the last packet of a message. */
#define WIRE_SEQ_EOM 1u
#define WIRE_SEQ_EOR 2u /* end of record */

/** A packet header in the byte order of the CPU. On the wire it is little endian. */
struct wire_hdr {
	uint64_t src_cid;
	uint64_t dst_cid;
	uint32_t src_port;
	uint32_t dst_port;
	uint32_t len; /**< payload bytes */
	uint16_t type;
	uint16_t op;
	uint32_t flags;
	uint32_t buf_alloc; /**< receive buffer of the sender, bytes */
	uint32_t fwd_cnt;   /**< bytes that the sender has read, modulo 2^32 */
};

/** Result of wire_check(). */
enum wire_verdict {
	WIRE_OK,
	WIRE_BAD_LEN,     /**< len is too large, exceeds the chain, or the op has no payload */
	WIRE_BAD_SRC_CID, /**< src_cid is not the guest's, or a CID exceeds 32 bits */
	WIRE_BAD_TYPE,    /**< unsupported type: answer with RST */
	WIRE_BAD_OP,      /**< unknown operation: answer with RST */
};

/**
 * Decode a header. Context: any.
 * @param raw WIRE_HDR_LEN bytes; a private copy, not guest memory.
 * @param hdr filled.
 */
void wire_decode(const uint8_t *raw, struct wire_hdr *hdr);

/** Encode a header. Context: any. @param raw filled; WIRE_HDR_LEN bytes. */
void wire_encode(const struct wire_hdr *hdr, uint8_t *raw);

/**
 * Validate a header: lengths, source, type, operation (5.10.6). Context: any.
 * @param hdr the decoded copy.
 * @param own_cid CID of the guest that sent it.
 * @param payload_len bytes of the chain after the header.
 * @return WIRE_OK, or the first error in the order of enum wire_verdict.
 */
enum wire_verdict wire_check(const struct wire_hdr *hdr, uint32_t own_cid, uint32_t payload_len);

/** @return true if a guest may have this CID: not 0, 1, 2 or 2^32-1 (5.10.4). Context: any. */
bool wire_cid_is_guest(uint64_t cid);

#endif
