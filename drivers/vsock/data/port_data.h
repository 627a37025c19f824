/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_PORT_DATA_H
#define VSOCK_PORT_DATA_H

/**
 * @file
 * A port, with the data that the data plane works on.
 *
 * Legend:
 *  [C] constant after port_create(); all threads may read it.
 *  [L] only the owning lcore accesses it. The lcore gets the port through lcore_msg_call().
 *  [K] only the control plane accesses it, under the mutex of the port table in control/port.c.
 *  [A] atomic: one side writes it, the others read it as a hint.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <rte_common.h>

#include <wq.h>

#include "data/chunk.h"
#include "data/conn.h"
#include "data/port_conf.h"
#include "data/port_device.h"
#include "data/stats.h"
#include "ring/vq.h"
#include "vsock_limits.h"

struct lcore;
struct ctl_request;
struct host_listener;
struct vsock_switch;

/** An RST for a packet without a connection. */
struct reply {
	uint64_t src_cid;
	uint32_t src_port;
	uint32_t dst_port;
	uint16_t type;
};

/** What another guest has at this port. */
struct pair {
	uint32_t nb_held_descs;        /* entries of its TX ring */
	uint32_t pool_len;             /* bytes of its data in the pool */
	uint32_t nb_conns;             /* connections that it began; at the own id: host programs */
	struct conn_list ready;        /* its connections here that have packets for the guest */
	TAILQ_ENTRY(pair) ready_entry; /* in the port's list while there is one */
};

TAILQ_HEAD(pair_list, pair);

/** Bound of the segments of an RX buffer that direct.c fills; to_guest.c fills longer chains. */
#define DIRECT_MAX_SEGS 4

/** The open RX buffer of the direct path; see conn/direct.h. */
struct direct_buffer {
	struct conn *conn; /* NULL: none is open */
	struct port *next; /* in the lcore's list of ports with an open buffer */
	struct vq_chain chain;
	struct vq_seg segs[DIRECT_MAX_SEGS];
	uint32_t len;  /* payload so far */
	uint32_t room; /* for payload */
	uint32_t flags;
};

struct port {
	/* Touched for every burst. */
	_Alignas(RTE_CACHE_LINE_SIZE) struct vq vq[PORT_NB_QUEUES]; /* [L] */
	struct lcore *lcore;                                        /* [C] after port_start() */
	uint32_t cid;                                               /* [C] */
	uint32_t gen;                                               /* [C] */
	uint16_t id;                                                /* [C] */
	bool running;                   /* [L] has a device, and is not being settled */
	bool active;                    /* [L] polled; otherwise the lcore waits for a kick */
	bool in_ready;                  /* [L] on the lcore's ready list */
	bool starved;                   /* [L] has packets for the guest, but no RX buffer */
	bool blocked;                   /* [L] its TX ring is not read: see switch/from_guest.c */
	bool in_flush;                  /* [L] has used entries that are not visible yet */
	bool kicks_on;                  /* [L] kicks are enabled */
	bool seqpacket;                 /* [L] the driver has negotiated seqpacket */
	bool rx_kicks_on;               /* [L] kicks are enabled for RX buffers, too */
	bool broken;                    /* [L] stopped until the device starts anew */
	TAILQ_ENTRY(port) active_entry; /* [L] */
	TAILQ_ENTRY(port) ready_entry;  /* [L] */
	TAILQ_ENTRY(port) flush_entry;  /* [L] */
	uint64_t idle_since;            /* [L] TSC of the last work; 0: busy */
	uint32_t rx_turn;               /* [L] turn of the lcore that rx_left is for */
	int32_t rx_left;                /* [L] RX descriptors that may be looked at in it */
	struct direct_buffer open;      /* [L] */
	struct pair_list ready;         /* [L] pairs whose connections have packets for the guest */
	uint16_t replies_head;          /* [L] */
	uint16_t nb_replies;            /* [L] */
	struct conn_table conns;        /* [L] */
	struct chunk_account pool;      /* [L] */
	uint32_t nb_pkts_out;           /* [L] packet objects in use for its guest */
	uint32_t nb_lent_descs;         /* [L] entries of its TX ring that are lent */
	uint32_t nb_conns_of_others;    /* [L] connections that the guest did not begin */
	struct port_stats stats;        /* [L] */
	struct pair *pairs;             /* [L] by port id of the sender */

	TAILQ_ENTRY(port) busy_entry; /* [L] ports that are being settled or cleared */

	struct port_device dev;  /* [L] */
	bool attached;           /* [L] new connections are allowed */
	volatile int fault;      /* [A] gmem_guard */
	uint32_t host_port_next; /* [L] host ports for connections from host programs */
	struct reply replies[LIMIT_NB_REPLIES]; /* [L] */

	/* Settle and clear: the request to complete. */
	struct ctl_request *settle; /* [L] */
	struct ctl_request *clear;  /* [L] */
	uint64_t revoked_mask;      /* [L] lcores that were told to return loans of this port */
	uint32_t clear_next;        /* [L] index of the next connection to reset */

	struct vsock_switch *sw;        /* [C] */
	struct port_conf conf;          /* [C] */
	uint64_t groups_mask;           /* [C] */
	struct port_indices stopped_at; /* [K] */
	bool has_stopped_at;            /* [K] */
	bool device;                    /* [A] */
	bool started;                   /* [K] */
	struct host_listener *listener; /* [K] */
	pthread_mutex_t clear_mutex;    /* one lcore_ctl_clear() at a time */
	struct wq_work broken_work;     /* queued by [L], run by the slow path */
	uint16_t broken_reason;         /* [A] enum drop_reason, for broken_work */
};
_Static_assert(sizeof(struct vq) == RTE_CACHE_LINE_SIZE, "a queue is one cache line");
_Static_assert(offsetof(struct port, stats) <= 512, "the fields of a burst lie together");

TAILQ_HEAD(port_list, port);

#endif
