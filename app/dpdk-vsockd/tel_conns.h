/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCKD_TEL_CONNS_H
#define VSOCKD_TEL_CONNS_H

/**
 * @file
 * Telemetry commands about connections. Context: one of DPDK's telemetry threads at a time.
 */

#include <rte_telemetry.h>

struct vsock_switch;

/** Answer /vsock/conns,<port>[,<start>]: a page of a port's connections. @return 0. */
int tel_conns_page(struct vsock_switch *sw, const char *params, struct rte_tel_data *d);

/**
 * Answer /vsock/top[,<n>]: the connections that moved most bytes since the last call. If that is
 * too long ago, two samples are taken, so that the call lasts LIMIT_TOP_SAMPLE_MS.
 * @return 0.
 */
int tel_conns_top(struct vsock_switch *sw, const char *params, struct rte_tel_data *d);

/** Free the last sample. Context: main, after the last call. */
void tel_conns_free(void);

#endif
