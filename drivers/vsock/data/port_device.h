/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_PORT_DEVICE_H
#define VSOCK_PORT_DEVICE_H

/**
 * @file
 * The device of a port: guest memory, rings and eventfds, as vhost/ hands them over. The memory and
 * the rings stay mapped until port_device_down() has returned.
 */

#include <stdbool.h>
#include <stdint.h>

#include "data/port_conf.h"
#include "ring/vq.h"

/** A device. Its owner closes the fds and frees mem with port_device_release(). */
struct port_device {
	struct gmem *mem;                    /**< from malloc(); NULL: there is no device */
	struct vq_config vq[PORT_NB_QUEUES]; /**< .mem is ignored: the port sets it */
	bool seqpacket;                      /**< VIRTIO_VSOCK_F_SEQPACKET was negotiated */
	int kick_fd[PORT_NB_QUEUES];         /**< duplicates; -1: none */
	int call_fd[PORT_NB_QUEUES];         /**< duplicates; -1: none */
};

/** Where the rings of a device stood when it was taken back. */
struct port_indices {
	uint16_t last_avail[PORT_NB_QUEUES];
	uint16_t used_idx[PORT_NB_QUEUES];
};

/** Set @p dev to "no device". Context: any thread that owns it. */
void port_device_init(struct port_device *dev);

/** Close the fds, free mem, and set @p dev to "no device". Context: any thread that owns it. */
void port_device_release(struct port_device *dev);

#endif
