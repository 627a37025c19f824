/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_WIRE_H
#define VSOCK_WIRE_H

/**
 * @file
 * The virtio-vsock wire format: header, operations, and the checks that need nothing but the
 * header itself. Virtio 1.2, section 5.10 "Socket Device". Pure; builds without EAL.
 */

#include <stdbool.h>
#include <stdint.h>

#define WIRE_HDR_LEN         44u
#define WIRE_PAYLOAD_MAX_LEN 65536u

#define VSOCK_CID_HOST 2u
#define VSOCK_CID_ANY  UINT32_MAX

/** Feature bits of the device (virtio 1.2, 5.10.3). */
#define VSOCK_F_STREAM            0
#define VSOCK_F_SEQPACKET         1
#define VSOCK_F_NO_IMPLIED_STREAM 2

enum wire_type {
	WIRE_TYPE_STREAM = 1,
	WIRE_TYPE_SEQPACKET = 2,
};

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

/** Flags of SHUTDOWN; sticky over the life of a connection. */
#define WIRE_SHUTDOWN_RCV  1u
#define WIRE_SHUTDOWN_SEND 2u
#define WIRE_SHUTDOWN_BOTH 3u
/** Flags of RW on a seqpacket connection. */
#define WIRE_SEQ_EOM 1u

/** A packet header in the CPU's byte order. The wire form is little endian and never mapped. */
struct wire_hdr {
	uint64_t src_cid;
	uint64_t dst_cid;
	uint32_t src_port;
	uint32_t dst_port;
	uint32_t len; /**< payload bytes */
	uint16_t type;
	uint16_t op;
	uint32_t flags;
	uint32_t buf_alloc; /**< sender's receive buffer, bytes */
	uint32_t fwd_cnt;   /**< bytes that the sender's user has taken, modulo 2^32 */
};

/** What wire_check() finds. */
enum wire_verdict {
	WIRE_OK,
	WIRE_BAD_LEN, /**< len above 64 KiB, above the chain's payload, or on an op without one */
	WIRE_BAD_SRC_CID, /**< src_cid is not the port's own, or a CID has its upper 32 bits set */
	WIRE_BAD_TYPE,    /**< a type that is not supported: to be answered with RST */
	WIRE_BAD_OP,      /**< unknown operation: to be answered with RST */
};

/**
 * Decode a header.
 * Context: any. @param raw WIRE_HDR_LEN bytes that nobody else can change (a copy).
 */
void wire_decode(const uint8_t *raw, struct wire_hdr *hdr);

/** Encode a header into WIRE_HDR_LEN bytes. Context: any. */
void wire_encode(const struct wire_hdr *hdr, uint8_t *raw);

/**
 * Check a header on its own: lengths, source, type, operation (5.10.6).
 * Context: any.
 * @param hdr the decoded copy.
 * @param own_cid the CID of the guest that sent it.
 * @param payload_len bytes of the chain behind the header.
 * @return the first rule that is broken in the order of enum wire_verdict, else WIRE_OK.
 */
enum wire_verdict wire_check(const struct wire_hdr *hdr, uint32_t own_cid, uint32_t payload_len);

/** True for a CID that a guest may have: not 0, 1, 2 or 2^32-1 (5.10.4). */
bool wire_cid_is_guest(uint64_t cid);

#endif
