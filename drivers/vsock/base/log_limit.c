/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/clock.h"
#include "base/log_limit.h"
#include "base/vsock_log.h"
#include "vsock_limits.h"

bool
log_limit_take_of(struct log_limit *limit, uint32_t nb_lines)
{
	const uint64_t now = clock_ms();
	uint64_t since = atomic_load(&limit->since_ms);

	if ((since == 0 || now - since >= LIMIT_LOG_PERIOD_MS) &&
		atomic_compare_exchange_strong(&limit->since_ms, &since, now)) {
		uint32_t nb = atomic_exchange(&limit->nb_lines, 0);

		if (nb > nb_lines)
			VSOCK_LOG(
				WARNING, "%u lines like the next one were left out", nb - nb_lines);
	}
	return atomic_fetch_add(&limit->nb_lines, 1) < nb_lines;
}

bool
log_limit_take(struct log_limit *limit)
{
	return log_limit_take_of(limit, LIMIT_LOG_NB_LINES);
}
