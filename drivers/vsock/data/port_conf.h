/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_PORT_CONF_H
#define VSOCK_PORT_CONF_H

/**
 * @file
 * Plain values about a port that pass between layers: its settings, the device that its front end
 * set up, and the indices of a stopped device.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ring/vq.h"

#define PORT_NAME_LEN   64
#define PORT_PATH_LEN   108 /* sun_path, the NUL included */
#define PORT_MAX_GROUPS 16

/** The virtqueues that the switch serves (virtio 1.2, 5.10.2). Named after the guest's view. */
enum port_queue {
	PORT_Q_TO_GUEST = 0,   /**< rxq */
	PORT_Q_FROM_GUEST = 1, /**< txq */
	PORT_NB_QUEUES = 2,
};

/** What a user asks for: the parsed devargs of one vdev. */
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

/** A device as librte_vhost hands it over. Memory and rings stay mapped until it is taken back. */
struct port_device {
	struct gmem *mem;                    /**< ownership passes to the port (malloc()ed) */
	struct vq_config vq[PORT_NB_QUEUES]; /**< .mem is ignored: the port sets it */
	bool seqpacket;                      /**< VIRTIO_VSOCK_F_SEQPACKET was negotiated */
	int kick_fd[PORT_NB_QUEUES];         /**< duplicates, ownership passes; -1: none */
	int call_fd[PORT_NB_QUEUES];         /**< duplicates, ownership passes; -1: none */
};

/** Where a device's rings stand after it was taken back. */
struct port_indices {
	uint16_t last_avail[PORT_NB_QUEUES];
	uint16_t used_idx[PORT_NB_QUEUES];
};

#endif
