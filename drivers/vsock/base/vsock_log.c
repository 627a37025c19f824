/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_common.h>
#include <rte_log.h>

#include "base/vsock_log.h"

int vsock_log_type = RTE_LOGTYPE_USER1;

/* EAL applies --log-level to types that exist before rte_eal_init(). */
RTE_INIT(vsock_log_register)
{
	int id = rte_log_register_type_and_pick_level("vsock", RTE_LOG_INFO);

	if (id >= 0)
		vsock_log_type = id;
}
