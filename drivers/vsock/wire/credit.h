/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_CREDIT_H
#define VSOCK_CREDIT_H

/**
 * @file
 * Credit arithmetic of virtio-vsock (virtio 1.2, 5.10.6.3): counters are free running and wrap at
 * 2^32. Pure; builds without EAL. Context of everything here: any thread, on values of its own.
 */

#include <stdbool.h>
#include <stdint.h>

/**
 * What may still be sent to a peer.
 * @param buf_alloc the peer's receive buffer, bytes. @param tx_cnt bytes sent to it so far.
 * @param fwd_cnt bytes that it took so far.
 * @return bytes; 0 when the peer shrank its buffer below what is on its way, or lies.
 */
uint32_t credit_free(uint32_t buf_alloc, uint32_t tx_cnt, uint32_t fwd_cnt);

/**
 * Whether a peer kept to the credit that it was given.
 * @param buf_alloc the largest buffer advertised to it. @param rx_cnt bytes received, this packet
 * included. @param fwd_cnt the bytes forwarded so far.
 */
bool credit_respected(uint32_t buf_alloc, uint32_t rx_cnt, uint32_t fwd_cnt);

/** What to do about a peer's knowledge of our free space. */
enum credit_action {
	CREDIT_KEEP,  /**< the peer knows of more than half of the window */
	CREDIT_DEFER, /**< half the window is unknown to it: let the slow path decide */
	CREDIT_NOW,   /**< below max(64 KiB, a quarter of the window), or used up in less than three
			 steps like the last: tell it at once */
};

/**
 * Decide on a credit update. Nothing is to be said when fwd_cnt has not moved since.
 * @param buf_alloc our window, bytes. @param rx_cnt bytes received from the peer.
 * @param fwd_cnt bytes forwarded. @param fwd_cnt_told the fwd_cnt that the peer was last sent.
 * @param step_len bytes that were forwarded at once just now: how fast the peer sends.
 */
enum credit_action credit_decide(uint32_t buf_alloc, uint32_t rx_cnt, uint32_t fwd_cnt,
	uint32_t fwd_cnt_told, uint32_t step_len);

#endif
