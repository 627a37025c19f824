/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_TIMER_H
#define WQ_TIMER_H

#include "types.h"

/**
 * Start the timer thread.
 *
 * Context: wq_init().
 * @return 0, or -errno of wq_thread_start().
 */
int wq_timer_start(void);

/** Stop and join the timer thread. Context: wq_exit(). Does nothing if it was not started. */
void wq_timer_stop(void);

/**
 * Put a delayed work into the timer.
 *
 * Context: any thread, lcores included; wait-free. The caller holds the claim, which passes to the
 * timer: the work may have run and been freed on return.
 * @param cpu the CPU to queue it on later; -1: the caller's.
 * @param delay_us microseconds from now.
 */
void wq_timer_set(int cpu, struct workqueue *wq, struct wq_delayed_work *dw, uint64_t delay_us);

/**
 * Take a delayed work out of the timer.
 *
 * Context: slow path; takes T.
 * @return true if it was there: its claim passes to the caller.
 */
bool wq_timer_remove(struct wq_delayed_work *dw);

/**
 * Count the delayed works of a workqueue that wait for their time. Exact only if no thread queues
 * meanwhile.
 *
 * Context: slow path; takes T.
 */
uint64_t wq_timer_nb_delayed(struct workqueue *wq);

#endif
