/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Looking at the workers of a pool for the monitor: finds those that sleep inside a work without
 * having announced it, and those that burn CPU. Only executions that the last pass saw, too, count.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "global.h"
#include "link.h"
#include "os.h"
#include "pool.h"
#include "probe.h"

/*
 * Suspects of a pool in one pass. Those that count as running come first: a blocked one among them
 * holds up the works that wait. What is left is for those that were seen blocked, in turns.
 */
#define MAX_SUSPECTS 64

struct suspect {
	struct wq_worker *w;
	uint64_t nb_works; /* tells the execution */
	pid_t tid;
	bool blocked;
	bool readable;
};

static uint64_t
thread_cpu_ns(pthread_t thread)
{
	struct timespec ts;
	clockid_t clock;

	if (pthread_getcpuclockid(thread, &clock) != 0 || clock_gettime(clock, &ts) != 0)
		return 0;
	return (uint64_t)ts.tv_sec * WQ_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* The scheduler's state of a thread, a letter as in /proc/PID/stat; 0: unknown. */
static char
thread_state(pid_t tid)
{
	char path[64], buf[128];
	const char *paren;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	buf[n] = '\0';
	/* The name stands in parentheses and may contain some itself. */
	paren = strrchr(buf, ')');
	return paren != NULL && paren[1] == ' ' ? paren[2] : 0;
}

/* Accounts the CPU time of a long execution and finds out whether it burns CPU. P is held. */
static void
account(struct wq_worker *w, bool *found)
{
	struct wq_pwq *pwq = w->current_pwq;
	uint64_t cpu = thread_cpu_ns(w->thread);

	if (cpu == 0)
		return;
	if (w->seen_cpu_ns == 0) {
		w->hog_cpu_ns = cpu;
	} else if (cpu > w->seen_cpu_ns) {
		pwq->stats.cpu_ns += cpu - w->seen_cpu_ns;
	}
	w->seen_cpu_ns = cpu;
	if (!(w->flags & WQ_W_NOT_RUNNING) &&
		cpu - w->hog_cpu_ns >= wq_global.cfg.cpu_intensive_us * WQ_NS_PER_US) {
		wq_pool_set_worker_flags(w, WQ_W_CPU_INTENSIVE);
		pwq->stats.cpu_hogs++;
		*found = true;
	}
}

/* Whether the scheduler's state of the thread can tell more about a worker. P is held. */
static bool
is_suspect(const struct wq_worker *w)
{
	uint32_t why_not = w->flags & WQ_W_NOT_RUNNING;

	return why_not == 0 || why_not == WQ_W_SEEN_BLOCKED;
}

static void
add_suspect(struct suspect *suspects, unsigned *nb, struct wq_worker *w)
{
	suspects[(*nb)++] = (struct suspect){
		.w = w,
		.nb_works = w->nb_works,
		.tid = __atomic_load_n(&w->tid, __ATOMIC_ACQUIRE),
	};
}

/* Adds those that were seen blocked, from where the last pass ended. P is held. */
static void
collect_blocked(struct wq_pool *pool, struct suspect *suspects, unsigned *nb)
{
	uint32_t from = pool->probe_from, at = 0;
	struct wq_link *l;

	pool->probe_from = 0;
	wq_link_foreach(l, &pool->workers)
	{
		struct wq_worker *w = wq_container_of(l, struct wq_worker, node);

		if (w->current_pwq == NULL || w->seen_works != w->nb_works ||
			(w->flags & WQ_W_NOT_RUNNING) != WQ_W_SEEN_BLOCKED || at++ < from)
			continue;
		if (*nb == MAX_SUSPECTS) {
			pool->probe_from = at - 1;
			return;
		}
		add_suspect(suspects, nb, w);
	}
}

/* Updates what was seen of each worker and collects those to look up. P is held. */
static unsigned
collect(struct wq_pool *pool, struct suspect *suspects, struct wq_probe *sum)
{
	unsigned nb = 0;
	struct wq_link *l;

	wq_link_foreach(l, &pool->workers)
	{
		struct wq_worker *w = wq_container_of(l, struct wq_worker, node);
		uint64_t cpu_before = w->seen_cpu_ns;

		if (w->current_pwq == NULL)
			continue;
		if (w->seen_works != w->nb_works) {
			/* A new execution, which may have ended at the next pass. */
			w->seen_works = w->nb_works;
			sum->active |= !(w->flags & WQ_W_BLOCKED);
			sum->fresh |= !(w->flags & WQ_W_NOT_RUNNING);
			continue;
		}
		account(w, &sum->found);
		sum->active |= w->seen_cpu_ns != cpu_before;
		if ((w->flags & WQ_W_NOT_RUNNING) == 0 && nb < MAX_SUSPECTS)
			add_suspect(suspects, &nb, w);
	}
	collect_blocked(pool, suspects, &nb);
	return nb;
}

/* Applies a finding, if the worker is still in the same execution. P is held. */
static void
judge(const struct suspect *s, struct wq_pool *pool, struct wq_probe *sum)
{
	struct wq_worker *w = s->w;

	if (!s->readable || w->current_pwq == NULL || w->nb_works != s->nb_works || !is_suspect(w))
		return;
	if (s->blocked && !(w->flags & WQ_W_SEEN_BLOCKED)) {
		wq_pool_set_worker_flags(w, WQ_W_SEEN_BLOCKED);
		w->current_pwq->stats.blocked++;
		if (wq_pool_work_waits(pool))
			w->current_pwq->stats.woken++;
		sum->found = true;
	} else if (!s->blocked && (w->flags & WQ_W_SEEN_BLOCKED)) {
		wq_pool_clear_worker_flags(w, WQ_W_SEEN_BLOCKED);
		sum->found = true;
	}
}

void
wq_probe_pool(struct wq_pool *pool, struct wq_probe *sum)
{
	struct suspect suspects[MAX_SUSPECTS];
	unsigned nb;

	wq_lock(&pool->lock);
	nb = collect(pool, suspects, sum);
	wq_pool_unlock(pool);
	/* Each read takes microseconds, so do it without P. Only this thread frees workers. */
	for (unsigned i = 0; i < nb; i++) {
		char state = thread_state(suspects[i].tid);

		suspects[i].readable = state != 0;
		suspects[i].blocked = state == 'S' || state == 'D';
	}
	wq_lock(&pool->lock);
	for (unsigned i = 0; i < nb; i++)
		judge(&suspects[i], pool, sum);
	sum->active |= pool->nb_running > 0 || wq_pool_work_waits(pool);
	sum->waits |= wq_pool_work_waits(pool);
	wq_pool_unlock(pool);
}
