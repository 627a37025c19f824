/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/clock.h"
#include "base/log_limit.h"
#include "base/vsock_log.h"
#include "vsock_limits.h"

bool
log_limit_take(struct log_limit *limit)
{
	const uint64_t now = clock_ms();
	uint64_t since = atomic_load(&limit->since_ms);

	if ((since == 0 || now - since >= LIMIT_LOG_PERIOD_MS) &&
		atomic_compare_exchange_strong(&limit->since_ms, &since, now)) {
		uint32_t nb = atomic_exchange(&limit->nb_lines, 0);

		if (nb > LIMIT_LOG_NB_LINES)
			VSOCK_LOG(WARNING, "%u lines like the next one were left out",
				nb - LIMIT_LOG_NB_LINES);
	}
	return atomic_fetch_add(&limit->nb_lines, 1) < LIMIT_LOG_NB_LINES;
}
