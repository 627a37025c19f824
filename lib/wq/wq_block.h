/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_BLOCK_H
#define WQ_BLOCK_H

/**
 * @file Blocking calls that announce it: the pool of the calling work starts another worker
 * meanwhile. Outside of a work they are the plain calls. Arguments and return values are those of
 * the plain calls; errno is kept.
 *
 * Context: any thread but polling lcores.
 */

#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "wq.h"

/** poll(). Announced, unless @p timeout_ms is 0. */
static inline int
wq_poll(struct pollfd *fds, nfds_t nb_fds, int timeout_ms)
{
	int rc;

	if (timeout_ms == 0)
		return poll(fds, nb_fds, 0);
	wq_block_begin();
	rc = poll(fds, nb_fds, timeout_ms);
	wq_block_end();
	return rc;
}

/** pthread_mutex_lock(). Announced if pthread_mutex_trylock() fails. */
static inline int
wq_mutex_lock(pthread_mutex_t *mutex)
{
	int rc = pthread_mutex_trylock(mutex);

	if (rc == 0)
		return 0;
	wq_block_begin();
	rc = pthread_mutex_lock(mutex);
	wq_block_end();
	return rc;
}

/** pthread_cond_wait(). Announced. */
static inline int
wq_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	int rc;

	wq_block_begin();
	rc = pthread_cond_wait(cond, mutex);
	wq_block_end();
	return rc;
}

/** pthread_cond_timedwait(). Announced. */
static inline int
wq_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
	int rc;

	wq_block_begin();
	rc = pthread_cond_timedwait(cond, mutex, until);
	wq_block_end();
	return rc;
}

/** Sleeps. Announced; signals do not cut it short. @param us microseconds. */
static inline void
wq_sleep_us(uint64_t us)
{
	struct timespec ts = {
		.tv_sec = (time_t)(us / 1000000),
		.tv_nsec = (long)(us % 1000000) * 1000,
	};

	wq_block_begin();
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &ts) != 0)
		;
	wq_block_end();
}

#endif
