/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_common.h>

#include "base/clock.h"
#include "base/log_limit.h"
#include "base/unix_sock.h"
#include "base/vsock_log.h"
#include "data/lcore.h"
#include "data/vsock_switch.h"
#include "lcore/host_job.h"
#include "lcore/lcore_msg.h"

/** Sockets of one lcore that wait for close(). The lcore adds them; the worker takes all. */
struct closer {
	struct wq_delayed_work work; /* first */
	uint64_t last;               /* [L] TSC of the last one */
	_Alignas(64) _Atomic(struct host_job *) jobs;
};

/** The jobs of one lcore. */
struct host_jobs {
	struct closer closer;
	struct log_limit report; /* lines about refused connections */
	unsigned int nb;         /* constant */
	struct host_job jobs[];
};

/* ---- works ---- */

static struct inbox_msg
answer(const struct host_job *job, enum inbox_type type)
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

static enum drop_reason
refusal(int error)
{
	switch (error) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		return DROP_NO_RESOURCES;
	case EAGAIN:
		return DROP_HOST_BACKLOG;
	case EPROTOTYPE:
		return DROP_HOST_TYPE;
	case EACCES:
	case EPERM:
		return DROP_HOST_DENIED;
	default:
		return DROP_HOST_REFUSED;
	}
}

/* Log faults that an operator has to mend. A missing listener is usual, so it is only counted. */
static void
report_refusal(const struct host_job *job, enum drop_reason reason, int error)
{
	const bool seqpacket = job->conn_type == WIRE_TYPE_SEQPACKET;
	const char *advice;

	if (reason == DROP_HOST_TYPE)
		advice = seqpacket ? "the guest uses SOCK_SEQPACKET: listen with that type"
				   : "the guest uses SOCK_STREAM: listen with that type";
	else if (reason == DROP_HOST_DENIED)
		advice = "let the daemon's user write to the socket and search its folder";
	else if (reason == DROP_HOST_BACKLOG)
		advice =
			"the listener's backlog is full: accept faster or listen with a larger one";
	else if (reason == DROP_NO_RESOURCES)
		advice = "raise RLIMIT_NOFILE, or free memory";
	else
		return;
	if (log_limit_take(&job->lc->jobs->report))
		VSOCK_LOG(WARNING, "uds=%s: port %u: connect to %s_%u failed: %s (%s)", job->uds,
			job->peer_port, job->uds, job->peer_port, strerror(error), advice);
}

static void
connect_failed(struct host_job *job, int error)
{
	struct inbox_msg msg = answer(job, INBOX_HOST_CONNECTED);

	if (job->fd >= 0)
		close(job->fd);
	job->fd = -1;
	msg.fd = -error;
	msg.reason = refusal(error);
	report_refusal(job, msg.reason, error);
	lcore_msg_post(job->lc, &msg);
}

static int
try_connect(struct host_job *job, uint32_t *sndbuf_len)
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
	(void)unix_sock_refuse_rights(job->fd); /* host_listen_open() reports an old kernel */
	if (type == SOCK_SEQPACKET)
		*sndbuf_len = unix_sock_set_send_buffer(job->fd, job->buf_alloc);
	return connect(job->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 ? 0 : errno;
}

static void
do_connect(struct host_job *job)
{
	struct inbox_msg msg;
	uint32_t sndbuf_len = 0;
	int error = try_connect(job, &sndbuf_len);

	if (error == 0) {
		msg = answer(job, INBOX_HOST_CONNECTED);
		msg.fd = job->fd;
		msg.buf_alloc = sndbuf_len;
		unix_sock_peer(job->fd, &msg.pid, &msg.uid);
		lcore_msg_post(job->lc, &msg);
		return;
	}
	if (error == EAGAIN) {
		/* The listener's backlog is full. No event reports free space, so try again. */
		uint64_t now = clock_ms();

		if (job->deadline_ms == 0)
			job->deadline_ms = now + LIMIT_CONNECT_BACKLOG_MS;
		if (now < job->deadline_ms) {
			atomic_fetch_or(&job->todo, HOST_JOB_CONNECT);
			wq_queue_delayed(job->lc->sw->slow_wq, &job->work, LIMIT_CONNECT_RETRY_US);
			return;
		}
	}
	connect_failed(job, error);
}

static void
job_work(struct wq_work *work)
{
	struct host_job *job = (struct host_job *)(void *)wq_to_delayed(work);
	uint32_t todo = atomic_exchange(&job->todo, 0);
	struct inbox_msg msg;

	if ((todo & HOST_JOB_CONNECT) != 0 && (todo & HOST_JOB_CLOSE) == 0)
		do_connect(job);
	if ((todo & HOST_JOB_SHUT_WR) != 0)
		shutdown(job->fd, SHUT_WR);
	if ((todo & HOST_JOB_SHUT_RD) != 0)
		shutdown(job->fd, SHUT_RD);
	if ((todo & (HOST_JOB_CREDIT | HOST_JOB_CLOSE)) == HOST_JOB_CREDIT) {
		uint32_t fwd_cnt = atomic_load_explicit(&job->fwd_cnt, memory_order_relaxed);

		/* Skip an update whose value the guest has been sent already. */
		if (fwd_cnt != job->fwd_cnt_asked) {
			job->fwd_cnt_asked = fwd_cnt;
			msg = answer(job, INBOX_CREDIT);
			lcore_msg_post(job->lc, &msg);
		}
	}
	if ((todo & HOST_JOB_CLOSE) == 0)
		return;
	if (job->fd >= 0)
		close(job->fd);
	job->fd = -1;
	msg = answer(job, INBOX_JOB_FREE);
	msg.job = job;
	lcore_msg_post(job->lc, &msg);
}

static struct host_job *
take_jobs(struct closer *closer)
{
	return atomic_exchange_explicit(&closer->jobs, NULL, memory_order_acquire);
}

/* A work that a work queues needs no wake-up, so one wake-up serves all closes. */
static void
closer_work(struct wq_work *work)
{
	struct closer *closer = (struct closer *)(void *)wq_to_delayed(work);
	struct host_job *job = take_jobs(closer), *next;

	for (; job != NULL; job = next) {
		next = job->next; /* the lcore owns the job again after the close */
		host_job_ask(job, HOST_JOB_CLOSE);
	}
}

/* ---- for lcores ---- */

void
host_job_close_later(struct host_job *job)
{
	struct closer *closer = &job->lc->jobs->closer;
	const uint64_t since = job->lc->now - closer->last;

	closer->last = job->lc->now;
	if (since > job->lc->cycles_per_us * LIMIT_CLOSE_ALONE_US) {
		/* Closes are rare: the timer would cost more wake-ups than it saves. */
		host_job_ask(job, HOST_JOB_CLOSE);
		return;
	}
	job->next = atomic_load_explicit(&closer->jobs, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(
		&closer->jobs, &job->next, job, memory_order_release, memory_order_relaxed))
		;
	/* false: the work is queued already and closes this socket, too. */
	(void)wq_queue_delayed(job->lc->sw->slow_wq, &closer->work, LIMIT_CLOSE_BATCH_US);
}

void
host_job_ask(struct host_job *job, enum host_job_todo what)
{
	atomic_fetch_or(&job->todo, what);
	/* false: the work is queued already and will see the bit. */
	(void)wq_queue_work(job->lc->sw->slow_wq, &job->work.work);
}

struct host_job *
host_job_get(struct lcore *lc)
{
	struct host_job *job = lc->free_jobs;

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
host_job_put(struct lcore *lc, struct host_job *job)
{
	job->next = lc->free_jobs;
	lc->free_jobs = job;
}

/* ---- start and stop ---- */

int
host_job_create(struct lcore *lc, unsigned int nb)
{
	struct host_jobs *jobs = aligned_alloc(_Alignof(struct host_jobs),
		RTE_ALIGN_CEIL(
			sizeof(*jobs) + nb * sizeof(jobs->jobs[0]), _Alignof(struct host_jobs)));

	if (jobs == NULL)
		return -ENOMEM;
	memset(jobs, 0, sizeof(*jobs) + nb * sizeof(jobs->jobs[0]));
	jobs->nb = nb;
	wq_delayed_init(&jobs->closer.work, closer_work);
	for (unsigned int i = nb; i-- > 0;) {
		wq_delayed_init(&jobs->jobs[i].work, job_work);
		jobs->jobs[i].lc = lc;
		host_job_put(lc, &jobs->jobs[i]);
	}
	lc->jobs = jobs;
	return 0;
}

void
host_job_free(struct lcore *lc)
{
	free(lc->jobs);
	lc->jobs = NULL;
}

void
host_job_flush(struct lcore *lc)
{
	wq_flush_delayed(&lc->jobs->closer.work);
}

void
host_job_stop(struct lcore *lc)
{
	struct host_jobs *jobs = lc->jobs;
	struct host_job *job;

	/* Delayed works would outlive the workqueue, so sockets are closed here instead. */
	wq_cancel_delayed_sync(&jobs->closer.work);
	for (job = take_jobs(&jobs->closer); job != NULL; job = job->next)
		atomic_fetch_or(&job->todo, HOST_JOB_CLOSE);
	for (job = jobs->jobs; job < jobs->jobs + jobs->nb; job++) {
		wq_cancel_delayed_sync(&job->work);
		if ((atomic_load(&job->todo) & HOST_JOB_CLOSE) != 0 && job->fd >= 0)
			close(job->fd);
	}
}
