/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LO_H
#define LO_H

/**
 * @file
 * A small vhost-user-vsock back end for the tests of the front end: one thread, plain C, correct
 * and slow. It can do one thing wrong, so that the tests see whether lib/vfe and pktgen notice.
 *
 * Context: lo_start() and lo_stop() by the test. All else belongs to the back end's thread.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vfe_wire.h"

#define LO_MAX_GUESTS  4u
#define LO_MAX_REGIONS 8u
#define LO_NB_QUEUES   3u
#define LO_MAX_IOV     128u
#define LO_MAX_RING    1024u

enum lo_fault {
	LO_FAULT_NONE,
	LO_FAULT_CORRUPT,  /* flips one bit of the payload */
	LO_FAULT_DROP,     /* leaves a data packet out */
	LO_FAULT_REPEAT,   /* delivers a data packet twice */
	LO_FAULT_STALL,    /* takes nothing more from any guest */
	LO_FAULT_USED_LEN, /* says more bytes than it wrote */
	LO_FAULT_BAD_USED, /* returns a buffer that does not exist */
	LO_FAULT_CREDIT,   /* sends past the credit of the receiver */
	LO_FAULT_LOSE_BUF, /* never returns a buffer of the guest's transmit ring */
};

struct lo_region {
	uint64_t gpa;
	uint64_t len;
	uint64_t front_va;
	uint8_t *va;
};

struct lo_ring {
	uint32_t size;
	bool ready; /* address set, started and enabled */
	bool enabled;
	uint8_t *desc;
	uint8_t *avail;
	uint8_t *used;
	uint64_t addr[3]; /* of the front end: desc, avail, used */
	uint16_t last_avail;
	uint16_t used_idx;
	uint16_t told_idx;             /* used index at the last decision about a call */
	bool packed;                   /* the indices count descriptors, then */
	uint16_t nb_desc[LO_MAX_RING]; /* packed: of the chain with this id */
	int kick_fd;
	int call_fd;
};

struct lo_chain {
	uint16_t head;
	unsigned int nb_out;
	unsigned int nb_in;
	uint32_t out_len;
	uint32_t in_len;
	struct iovec out[LO_MAX_IOV];
	struct iovec in[LO_MAX_IOV];
};

/* A packet on its way to a guest. */
struct lo_packet {
	struct lo_packet *next;
	struct vfe_hdr hdr;
	uint32_t off; /* payload already delivered */
	uint8_t payload[];
};

struct lo_guest {
	struct lo *lo;
	const char *path;
	const char *uds;
	uint64_t cid;
	int listen_fd;
	int fd;
	int uds_fd;
	uint64_t features;
	uint64_t proto;
	unsigned int nb_regions;
	struct lo_region regions[LO_MAX_REGIONS];
	struct lo_ring rings[LO_NB_QUEUES];
	struct lo_packet *first, **last;
	uint32_t nb_queued;
};

/* A connection between a guest and a host program. */
struct lo_conn {
	struct lo_conn *next;
	struct lo_guest *guest;
	int fd;
	bool open; /* the guest's RESPONSE came, or the guest asked */
	bool eof;
	bool dead;
	uint32_t guest_port;
	uint32_t host_port;
	uint32_t fwd_cnt;
	uint32_t tx_cnt;
	uint32_t guest_alloc;
	uint32_t guest_fwd;
	char line[33];
	unsigned int line_len;
	uint8_t *backlog;
	uint32_t backlog_len;
};

struct lo_conf {
	unsigned int nb_guests;
	const char *paths[LO_MAX_GUESTS];
	const char *uds[LO_MAX_GUESTS]; /* may be NULL */
	uint64_t features;              /* 0: all that it knows */
	enum lo_fault fault;
	unsigned int fault_at; /* the data packet that it happens to, from 1 */
};

struct lo {
	struct lo_conf conf;
	struct lo_guest guests[LO_MAX_GUESTS];
	struct lo_conn *conns;
	uint32_t next_port;
	unsigned int nb_data; /* data packets taken from guests */
	bool stalled;
	bool stop; /* written by lo_stop(), read by the thread: atomic */
	int wake_fd;
	pthread_t thread;
};

/**
 * Starts the back end. Guests get the CIDs 3, 4, and so on.
 *
 * @param conf copied; its strings must outlive the back end
 * @return 0 when the sockets listen, or -errno
 */
int lo_start(const struct lo_conf *conf, struct lo **out);

/** Stops the thread, closes and removes the sockets, and frees everything. */
void lo_stop(struct lo *lo);

/**
 * Queues a packet to a guest. Context: the back end's thread.
 *
 * @param payload hdr->len bytes, which are copied; NULL: none
 */
void lo_send(struct lo_guest *guest, const struct vfe_hdr *hdr, const void *payload);

#endif /* LO_H */
