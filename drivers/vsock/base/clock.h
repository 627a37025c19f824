/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_CLOCK_H
#define VSOCK_CLOCK_H

/**
 * @file
 * The time of timeouts. Deadlines of connections, handshakes and connects use this clock only.
 */

#include <stdint.h>

/** @return milliseconds of CLOCK_MONOTONIC. Context: any thread. */
uint64_t clock_ms(void);

#endif
