/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/port.h"
#include "ring/gmem.h"
#include "sim_device.h"
#include "sim_guest_data.h"
#include "sim_queue.h"
#include "sim_world.h"

#define MEM_LEN (16u << 20)

void
sim_device_create(unsigned int i)
{
	struct sim_guest *g = &sim_guests[i];
	struct port_conf conf = {.nb_groups = 1, .lcore = -1, .buf_alloc = 262144, .max_conns = 64};
	static const uint32_t rx_lens[] = {3776, 4096 + 44, 300, 44 + 65536, 44 + 65000};

	memset(g, 0, sizeof(*g));
	sim_rand_init(&g->rand, sim_world.seed, 100 + i);
	g->cid = 3 + i;
	g->exists = true;
	g->mem = aligned_alloc(4096, MEM_LEN);
	memset(g->mem, 0, MEM_LEN);
	g->buf_alloc = 1u << (12 + sim_rand(&g->rand, 7));
	g->rx_len = rx_lens[sim_rand(&g->rand, 5)];
	snprintf(conf.name, sizeof(conf.name), "vsock_vhost%u", i);
	snprintf(conf.iface, sizeof(conf.iface), "/sim/%u", i);
	strcpy(conf.groups[0], "default");
	conf.cid = g->cid;
	if (port_create(sim_world.sw, &conf, &g->port) != 0 || port_start(g->port) != 0)
		sim_fault("simulator", "port %u was not created", i);
}

void
sim_device_up(unsigned int i)
{
	struct sim_guest *g = &sim_guests[i];
	uint8_t *at = g->mem;
	struct port_device dev;

	port_device_init(&dev);
	sim_queue_init(g, PORT_Q_TO_GUEST, &at, 1, SIM_NB_RX);
	sim_queue_init(g, PORT_Q_FROM_GUEST, &at, sim_long_chains ? SIM_TX_DESCS : 8,
		SIM_RING_SIZE / (sim_long_chains ? SIM_TX_DESCS : 8));
	memset(g->ends, 0, sizeof(g->ends));
	g->nb_owed = 0;
	dev.mem = malloc(sizeof(*dev.mem) + sizeof(dev.mem->regions[0]));
	dev.mem->nb_regions = 1;
	dev.mem->regions[0] = (struct gmem_region){SIM_QUEUE_GPA, MEM_LEN, g->mem};
	for (unsigned int n = 0; n < PORT_NB_QUEUES; n++) {
		struct sim_queue *q = &g->q[n];

		dev.vq[n] = (struct vq_config){
			.desc = q->desc,
			.avail = q->avail,
			.used = q->used,
			.size = SIM_RING_SIZE,
			.to_guest = n == PORT_Q_TO_GUEST,
		};
		dev.kick_fd[n] = q->kick_fd;
		dev.call_fd[n] = q->call_fd;
	}
	if (port_device_up(g->port, &dev) != 0)
		sim_fault("simulator", "device %u was refused", i);
	g->up = true;
}

void
sim_device_down(unsigned int i)
{
	struct sim_guest *g = &sim_guests[i];

	g->up = false;
	(void)port_device_down(g->port, NULL);
	port_front_end_gone(g->port);
	/* Whoever reads its memory now reads this. */
	for (uint32_t off = 0; off < MEM_LEN; off++)
		g->mem[off] = 0xEE;
}

void
sim_device_destroy(unsigned int i)
{
	struct sim_guest *g = &sim_guests[i];

	port_destroy(g->port);
	free(g->mem);
	g->exists = false;
}
