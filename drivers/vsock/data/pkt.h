/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_PKT_H
#define VSOCK_PKT_H

/**
 * @file
 * Packet objects. An object represents a packet between the sender's TX ring and the receiver. It
 * belongs to one lcore, its home, and goes back there, so that only one lcore writes each pool of
 * objects. Between lcores the same object is the message and its receipt.
 *
 * Legend: [H] written by the home lcore before the object is sent and after it is back. [R] written
 * by the receiving lcore in between. The rings between lcores order both (release at enqueue,
 * acquire at dequeue).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <rte_common.h>

#include "ring/seg.h"
#include "wire/wire.h"

struct conn;

/**
 * Segments of one packet object. A chain with more segments uses several objects: its parts. The
 * first part is the lead of the chain. The chain goes back to the guest when all parts are home, in
 * whatever order they come.
 */
#define PKT_MAX_SEGS 20
/** Parts of a chain at most. */
#define PKT_MAX_PARTS ((VQ_CHAIN_MAX_SEGS + PKT_MAX_SEGS - 1) / PKT_MAX_SEGS)

enum pkt_kind {
	PKT_MSG,    /**< a header without payload */
	PKT_LOAN,   /**< payload in a chain of the sender's TX ring */
	PKT_REVOKE, /**< request to return all loans of src_port */
};

/** The receiver's answer. */
enum pkt_verdict {
	PKT_TAKEN,
	PKT_REFUSED, /**< reset the sender's end of the connection */
};

struct pkt {
	_Alignas(RTE_CACHE_LINE_SIZE)
		TAILQ_ENTRY(pkt) next; /* [H] free list, staging; [R] the connection's queue */
	TAILQ_ENTRY(pkt) held;         /* [R] loans of one port held on the receiving lcore */
	uint32_t len;                  /* [H] payload bytes */
	uint32_t off;                  /* [R] payload bytes delivered */
	uint8_t kind;                  /* [H] enum pkt_kind; [R] */
	uint8_t home;                  /* [H] index of the lcore, constant */
	uint8_t verdict;               /* [R] enum pkt_verdict */
	bool returning;                /* [R] the object is on its way home */
	uint16_t src_port_id;          /* [H] port of the sender */
	uint16_t dst_port_id;          /* [H] */
	uint32_t src_port_gen;         /* [H] */
	uint32_t dst_port_gen;         /* [H] */
	uint32_t conn_serial;          /* [H] the sender's end */
	uint32_t peer_serial; /* [H] the receiver's end; 0: the sender does not know it yet */
	uint16_t nb_parts;    /* [H] lead of a chain: objects of the chain that are not home */
	uint16_t chain_id;    /* [H] lead of a chain: buffer id */
	uint16_t chain_descs; /* [H] lead of a chain: ring entries of the chain */
	uint16_t nb_descs;    /* [H] loan: its part of these, at least 1 */
	uint16_t nb_segs;     /* [H] */
	uint16_t ring_share;  /* [H] loan: ring entries that the receiver may hold */
	uint16_t drop;        /* [R] enum drop_reason of a refusal */
	uint32_t payload_off; /* [H] offset of the payload in the segments */
	struct pkt *lead;     /* [H] loan: the first object of its chain */
	struct conn *conn;    /* [R] the connection whose queue it is in */
	struct wire_hdr hdr;  /* [H] the checked copy */
	struct vq_seg segs[PKT_MAX_SEGS]; /* [H] loan */
};
_Static_assert(offsetof(struct pkt, segs) + 2 * sizeof(struct vq_seg) <= 4 * RTE_CACHE_LINE_SIZE,
	"a loan as Linux sends it fills four lines");

/** Packet objects that were allocated together. */
struct pkt_block {
	struct pkt_block *next;
	uint32_t nb;
	struct pkt pkts[];
};

TAILQ_HEAD(pkt_list, pkt);
TAILQ_HEAD(pkt_held_list, pkt);

#endif
