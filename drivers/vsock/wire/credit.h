/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_CREDIT_H
#define VSOCK_CREDIT_H

/**
 * @file
 * Credit arithmetic of virtio-vsock (virtio 1.2, 5.10.6.3). The counters wrap at 2^32. Pure
 * functions; builds without EAL. Context of all functions: any thread.
 */

#include <stdbool.h>
#include <stdint.h>

/**
 * Free space of a peer.
 * @param buf_alloc the peer's receive buffer, bytes.
 * @param tx_cnt bytes sent to the peer so far.
 * @param fwd_cnt bytes that the peer has read so far, as it reported.
 * @return bytes that may be sent. 0 if the peer shrank its buffer below the bytes in flight, or
 * reported a wrong fwd_cnt.
 */
uint32_t credit_free(uint32_t buf_alloc, uint32_t tx_cnt, uint32_t fwd_cnt);

/**
 * Check that a peer did not send more than its credit.
 * @param buf_alloc the largest buffer advertised to the peer, bytes.
 * @param rx_cnt bytes received, this packet included.
 * @param fwd_cnt bytes forwarded so far.
 * @return true if it kept to its credit.
 */
bool credit_respected(uint32_t buf_alloc, uint32_t rx_cnt, uint32_t fwd_cnt);

/**
 * The bytes that a guest keeps in flight at most. Linux limits them to the guest's own receive
 * buffer, too (since the fix of CVE-2026-23086), so credit for the rest of our window is of no use
 * to it.
 * @param buf_alloc the window of the connection, bytes.
 * @param guest_buf_alloc the guest's receive buffer, bytes; 0: it receives nothing.
 * @return the smaller one; @p buf_alloc if @p guest_buf_alloc is 0.
 */
uint32_t credit_window(uint32_t buf_alloc, uint32_t guest_buf_alloc);

/** When to send a credit update. */
enum credit_action {
	/** Do not send: the peer knows of more than half of the window as free. */
	CREDIT_KEEP,
	/** Queue an update to the slow path: the peer knows of at most half of the window. */
	CREDIT_DEFER,
	/**
	 * Send an update now. The free space that the peer knows of is below
	 * LIMIT_CREDIT_URGENT_LEN or 1/LIMIT_CREDIT_URGENT_SHARE of the window, or
	 * LIMIT_CREDIT_NB_STEPS steps like the last one use it up.
	 */
	CREDIT_NOW,
};

/**
 * Decide on a credit update.
 * @param window from credit_window(), bytes.
 * @param rx_cnt bytes received from the peer.
 * @param fwd_cnt bytes forwarded.
 * @param fwd_cnt_told the fwd_cnt that was last sent to the peer.
 * @param step_len bytes that were just forwarded at once; a measure of the peer's speed.
 * @return CREDIT_KEEP if fwd_cnt equals fwd_cnt_told; else see enum credit_action.
 */
enum credit_action credit_decide(uint32_t window, uint32_t rx_cnt, uint32_t fwd_cnt,
	uint32_t fwd_cnt_told, uint32_t step_len);

#endif
