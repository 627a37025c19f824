/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/port_device.h"

void
port_device_init(struct port_device *dev)
{
	memset(dev, 0, sizeof(*dev));
	for (int q = 0; q < PORT_NB_QUEUES; q++) {
		dev->kick_fd[q] = -1;
		dev->call_fd[q] = -1;
	}
}

void
port_device_release(struct port_device *dev)
{
	for (int q = 0; q < PORT_NB_QUEUES; q++) {
		if (dev->kick_fd[q] >= 0)
			close(dev->kick_fd[q]);
		if (dev->call_fd[q] >= 0)
			close(dev->call_fd[q]);
	}
	free(dev->mem);
	port_device_init(dev);
}
