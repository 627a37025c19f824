/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_DRV_H
#define TEST_DRV_H

/**
 * @file
 * The driver's side of a split virtqueue, for the tests of the device's side: written from the
 * specification (virtio 1.2, 2.7), sharing nothing with drivers/vsock/vq.c but the memory table.
 * It checks nothing, so that it can offer whatever a broken driver would.
 *
 * Guest memory is two regions that are far apart in the guest's view. The ring lies in neither.
 * All of it is allocated exactly, so that a sanitizer sees what goes past it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ring/gmem.h"
#include "ring/vq.h"

#define DRV_GPA0     0x0000000000100000ull
#define DRV_GPA1     0x0000001000000000ull
#define DRV_MEM0_LEN (1u << 20)
#define DRV_MEM1_LEN (1u << 18)

#define DRV_NEXT     1u
#define DRV_WRITE    2u
#define DRV_INDIRECT 4u

struct drv {
	struct gmem *mem;
	uint8_t *mem0;
	uint8_t *mem1;
	uint8_t *desc;
	uint8_t *avail;
	uint8_t *used;
	uint32_t size;
	bool event_idx;
	uint16_t avail_idx;  /* entries offered */
	uint16_t kicked_idx; /* avail_idx at the last decision about a kick */
	uint16_t seen_idx;   /* used entries taken */
};

/** A descriptor as it is written into a table. */
struct drv_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

/** Make guest memory and an empty ring in it whose indices start at @p start_idx. */
void drv_create(struct drv *d, uint32_t size, bool event_idx, uint16_t start_idx);
void drv_destroy(struct drv *d);

/** What the device is told of the ring. */
struct vq_config drv_config(const struct drv *d, bool to_guest);

/** Where a guest address of the first or second region lies here. */
uint8_t *drv_at(const struct drv *d, uint64_t gpa);

/** Write entry @p idx of a table, which need not be aligned. */
void drv_put_desc(uint8_t *table, uint32_t idx, struct drv_desc desc);

/** Put a head into the next entry of the available ring; nothing is visible yet. */
void drv_offer(struct drv *d, uint16_t head);

/** Make what was offered visible. */
void drv_publish(struct drv *d);

/** drv_publish(), then decide on a kick as the specification says. @return true for a kick. */
bool drv_publish_kick(struct drv *d);

/** Take the next used entry. @return false when there is none. */
bool drv_take(struct drv *d, uint32_t *id, uint32_t *len);

uint16_t drv_used_idx(const struct drv *d);
uint16_t drv_used_flags(const struct drv *d);
uint16_t drv_avail_event(const struct drv *d);
void drv_set_used_event(struct drv *d, uint16_t event);
void drv_set_avail_flags(struct drv *d, uint16_t flags);
/** Lie about the available index. */
void drv_set_avail_idx(struct drv *d, uint16_t idx);

/** Numbers for random tests (xorshift64*); @p state must not be 0. */
uint64_t drv_random(uint64_t *state);
/** A number below @p bound. */
uint32_t drv_random_below(uint64_t *state, uint32_t bound);
/** The seed of this run: VSOCK_TEST_SEED, or the time; printed. */
uint64_t drv_seed(void);

#endif
