/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_LCORE_MSG_H
#define VSOCK_LCORE_MSG_H

/**
 * @file
 * Messages to lcores. The slow path and the control plane write into an lcore's inbox. Lcores send
 * packet objects to each other through one ring for each ordered pair.
 */

#include <stdbool.h>

#include "data/lcore.h"

/* ---- for other threads ---- */

/**
 * Put a message into the inbox. Sleeps while the inbox is full.
 * Context: workers and control threads, never an lcore.
 */
void lcore_msg_post(struct lcore *lc, const struct inbox_msg *msg);

/**
 * Put a message into the inbox, if there is room. Never blocks for long.
 * Context: any thread but an lcore. @return false if the inbox is full.
 */
bool lcore_msg_try_post(struct lcore *lc, const struct inbox_msg *msg);

/**
 * Run @p fn in the lcore's context and wait until it is done.
 * Context: control threads and workers, never an lcore. The lcore's loop runs.
 * @return what @p fn left in ctl_request.result.
 */
int lcore_msg_call(struct lcore *lc, ctl_fn fn, void *arg);

/**
 * Wake an lcore that sleeps. Call it after the enqueue of what the lcore has to see.
 * Context: any thread. @return true if the lcore slept.
 */
bool lcore_msg_wake(struct lcore *lc);

/* ---- for the lcore itself ---- */

/** Complete a request whose ctl_fn returned false. Its caller wakes and gets @p result. */
void lcore_msg_done(struct ctl_request *req, int result);

/**
 * Send a packet object to another lcore. The object is staged; lcore_msg_send_staged() hands it
 * over.
 * @param to index of the other lcore
 */
void lcore_msg_send(struct lcore *lc, unsigned int to, struct pkt *p);

/**
 * Enqueue all staged packet objects on the rings to the other lcores, and wake those that sleep.
 * Objects stay staged while a ring is full. Once per iteration of the loop.
 */
void lcore_msg_send_staged(struct lcore *lc);

/** @return true if so many packets for lcore @p to are staged that guests have to wait. */
bool lcore_msg_is_congested(const struct lcore *lc, unsigned int to);

#endif
