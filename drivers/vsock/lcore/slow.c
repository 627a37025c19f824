/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "base/clock.h"
#include "base/unix_sock.h"
#include "data/lcore.h"
#include "lcore/lcore_msg.h"
#include "lcore/slow.h"

#define TICK_US          250000
#define TICK_SOON_US     (LIMIT_ASK_MS * 1000)
#define CONNECT_RETRY_US 10000
#define CLOSE_LATER_US   1000
#define CLOSE_ALONE_US   (CLOSE_LATER_US / 4)

struct tick {
	struct wq_delayed_work work; /* first */
	struct lcore *lc;
	bool soon;
};

/**
 * Sockets to be closed, of one lcore. Only the lcore adds, and its worker takes all at once.
 */
struct closer {
	struct wq_delayed_work work; /* first */
	uint64_t last;               /* [L] TSC of the last one */
	_Alignas(64) _Atomic(struct slow_job *) jobs;
};

static struct workqueue *wq;
static struct closer closers[LIMIT_NB_LCORES];
static struct tick ticks[LIMIT_NB_LCORES][2]; /* by "soon" */
static struct slow_job *job_memory[LIMIT_NB_LCORES];
static unsigned int nb_jobs; /* of each lcore */

struct workqueue *
slow_wq(void)
{
	return wq;
}

/* ---- works ---- */

static struct inbox_msg
answer(const struct slow_job *job, enum inbox_type type)
{
	struct inbox_msg msg = {
		.type = type,
		.port_id = job->port_id,
		.port_gen = job->port_gen,
		.local_port = job->local_port,
		.peer_port = job->peer_port,
		.serial = job->serial,
	};

	return msg;
}

static void
connect_failed(struct slow_job *job, int error)
{
	struct inbox_msg msg = answer(job, INBOX_HOST_CONNECTED);
	bool ours = error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;

	if (job->fd >= 0)
		close(job->fd);
	job->fd = -1;
	msg.fd = -error;
	msg.reason = ours ? DROP_NO_RESOURCES : DROP_HOST_REFUSED;
	lcore_msg_post(job->lc, &msg);
}

static int
try_connect(struct slow_job *job, uint32_t *sndbuf_len)
{
	int type = job->conn_type == WIRE_TYPE_SEQPACKET ? SOCK_SEQPACKET : SOCK_STREAM;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if ((size_t)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s_%u", job->uds,
		    job->peer_port) >= sizeof(addr.sun_path))
		return ENAMETOOLONG;
	if (job->fd < 0)
		job->fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (job->fd < 0)
		return errno;
	if (type == SOCK_SEQPACKET)
		*sndbuf_len = unix_sock_set_send_buffer(job->fd, job->buf_alloc);
	return connect(job->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 ? 0 : errno;
}

static void
do_connect(struct slow_job *job)
{
	struct inbox_msg msg;
	uint32_t sndbuf_len = 0;
	int error = try_connect(job, &sndbuf_len);

	if (error == 0) {
		msg = answer(job, INBOX_HOST_CONNECTED);
		msg.fd = job->fd;
		msg.buf_alloc = sndbuf_len;
		lcore_msg_post(job->lc, &msg);
		return;
	}
	if (error == EAGAIN) {
		/* The listener's backlog is full, and cannot be polled. */
		uint64_t now = clock_ms();

		if (job->deadline_ms == 0)
			job->deadline_ms = now + LIMIT_CONNECT_BACKLOG_MS;
		if (now < job->deadline_ms) {
			atomic_fetch_or(&job->todo, SLOW_CONNECT);
			wq_queue_delayed(wq, &job->work, CONNECT_RETRY_US);
			return;
		}
	}
	connect_failed(job, error);
}

static void
job_work(struct wq_work *work)
{
	struct slow_job *job = (struct slow_job *)(void *)wq_to_delayed(work);
	uint32_t todo = atomic_exchange(&job->todo, 0);
	struct inbox_msg msg;

	if ((todo & SLOW_CONNECT) != 0 && (todo & SLOW_CLOSE) == 0)
		do_connect(job);
	if ((todo & SLOW_SHUT_WR) != 0)
		shutdown(job->fd, SHUT_WR);
	if ((todo & SLOW_SHUT_RD) != 0)
		shutdown(job->fd, SHUT_RD);
	if ((todo & (SLOW_CREDIT | SLOW_CLOSE)) == SLOW_CREDIT) {
		uint32_t fwd_cnt = atomic_load_explicit(&job->fwd_cnt, memory_order_relaxed);

		/* Asked for since, with nothing new to say: coalesced. */
		if (fwd_cnt != job->fwd_cnt_asked) {
			job->fwd_cnt_asked = fwd_cnt;
			msg = answer(job, INBOX_CREDIT);
			lcore_msg_post(job->lc, &msg);
		}
	}
	if ((todo & SLOW_CLOSE) == 0)
		return;
	if (job->fd >= 0)
		close(job->fd);
	job->fd = -1;
	msg = answer(job, INBOX_JOB_FREE);
	msg.job = job;
	lcore_msg_post(job->lc, &msg);
}

static void
tick_work(struct wq_work *work)
{
	struct tick *tick = (struct tick *)(void *)wq_to_delayed(work);
	struct inbox_msg msg = {.type = INBOX_TICK, .reason = tick->soon};

	lcore_msg_post(tick->lc, &msg);
}

static struct slow_job *
take_jobs(struct closer *closer)
{
	return atomic_exchange_explicit(&closer->jobs, NULL, memory_order_acquire);
}

/* One wake-up of a worker for all: what is queued by a work wakes nobody. */
static void
closer_work(struct wq_work *work)
{
	struct closer *closer = (struct closer *)(void *)wq_to_delayed(work);
	struct slow_job *job = take_jobs(closer), *next;

	for (; job != NULL; job = next) {
		next = job->next; /* its lcore's again once it is closed */
		slow_job_ask(job, SLOW_CLOSE);
	}
}

/* ---- for lcores ---- */

void
slow_tick(struct lcore *lc, bool soon)
{
	wq_queue_delayed(wq, &ticks[lc->index][soon].work, soon ? TICK_SOON_US : TICK_US);
}

void
slow_job_close_later(struct slow_job *job)
{
	struct closer *closer = &closers[job->lc->index];
	const uint64_t since = job->lc->now - closer->last;

	closer->last = job->lc->now;
	if (since > job->lc->cycles_per_us * CLOSE_ALONE_US) {
		/* They come seldom: the timer would cost more wake-ups than it saves. */
		slow_job_ask(job, SLOW_CLOSE);
		return;
	}
	job->next = atomic_load_explicit(&closer->jobs, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(
		&closer->jobs, &job->next, job, memory_order_release, memory_order_relaxed))
		;
	/* False: it is due already, and takes this one along. */
	(void)wq_queue_delayed(wq, &closer->work, CLOSE_LATER_US);
}

void
slow_job_ask(struct slow_job *job, enum slow_todo what)
{
	atomic_fetch_or(&job->todo, what);
	/* False: it is queued already, and will see the bit. */
	(void)wq_queue_work(wq, &job->work.work);
}

struct slow_job *
slow_job_get(struct lcore *lc)
{
	struct slow_job *job = lc->free_jobs;

	if (job == NULL)
		return NULL;
	lc->free_jobs = job->next;
	atomic_store_explicit(&job->todo, 0, memory_order_relaxed);
	atomic_store_explicit(&job->fwd_cnt, 0, memory_order_relaxed);
	job->fwd_cnt_asked = 0;
	job->deadline_ms = 0;
	job->fd = -1;
	return job;
}

void
slow_job_put(struct lcore *lc, struct slow_job *job)
{
	job->next = lc->free_jobs;
	lc->free_jobs = job;
}

/* ---- start and stop ---- */

int
slow_jobs_create(struct lcore *lc, unsigned int nb)
{
	struct slow_job *jobs = calloc(nb, sizeof(*jobs));

	if (jobs == NULL)
		return -ENOMEM;
	job_memory[lc->index] = jobs;
	nb_jobs = nb;
	wq_delayed_init(&closers[lc->index].work, closer_work);
	for (unsigned int i = nb; i-- > 0;) {
		wq_delayed_init(&jobs[i].work, job_work);
		jobs[i].lc = lc;
		slow_job_put(lc, &jobs[i]);
	}
	for (int soon = 0; soon < 2; soon++) {
		ticks[lc->index][soon].lc = lc;
		ticks[lc->index][soon].soon = soon;
		wq_delayed_init(&ticks[lc->index][soon].work, tick_work);
	}
	return 0;
}

void
slow_jobs_free(struct lcore *lc)
{
	free(job_memory[lc->index]);
	job_memory[lc->index] = NULL;
}

int
slow_start(void)
{
	/* A rescuer: connections end also when no thread can be created. */
	return wq_alloc("vsock_slow", WQ_MEM_RECLAIM, 0, &wq);
}

void
slow_flush(void)
{
	/* What closes later closes now. */
	for (unsigned int i = 0; i < LIMIT_NB_LCORES; i++) {
		if (job_memory[i] != NULL)
			wq_flush_delayed(&closers[i].work);
	}
	wq_flush(wq);
}

/* What waits for its time would outlive the workqueue. Sockets are closed here instead. */
static void
stop_delayed(unsigned int i)
{
	struct slow_job *job;

	for (int soon = 0; soon < 2; soon++)
		wq_cancel_delayed_sync(&ticks[i][soon].work);
	wq_cancel_delayed_sync(&closers[i].work);
	for (job = take_jobs(&closers[i]); job != NULL; job = job->next)
		atomic_fetch_or(&job->todo, SLOW_CLOSE);
	for (job = job_memory[i]; job < job_memory[i] + nb_jobs; job++) {
		wq_cancel_delayed_sync(&job->work);
		if ((atomic_load(&job->todo) & SLOW_CLOSE) != 0 && job->fd >= 0)
			close(job->fd);
	}
}

void
slow_stop(void)
{
	for (unsigned int i = 0; i < LIMIT_NB_LCORES; i++) {
		if (job_memory[i] != NULL)
			stop_delayed(i);
	}
	wq_destroy(wq);
	wq = NULL;
}
