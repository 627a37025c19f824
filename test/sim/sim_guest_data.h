/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_GUEST_DATA_H
#define SIM_GUEST_DATA_H

/** @file The data of the guests, for sim_guest.c, sim_queue.c and sim_check.c. */

#include "data/port_conf.h"
#include "sim.h"
#include "sim_guest.h"
#include "wire/wire.h"

#define SIM_RING_SIZE 256
#define SIM_TX_DESCS  32 /**< of a slot at most: more than a packet object has room for */
#define SIM_NB_RX     64
#define SIM_NB_ENDS   8
#define SIM_NB_OWED   256

struct port;

struct sim_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct sim_avail {
	uint16_t flags, idx, ring[SIM_RING_SIZE];
};

struct sim_used {
	uint16_t flags, idx;
	struct {
		uint32_t id, len;
	} ring[SIM_RING_SIZE];
};

/** One ring of the guest. The descriptors of a slot lie at fixed places. */
struct sim_queue {
	struct sim_desc *desc;
	struct sim_avail *avail;
	struct sim_used *used;
	uint16_t last_used;
	unsigned int nb_slots, descs_per_slot;
	bool with_device[SIM_RING_SIZE]; /* by head */
	int kick_fd, call_fd;
};

enum sim_end_state { SIM_END_CLOSED, SIM_END_ASKED, SIM_END_OPENED };

/* One guest's end. Bytes are a function of the pair's serial, the direction and the offset. */
struct sim_end {
	enum sim_end_state state;
	uint32_t port, peer_cid, peer_port;
	uint32_t serial; /* of the pair, given by the one who asks */
	bool asked;      /* this end asked */
	uint32_t tx_cnt, rx_cnt, fwd_cnt, told;
	uint32_t peer_alloc, peer_fwd;
	bool shut; /* SHUTDOWN was sent */
	bool owes_response;
};

struct sim_guest {
	bool exists, up;
	uint32_t cid;
	uint8_t *mem;
	uint32_t buf_alloc, rx_len;
	struct sim_queue q[PORT_NB_QUEUES];
	struct port *port;
	struct sim_end ends[SIM_NB_ENDS];
	struct sim_rand rand;
	uint64_t paused_until;
	struct wire_hdr owed[SIM_NB_OWED]; /* RSTs that wait for room in the ring */
	unsigned int nb_owed;
	uint32_t next_port;
};

extern struct sim_guest sim_guests[SIM_NB_GUESTS];

/** @return the guest's end of a connection; NULL: there is none. */
struct sim_end *sim_end_find(
	struct sim_guest *g, uint32_t port, uint32_t peer_cid, uint32_t peer_port);

#endif
