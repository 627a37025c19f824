/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_STATS_H
#define VSOCK_STATS_H

/**
 * @file
 * Counters of a port and of an lcore. Only the owning lcore writes them. Other threads get copies
 * through control/snapshot.h. The names are an interface, because telemetry prints them.
 */

#include <stdint.h>

#include "data/drop.h"

struct port_stats {
	uint64_t from_guest_packets;
	uint64_t from_guest_bytes; /**< payload */
	uint64_t to_guest_packets;
	uint64_t to_guest_bytes;
	uint64_t to_guest_notifications; /**< eventfd writes to the driver */
	uint64_t from_guest_notifications;
	uint64_t kicks;               /**< eventfd wake-ups by the driver */
	uint64_t conns_opened;        /**< connections that reached their open state */
	uint64_t resets_sent;         /**< RST packets written to the guest */
	uint64_t guest_copied_bytes;  /**< guest to guest: each copy of a byte counts */
	uint64_t guest_payload_bytes; /**< guest to guest: bytes that were delivered */
	uint64_t backlog_bytes;       /**< bytes copied because a host socket was full */
	uint64_t host_send_calls;     /**< sendmsg() */
	uint64_t host_recv_calls;     /**< readv()/recvmsg() */
	uint64_t credit_updates;      /**< CREDIT_UPDATE packets written to the guest */
	uint64_t drops[DROP_NB];
};

struct lcore_stats {
	uint64_t loops;
	uint64_t busy_loops;
	uint64_t total_cycles; /**< TSC cycles from the start of the loop to its last iteration */
	uint64_t busy_cycles;  /**< of these: in iterations with work */
	uint64_t sleeps;
	uint64_t port_sleeps; /**< times that a port without work was put to sleep */
	uint64_t epoll_calls;
	uint64_t wakeups_sent;    /**< eventfd writes to sleeping lcores */
	uint64_t xlcore_messages; /**< packets sent to other lcores */
	uint64_t inbox_messages;
	uint64_t loans_copied;   /**< loaned chains that had to be copied to the pool */
	uint64_t pkts_exhausted; /**< times that a guest had to wait for a packet object */
};

#endif
