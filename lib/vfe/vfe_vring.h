/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFE_VRING_H
#define VFE_VRING_H

/**
 * @file
 * The driver's side of a ring, split or packed: buffers of any shape in, used buffers out,
 * notifications in both directions with either way to suppress them.
 *
 * Virtio 1.2, sections 2.7 and 2.8.
 *
 * Context: one thread per ring. The device works on the same memory at the same time; the avail
 * index is the one release, the used index the one acquire (packed: the descriptors' flags).
 */

#include <stdbool.h>
#include <stdint.h>

#include "vfe_mem.h"
#include "vfe_ring.h"

/** @return bytes of guest memory that vfe_vring_init() takes, alignment included */
uint64_t vfe_vring_mem_len(const struct vfe_vring_conf *conf);

/**
 * Makes an empty ring in @p mem, with call and kick descriptors of its own.
 *
 * @return 0, -EINVAL for an invalid size, -ENOMEM, or -errno of eventfd()
 */
int vfe_vring_init(struct vfe_vring *vr, struct vfe_mem *mem, const struct vfe_vring_conf *conf);

/** Closes the descriptors and frees the bookkeeping; the ring's memory goes with vfe_mem_free(). */
void vfe_vring_fini(struct vfe_vring *vr);

/**
 * Empties the ring as a driver does when it resets the device: indices 0, everything free.
 * The device must have stopped.
 */
void vfe_vring_reset(struct vfe_vring *vr);

/**
 * Adds one buffer. The device does not see it before vfe_vring_publish().
 *
 * @param segs device-readable ones first
 * @param nb_segs 1 to VFE_VRING_MAX_SEGS
 * @param cookie comes back from vfe_vring_get()
 * @param indirect put the segments in an indirect table, one descriptor in the ring
 * @return 0, or -ENOSPC when there are not enough free descriptors
 */
int vfe_vring_add(struct vfe_vring *vr, const struct vfe_seg *segs, unsigned int nb_segs,
	uint32_t cookie, bool indirect);

/** Makes all added buffers visible to the device. */
void vfe_vring_publish(struct vfe_vring *vr);

/**
 * Kicks if the device asked for a kick for the buffers published since the last call.
 *
 * @return true if a kick was written
 */
bool vfe_vring_kick(struct vfe_vring *vr);

/** Writes a kick even if the device suppresses kicks. */
void vfe_vring_kick_always(struct vfe_vring *vr);

/**
 * Takes the next used buffer.
 *
 * @param cookie gets the value that was passed to vfe_vring_add()
 * @param len gets the used length that the device wrote; not checked
 * @return 1, 0 when there is none, -EPROTO for an element that names no chain of ours (counted,
 *         skipped)
 */
int vfe_vring_get(struct vfe_vring *vr, uint32_t *cookie, uint32_t *len);

/** @return used buffers that wait for vfe_vring_get(); packed: 1 when there are any */
uint16_t vfe_vring_nb_used(const struct vfe_vring *vr);

/**
 * Asks for a call at the next used buffer.
 *
 * @return true if there are used buffers already; the call may then not come
 */
bool vfe_vring_enable_calls(struct vfe_vring *vr);

/** Asks for no calls. With EVENT_IDX one in 65,536 buffers may still give one. */
void vfe_vring_disable_calls(struct vfe_vring *vr);

/** Reads the call descriptor. @return calls since it was read last */
uint64_t vfe_vring_drain_calls(struct vfe_vring *vr);

/**
 * @return the device's place once it has given back all buffers that it took, as in SET_VRING_BASE
 *         and GET_VRING_BASE
 */
uint16_t vfe_vring_base(const struct vfe_vring *vr);

/** @return chains that the device holds */
uint16_t vfe_vring_nb_held(const struct vfe_vring *vr);

#endif /* VFE_VRING_H */
