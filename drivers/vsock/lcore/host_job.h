/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_HOST_JOB_H
#define VSOCK_HOST_JOB_H

/**
 * @file
 * The slow path of connections to host programs: connect(), shutdown(), close() and deferred
 * credit updates run as works of lib/wq. A connection reserves a job when it begins and writes its
 * values into it. Answers go into the inbox of the owning lcore.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <wq.h>

struct lcore;

/** Requests to a job. They are bits, so that a repeated request has no effect. */
enum host_job_todo {
	HOST_JOB_CONNECT = 1 << 0,
	HOST_JOB_CREDIT = 1 << 1,
	HOST_JOB_SHUT_WR = 1 << 2,
	HOST_JOB_SHUT_RD = 1 << 3,
	HOST_JOB_CLOSE = 1 << 4, /**< the last one: the job goes back to its lcore */
};

/**
 * Legend: [L] written by the owning lcore before it sets a todo bit, read by the worker after it
 * took the bits (the claim of wq_queue_work() orders both); [W] the worker, which is one at a time.
 */
struct host_job {
	struct wq_delayed_work work; /* first */
	struct host_job *next;       /* [L] free list; sockets to be closed: then [W] */
	_Atomic uint32_t todo;       /* both */
	struct lcore *lc;            /* constant */
	int fd;                      /* [L] */
	uint16_t port_id;            /* [L] */
	uint16_t conn_type;          /* [L] */
	uint32_t port_gen;           /* [L] */
	uint32_t local_port;         /* [L] */
	uint32_t peer_port;          /* [L] */
	uint32_t serial;             /* [L] */
	uint32_t buf_alloc;          /* [L] window that the socket has to let through, bytes */
	_Atomic uint32_t fwd_cnt;    /* [L] what a credit update would tell the guest */
	uint32_t fwd_cnt_asked;      /* [W] value of the last credit update */
	uint64_t deadline_ms;        /* [W] of a connect() to a full backlog; 0: none yet */
	const char *uds;             /* [L] the port's base path; outlives its connections */
};

/** Create the jobs of an lcore. Context: main, before the lcore runs. @return 0; -ENOMEM. */
int host_job_create(struct lcore *lc, unsigned int nb);

/** Free the jobs of an lcore. No effect without any. Context: main, after host_job_stop(). */
void host_job_free(struct lcore *lc);

/** Run delayed closes of the lcore's jobs now. Context: control threads; the lcore runs. */
void host_job_flush(struct lcore *lc);

/**
 * Cancel the delayed works of the lcore's jobs, and close their sockets.
 * Context: main; the lcore has stopped, the workqueue exists.
 */
void host_job_stop(struct lcore *lc);

/** Take a job. Context: the lcore. @return NULL if none is left. */
struct host_job *host_job_get(struct lcore *lc);

/** Give back a job that was never queued, or whose HOST_JOB_CLOSE is done. Context: the lcore. */
void host_job_put(struct lcore *lc, struct host_job *job);

/** Request @p what from the job's worker. Wait-free. Context: the lcore, or the job's worker. */
void host_job_ask(struct host_job *job, enum host_job_todo what);

/**
 * Close the socket on the slow path. Closes in quick succession are batched for
 * LIMIT_CLOSE_BATCH_US to save worker wake-ups. Use it if shutdown() has told the program already.
 * Takes no lock and allocates nothing.
 * Context: the lcore.
 */
void host_job_close_later(struct host_job *job);

#endif
