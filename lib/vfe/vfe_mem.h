/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFE_MEM_H
#define VFE_MEM_H

/**
 * @file
 * Guest memory: up to VFE_MEM_MAX_REGIONS memfds, each mapped here and handed to the back end as
 * one region. Memory is given out and never taken back before the whole is freed.
 *
 * Context: one thread; the memory itself is shared with the back end.
 */

#include <stddef.h>
#include <stdint.h>

#define VFE_MEM_MAX_REGIONS 8u /**< As many as one vhost-user message can name. */

struct vfe_mem_region {
	uint64_t gpa; /**< Guest address of the first byte. */
	uint64_t len;
	uint8_t *va;
	uint64_t used_len; /**< Bytes given out by vfe_mem_alloc(). */
	int fd;
};

struct vfe_mem {
	unsigned int nb_regions;
	struct vfe_mem_region regions[VFE_MEM_MAX_REGIONS];
};

/**
 * Adds a region of @p len bytes (rounded up to whole pages) at guest address @p gpa, touched in
 * advance so that no first access of the back end faults.
 *
 * @return the region's index, -ENOSPC, -EEXIST when it overlaps another region, or what
 *         memfd_create(), ftruncate() or mmap() say.
 */
int vfe_mem_add(struct vfe_mem *mem, uint64_t gpa, uint64_t len);

/** Takes the last region away; the back end must have been told before. */
void vfe_mem_drop_last(struct vfe_mem *mem);

/**
 * Gives out @p len bytes of one region, zeroed.
 *
 * @param align power of two
 * @return NULL when the region has no room
 */
void *vfe_mem_alloc(struct vfe_mem *mem, unsigned int region, size_t len, size_t align);

/** @return the guest address of @p va, which must lie in a region */
uint64_t vfe_mem_gpa(const struct vfe_mem *mem, const void *va);

/** Unmaps and closes everything. */
void vfe_mem_free(struct vfe_mem *mem);

#endif /* VFE_MEM_H */
