/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_CANCEL_H
#define WQ_CANCEL_H

#include "types.h"

/** Result of wq_cancel_grab(). */
enum wq_grab {
	WQ_GRAB_IDLE,     /**< The work was idle; the caller holds the claim. */
	WQ_GRAB_PENDING,  /**< The work was pending; the caller holds the claim. */
	WQ_GRAB_DISABLED, /**< The work is disabled; the caller holds nothing. */
};

/**
 * Take the claim of a work in any state. Waits only for threads that are in the middle of
 * moving the work: for a few instructions, or until a preempted one runs again.
 *
 * Context: slow path, without P and T.
 */
enum wq_grab wq_cancel_grab(struct wq_work *work);

#endif
