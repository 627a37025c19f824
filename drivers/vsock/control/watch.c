/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <wq.h>

#include "control/watch.h"
#include "data/lcore.h"
#include "data/vsock_switch.h"
#include "lcore/lcore_msg.h"

/* An lcore as of the last check. */
struct watched {
	pthread_t thread;
	uint32_t seq; /* its notify_seq */
};

struct watch {
	struct wq_delayed_work look_work; /* first */
	struct workqueue *wq; /* its own, because all other works may wait for a blocked lcore */
	struct vsock_switch *sw;
	/*
	 * Quick checks that remain. They bound what front ends gain that block lcores together or
	 * again and again. Only the work accesses it.
	 */
	unsigned int nb_quick;
	struct watched watched[LIMIT_NB_LCORES];
};

static int watch_signal; /* chosen once in a process */

/* ---- the signal ---- */

static void
on_signal(int sig)
{
	(void)sig; /* a blocked system call fails with EINTR, because SA_RESTART is not set */
}

static int
choose_signal(void)
{
	struct sigaction sa = {.sa_handler = on_signal}, old;

	if (watch_signal != 0)
		return 0;
	sigemptyset(&sa.sa_mask);
	for (int sig = SIGRTMAX; sig >= SIGRTMIN; sig--) {
		if (sigaction(sig, NULL, &old) != 0)
			return -errno;
		if ((old.sa_flags & SA_SIGINFO) != 0 || old.sa_handler != SIG_DFL)
			continue;
		if (sigaction(sig, &sa, NULL) != 0)
			return -errno;
		watch_signal = sig;
		return 0;
	}
	return -EBUSY;
}

/* ---- the check ---- */

static void
look(struct wq_work *work)
{
	struct watch *watch = (struct watch *)(void *)wq_to_delayed(work);

	if (watch->nb_quick > 0)
		watch->nb_quick--;
	for (unsigned int i = 0; i < watch->sw->nb_lcores; i++) {
		struct lcore *lc = watch->sw->lcores[i];
		struct watched *w = &watch->watched[i];
		uint32_t seq = __atomic_load_n(&lc->notify_seq, __ATOMIC_RELAXED);

		/*
		 * Repeat it at each check, because a signal that arrives just before the system
		 * call interrupts nothing.
		 */
		if (seq % 2 != 0 && seq == w->seq) {
			__atomic_store_n(&lc->blocked_seq, seq, __ATOMIC_RELAXED);
			pthread_kill(w->thread, watch_signal);
			watch->nb_quick = LIMIT_WATCH_NB_QUICK;
		}
		w->seq = seq;
	}
	wq_queue_delayed(watch->wq, &watch->look_work,
		watch->nb_quick > 0 ? LIMIT_WATCH_QUICK_US : LIMIT_WATCH_US);
}

/* ---- start and stop ---- */

/* Context: the lcore, as a request. */
static bool
introduce(struct lcore *lc, struct ctl_request *req)
{
	struct watched *w = req->arg;
	sigset_t set;

	(void)lc;
	/* The signal may be blocked: threads inherit the mask of the process. */
	sigemptyset(&set);
	sigaddset(&set, watch_signal);
	req->result = -pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	w->thread = pthread_self();
	w->seq = 0;
	return true;
}

int
watch_start(struct vsock_switch *sw)
{
	struct watch *watch;
	int ret = choose_signal();

	if (ret != 0)
		return ret;
	watch = calloc(1, sizeof(*watch));
	if (watch == NULL)
		return -ENOMEM;
	watch->sw = sw;
	for (unsigned int i = 0; ret == 0 && i < sw->nb_lcores; i++)
		ret = lcore_msg_call(sw->lcores[i], introduce, &watch->watched[i]);
	/* WQ_MEM_RECLAIM: the check also runs if no thread can be created. */
	if (ret == 0)
		ret = wq_alloc("vsock_watch", WQ_HIGHPRI | WQ_MEM_RECLAIM, 1, &watch->wq);
	if (ret != 0) {
		free(watch);
		return ret;
	}
	wq_delayed_init(&watch->look_work, look);
	wq_queue_delayed(watch->wq, &watch->look_work, LIMIT_WATCH_US);
	sw->watch = watch;
	return 0;
}

void
watch_stop(struct vsock_switch *sw)
{
	if (sw->watch == NULL)
		return;
	wq_cancel_delayed_sync(&sw->watch->look_work);
	wq_destroy(sw->watch->wq);
	free(sw->watch);
	sw->watch = NULL;
}
