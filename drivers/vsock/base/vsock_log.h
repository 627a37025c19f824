/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_LOG_H
#define VSOCK_LOG_H

/**
 * @file
 * The log of the control plane: DPDK's log type "vsock" with the default level INFO. The option
 * --log-level vsock:debug changes the level. The poll loop never logs.
 */

#include <rte_log.h>

/** Log type "vsock". A constructor registers it before main(). */
extern int vsock_log_type;

/** Log one line, without a newline in @p fmt. A macro because DPDK's levels are suffixes. */
#define VSOCK_LOG(level, fmt, ...)                                                                 \
	rte_log(RTE_LOG_##level, (uint32_t)vsock_log_type, "vsock: " fmt "\n", ##__VA_ARGS__)

#endif
