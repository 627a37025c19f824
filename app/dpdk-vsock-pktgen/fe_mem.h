/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FE_MEM_H
#define FE_MEM_H

/**
 * @file
 * Guest memory: up to FE_MEM_MAX_REGIONS memfds, each mapped here and handed to the back end as one
 * region. Memory is given out and never taken back before the whole is freed.
 *
 * Context: one thread; the memory itself is shared with the back end.
 */

#include <stddef.h>
#include <stdint.h>

#define FE_MEM_MAX_REGIONS 8u

struct fe_mem_region {
	uint64_t gpa; /**< Guest address of the first byte. */
	uint64_t len;
	uint8_t *va;
	uint64_t used_len; /**< Bytes given out by fe_mem_alloc(). */
	int fd;
};

struct fe_mem {
	unsigned int nb_regions;
	struct fe_mem_region regions[FE_MEM_MAX_REGIONS];
};

/**
 * Adds a region of @p len bytes (rounded up to whole pages) at guest address @p gpa, touched in
 * advance so that no first access of the back end faults.
 *
 * @return the region's index, -ENOSPC, -EEXIST when it overlaps another region, or what
 *         memfd_create(), ftruncate() or mmap() say.
 */
int fe_mem_add(struct fe_mem *mem, uint64_t gpa, uint64_t len);

/** Takes the last region away; the back end must have been told before. */
void fe_mem_drop_last(struct fe_mem *mem);

/**
 * Gives out @p len bytes of one region, zeroed.
 *
 * @param align power of two
 * @return NULL when the region has no room
 */
void *fe_mem_alloc(struct fe_mem *mem, unsigned int region, size_t len, size_t align);

/** @return the guest address of @p va, which must lie in a region */
uint64_t fe_mem_gpa(const struct fe_mem *mem, const void *va);

/** Unmaps and closes everything. */
void fe_mem_free(struct fe_mem *mem);

#endif /* FE_MEM_H */
