/* SPDX-License-Identifier: BSD-3-Clause */
#include "link.h"
#include "wq.h"

struct work_on {
	struct wq_work work;
	long (*func)(void *arg);
	void *arg;
	long result;
};

static void
work_on_func(struct wq_work *work)
{
	struct work_on *on = wq_container_of(work, struct work_on, work);

	on->result = on->func(on->arg);
}

long
wq_work_on(int cpu, long (*func)(void *arg), void *arg)
{
	struct work_on on = {.func = func, .arg = arg};

	wq_work_init(&on.work, work_on_func);
	wq_queue_work_on(cpu, wq_system(WQ_SYSTEM), &on.work);
	wq_flush_work(&on.work);
	return on.result;
}
