/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_VHOST_LINK_H
#define VSOCK_VHOST_LINK_H

/**
 * @file
 * The link between a vhost-user socket and a port. It collects what a front end has set up,
 * attaches the device to the port, and detaches it. Only the callbacks in vhost.c use it.
 *
 * Context of all functions: the threads of librte_vhost, with the lock of the link held.
 */

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <time.h>

#include "control/port.h"

/**
 * Who writes and who reads: the library runs one callback of a link at a time, and none after
 * rte_vhost_driver_unregister(). The callbacks run in several threads, so "lock" protects the
 * fields below it. A callback holds it while it waits for an lcore; lcores take no lock. links_lock
 * of vhost.c protects the list and vid; it is never held together with another lock.
 */
struct vhost_link {
	TAILQ_ENTRY(vhost_link) next;
	struct port *port;            /**< constant */
	const struct port_conf *conf; /**< constant */
	int vid;                      /**< the library's device; -1: no front end */

	pthread_mutex_t lock;
	bool detaching;
	bool running;               /**< between new_device and destroy_device */
	bool ready[PORT_NB_QUEUES]; /**< the ring has addresses and fds, and is enabled */
	bool up;                    /**< the port has the device */
	struct gmem *mem;           /**< current memory table, owned and guarded; NULL: none */
	time_t reported_at;         /**< for the limit on log lines */
	unsigned int nb_unsaid;     /**< lines suppressed since the last one */
};

/**
 * Log a line about the front end. The number of lines is limited: see LIMIT_VHOST_REPORT_NB_LINES.
 * @param level RTE_LOG_*.
 */
__attribute__((format(printf, 3, 4))) void vhost_link_report(
	struct vhost_link *link, uint32_t level, const char *fmt, ...);

/**
 * Copy the memory table that the library has mapped, and guard it. After an error one line was
 * logged and link->mem is NULL. @param vid the library's device.
 */
void vhost_link_take_mem(struct vhost_link *link, int vid);

/** Free the memory table. Call it before the library unmaps the memory, without a device. */
void vhost_link_drop_mem(struct vhost_link *link);

/**
 * Attach the device to the port if the memory table and both rings are set up and valid. Otherwise
 * nothing changes. @param vid the library's device.
 */
void vhost_link_bring_up(struct vhost_link *link, int vid);

/**
 * Detach the device if the port has one. After it no lcore accesses the memory, the rings or the
 * fds, and the library has the current indices of the rings.
 * @param vid the library's device.
 */
void vhost_link_take_down(struct vhost_link *link, int vid);

#endif
