/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCKD_TEL_H
#define VSOCKD_TEL_H

/** @file Functions of rte_telemetry.h whose names differ between releases of DPDK. */

#include <stdint.h>

#include <rte_telemetry.h>
#include <rte_version.h>

/** Add an unsigned value to a dictionary. Context: DPDK's telemetry thread. */
static inline void
tel_add_u64(struct rte_tel_data *d, const char *name, uint64_t value)
{
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
	rte_tel_data_add_dict_uint(d, name, value);
#else
	rte_tel_data_add_dict_u64(d, name, value);
#endif
}

#endif
