/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_VHOST_LINK_H
#define VSOCK_VHOST_LINK_H

/**
 * @file
 * A port on a vhost-user socket: gathers what a front end has set up, and gives it to the port or
 * takes it back. Private to vhost.c, whose callbacks drive it.
 *
 * Context of everything here: the library's threads, with the link's lock held.
 */

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <time.h>

#include "control/port.h"

/**
 * Who touches what: the library runs one callback of a link at a time, and none after
 * rte_vhost_driver_unregister(). Nevertheless they run in several threads, so the fields below
 * "lock" are read and written under it. It is held while a lcore is waited for; lcores take no
 * lock. vhost.c's links_lock protects the list and vid and is never held with another lock.
 */
struct vhost_link {
	TAILQ_ENTRY(vhost_link) next;
	struct port *port;            /**< constant */
	const struct port_conf *conf; /**< constant */
	int vid;                      /**< the library's device; -1: no front end */

	pthread_mutex_t lock;
	bool detaching;
	bool running;               /**< between new_device and destroy_device */
	bool ready[PORT_NB_QUEUES]; /**< the library says: addresses, fds, enabled */
	bool up;                    /**< the port has the device */
	struct gmem *mem;           /**< current table, guarded; NULL: none to be trusted */
	time_t reported_at;
	unsigned int nb_unsaid;
};

/**
 * Log a line about the front end; however often it does something, only a few are written.
 * @param level RTE_LOG_…
 */
__attribute__((format(printf, 3, 4))) void vhost_link_report(
	struct vhost_link *link, uint32_t level, const char *fmt, ...);

/** Fetch the memory table that the library has just mapped, and guard it. */
void vhost_link_take_mem(struct vhost_link *link, int vid);

/** Forget the memory table; before the library unmaps it, without a device. */
void vhost_link_drop_mem(struct vhost_link *link);

/** Give the port its device if everything for it is there and in order. */
void vhost_link_bring_up(struct vhost_link *link, int vid);

/**
 * Take the device back if the port has it. Afterwards no lcore touches its memory, rings or fds,
 * and the library knows where the rings stand.
 */
void vhost_link_take_down(struct vhost_link *link, int vid);

#endif
