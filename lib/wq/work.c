/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "link.h"
#include "work.h"

void
wq_work_init(struct wq_work *work, wq_func_t func)
{
	memset(work, 0, sizeof(*work));
	wq_link_init(&work->entry);
	work->func = func;
}

bool
wq_work_pending(const struct wq_work *work)
{
	return __atomic_load_n(&work->state, __ATOMIC_ACQUIRE) & WQ_PENDING;
}
