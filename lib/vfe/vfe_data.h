/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFE_DATA_H
#define VFE_DATA_H

/**
 * @file
 * Types of a guest and of its connections. vfe_guest.h and vfe_conn.h have the functions.
 *
 * Everything that a device must not do is counted by name in vfe_guest_stats.faults. A correct
 * device leaves them all 0.
 *
 * Context: one thread per guest. Guests share nothing, so many threads may drive many guests.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vfe_layout.h"
#include "vfe_mem.h"
#include "vfe_ring.h"
#include "vfe_vu.h"
#include "vfe_wire.h"

struct vfe_guest;

/** Queue numbers, named as the driver sees them. */
enum vfe_queue {
	VFE_QUEUE_TO_GUEST = 0,
	VFE_QUEUE_FROM_GUEST = 1,
	VFE_QUEUE_EVENT = 2,
	VFE_NB_QUEUES = 3,
};

/** Violations by the device; see vfe_guest_fault_name(). */
enum vfe_fault {
	VFE_FAULT_BAD_USED,     /**< Used element that names no buffer of ours. */
	VFE_FAULT_SHORT_PACKET, /**< Fewer bytes than a header. */
	VFE_FAULT_USED_LEN,    /**< Used length is not header plus payload, or beyond the buffer. */
	VFE_FAULT_WRONG_CID,   /**< Not for this guest, or from a CID wider than 32 bits. */
	VFE_FAULT_WRONG_TYPE,  /**< Type unknown, or not the connection's. */
	VFE_FAULT_WRONG_OP,    /**< Operation unknown, or not in this state. */
	VFE_FAULT_OVER_CREDIT, /**< More payload than the guest's free buffer. */
	VFE_FAULT_CREDIT_BACK, /**< The peer took back bytes, or claims more than was sent. */
	VFE_FAULT_NO_CONNECTION, /**< Packet, not RST, for a connection that does not exist; counted
				     while no reset of the guest's own could explain it. */
	VFE_NB_FAULTS,
};

enum vfe_conn_state {
	VFE_CONN_REQUESTED, /**< REQUEST sent, no answer yet. */
	VFE_CONN_OPEN,
	VFE_CONN_CLOSING, /**< SHUTDOWN of both directions sent, RST not yet come. */
};

/**
 * One connection. Fields may be read by their owner's thread at any time; only @a user and
 * @a hold_data may be written.
 */
struct vfe_conn {
	struct vfe_conn *hash_next;
	struct vfe_guest *guest;
	void *user; /**< The owner's. */
	uint64_t peer_cid;
	uint64_t tx_len; /**< Payload bytes sent in all. */
	uint64_t rx_len; /**< Payload bytes received in all. */
	uint32_t local_port;
	uint32_t peer_port;
	uint32_t buf_alloc;
	uint32_t fwd_cnt;      /**< Received and consumed, modulo 2^32. */
	uint32_t told_fwd_cnt; /**< Value of fwd_cnt in the last packet to the peer. */
	uint32_t peer_buf_alloc;
	uint32_t peer_fwd_cnt;
	uint16_t type;         /**< enum vfe_type */
	uint8_t state;         /**< enum vfe_conn_state */
	uint8_t shutdown_sent; /**< VFE_SHUTDOWN_* */
	uint8_t shutdown_got;  /**< VFE_SHUTDOWN_* */
	bool hold_data;        /**< Data counts as consumed by vfe_conn_consume() only. */
};

/** Payload of one packet, in the pieces in which it lies in guest memory. */
struct vfe_data {
	const struct iovec *iov;
	unsigned int nb_iov;
	uint32_t len;
	uint32_t flags; /**< Of the header: VFE_SEQ_EOM, VFE_SEQ_EOR. */
};

/**
 * Called from vfe_guest_poll(). Each member may be NULL. A callback may send on, close or reset any
 * connection of the guest.
 */
struct vfe_guest_ops {
	/** A REQUEST came. Nothing may be sent yet. @return true to accept it; false: an RST is
	 * sent and the connection is freed. NULL: all requests are refused. */
	bool (*on_request)(struct vfe_conn *conn);
	/** The connection is open: the RESPONSE came, or went after on_request. */
	void (*on_open)(struct vfe_conn *conn);
	/** Payload came, conn->rx_len not yet advanced. */
	void (*on_data)(struct vfe_conn *conn, const struct vfe_data *data);
	/** A SHUTDOWN came, conn->shutdown_got has it. Both directions: on_close follows. */
	void (*on_shutdown)(struct vfe_conn *conn);
	/** The connection has ended and is freed after this call. @p by_peer_rst: an RST came. */
	void (*on_close)(struct vfe_conn *conn, bool by_peer_rst);
	/** Writes the payload bytes at offset @p off of the stream that the connection sends. NULL:
	 * the buffer is sent as it is. */
	void (*fill)(struct vfe_conn *conn, uint64_t off, uint8_t *buf, uint32_t len);
	/** Called first, with every packet. @return true: the library ignores the packet. */
	bool (*on_packet)(
		struct vfe_guest *g, const struct vfe_hdr *hdr, const struct vfe_data *data);
	/** An event on queue 2. NULL: ignored. */
	void (*on_event)(struct vfe_guest *g, uint32_t id);
};

struct vfe_guest_conf {
	const char *path;   /**< The back end's socket. */
	int listen_fd;      /**< Instead of @a path: back ends connect to this socket. */
	int timeout_ms;     /**< For each vhost-user answer; 0: 5 s. */
	uint16_t ring_size; /**< 0: 128, as QEMU has it. */
	uint8_t nb_queues;  /**< 2 (as QEMU) or 3; 0: 2. */
	uint8_t nb_regions; /**< Regions of guest memory, 1 to 4; 0: 1. */
	struct vfe_shape to_guest_shape;   /**< All 0: "4096". */
	struct vfe_shape from_guest_shape; /**< All 0: "44+*". */
	uint32_t max_payload;              /**< Of a packet sent; 0: 64 KiB. */
	uint32_t buf_alloc;                /**< Receive buffer of each connection; 0: 256 KiB. */
	uint64_t features; /**< Wanted besides VERSION_1, if the device offers them. */
	uint64_t required; /**< Without these vfe_guest_create() fails. */
	bool no_reply_ack; /**< Never ask for acknowledgements, as old front ends. */
	const struct vfe_guest_ops *ops;
	void *user;
};

struct vfe_guest_stats {
	uint64_t nb_packets_to_guest;
	uint64_t nb_packets_from_guest;
	uint64_t nb_data_to_guest; /**< Packets with payload. */
	uint64_t nb_data_from_guest;
	uint64_t payload_to_guest_len;
	uint64_t payload_from_guest_len;
	uint64_t nb_credit_to_guest; /**< CREDIT_UPDATE */
	uint64_t nb_credit_from_guest;
	uint64_t nb_rst_to_guest;
	uint64_t nb_rst_from_guest;
	uint64_t nb_calls;
	uint64_t faults[VFE_NB_FAULTS];
};

/** A buffer's place in guest memory. */
struct vfe_slot {
	uint8_t *va;
	uint64_t gpa;
};

struct vfe_guest {
	struct vfe_vu vu;
	struct vfe_mem mem;
	struct vfe_vring vrings[VFE_NB_QUEUES];
	struct vfe_guest_conf conf; /**< With the defaults filled in. */
	uint64_t device_features;   /**< The device's offer. */
	uint64_t features;          /**< Agreed. */
	uint64_t cid;
	uint32_t max_payload; /**< Of a packet sent, as the shape allows. */
	struct vfe_layout to_guest;
	struct vfe_layout from_guest;
	struct vfe_slot *to_guest_slots;
	struct vfe_slot *from_guest_slots;
	uint32_t nb_to_guest_slots;
	uint32_t nb_from_guest_slots;
	uint32_t *free_slots; /**< From-guest slots not in use, a stack. */
	uint32_t nb_free_slots;
	uint8_t *events;
	bool running;
	bool reset_some; /**< Packets for connections that are gone may still come. */

	struct vfe_hdr *ctrl; /**< Packets without payload that wait for room. */
	uint32_t ctrl_head;
	uint32_t ctrl_tail;
	uint32_t ctrl_mask;

	struct vfe_conn **buckets;
	uint32_t bucket_mask;
	uint32_t nb_conns;
	struct vfe_conn *free_conns;
	void **slabs;
	uint32_t nb_slabs;
	uint32_t next_port;
	struct vfe_conn *active; /**< Connection of the packet under way; NULL once it is gone. */

	const struct vfe_guest_ops *ops;
	void *user;
	struct vfe_guest_stats stats;
};

#endif /* VFE_DATA_H */
