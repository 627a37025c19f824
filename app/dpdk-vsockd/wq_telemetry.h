/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_TELEMETRY_H
#define WQ_TELEMETRY_H

/**
 * Registers /wq/list, /wq/pools and /wq/workers with DPDK's telemetry. doc/workqueue.md has their
 * answers.
 *
 * Context: main lcore, once, after rte_eal_init().
 * @return 0 or -errno of rte_telemetry_register_cmd().
 */
int wq_telemetry_register(void);

#endif
