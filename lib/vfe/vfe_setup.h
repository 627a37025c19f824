/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFE_SETUP_H
#define VFE_SETUP_H

/**
 * @file
 * Memory of a guest: regions, rings, buffers of both directions, and the buffers that are posted
 * before the device starts.
 *
 * Context: the guest's thread. Internal to lib/vfe.
 */

#include "vfe_data.h"

/** Guest address of region @p i: regions lie far apart, the first not at 0. */
#define VFE_SETUP_REGION_GPA(i) ((UINT64_C(1) << 20) + ((uint64_t)(i) << 32))
#define VFE_SETUP_EVENT_LEN     4u /**< Bytes of an event buffer; virtio 1.2, section 5.10.6.7. */

/**
 * Makes the memory that the guest's configuration and features ask for. vfe_guest_destroy() frees
 * it, also after a failure.
 *
 * @return 0, -EINVAL or -E2BIG for a shape that does not fit, -ENOMEM, or -errno of memfd_create(),
 *         ftruncate(), mmap() or eventfd()
 */
int vfe_setup_memory(struct vfe_guest *g);

/** Posts all buffers on empty rings. Buffers from the guest become free. */
void vfe_setup_post(struct vfe_guest *g);

/** Posts event buffer number @p event. @return 0, or -ENOSPC when the ring is full */
int vfe_setup_post_event(struct vfe_guest *g, uint32_t event);

#endif /* VFE_SETUP_H */
