/* SPDX-License-Identifier: BSD-3-Clause */
#include "inbox.h"

void
wq_inbox_init(struct wq_inbox *in)
{
	in->stub.inbox_next = NULL;
	in->tail = &in->stub;
	in->sleeper = NULL;
	in->cur = NULL;
	in->last = NULL;
	in->nb_chains = 0;
}

/* Takes the whole chain off. false: there is none, or its first link is missing. */
static bool
take_chain(struct wq_inbox *in)
{
	struct wq_work *first = __atomic_load_n(&in->stub.inbox_next, __ATOMIC_ACQUIRE);

	if (first == NULL)
		return false;
	/*
	 * A producer has linked the stub, so the tail is not the stub now. Producers do not write
	 * stub.inbox_next until the exchange has made the stub the tail again.
	 */
	__atomic_store_n(&in->stub.inbox_next, NULL, __ATOMIC_RELAXED);
	in->last = __atomic_exchange_n(&in->tail, &in->stub, __ATOMIC_SEQ_CST);
	in->cur = first;
	in->nb_chains++;
	return true;
}

struct wq_work *
wq_inbox_pop(struct wq_inbox *in, enum wq_inbox_state *state)
{
	struct wq_work *work, *next;

	if (in->cur == NULL && !take_chain(in)) {
		*state = wq_inbox_quiet(in) ? WQ_INBOX_EMPTY : WQ_INBOX_HALF;
		return NULL;
	}
	work = in->cur;
	if (work == in->last) {
		in->cur = NULL;
		return work;
	}
	/* Acquire: pairs with the release in wq_inbox_push(). */
	next = __atomic_load_n(&work->inbox_next, __ATOMIC_ACQUIRE);
	if (next == NULL) {
		*state = WQ_INBOX_HALF;
		return NULL;
	}
	/* Its cache line is in the producer's cache and will be written soon. */
	__builtin_prefetch(next, 1);
	in->cur = next;
	return work;
}
