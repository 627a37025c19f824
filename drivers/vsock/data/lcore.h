/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_LCORE_H
#define VSOCK_LCORE_H

/**
 * @file
 * A poll lcore: the data that it owns, and the ways to reach it. loop/lcore_loop.c is its loop, and
 * loop/lcore_data.c creates the data. A packet goes from_guest.c → forward.c or host_send.c →
 * to_guest.c.
 *
 * Legend of struct lcore: [L] only the lcore accesses it. [C] constant while the lcore runs.
 * [A] atomic; the comment names both sides.
 */

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <rte_hash.h>
#include <rte_ring.h>

#include "data/conn.h"
#include "data/pkt.h"
#include "data/port_data.h"
#include "data/stats.h"
#include "vsock_limits.h"

struct host_job;
struct host_jobs;
struct conn_log;
struct lcore;
struct tick;
struct vsock_switch;

/** Messages of the slow path and the control plane to an lcore. */
enum inbox_type {
	INBOX_CALL,           /**< run a control request */
	INBOX_HOST_CONNECTED, /**< the connect() for a guest succeeded or failed */
	INBOX_HOST_CONNECT,   /**< a host program has sent its CONNECT line */
	INBOX_DROP,           /**< count a refusal of the control plane; reason says which */
	INBOX_CREDIT,         /**< send a credit update if it is still due */
	INBOX_JOB_FREE,       /**< a job has finished: give it back to the free list */
	INBOX_TICK,           /**< check the timers; reason is 1 for the quick tick */
};

struct inbox_msg {
	_Alignas(RTE_CACHE_LINE_SIZE) uint16_t type; /* enum inbox_type */
	uint16_t port_id;
	uint32_t port_gen;
	uint32_t local_port;
	uint32_t peer_port;
	uint32_t serial;    /* of the connection */
	int32_t fd;         /* or -errno */
	uint32_t buf_alloc; /* bytes that the socket can hold */
	uint16_t conn_type; /* enum wire_type */
	uint16_t reason;    /* enum drop_reason */
	pid_t pid;          /* of the host program; 0: not known */
	uid_t uid;
	union {
		struct host_job *job;
		struct ctl_request *request;
	};
};
_Static_assert(sizeof(struct inbox_msg) == 64, "an inbox message is one cache line");

/**
 * A function that the control plane runs in the context of an lcore.
 * @return true: the request is complete; false: lcore_msg_done() completes it.
 */
typedef bool (*ctl_fn)(struct lcore *lc, struct ctl_request *req);

struct ctl_request {
	ctl_fn fn;
	void *arg;
	int result;
	sem_t done;
};

/** The port of a CID. Each lcore has its own table. */
struct route {
	uint32_t cid; /* 0: none */
	uint32_t gen;
	uint64_t groups_mask;
	uint16_t lcore; /* index */
};

/** A packet of a burst for host programs. Valid until the end of the burst. */
struct burst_pkt {
	struct vq_seg *segs;
	uint32_t len; /* payload */
	uint32_t flags;
	uint16_t nb_segs;
	uint16_t payload_off;
	uint16_t chain_id;
	int16_t next; /* of the same connection; -1: last */
};

/** Packet objects for one other lcore. */
struct xlcore_out {
	struct rte_ring *ring;  /* [C] SPSC, this lcore produces */
	struct pkt_list staged; /* [L] objects that are not in the ring yet */
	uint32_t nb_staged;     /* [L] */
};

/** The kernel's bound on the iovecs of one call (IOV_MAX). */
#define LCORE_NB_IOV 1024

/** Room for the longest chain after a burst of usual chains. */
#define LCORE_NB_SEGS (4 * VQ_CHAIN_MAX_SEGS)

struct lcore {
	/* Other threads read it for each message, so it has its own cache lines. */
	_Alignas(128) uint32_t sleeping; /* [A] lcore: 1 before it sleeps; producers: read after
					    enqueue and full fence, then write wake_fd */

	/* Accessed in each iteration of the loop and for each packet. */
	_Alignas(128) unsigned int index; /* [C] among the poll lcores */
	unsigned int nb_lcores;           /* [C] */
	struct vsock_switch *sw;          /* [C] */
	uint64_t staged_mask;             /* [L] lcores that packets are staged for */
	uint64_t cycles_per_us;           /* [C] of the TSC */
	uint64_t now;                     /* [L] TSC at the start of the iteration */
	uint64_t idle_since;              /* [L] TSC; 0: busy */
	uint32_t epoll_in_vain;           /* [L] consecutive calls of epoll_wait() without news */
	uint64_t epoll_at;                /* [L] TSC of the last epoll_wait() */
	struct rte_ring *inbox;           /* [C] this lcore consumes; producers hold inbox_mutex */
	struct port_list active;          /* [L] ports whose TX queue is polled */
	struct port_list ready;           /* [L] ports with packets for their guest */
	struct port_list flush;           /* [L] ports with used entries that are not visible yet */
	struct port_list busy;            /* [L] ports being settled or cleared */
	struct port *open_ports;          /* [L] conn/direct.c, within a burst */
	struct pkt_list free_pkts;        /* [L] */
	uint32_t nb_free_pkts;            /* [L] */
	uint32_t pkts_per_port;           /* [L] bound of a port's nb_pkts_out, messages aside */
	uint32_t nb_watched;              /* [L] sockets and kicks in the epoll instance */
	uint32_t notify_seq; /* [A] lcore: odd during a write to a call fd; control/watch.c reads */
	uint32_t nb_segs_used;    /* [L] of segs, by this burst */
	int16_t nb_burst;         /* [L] */
	uint16_t nb_touched;      /* [L] */
	int epoll_fd;             /* [C] */
	bool quit;                /* [L] */
	bool tick_armed;          /* [L] */
	bool soon_armed;          /* [L] the quick tick */
	struct conn_list ended;   /* [L] host connections to free after this iteration */
	struct lcore_stats stats; /* [L] */
	struct conn_list timers[CONN_NB_TIMERS]; /* [L] each in the order of deadlines */

	unsigned int nb_timers;               /* [L] */
	unsigned int lcore_id;                /* [C] EAL's */
	int wake_fd;                          /* [C] eventfd */
	unsigned int nb_routes;               /* [L] */
	uint32_t serial_next;                 /* [L] */
	struct chunk_pool *chunks;            /* [C] the switch's */
	struct rte_hash *cids;                /* [L] CID → port id */
	struct host_job *free_jobs;           /* [L] */
	struct host_jobs *jobs;               /* [C] lcore/host_job.c */
	struct conn_log *conn_log;            /* [C] */
	struct tick *ticks;                   /* [C] lcore/tick.c */
	struct pkt_block *pkt_blocks;         /* [L] all packet objects */
	uint32_t nb_pkts;                     /* [L] their number */
	uint32_t nb_pkts_made;                /* [C] their number, those on the way here included */
	struct rte_ring *in[LIMIT_NB_LCORES]; /* [C] SPSC, this lcore consumes */
	struct xlcore_out out[LIMIT_NB_LCORES];
	struct port *ports[LIMIT_NB_PORTS];        /* [L] the ports of this lcore */
	struct route routes[LIMIT_NB_PORTS];       /* [L] of all ports */
	struct pkt_held_list held[LIMIT_NB_PORTS]; /* [L] loans held here, by source port */

	/* Scratch memory of one burst. */
	struct vq_seg segs[LCORE_NB_SEGS];               /* [L] from_guest.c */
	struct vq_seg to_guest_segs[LCORE_NB_SEGS];      /* [L] to_guest.c, host_recv.c */
	struct burst_pkt burst[LIMIT_BURST_NB_PKTS];     /* [L] */
	struct conn *touched[LIMIT_BURST_NB_PKTS];       /* [L] */
	struct vq_chain chains[LIMIT_BURST_NB_TO_GUEST]; /* [L] host_recv.c */
	struct iovec iov[LCORE_NB_IOV];                  /* [L] host_send.c, host_recv.c */

	/* Other threads write these. */
	_Alignas(128) pthread_mutex_t inbox_mutex; /* for producers; no lcore locks it */
	uint32_t exited;      /* [A] lcore: the loop has ended; main waits for it */
	uint32_t blocked_seq; /* [A] control/watch.c: notify_seq of the write that blocks */
};
_Static_assert(offsetof(struct lcore, index) >= 128, "sleeping is alone on its lines");
_Static_assert(offsetof(struct lcore, stats) - offsetof(struct lcore, index) <= 256,
	"the fields of an iteration lie together");
_Static_assert(offsetof(struct lcore, inbox_mutex) % 128 == 0,
	"fields that other threads write have their own lines");

/** @return a serial for a new connection: unique on this lcore for 2^32 connections; never 0. */
static inline uint32_t
lcore_serial(struct lcore *lc)
{
	if (++lc->serial_next == 0)
		lc->serial_next = 1;
	return lc->serial_next;
}

/** The kind of an epoll event, in the low bits of its data. */
enum epoll_tag {
	EPOLL_TAG_CONN = 0,
	EPOLL_TAG_KICK_TO_GUEST = 1,
	EPOLL_TAG_KICK_FROM_GUEST = 2,
	EPOLL_TAG_WAKE = 3,
};

#endif
