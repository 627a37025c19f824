/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_MONITOR_H
#define WQ_MONITOR_H

/**
 * Start the monitor's thread.
 *
 * Context: wq_init(), after the pools exist.
 * @return 0, or -errno of wq_thread_start().
 */
int wq_monitor_start(void);

/** Stop and join the monitor's thread. Context: wq_exit(). Does nothing if it does not run. */
void wq_monitor_stop(void);

#endif
