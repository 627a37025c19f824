/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_PKT_WINDOW_H
#define VSOCK_PKT_WINDOW_H

/**
 * @file
 * A bound on the number of packets that wait in a guest for its reader. Credit counts bytes; recent
 * Linux guests also count what each packet costs them, and reset a connection whose packets cost
 * more than its buffer, however few bytes they carry. Pure; builds without EAL. Context of
 * everything here: any thread, on values of its own.
 */

#include <stdbool.h>
#include <stdint.h>

#define PKT_WINDOW_NB_MARKS 8

/** How far the stream was at some packets, so that fwd_cnt tells which of them were read. */
struct pkt_window {
	uint32_t nb_sent; /**< packets with payload, modulo 2^32 */
	uint32_t nb_read; /**< of these known to be read */
	uint16_t nb_marks;
	struct {
		uint32_t sent_cnt; /**< bytes up to and with this packet */
		uint32_t nb_sent;
	} marks[PKT_WINDOW_NB_MARKS];
};

/** Packets that a guest with this buffer lets wait; at least 1. */
uint32_t pkt_window_max(uint32_t buf_alloc);

/** Packets that may be sent now. */
uint32_t pkt_window_room(const struct pkt_window *w, uint32_t buf_alloc);

/** Whether the last packet went past half: once on the way up, the guest should be asked how far
 * it is, so that its answer comes before the room ends. */
bool pkt_window_should_ask(const struct pkt_window *w, uint32_t buf_alloc);

/** A packet was sent. @param sent_cnt bytes sent so far, this one included. */
void pkt_window_sent(struct pkt_window *w, uint32_t sent_cnt, uint32_t buf_alloc);

/** The guest said how many bytes were read. */
void pkt_window_read(struct pkt_window *w, uint32_t fwd_cnt, uint32_t sent_cnt);

#endif
