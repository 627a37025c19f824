/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_PORT_CONF_H
#define VSOCK_PORT_CONF_H

/**
 * @file
 * The settings of a port, as devargs.c reads them.
 */

#include <stdbool.h>
#include <stdint.h>

#define PORT_NAME_LEN   64
#define PORT_PATH_LEN   108 /* sun_path, the NUL included */
#define PORT_MAX_GROUPS 16

/** The virtqueues that the switch serves (virtio 1.2, 5.10.2). Named after the guest's view. */
enum port_queue {
	PORT_Q_TO_GUEST = 0,   /**< rxq */
	PORT_Q_FROM_GUEST = 1, /**< txq */
	PORT_NB_QUEUES = 2,
};

/** Settings of a port: the parsed devargs of one vdev. */
struct port_conf {
	char name[PORT_NAME_LEN];
	char iface[PORT_PATH_LEN]; /**< vhost-user socket */
	char uds[PORT_PATH_LEN];   /**< base path of the host side; empty: none */
	char groups[PORT_MAX_GROUPS][32];
	uint8_t nb_groups;
	bool client; /**< the daemon connects to the front end's listening socket */
	int lcore;   /**< EAL lcore id that polls the port, or -1: the least loaded */
	uint32_t cid;
	uint32_t buf_alloc; /**< bytes, advertised for each host connection */
	uint32_t max_conns;
};

#endif
