/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_WATCH_H
#define VSOCK_WATCH_H

/**
 * @file
 * Frees lcores from call eventfds that block.
 *
 * The flags of an eventfd are shared with the front end that made it, and a write cannot be told
 * not to block: a front end that fills the counter and takes O_NONBLOCK away holds up whoever
 * notifies its driver. So each lcore counts its notifications (lcore.h: notify_seq), and a work on
 * the slow path looks twice a second: an lcore that it finds in the same write again is sent a
 * signal, whose write ends with EINTR, and the lcore stops that port (DROP_CALL_BLOCKED). Without
 * the watch's word EINTR means nothing, and with it a write that did not block succeeds: neither
 * other signals nor a process that was stopped for a while cost anyone its device.
 *
 * Uses one real-time signal: the highest one that nobody has a handler for.
 */

struct vsock_switch;

/**
 * Start watching the lcores of a switch.
 * Context: main; lcores run, wq_init() is done.
 * @return 0; -EBUSY no signal is left; -ENOMEM; -errno of sigaction() or wq_alloc().
 */
int watch_start(struct vsock_switch *sw);

/**
 * Stop watching; nothing to do when it was not started.
 * Context: main. Lcores have stopped: until then they may have to be freed. Their threads are
 * there.
 */
void watch_stop(struct vsock_switch *sw);

#endif
