/* SPDX-License-Identifier: BSD-3-Clause */
#include "current.h"

__thread struct wq_worker *wq_current;

bool
wq_in_work(const struct workqueue *wq)
{
	const struct wq_worker *w = wq_current;

	/* The calling thread itself writes both fields. */
	return w != NULL && w->current_pwq != NULL && (wq == NULL || w->current_pwq->wq == wq);
}
