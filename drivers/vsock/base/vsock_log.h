/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_LOG_H
#define VSOCK_LOG_H

/**
 * @file
 * The log of the control plane; type "vsock", level INFO (--log-level vsock:debug changes it).
 * Never used in the poll loop.
 */

#include <rte_log.h>

/** Log type "vsock"; registered by vdev.c before main(). */
extern int vsock_logtype;

/** Log one line, without a newline in @p fmt. A macro because DPDK's levels are suffixes. */
#define VSOCK_LOG(level, fmt, ...)                                                                 \
	rte_log(RTE_LOG_##level, (uint32_t)vsock_logtype, "vsock: " fmt "\n", ##__VA_ARGS__)

#endif
