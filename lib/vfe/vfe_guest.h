/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFE_GUEST_H
#define VFE_GUEST_H

/**
 * @file
 * A guest without a guest: memory, rings and the vsock driver of one vhost-user front end, with
 * stream and seqpacket connections under credit.
 *
 * Sending only fills the ring; vfe_guest_flush() (or vfe_guest_poll(), which ends with it) shows
 * the packets to the device. Nothing blocks but the vhost-user messages of create, start, stop and
 * the changes of memory and descriptors.
 *
 * Everything that a device must not do is counted by name in vfe_guest_stats.faults; a correct
 * device leaves them all 0.
 *
 * Context: one thread per guest; guests share nothing, so that many threads may drive many.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vfe_layout.h"
#include "vfe_mem.h"
#include "vfe_vu.h"
#include "vfe_vring.h"
#include "vfe_wire.h"

struct vfe_guest;

/** Queue numbers, named as the driver sees them. */
enum vfe_queue {
	VFE_QUEUE_TO_GUEST = 0,
	VFE_QUEUE_FROM_GUEST = 1,
	VFE_QUEUE_EVENT = 2,
	VFE_NB_QUEUES = 3,
};

/** What a device did wrong; see vfe_guest_fault_name(). */
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
	uint32_t told_fwd_cnt; /**< What the peer knows of it. */
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
 * Called from vfe_guest_poll(); a NULL member stands for what is said there. Any of them may send,
 * close or reset any connection of the guest.
 */
struct vfe_guest_ops {
	/** A REQUEST came; nothing may be sent yet. @return whether to accept it, otherwise it is
	 * answered by RST and the connection is gone; NULL: refused. */
	bool (*on_request)(struct vfe_conn *conn);
	/** The connection is open: the RESPONSE came, or went after on_request. */
	void (*on_open)(struct vfe_conn *conn);
	/** Payload came, conn->rx_len not yet advanced. */
	void (*on_data)(struct vfe_conn *conn, const struct vfe_data *data);
	/** A SHUTDOWN came, conn->shutdown_got has it. Both directions: on_close follows. */
	void (*on_shutdown)(struct vfe_conn *conn);
	/** The connection is over and gone after this call. @p by_peer_rst: an RST came. */
	void (*on_close)(struct vfe_conn *conn, bool by_peer_rst);
	/** Writes payload bytes from offset @p off of what the connection sends; NULL: leaves
	 * whatever the buffer holds. */
	void (*fill)(struct vfe_conn *conn, uint64_t off, uint8_t *buf, uint32_t len);
	/** Every packet before it is looked at. @return true: the packet is not looked at. */
	bool (*on_packet)(
		struct vfe_guest *g, const struct vfe_hdr *hdr, const struct vfe_data *data);
	/** An event on queue 2. NULL: ignored. */
	void (*on_event)(struct vfe_guest *g, uint32_t id);
};

struct vfe_guest_conf {
	const char *path;   /**< The back end's socket. */
	int listen_fd;      /**< Instead of @a path: back ends come to this one. -1: none. */
	int timeout_ms;     /**< For each vhost-user answer; 0: 5 s. */
	uint16_t ring_size; /**< 0: 128, as QEMU has it. */
	uint8_t nb_queues;  /**< 2 (as QEMU) or 3; 0: 2. */
	uint8_t nb_regions; /**< Regions of guest memory, 1 to 4; 0: 1. */
	struct vfe_shape to_guest_shape;   /**< All 0: "4096". */
	struct vfe_shape from_guest_shape; /**< All 0: "44+*". */
	uint32_t max_payload;              /**< Of a packet sent; 0: 64 KiB. */
	uint32_t buf_alloc;                /**< Receive buffer of each connection; 0: 256 KiB. */
	uint64_t features; /**< Wanted beside VERSION_1; the device's offer limits it. */
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

/**
 * Connects, agrees on features, lays memory and rings out, posts the buffers and starts the rings.
 *
 * @param conf copied; its @a ops and @a path must outlive the guest
 * @return 0, -ENOTSUP when the device lacks what conf->required names, -EINVAL, -E2BIG for a shape
 *         of too many pieces, -ENOMEM, or what the vhost-user messages say
 */
int vfe_guest_create(const struct vfe_guest_conf *conf, struct vfe_guest **out);

/** Stops (when the back end is still there), closes and frees everything. NULL is fine. */
void vfe_guest_destroy(struct vfe_guest *g);

/**
 * Closes the vhost-user socket at once and stops nothing, as a front end that dies. Only
 * vfe_guest_destroy() may follow.
 */
void vfe_guest_vanish(struct vfe_guest *g);

/** @return whether the back end still holds its end of the socket */
bool vfe_guest_alive(const struct vfe_guest *g);

/**
 * Stops the rings: SET_VRING_ENABLE 0, GET_VRING_BASE. What the device holds stays on the rings.
 *
 * @param bases where the avail indices go that the device gave back, one per queue; or NULL
 * @return 0, -EBADMSG when the device did not stop settled (it took buffers that it did not give
 *         back: it stands elsewhere than vfe_vring_base() says), -errno of the messages
 */
int vfe_guest_stop(struct vfe_guest *g, uint16_t bases[VFE_NB_QUEUES]);

/** Starts stopped rings where they stood. @return 0 or -errno */
int vfe_guest_start(struct vfe_guest *g);

/**
 * Forgets connections and whatever is on the rings, as a driver that binds anew. The rings must be
 * stopped; on_close is called for nobody. vfe_guest_start() goes on from index 0.
 */
void vfe_guest_reset(struct vfe_guest *g);

/**
 * Adds a region of @p len bytes to the memory of the running guest (memory hotplug), or with
 * @p len 0 takes the last added one away, and sends the new table.
 *
 * @return 0, -ENOSPC, -ENOENT when there is nothing to take away, -errno
 */
int vfe_guest_change_memory(struct vfe_guest *g, uint64_t len);

/**
 * Puts another call descriptor on a ring, live, as QEMU does at any time.
 *
 * @return 0 or -errno
 */
int vfe_guest_replace_call(struct vfe_guest *g, enum vfe_queue queue);

/**
 * Handles what the device did: used buffers of both rings, at most @p burst packets; then flushes.
 *
 * @return packets taken and buffers that came back; 0: nothing to do
 */
unsigned int vfe_guest_poll(struct vfe_guest *g, unsigned int burst);

/** Shows what was sent to the device, with a kick where it wants one. */
void vfe_guest_flush(struct vfe_guest *g);

/**
 * Asks for calls on both rings before the thread waits on vfe_guest_call_fd().
 *
 * @return true when there is work already: poll on, do not wait
 */
bool vfe_guest_arm(struct vfe_guest *g);

/** The end of a wait: no more calls. */
void vfe_guest_disarm(struct vfe_guest *g);

/** Empties the call descriptors, so that they can be waited on again, and counts the calls. */
void vfe_guest_take_calls(struct vfe_guest *g);

/** @return the call descriptor to wait on; it changes with vfe_guest_replace_call() */
int vfe_guest_call_fd(const struct vfe_guest *g, enum vfe_queue queue);

/**
 * Sends any header with any payload.
 *
 * @return 0, -ENOBUFS when the ring is full, -EMSGSIZE when the shape has no room
 */
int vfe_guest_send_raw(
	struct vfe_guest *g, const struct vfe_hdr *hdr, const void *payload, uint32_t payload_len);

/** @return the sum of stats.faults */
uint64_t vfe_guest_nb_faults(const struct vfe_guest *g);

/** @return the name of a fault, as in JSON */
const char *vfe_guest_fault_name(enum vfe_fault fault);

/**
 * Asks for a connection. A local port that is free for this peer is taken.
 *
 * @return 0, -ENOBUFS when too much waits to be sent, -ENOMEM
 */
int vfe_conn_open(struct vfe_guest *g, uint64_t peer_cid, uint32_t peer_port, enum vfe_type type,
	void *user, struct vfe_conn **out);

/**
 * Sends one packet of payload, filled by ops->fill.
 *
 * @param len at most this many bytes; a stream sends what credit and the packet's room allow, a
 *            seqpacket all of it or nothing
 * @param flags of the header (VFE_SEQ_EOM, VFE_SEQ_EOR)
 * @return bytes sent, -EAGAIN without credit, -ENOBUFS when the ring is full, -EPIPE when this
 *         direction is shut down or the connection not open, -EMSGSIZE
 */
int vfe_conn_send(struct vfe_conn *conn, uint32_t len, uint32_t flags);

/** The same with the payload from @p buf instead of ops->fill. */
int vfe_conn_send_buf(struct vfe_conn *conn, const void *buf, uint32_t len, uint32_t flags);

/** @return bytes that the peer's credit still allows */
uint32_t vfe_conn_credit(const struct vfe_conn *conn);

/**
 * Counts @p len received bytes as consumed (with hold_data), and tells the peer when it is worth a
 * packet.
 *
 * @return 0, or -ENOBUFS: not told, call again with 0
 */
int vfe_conn_consume(struct vfe_conn *conn, uint32_t len);

/** Changes the receive buffer's size and tells. @return 0 or -ENOBUFS */
int vfe_conn_set_buf_alloc(struct vfe_conn *conn, uint32_t buf_alloc);

/** Sends CREDIT_REQUEST. @return 0 or -ENOBUFS */
int vfe_conn_request_credit(struct vfe_conn *conn);

/** Sends SHUTDOWN with @p flags, VFE_SHUTDOWN_*. @return 0 or -ENOBUFS */
int vfe_conn_shutdown(struct vfe_conn *conn, uint8_t flags);

/** Shuts both directions down and waits for the RST, which on_close tells. @return 0 or -ENOBUFS */
int vfe_conn_close(struct vfe_conn *conn);

/** Sends RST and frees the connection, without on_close. @return 0; -ENOBUFS: nothing happened */
int vfe_conn_reset(struct vfe_conn *conn);

#endif /* VFE_GUEST_H */
