/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_SLOW_H
#define VSOCK_SLOW_H

/**
 * @file
 * The slow path of host connections: whatever blocks or is rare, as works of lib/wq. Input by value
 * in a job that the connection reserved when it began; answers by value into the owning lcore's
 * inbox.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <wq.h>

struct lcore;

/** What a job is asked to do; bits, so that asking twice is asking once. */
enum slow_todo {
	SLOW_CONNECT = 1 << 0,
	SLOW_CREDIT = 1 << 1,
	SLOW_SHUT_WR = 1 << 2,
	SLOW_SHUT_RD = 1 << 3,
	SLOW_CLOSE = 1 << 4, /**< the last one: the job goes back to its lcore */
};

/**
 * Legend: [L] written by the owning lcore before it sets a todo bit, read by the worker after it
 * took the bits (the claim of wq_queue_work() orders both); [W] the worker, which is one at a time.
 */
struct slow_job {
	struct wq_delayed_work work; /* first */
	struct slow_job *next;       /* [L] free list; sockets to be closed: then [W] */
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
	_Atomic uint32_t fwd_cnt;    /* [L] what credit updates could say */
	uint32_t fwd_cnt_asked;      /* [W] what the last one was asked for */
	uint64_t deadline_ms;        /* [W] of a connect to a full backlog; 0: none yet */
	const char *uds;             /* [L] the port's base path; outlives its connections */
};

/** Create jobs for one lcore. Context: main, before it runs. @return 0; -ENOMEM. */
int slow_jobs_create(struct lcore *lc, unsigned int nb);
void slow_jobs_free(struct lcore *lc);

/** Take a job; NULL when none is left. Context: the lcore. */
struct slow_job *slow_job_get(struct lcore *lc);

/** Give a job back that was never queued, or whose SLOW_CLOSE is done. Context: the lcore. */
void slow_job_put(struct lcore *lc, struct slow_job *job);

/** Ask the job's worker; wait-free. Context: the lcore. */
void slow_job_ask(struct slow_job *job, enum slow_todo what);

/**
 * Have the socket closed; where many are, a millisecond later and together with others, so that one
 * wake-up of a worker serves all. For a socket whose program knows of its end. No lock and no
 * allocation; a retry when the worker takes the list at that very moment. Context: the lcore.
 */
void slow_job_close_later(struct slow_job *job);

/**
 * Ask for an INBOX_TICK a quarter of a second from now, or (@p soon) LIMIT_ASK_MS; wait-free.
 * Context: the lcore.
 */
void slow_tick(struct lcore *lc, bool soon);

/** Create the workqueue. Context: main, wq_init() is done. @return 0; -errno. */
int slow_start(void);

/** Wait until all works that were asked for are done. Context: control threads, lcores run. */
void slow_flush(void);

/** Destroy the workqueue. Context: main, after slow_flush(), lcores have stopped. */
void slow_stop(void);

/** The workqueue, for works of others on the slow path. Context: any. */
struct workqueue *slow_wq(void);

#endif
