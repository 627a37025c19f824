/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_PWQ_H
#define WQ_PWQ_H

#include "types.h"

/**
 * Insert a work into the lists of the pool: counted as active, or held back by max_active.
 *
 * Context: P is held. The caller holds the claim, which passes to the pool.
 */
void wq_pwq_insert(struct wq_pwq *pwq, struct wq_work *work);

/**
 * Account the end of a work that was executed or cancelled; may complete a flush.
 *
 * Context: P is held.
 * @param colour,flags of the work, which may be freed already.
 */
void wq_pwq_done(struct wq_pwq *pwq, unsigned colour, unsigned flags);

/** Complete the first flusher. Context: the caller has brought wq->nb_pwqs_to_flush to 0. */
void wq_pwq_colour_done(struct workqueue *wq);

/** Change max_active, 0: frozen, and activate works. Context: slow path; takes P. */
void wq_pwq_set_max_active(struct wq_pwq *pwq, int max_active);

/** Whether nothing is in flight. Context: P is held. */
bool wq_pwq_idle(const struct wq_pwq *pwq);

/**
 * Take up to @p budget works from the inbox of a pool to its lists.
 *
 * Context: P is held; it may be released and taken again.
 */
enum wq_inbox_state wq_pwq_drain(struct wq_pool *pool, unsigned budget);

/**
 * Take the works that are in the inbox now to the lists of the pool, as far as they can be reached.
 *
 * Context: P is held; it may be released and taken again.
 */
void wq_pwq_drain_marked(struct wq_pool *pool);

/** Move a work and those linked behind it to the tail of a list. Context: P is held. */
void wq_pwq_move_linked(struct wq_work *work, struct wq_link *to);

#endif
