/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_PKT_WINDOW_H
#define VSOCK_PKT_WINDOW_H

/**
 * @file
 * Limit the number of packets that are queued in a guest for its reader. Credit counts bytes.
 * Recent Linux guests also count the memory of each packet. They reset a connection whose packets
 * use more than its buffer, even if these carry few bytes. Pure functions; builds without EAL.
 * Context of all functions: the owner of the window.
 */

#include <stdbool.h>
#include <stdint.h>

/** Marks of a window. */
#define PKT_WINDOW_NB_MARKS 8

/**
 * Window of a connection. A mark relates a number of packets to a number of bytes, so that fwd_cnt
 * shows how many packets the guest has read. All zero at first.
 */
struct pkt_window {
	uint32_t nb_sent;   /**< packets with payload, modulo 2^32 */
	uint32_t nb_read;   /**< packets known to be read, modulo 2^32 */
	uint32_t tail_room; /**< bytes that fit behind the last packet, in its RX buffer */
	uint16_t nb_marks;
	struct {
		uint32_t sent_cnt;    /**< bytes sent, this packet included, modulo 2^32 */
		uint32_t nb_sent;     /**< packets sent, this packet included */
	} marks[PKT_WINDOW_NB_MARKS]; /**< oldest first */
};

/**
 * @param buf_alloc the guest's receive buffer, bytes.
 * @return packets that may be queued in the guest; at least 1.
 */
uint32_t pkt_window_max(uint32_t buf_alloc);

/** @return packets that may be sent now. @param buf_alloc as above. */
uint32_t pkt_window_room(const struct pkt_window *w, uint32_t buf_alloc);

/**
 * Check whether to send a CREDIT_REQUEST. The answer should come before the window is full.
 * @param buf_alloc as above.
 * @return true if the last packet made the window more than half full.
 */
bool pkt_window_should_ask(const struct pkt_window *w, uint32_t buf_alloc);

/**
 * Account a packet that was sent. Linux stores a small packet behind the last one, if its bytes fit
 * there and no message ended with that one. Such a packet costs nothing.
 * @param sent_cnt bytes sent so far, this packet included. @param buf_alloc as above.
 * @param len      bytes of the packet
 * @param room     bytes that its RX buffer has for payload
 * @param end      a message ends with it
 */
void pkt_window_sent(struct pkt_window *w, uint32_t sent_cnt, uint32_t buf_alloc, uint32_t len,
	uint32_t room, bool end);

/**
 * Account a report of the guest.
 * @param fwd_cnt bytes that the guest has read. @param sent_cnt bytes sent so far.
 */
void pkt_window_read(struct pkt_window *w, uint32_t fwd_cnt, uint32_t sent_cnt);

#endif
