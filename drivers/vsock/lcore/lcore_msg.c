/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <unistd.h>

#include "data/vsock_switch.h"
#include "lcore/lcore_msg.h"

/* Bound of the packets staged for one lcore. Beyond it, chains stay in the guests' rings. */
#define STAGED_MAX (LIMIT_NB_XRING / 4)

_Static_assert(LIMIT_NB_LCORES <= 64, "an lcore is a bit of staged_mask");

/* ---- between lcores ---- */

void
lcore_msg_send(struct lcore *lc, unsigned int to, struct pkt *p)
{
	struct xlcore_out *out = &lc->out[to];

	TAILQ_INSERT_TAIL(&out->staged, p, next);
	out->nb_staged++;
	lc->staged_mask |= UINT64_C(1) << to;
}

bool
lcore_msg_is_congested(const struct lcore *lc, unsigned int to)
{
	return lc->out[to].nb_staged >= STAGED_MAX;
}

bool
lcore_msg_wake(struct lcore *lc)
{
	const uint64_t one = 1;

	/* Pairs with the fence in sleep_until_kicked(). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&lc->sleeping, __ATOMIC_RELAXED) == 0)
		return false;
	(void)!write(lc->wake_fd, &one, sizeof(one));
	return true;
}

void
lcore_msg_send_staged(struct lcore *lc)
{
	for (uint64_t mask = lc->staged_mask; mask != 0; mask &= mask - 1) {
		unsigned int to = (unsigned int)__builtin_ctzll(mask), sent = 0;
		struct xlcore_out *out = &lc->out[to];

		while (out->nb_staged > 0) {
			struct pkt *burst[32], *p = TAILQ_FIRST(&out->staged);
			unsigned int n = 0, done;

			for (; p != NULL && n < RTE_DIM(burst); p = TAILQ_NEXT(p, next))
				burst[n++] = p;
			/* Take them off the list first: then the other lcore owns them. */
			for (done = 0; done < n; done++)
				TAILQ_REMOVE(&out->staged, burst[done], next);
			done = rte_ring_sp_enqueue_burst(out->ring, (void **)burst, n, NULL);
			for (unsigned int i = n; i > done; i--)
				TAILQ_INSERT_HEAD(&out->staged, burst[i - 1], next);
			out->nb_staged -= done;
			sent += done;
			if (done < n)
				break; /* full: the rest stays staged */
		}
		if (out->nb_staged == 0)
			lc->staged_mask &= ~(UINT64_C(1) << to);
		if (sent == 0)
			continue;
		lc->stats.xlcore_messages += sent;
		if (lcore_msg_wake(lc->sw->lcores[to]))
			lc->stats.wakeups_sent++;
	}
}

/* ---- the inbox ---- */

/*
 * Producers hold a mutex instead of using a ring mode for several producers. A producer that loses
 * its CPU delays the others in both cases. With the mutex the others sleep, and the lcore uses a
 * ring with one producer.
 */
static bool
inbox_put(struct lcore *lc, const struct inbox_msg *msg)
{
	int ret;

	pthread_mutex_lock(&lc->inbox_mutex);
	ret = rte_ring_sp_enqueue_bulk_elem(
		lc->inbox, (void *)(uintptr_t)msg, sizeof(*msg), 1, NULL);
	pthread_mutex_unlock(&lc->inbox_mutex);
	return ret == 1;
}

bool
lcore_msg_try_post(struct lcore *lc, const struct inbox_msg *msg)
{
	const bool done = inbox_put(lc, msg);

	lcore_msg_wake(lc);
	return done;
}

void
lcore_msg_post(struct lcore *lc, const struct inbox_msg *msg)
{
	while (!inbox_put(lc, msg)) {
		/* The inbox is full. The worker sleeps, and lib/wq starts another one meanwhile. */
		lcore_msg_wake(lc);
		wq_block_begin();
		usleep(100);
		wq_block_end();
	}
	lcore_msg_wake(lc);
}

int
lcore_msg_call(struct lcore *lc, ctl_fn fn, void *arg)
{
	struct ctl_request req = {.fn = fn, .arg = arg};
	struct inbox_msg msg = {.type = INBOX_CALL, .request = &req};
	int ret;

	sem_init(&req.done, 0, 0);
	lcore_msg_post(lc, &msg);
	do {
		ret = sem_wait(&req.done);
	} while (ret != 0 && errno == EINTR);
	sem_destroy(&req.done);
	return req.result;
}

void
lcore_msg_done(struct ctl_request *req, int result)
{
	req->result = result;
	sem_post(&req->done);
}
