/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_CONN_H
#define VSOCK_CONN_H

/**
 * @file
 * One guest's end of a connection, and a port's table of connections. The lcore that owns the port
 * owns both; no other thread accesses them.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "data/chunk.h"
#include "data/pkt.h"
#include "wire/conn_state.h"
#include "wire/pkt_window.h"
#include "wire/wire.h"

struct port;
struct host_job;

/** Header-only packets that wait for an RX buffer. They are bits, so they need no memory. */
enum conn_ctl {
	CONN_CTL_REQUEST = 1 << 0,
	CONN_CTL_RESPONSE = 1 << 1,
	CONN_CTL_CREDIT_UPDATE = 1 << 2,
	CONN_CTL_CREDIT_REQUEST = 1 << 3,
	CONN_CTL_SHUTDOWN = 1 << 4, /**< sent after the queued data */
	CONN_CTL_RST = 1 << 5,      /**< sent after the queued data; frees the connection */
};

/** Timers; see lcore/conn_timer.h. A connection has one at a time. */
enum conn_timer {
	CONN_TIMER_NONE,
	CONN_TIMER_CONNECT,
	CONN_TIMER_CLOSE,
	CONN_TIMER_LINGER,
	CONN_TIMER_ASK,  /* the window of packets is full: send CREDIT_REQUEST */
	CONN_TIMER_LOOK, /* as above, later; or a backlog: check whether the program still reads */
	CONN_NB_TIMERS,
};

/** The host program's socket. */
struct conn_host {
	int fd;                     /* -1: not connected, or given to the slow path */
	struct host_job *job;       /* reserved for the life of the connection */
	struct chunk_queue backlog; /* the guest's bytes that the socket did not take */
	uint32_t msg_len;           /* seqpacket: bytes of the message being assembled */
	uint32_t msg_rec_off;       /* seqpacket: where its record starts in the backlog */
	bool msg_open;              /* seqpacket: a message is being assembled */
	int16_t burst_head;         /* packets of this burst; -1: none */
	int16_t burst_tail;
	uint16_t recv_hint; /* RX buffers to try: a few more than the last reads filled */
	bool readable;      /* EPOLLIN was reported, and no read has failed with EAGAIN since */
	bool hup;           /* the program closed, or both directions are shut */
	bool eof;           /* the program sends no more, and all was read */
	bool lost;          /* the program closed with unread bytes: end with RST */
	bool polled;        /* the socket is in the epoll instance */
	bool epoll_out;     /* EPOLLOUT is requested */
	bool shut;          /* the program does not read any more (EPIPE) */
	pid_t pid;          /* of the program, or of the one that made the listener; 0: not known */
	uid_t uid;          /* its user */
};

/** The other guest's end. The port is named by id and generation, because it can be removed. */
struct conn_peer {
	uint32_t port_gen;
	uint32_t serial; /* of the other end; 0: not known yet */
	uint16_t port_id;
	uint16_t lcore; /* index */
};

/** Bytes for the guest that wait in pool memory: see conn/conn_copy.h. */
struct conn_copy {
	struct chunk_queue bytes;
	uint32_t piece_left; /* seqpacket: bytes left of the first piece, whose record was read */
	uint32_t piece_flags;
};

/** One guest's end of a connection. */
struct conn {
	_Alignas(RTE_CACHE_LINE_SIZE) struct conn *hash_next;
	uint32_t local_port; /* the guest's */
	uint32_t peer_port;
	uint32_t peer_cid;
	uint32_t serial; /* from lcore_serial(); never 0 */

	uint8_t state;           /* enum conn_state */
	uint8_t type;            /* enum wire_type */
	uint8_t ctl;             /* enum conn_ctl bits */
	uint8_t timer;           /* enum conn_timer */
	uint8_t shut_from_guest; /* WIRE_SHUTDOWN_* bits that the guest sent */
	uint8_t shut_to_guest;   /* WIRE_SHUTDOWN_* bits to send, or sent */
	bool is_host;
	bool in_table;
	bool in_ready;
	bool credit_asked;    /* CREDIT_REQUEST was sent, and no credit came since */
	uint8_t nb_asked : 7; /* CREDIT_REQUESTs without an answer */
	uint8_t by_other : 1; /* counts in conn/conn_share.h: its guest did not begin it */
	uint8_t end_reason;   /* enum drop_reason of the end; DROP_NONE: closed */
	bool request_sent;    /* the guest knows the connection: REQUEST was sent or received */
	bool has_copy;        /* the copy holds bytes, or an empty message */
	bool mid_message;     /* seqpacket: the last packet for the guest did not end its message */
	uint8_t nb_empty;     /* empty messages since fwd_cnt is empty_fwd_cnt */

	/* From the headers of the guest's packets. */
	uint32_t guest_buf_alloc;
	uint32_t guest_buf_alloc_max; /* the largest so far; checks of senders use this one */
	uint32_t guest_fwd_cnt;
	uint32_t tx_cnt;          /* bytes accepted for the guest (guest peer) or written (host) */
	uint32_t turn_cnt;        /* sent_cnt when its turn began, modulo 2^32 */
	uint64_t sent_cnt;        /* payload bytes written to the guest */
	uint64_t tx_packets;      /* packets with payload written to the guest */
	struct pkt_window window; /* packets that wait for the guest's reader */
	/* For headers to the guest: the window of the host side, or the other guest's. */
	uint32_t buf_alloc;
	uint32_t fwd_cnt;
	uint32_t fwd_cnt_told;
	uint32_t empty_fwd_cnt; /* fwd_cnt when the guest sent its last empty message */
	uint64_t rx_cnt;        /* payload bytes from the guest */
	uint64_t rx_packets;    /* packets with payload from the guest */
	uint64_t used_tsc;      /* TSC of the iteration that moved payload last; 0: none yet */

	struct port *port;
	struct pkt_list loans; /* for the guest, in order; the bytes of the copy follow them */
	TAILQ_ENTRY(conn) ready_entry;
	union {
		struct conn_host host;
		struct conn_peer peer;
	};
	struct conn_copy copy;

	TAILQ_ENTRY(conn) timer_entry;
	uint64_t deadline_ms;
	uint64_t linger_ms; /* CONN_DRAINING: when data that still wait are dropped */
	uint64_t begun_tsc; /* TSC of the iteration that made the entry */
};
_Static_assert(offsetof(struct conn, peer) + sizeof(struct conn_peer) <= 4 * RTE_CACHE_LINE_SIZE,
	"a packet between guests touches four lines of each end");
_Static_assert(sizeof(struct conn) <= 384, "a connection costs well below 1 KiB");

TAILQ_HEAD(conn_list, conn);

/** A port's connections: slab and hash table. Memory is reserved; pages are used on demand. */
struct conn_table {
	struct conn *slab;
	struct conn *free; /* through hash_next */
	struct conn **buckets;
	struct conn *last; /* result of the last lookup */
	uint32_t mask;
	uint32_t seed; /* random, so that guests cannot choose ports of one bucket */
	uint32_t nb_max;
	uint32_t nb_touched; /* slab entries that were ever used */
	uint32_t nb_used;
};

/** Reserve memory for @p nb_max connections. Context: control. @return 0; -ENOMEM. */
int conn_table_init(struct conn_table *t, uint32_t nb_max);

/** Free the memory. Context: control; no connection is left. */
void conn_table_fini(struct conn_table *t);

/** Find a connection by its addresses. Context: owning lcore. @return NULL if there is none. */
struct conn *conn_find(
	struct conn_table *t, uint32_t local_port, uint32_t peer_cid, uint32_t peer_port);

/**
 * Add a zeroed entry; conn_init() follows. Context: owning lcore; the addresses are not in use.
 * @return the connection; NULL: the table is full.
 */
struct conn *conn_add(
	struct conn_table *t, uint32_t local_port, uint32_t peer_cid, uint32_t peer_port);

/**
 * Set the values that each kind of connection begins with. Context: owning lcore.
 * @param c from conn_add().
 * @param serial from lcore_serial().
 * @param request the REQUEST of the guest; NULL: the guest gets the REQUEST.
 */
void conn_init(struct conn *c, struct port *port, uint32_t serial, uint8_t type,
	const struct wire_hdr *request);

/** @return true if data wait for the guest. Context: owning lcore. */
static inline bool
conn_has_data(const struct conn *c)
{
	return !TAILQ_EMPTY(&c->loans) || c->has_copy;
}

/** Take the guest's credit from a packet of the guest. Context: owning lcore. */
static inline void
conn_take_credit(struct conn *c, const struct wire_hdr *hdr)
{
	c->guest_buf_alloc = hdr->buf_alloc;
	c->guest_buf_alloc_max = RTE_MAX(c->guest_buf_alloc_max, hdr->buf_alloc);
	c->guest_fwd_cnt = hdr->fwd_cnt;
}

/** Remove the entry from the hash table; its memory stays in use. Context: owning lcore. */
void conn_detach(struct conn_table *t, struct conn *c);

/** Detach the entry, and free its memory. Context: owning lcore. */
void conn_free(struct conn_table *t, struct conn *c);

#endif
