/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_QUEUE_H
#define SIM_QUEUE_H

/**
 * @file
 * The driver of a guest: split rings whose chains lie in slots of the guest's memory. @p n is an
 * enum port_queue.
 */

#include "sim_guest_data.h"

#define SIM_QUEUE_GPA    0x100000                     /**< address of the guest's memory */
#define SIM_QUEUE_TX_LEN (WIRE_HDR_LEN + 65536 + 60u) /**< room of a slot of the TX queue */

/** Lay out an empty ring at @p at, which moves behind it. */
void sim_queue_init(
	struct sim_guest *g, unsigned int n, uint8_t **at, unsigned int descs, unsigned int slots);

/** @return the memory of a slot. */
uint8_t *sim_queue_slot(struct sim_guest *g, unsigned int n, unsigned int slot);

/** @return a slot whose chain is not with the device; -1: none. */
int sim_queue_free_slot(const struct sim_queue *q);

/** Give the chain of a slot, in @p nb pieces, to the device. */
void sim_queue_publish(struct sim_guest *g, unsigned int n, unsigned int slot, const uint32_t *lens,
	unsigned int nb);

/** Fill the receive buffer of a slot with the guest's own bytes, and give it to the device. */
void sim_queue_post_rx(struct sim_guest *g, unsigned int slot);

/** @return the guest's own byte at an offset of a buffer. */
uint8_t sim_queue_filler(const struct sim_guest *g, uint32_t off);

#endif
