/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RAW_RING_H
#define RAW_RING_H

/**
 * @file
 * The driver's side of a split ring for the tests of the device's side (drivers/vsock/ring), with
 * the types and the publishing of lib/vfe. It checks nothing, so that it can offer what a broken
 * driver would.
 *
 * Guest memory is two regions that are far apart in the guest's view. The ring lies in neither. All
 * parts have their exact length, so that a sanitizer sees accesses past their end.
 *
 * Context: one thread for each ring.
 *
 * Virtio 1.2, section 2.7.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ring/gmem.h"
#include "ring/vq.h"
#include "vfe.h"

#define RAW_RING_GPA0     0x0000000000100000ull
#define RAW_RING_GPA1     0x0000001000000000ull
#define RAW_RING_MEM0_LEN (1u << 20)
#define RAW_RING_MEM1_LEN (1u << 18)

struct raw_ring {
	struct vfe_vring vr; /**< avail_idx: entries offered; used_idx: entries taken. */
	struct gmem *mem;
	uint8_t *mem0;
	uint8_t *mem1;
	uint8_t *desc; /**< The parts of @a vr, as bytes. */
	uint8_t *avail;
	uint8_t *used;
	uint32_t size;
	bool event_idx;
};

/** Makes guest memory and an empty ring whose indices start at @p start_idx. */
void raw_ring_create(struct raw_ring *r, uint32_t size, bool event_idx, uint16_t start_idx);

/** Frees ring and memory. */
void raw_ring_destroy(struct raw_ring *r);

/** @return what the device is told of the ring */
struct vq_config raw_ring_config(const struct raw_ring *r, bool to_guest);

/** @return the place of a guest address of the first or second region */
uint8_t *raw_ring_at(const struct raw_ring *r, uint64_t gpa);

/** Writes entry @p idx of a table, which need not be aligned. */
void raw_ring_put_desc(uint8_t *table, uint32_t idx, struct vfe_vring_desc desc);

/** Puts a head into the next entry of the avail ring; nothing is visible yet. */
void raw_ring_offer(struct raw_ring *r, uint16_t head);

/** Makes visible what was offered. */
void raw_ring_publish(struct raw_ring *r);

/** raw_ring_publish(), then decides on a kick. @return true if the device wants one */
bool raw_ring_publish_kick(struct raw_ring *r);

/** Takes the next used entry. @return false when there is none */
bool raw_ring_take(struct raw_ring *r, uint32_t *id, uint32_t *len);

/** @return the used index */
uint16_t raw_ring_used_idx(const struct raw_ring *r);

/** @return the flags of the used ring */
uint16_t raw_ring_used_flags(const struct raw_ring *r);

/** @return avail_event, which the device writes */
uint16_t raw_ring_avail_event(const struct raw_ring *r);

/** Writes used_event, which the device reads. */
void raw_ring_set_used_event(struct raw_ring *r, uint16_t event);

/** Writes the flags of the avail ring. */
void raw_ring_set_avail_flags(struct raw_ring *r, uint16_t flags);

/** Writes an avail index that need not be true. */
void raw_ring_set_avail_idx(struct raw_ring *r, uint16_t idx);

#endif /* RAW_RING_H */
