/* SPDX-License-Identifier: BSD-3-Clause */
#include "vq_fix.h"

#include <string.h>

#include "check.h"

struct vq_seg vq_fix_segs[VQ_CHAIN_MAX_SEGS];

void
vq_fix_open(struct vq_fix *f, bool to_guest, uint16_t start_idx)
{
	struct vq_config cfg;

	raw_ring_create(&f->d, VQ_FIX_SIZE, false, start_idx);
	cfg = raw_ring_config(&f->d, to_guest);
	CHECK_EQ(vq_init(&f->vq, &cfg), 0);
}

void
vq_fix_close(struct vq_fix *f)
{
	raw_ring_destroy(&f->d);
}

void
vq_fix_desc(
	struct vq_fix *f, uint32_t idx, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	raw_ring_put_desc(f->d.desc, idx, (struct vfe_vring_desc){addr, len, flags, next});
}

void
vq_fix_entry(
	struct vq_fix *f, uint32_t idx, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	raw_ring_put_desc(raw_ring_at(&f->d, VQ_FIX_TABLE), idx,
		(struct vfe_vring_desc){addr, len, flags, next});
}

void
vq_fix_offer(struct vq_fix *f, uint16_t head)
{
	raw_ring_offer(&f->d, head);
	raw_ring_publish(&f->d);
}

int
vq_fix_pop(struct vq_fix *f)
{
	memset(&f->c, 0xee, sizeof(f->c));
	return vq_pop(&f->vq, &f->c, vq_fix_segs);
}

void
vq_fix_check_seg(const struct vq_fix *f, uint16_t i, uint64_t gpa, uint32_t len)
{
	CHECK(i < f->c.nb_segs);
	CHECK_EQ(f->c.segs[i].gpa, gpa);
	CHECK_EQ(f->c.segs[i].len, len);
	CHECK(f->c.segs[i].va == raw_ring_at(&f->d, gpa));
}
