/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_WATCH_H
#define VSOCK_WATCH_H

/**
 * @file
 * Detects an lcore that blocks in write() to a call eventfd, and interrupts it with a signal.
 *
 * An eventfd shares its flags with the front end that created it. A front end can fill the counter
 * and clear O_NONBLOCK; the lcore that notifies its driver then blocks in write(). Neither a flag
 * of the call nor one of the descriptor prevents this.
 *
 * Each lcore counts its notifications (notify_seq in data/lcore.h; odd during the write). A work on
 * the slow path checks all lcores every LIMIT_WATCH_US. If it finds an lcore in the same write
 * twice, it sets blocked_seq and sends a signal. The write fails with EINTR, and the lcore stops
 * the port (DROP_CALL_BLOCKED). The lcore ignores EINTR if blocked_seq is not set, and a write that
 * does not block succeeds in spite of the signal. Other signals, debuggers, SIGSTOP or a busy
 * machine therefore never stop a device.
 *
 * It uses one real-time signal: the highest one without a handler.
 */

struct vsock_switch;

/**
 * Start the checks of all lcores of a switch.
 * Context: main; the lcores run and wq_init() was called.
 * @return 0; -EBUSY all real-time signals have handlers; -ENOMEM; -errno of sigaction() or
 *   wq_alloc().
 */
int watch_start(struct vsock_switch *sw);

/**
 * Stop the checks. No-op if they were not started.
 * Context: main, after the lcores have stopped, because until then one may block. Their threads
 * still exist.
 */
void watch_stop(struct vsock_switch *sw);

#endif
