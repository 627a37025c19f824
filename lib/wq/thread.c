/* SPDX-License-Identifier: BSD-3-Clause */
#include <signal.h>

#include "thread.h"

int
wq_thread_start(pthread_t *thread, const cpu_set_t *cpus, void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	sigset_t all;
	int rc;

	rc = pthread_attr_init(&attr);
	if (rc != 0)
		return -rc;
	sigfillset(&all);
	pthread_attr_setsigmask_np(&attr, &all);
	pthread_attr_setaffinity_np(&attr, sizeof(*cpus), cpus);
	rc = pthread_create(thread, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	return -rc;
}
