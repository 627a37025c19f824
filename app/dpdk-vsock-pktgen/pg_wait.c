/* SPDX-License-Identifier: BSD-3-Clause */

/* Events of host programs' sockets and of guests' call descriptors, and the wait for them. */

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <time.h>

#include "pg_end.h"
#include "pg_open.h"
#include "pg_wait.h"

#define NB_EVENTS    64
#define READ_BUDGET  4u
#define READY_BUDGET 64u
#define SPIN_ROUNDS  200u /* without work before a wait, adaptive */
#define MAX_WAIT_NS  UINT64_C(20000000)

static void
handle_event(const struct epoll_event *event)
{
	struct pg_watch *watch = event->data.ptr;

	if (watch->source == PG_SOURCE_END) {
		struct pg_end *end = (struct pg_end *)(void *)watch;

		if (event->events & EPOLLOUT)
			end->writable = true;
		if (event->events & ~(uint32_t)EPOLLOUT && end->fd >= 0) {
			end->readable = true;
			pg_end_ready(end);
		}
	} else if (watch->source == PG_SOURCE_LISTEN) {
		pg_open_accept((struct pg_guest *)(void *)((char *)watch -
			offsetof(struct pg_guest, listen)));
	} else {
		struct pg_guest *guest = (struct pg_guest *)(void *)watch;

		vfe_guest_take_calls(guest->fe);
		guest->due = true;
		guest->run->called = true;
	}
}

unsigned int
pg_wait_events(struct pg_run *run, uint64_t timeout_ns)
{
	const struct timespec timeout = {
		.tv_sec = (time_t)(timeout_ns / 1000000000u),
		.tv_nsec = (long)(timeout_ns % 1000000000u),
	};
	struct epoll_event events[NB_EVENTS];
	int i, nb;

	nb = epoll_pwait2(run->epoll_fd, events, NB_EVENTS, &timeout, NULL);
	if (nb < 0 && errno == ENOSYS)
		nb = epoll_wait(run->epoll_fd, events, NB_EVENTS, (int)(timeout_ns / 1000000u));
	for (i = 0; i < nb; i++)
		handle_event(&events[i]);
	return nb > 0 ? (unsigned int)nb : 0;
}

unsigned int
pg_wait_read(struct pg_run *run)
{
	unsigned int i, work = 0;

	for (i = 0; i < run->nb_hot; i++) {
		struct pg_end *end = run->hot_ends[i];

		work += pg_end_read(end, READ_BUDGET);
	}
	for (i = 0; i < READY_BUDGET && run->ready != NULL; i++) {
		struct pg_end *end = run->ready;

		run->ready = end->next;
		if (run->ready == NULL)
			run->ready_last = &run->ready;
		end->queued = false;
		if (end->fd < 0) {
			pg_end_free(end);
			continue;
		}
		work += pg_end_read(end, READ_BUDGET);
		if (end->fd >= 0 && end->readable)
			pg_end_ready(end);
	}
	return work;
}

/* Until when the loop may sleep at the most. */
static uint64_t
wait_ns(const struct pg_run *run)
{
	uint64_t until_ns = run->now_ns + MAX_WAIT_NS;
	uint32_t i;

	if (run->conf->scenario->role == PG_ROLE_IDLE && run->probe == NULL &&
		run->probe_ns < until_ns)
		until_ns = run->probe_ns;
	if (run->conf->rate > 0 && until_ns > run->now_ns + 100000)
		until_ns = run->now_ns + 100000;
	for (i = 0; i < run->nb_active; i++) {
		const uint64_t next_ns = run->conns[run->active[i]].next_ns;

		if (next_ns > run->now_ns && next_ns < until_ns)
			until_ns = next_ns;
	}
	return until_ns > run->now_ns ? until_ns - run->now_ns : 0;
}

void
pg_wait_over(struct pg_run *run)
{
	unsigned int i;

	for (i = 0; i < run->conf->nb_guests; i++)
		vfe_guest_disarm(run->guests[i].fe);
	run->armed = false;
}

void
pg_wait(struct pg_run *run, unsigned int idle_rounds)
{
	const enum pg_wait mode = run->conf->wait;
	bool work = false;
	unsigned int i;

	if (mode == PG_WAIT_POLL || (mode == PG_WAIT_ADAPTIVE && idle_rounds < SPIN_ROUNDS)) {
		sched_yield();
		pg_wait_events(run, 0);
		return;
	}
	for (i = 0; i < run->conf->nb_guests && !run->armed; i++) {
		if (vfe_guest_arm(run->guests[i].fe)) {
			run->guests[i].due = true;
			run->called = work = true;
		}
	}
	run->armed = true;
	pg_wait_events(run, work ? 0 : wait_ns(run));
	/* To look without having been called would hide a call that the device owes. */
	if (mode != PG_WAIT_BLOCK || run->called)
		pg_wait_over(run);
}
