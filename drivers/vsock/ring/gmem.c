/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring/gmem.h"

const struct gmem_region *
gmem_find(const struct gmem *mem, uint64_t gpa, uint64_t len)
{
	if (len == 0)
		return NULL;
	for (uint32_t i = 0; i < mem->nb_regions; i++) {
		const struct gmem_region *r = &mem->regions[i];
		uint64_t off = gpa - r->gpa; /* wraps to more than r->len if gpa is below r->gpa */

		if (off < r->len && len <= r->len - off)
			return r;
	}
	return NULL;
}
