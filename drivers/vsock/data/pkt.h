/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_PKT_H
#define VSOCK_PKT_H

/**
 * @file
 * Packet objects: what stands for a packet between its guest's TX ring and its receiver. Each
 * belongs to one lcore (its home) and goes back there, so that a pool has no second writer: across
 * lcores the same object is the message and its receipt.
 *
 * Legend: [H] written at home before it is sent and after it is back; [R] written by the lcore that
 * receives it, between the two. The rings between lcores order both (release at enqueue, acquire at
 * dequeue).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <rte_common.h>

#include "data/chunk.h"
#include "ring/seg.h"
#include "wire/wire.h"

struct conn;

/** Segments that a loan can carry; a chain of more is copied before it goes anywhere. */
#define PKT_MAX_SEGS 20

enum pkt_kind {
	PKT_MSG,    /**< a header that was taken by value */
	PKT_LOAN,   /**< payload that still lies in the sender's TX ring */
	PKT_COPY,   /**< payload in pool memory */
	PKT_REVOKE, /**< every loan of src_port has to be copied or given up now */
};

/** What the receiver made of it; travels home. */
enum pkt_verdict {
	PKT_TAKEN,
	PKT_REFUSED, /**< the receiver has no such connection: the sender's end is to be reset */
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
	bool returning;                /* [R] on its way home */
	bool has_chain;                /* [H] loan: the last, or only, piece of its chain */
	uint16_t src_port_id;          /* [H] port whose guest sent it */
	uint16_t dst_port_id;          /* [H] */
	uint32_t src_port_gen;         /* [H] */
	uint32_t dst_port_gen;         /* [H] */
	uint32_t conn_serial;          /* [H] the sender's end */
	uint32_t peer_serial;    /* [H] the receiver's end as the sender knows it; 0: not yet */
	uint16_t chain_id;       /* [H] loan: buffer id */
	uint16_t nb_descs;       /* [H] loan: entries of the ring that it occupies */
	uint16_t nb_segs;        /* [H] */
	uint16_t payload_off;    /* [H] payload's first byte within the segments */
	uint16_t ring_share;     /* [H] loan: entries of its ring that one receiver may hold */
	uint16_t drop;           /* [R] enum drop_reason of a refusal */
	uint32_t rec_left;       /* [R] seqpacket copy: bytes left of the first record */
	uint32_t rec_flags;      /* [R] seqpacket copy: its flags */
	struct conn *conn;       /* [R] whose queue it is in */
	struct wire_hdr hdr;     /* [H] the checked copy */
	struct chunk_queue copy; /* [R] PKT_COPY */
	struct vq_seg segs[PKT_MAX_SEGS]; /* [H] loan */
};
_Static_assert(offsetof(struct pkt, segs) + 2 * sizeof(struct vq_seg) <= 4 * RTE_CACHE_LINE_SIZE,
	"a loan as Linux sends it fills four lines");

TAILQ_HEAD(pkt_list, pkt);
TAILQ_HEAD(pkt_held_list, pkt);

#endif
