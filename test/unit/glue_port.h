/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_GLUE_PORT_H
#define TEST_GLUE_PORT_H

/**
 * @file
 * Ports for the test of vhost.c: the calls of port.h without a switch. A thread stands for the
 * lcore: while a port has its device it consumes both rings without pause, so memory that is
 * unmapped under it ends the test.
 */

#include <stdbool.h>

#include "control/port.h"

struct glue_state {
	unsigned int nb_up;
	unsigned int nb_down;
	unsigned int nb_gone;
	bool has_device;
	struct port_indices start; /**< where the last device began */
	struct vq_config vq[PORT_NB_QUEUES];
	uint64_t nb_regions;
	bool has_kick[PORT_NB_QUEUES];
	bool has_call[PORT_NB_QUEUES];
	int fault;
};

/** Start the thread. */
void glue_port_init(void);

/** A port without a switch; conf is copied. */
struct port *glue_port_new(const struct port_conf *conf);

/** Frees the port, which must not have a device. */
void glue_port_free(struct port *port);

/** Ports that exist. */
unsigned int glue_port_nb(void);

/** Snapshot. */
struct glue_state glue_port_state(struct port *port);

/** Signal the guest of a queue as the data plane would. @return false without a call fd. */
bool glue_port_call(struct port *port, int queue);

/** The next port_device_up() says -EINVAL. */
void glue_port_refuse_next(struct port *port);

/**
 * Wait until the expression holds; the test fails after 20 s.
 */
#define GLUE_WAIT(port, cond)                                                                      \
	do {                                                                                       \
		for (int glue_i = 0;; glue_i++) {                                                  \
			struct glue_state st = glue_port_state(port);                              \
			if (cond)                                                                  \
				break;                                                             \
			if (glue_i == 20000) {                                                     \
				fprintf(stderr, "%s:%d: never true: %s (up %u down %u gone %u)\n", \
					__FILE__, __LINE__, #cond, st.nb_up, st.nb_down,           \
					st.nb_gone);                                               \
				exit(1);                                                           \
			}                                                                          \
			usleep(1000);                                                              \
		}                                                                                  \
	} while (0)

#endif
