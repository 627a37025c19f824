/* SPDX-License-Identifier: BSD-3-Clause */
#include "global.h"

struct wq_global wq_global = {.mutex = PTHREAD_MUTEX_INITIALIZER};

void
wq_global_get_cpus(cpu_set_t *out)
{
	pthread_mutex_lock(&wq_global.mutex);
	*out = wq_global.cpus;
	pthread_mutex_unlock(&wq_global.mutex);
}
