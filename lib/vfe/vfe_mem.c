/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfe_mem.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define VFE_PAGE_LEN UINT64_C(4096)

static bool
vfe_mem_overlaps(const struct vfe_mem_region *region, uint64_t gpa, uint64_t len)
{
	return gpa < region->gpa + region->len && region->gpa < gpa + len;
}

int
vfe_mem_add(struct vfe_mem *mem, uint64_t gpa, uint64_t len)
{
	struct vfe_mem_region region = {.gpa = gpa};
	unsigned int i;
	int rc;

	if (mem->nb_regions == VFE_MEM_MAX_REGIONS)
		return -ENOSPC;
	region.len = (len + VFE_PAGE_LEN - 1) & ~(VFE_PAGE_LEN - 1);
	for (i = 0; i < mem->nb_regions; i++) {
		if (vfe_mem_overlaps(&mem->regions[i], gpa, region.len))
			return -EEXIST;
	}

	region.fd = memfd_create("vsock-guest", MFD_CLOEXEC);
	if (region.fd < 0)
		return -errno;
	if (ftruncate(region.fd, (off_t)region.len) < 0) {
		rc = -errno;
		goto close_fd;
	}
	region.va = mmap(
		NULL, region.len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, region.fd, 0);
	if (region.va == MAP_FAILED) {
		rc = -errno;
		goto close_fd;
	}
	mem->regions[mem->nb_regions] = region;
	return (int)mem->nb_regions++;

close_fd:
	close(region.fd);
	return rc;
}

void
vfe_mem_drop_last(struct vfe_mem *mem)
{
	struct vfe_mem_region *region;

	assert(mem->nb_regions > 0);
	region = &mem->regions[--mem->nb_regions];
	munmap(region->va, region->len);
	close(region->fd);
}

void *
vfe_mem_alloc(struct vfe_mem *mem, unsigned int region_idx, size_t len, size_t align)
{
	struct vfe_mem_region *region = &mem->regions[region_idx];
	const uint64_t start = (region->used_len + align - 1) & ~((uint64_t)align - 1);

	if (region_idx >= mem->nb_regions || start + len > region->len)
		return NULL;
	region->used_len = start + len;
	return region->va + start;
}

uint64_t
vfe_mem_gpa(const struct vfe_mem *mem, const void *va)
{
	const uintptr_t addr = (uintptr_t)va;
	unsigned int i;

	for (i = 0; i < mem->nb_regions; i++) {
		const struct vfe_mem_region *region = &mem->regions[i];

		if (addr - (uintptr_t)region->va < region->len)
			return region->gpa + (addr - (uintptr_t)region->va);
	}
	assert(!"address outside guest memory");
	abort();
}

void
vfe_mem_free(struct vfe_mem *mem)
{
	while (mem->nb_regions > 0)
		vfe_mem_drop_last(mem);
}
