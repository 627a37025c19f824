/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_NOTIFY_H
#define VSOCK_NOTIFY_H

/**
 * @file
 * The protocol of sd_notify(3): the service tells its manager about its state by datagrams to the
 * socket that NOTIFY_SOCKET names. Without that variable nothing is sent.
 */

#include <stdint.h>

/**
 * Send assignments such as "READY=1\nSTATUS=text". Never blocks.
 * Context: any thread.
 * @return 1 sent; 0 there is no manager; -errno of socket() or sendto().
 */
int notify_send(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * @return the time in microseconds within which the manager expects WATCHDOG=1, each time; 0: it
 * expects none. Context: any thread.
 */
uint64_t notify_watchdog_us(void);

#endif
