/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_LCORE_H
#define VSOCK_LCORE_H

/**
 * @file
 * A poll lcore: the data that it owns, and the ways to reach it. loop/lcore_loop.c is its loop, and
 * loop/lcore_data.c creates the data. A packet goes from_guest.c → forward.c or host_send.c →
 * to_guest.c.
 *
 * Legend of struct lcore: [L] the lcore itself, nobody else. [C] constant once it runs.
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
struct lcore;
struct tick;
struct vsock_switch;

/** What the slow path and the control plane say to an lcore; 64 bytes, by value. */
enum inbox_type {
	INBOX_CALL,           /**< run a control request */
	INBOX_HOST_CONNECTED, /**< a guest's connection to the host is there, or was refused */
	INBOX_HOST_CONNECT,   /**< a host program has sent its CONNECT line */
	INBOX_CREDIT,         /**< write a credit update, if it is still due */
	INBOX_JOB_FREE,       /**< a job has done its last work */
	INBOX_TICK,           /**< look at the deadlines; reason: 1 for the quick tick */
};

struct inbox_msg {
	_Alignas(RTE_CACHE_LINE_SIZE) uint16_t type; /* enum inbox_type */
	uint16_t port_id;
	uint32_t port_gen;
	uint32_t local_port;
	uint32_t peer_port;
	uint32_t serial;    /* of the connection */
	int32_t fd;         /* or -errno */
	uint32_t buf_alloc; /* what the socket can deliver, bytes */
	uint16_t conn_type; /* enum wire_type */
	uint16_t reason;    /* enum drop_reason */
	union {
		struct host_job *job;
		struct ctl_request *request;
	};
};
_Static_assert(sizeof(struct inbox_msg) == 64, "an inbox message is one cache line");

/**
 * Work of the control plane, done in the lcore's context.
 * @return true when it is done, false when lcore_msg_done() will say so.
 */
typedef bool (*ctl_fn)(struct lcore *lc, struct ctl_request *req);

struct ctl_request {
	ctl_fn fn;
	void *arg;
	int result;
	sem_t done;
};

/** Where a CID is. Each lcore has a table of its own. */
struct route {
	uint32_t cid; /* 0: none */
	uint32_t gen;
	uint64_t groups_mask;
	uint16_t lcore; /* index */
};

/** One packet of a burst for host programs; lives until the burst is over. */
struct burst_pkt {
	struct vq_seg *segs;
	uint32_t len; /* payload */
	uint32_t flags;
	uint16_t nb_segs;
	uint16_t payload_off;
	uint16_t chain_id;
	int16_t next; /* of the same connection; -1: last */
};

/** Packets on their way to one other lcore. */
struct xlcore_out {
	struct rte_ring *ring;  /* [C] SPSC, this lcore produces */
	struct pkt_list staged; /* [L] what the ring had no room for, or this burst's */
	uint32_t nb_staged;     /* [L] */
};

/** The kernel's bound on one call (IOV_MAX). */
#define LCORE_NB_IOV 1024

/** Room for the longest chain behind a burst of ordinary ones. */
#define LCORE_NB_SEGS (4 * VQ_CHAIN_MAX_SEGS)

struct lcore {
	/* Others read it for each message: lines of its own. */
	_Alignas(128) uint32_t sleeping; /* [A] lcore: 1 before it sleeps; producers: read after
					    enqueue and full fence, then write wake_fd */

	/* What each turn of the loop and each packet touches. */
	_Alignas(128) unsigned int index; /* [C] among the poll lcores */
	unsigned int nb_lcores;           /* [C] */
	struct vsock_switch *sw;          /* [C] */
	uint64_t staged_mask;             /* [L] lcores that packets are staged for */
	uint64_t cycles_per_us;           /* [C] of the TSC */
	uint64_t now;                     /* [L] TSC at the start of the turn */
	uint64_t idle_since;              /* [L] TSC; 0: busy */
	uint32_t epoll_in_vain;           /* [L] looks in a row that told nothing new */
	uint64_t epoll_at;                /* [L] TSC of the last look at sockets and kicks */
	struct rte_ring *inbox;           /* [C] this lcore consumes; producers take inbox_mutex */
	struct port_list active;          /* [L] ports whose TX queue is polled */
	struct port_list ready;           /* [L] ports with something for their guest */
	struct port_list flush;           /* [L] ports with used entries to show */
	struct port_list busy;            /* [L] ports being settled or cleared */
	struct port *open_ports;          /* [L] direct.c: within a burst */
	struct pkt_list free_pkts;        /* [L] */
	uint32_t nb_free_pkts;            /* [L] */
	uint32_t pkts_per_port;           /* [L] bound of port->nb_pkts_out */
	uint32_t nb_watched;              /* [L] sockets and kicks that epoll could report */
	uint32_t notify_seq;              /* [A] lcore: odd while it writes a call; watch.c */
	uint32_t nb_segs_used;            /* [L] of segs, by this burst */
	int16_t nb_burst;                 /* [L] */
	uint16_t nb_touched;              /* [L] */
	int epoll_fd;                     /* [C] */
	bool quit;                        /* [L] */
	bool tick_armed;                  /* [L] */
	bool soon_armed;                  /* [L] the quick tick */
	struct conn_list ended;           /* [L] host connections freed in this loop */
	struct lcore_stats stats;         /* [L] */
	struct conn_list timers[CONN_NB_TIMERS]; /* [L] each in order of deadline */

	unsigned int nb_timers;               /* [L] */
	unsigned int lcore_id;                /* [C] EAL's */
	int wake_fd;                          /* [C] eventfd */
	unsigned int nb_routes;               /* [L] */
	uint32_t serial_next;                 /* [L] */
	struct chunk_pool *chunks;            /* [C] the switch's */
	struct rte_hash *cids;                /* [L] CID → port id */
	struct host_job *free_jobs;           /* [L] */
	struct host_jobs *jobs;               /* [C] lcore/host_job.c */
	struct tick *ticks;                   /* [C] lcore/tick.c */
	struct pkt *pkt_memory;               /* [C] */
	struct rte_ring *in[LIMIT_NB_LCORES]; /* [C] SPSC, this lcore consumes */
	struct xlcore_out out[LIMIT_NB_LCORES];
	struct port *ports[LIMIT_NB_PORTS];        /* [L] those it owns */
	struct route routes[LIMIT_NB_PORTS];       /* [L] all */
	struct pkt_held_list held[LIMIT_NB_PORTS]; /* [L] loans held here, by source port */

	/* Scratch of one burst. */
	struct vq_seg segs[LCORE_NB_SEGS];               /* [L] from_guest.c */
	struct vq_seg to_guest_segs[LCORE_NB_SEGS];      /* [L] to_guest.c, host_recv.c */
	struct burst_pkt burst[LIMIT_BURST_NB_PKTS];     /* [L] */
	struct conn *touched[LIMIT_BURST_NB_PKTS];       /* [L] */
	struct vq_chain chains[LIMIT_BURST_NB_TO_GUEST]; /* [L] host_recv.c */
	struct iovec iov[LCORE_NB_IOV];                  /* [L] host_send.c, host_recv.c */

	/* Others write here. */
	_Alignas(128) pthread_mutex_t inbox_mutex; /* among producers: never taken by an lcore */
	uint32_t exited;                           /* [A] the lcore; main waits for it */
	uint32_t blocked_seq; /* [A] watch.c: the notification that blocks; lcore, after EINTR */
};
_Static_assert(offsetof(struct lcore, index) >= 128, "sleeping is alone on its lines");
_Static_assert(offsetof(struct lcore, stats) - offsetof(struct lcore, index) <= 256,
	"what each turn touches lies together");
_Static_assert(offsetof(struct lcore, inbox_mutex) % 128 == 0,
	"what others write shares no line with what the loop reads");

/** A serial for a new connection; never 0. */
static inline uint32_t
lcore_serial(struct lcore *lc)
{
	if (++lc->serial_next == 0)
		lc->serial_next = 1;
	return lc->serial_next;
}

/** What epoll reports is one of these, in the low bits of the pointer. */
enum epoll_tag {
	EPOLL_TAG_CONN = 0,
	EPOLL_TAG_KICK_TO_GUEST = 1,
	EPOLL_TAG_KICK_FROM_GUEST = 2,
	EPOLL_TAG_WAKE = 3,
};

#endif
