/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFE_MEM_H
#define VFE_MEM_H

/**
 * @file
 * Guest memory: up to VFE_MEM_MAX_REGIONS memfds, each mapped here and passed to the back end as
 * one region. Allocated memory is freed with the whole, not piece by piece.
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
	uint64_t used_len; /**< Bytes allocated by vfe_mem_alloc(). */
	int fd;
};

struct vfe_mem {
	unsigned int nb_regions;
	struct vfe_mem_region regions[VFE_MEM_MAX_REGIONS];
};

/**
 * Adds a region of @p len bytes (rounded up to whole pages) at guest address @p gpa. Its pages are
 * populated, so that the back end's first access does not fault.
 *
 * @return the region's index, -ENOSPC when there are too many, -EEXIST when it overlaps another
 *         region, or -errno of memfd_create(), ftruncate() or mmap()
 */
int vfe_mem_add(struct vfe_mem *mem, uint64_t gpa, uint64_t len);

/** Removes the last region. The back end must no longer use it. */
void vfe_mem_drop_last(struct vfe_mem *mem);

/**
 * Allocates @p len bytes of one region, zeroed.
 *
 * @param align power of two
 * @return the memory, or NULL when the region has no room
 */
void *vfe_mem_alloc(struct vfe_mem *mem, unsigned int region, size_t len, size_t align);

/** @return the guest address of @p va, which must lie in a region */
uint64_t vfe_mem_gpa(const struct vfe_mem *mem, const void *va);

/** Unmaps and closes everything. */
void vfe_mem_free(struct vfe_mem *mem);

#endif /* VFE_MEM_H */
