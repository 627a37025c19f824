/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <endian.h>
#include <errno.h>

#include "ring/vq.h"

/*
 * Layout of a split virtqueue (virtio 1.2, 2.7), every field little endian:
 *
 *   desc   size * { addr u64, len u32, flags u16, next u16 }
 *   avail  flags u16, idx u16, size * head u16, used_event u16
 *   used   flags u16, idx u16, size * { id u32, len u32 }, avail_event u16
 *
 * The driver writes desc and avail; the device writes used. Order of memory accesses:
 *   - avail->idx is loaded with acquire. It pairs with the driver's barrier between the entries and
 *     idx.
 *   - used->idx is stored after its entries. That store and the load of used_event (or of
 *     avail->flags) are sequentially consistent, because the driver stores used_event and then
 *     loads used->idx. At least one of the two sees the other's store.
 *   - avail_event (or used->flags) and avail->idx are ordered in the same way in vq_kick_enable().
 */
#define DESC_F_NEXT     0x1u
#define DESC_F_WRITE    0x2u
#define DESC_F_INDIRECT 0x4u

#define AVAIL_F_NO_INTERRUPT 0x1u
#define USED_F_NO_NOTIFY     0x1u

#define OFF_FLAGS      0u
#define OFF_IDX        2u
#define OFF_RING       4u
#define AVAIL_ELEM_LEN 2u
#define USED_ELEM_LEN  8u

#define DESC_ALIGN  16u
#define AVAIL_ALIGN 2u
#define USED_ALIGN  4u

/* A descriptor is two 64-bit words; the second holds len, flags and next. */
#define DESC_LEN       16u
#define DESC_OFF_LEN   8u
#define DESC_FLAGS_BIT 32
#define DESC_NEXT_BIT  48

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

static inline uint16_t
avail_head(const struct vq *vq, uint16_t idx)
{
	return le16toh(gmem_load16(vq->avail + OFF_RING + AVAIL_ELEM_LEN * (idx & vq->mask)));
}

static inline const uint8_t *
used_event(const struct vq *vq)
{
	return vq->avail + OFF_RING + AVAIL_ELEM_LEN * (size_t)vq->size;
}

static inline uint8_t *
avail_event(const struct vq *vq)
{
	return vq->used + OFF_RING + USED_ELEM_LEN * (size_t)vq->size;
}

static inline void
store16_seq_cst(uint8_t *dst, uint16_t v)
{
	__atomic_store_n((uint16_t *)dst, htole16(v), __ATOMIC_SEQ_CST);
}

static inline void
store16(uint8_t *dst, uint16_t v)
{
	__atomic_store_n((uint16_t *)dst, htole16(v), __ATOMIC_RELAXED);
}

static inline void
store32(uint8_t *dst, uint32_t v)
{
	__atomic_store_n((uint32_t *)dst, htole32(v), __ATOMIC_RELAXED);
}

/* True if an index that moves from old_idx to new_idx passes event (virtio 1.2, 2.7.10.1). */
static inline bool
need_event(uint16_t event, uint16_t new_idx, uint16_t old_idx)
{
	return (uint16_t)(new_idx - event - 1) < (uint16_t)(new_idx - old_idx);
}

static inline bool
is_aligned(const void *p, uintptr_t align)
{
	return p != NULL && ((uintptr_t)p & (align - 1)) == 0;
}

int
vq_init(struct vq *vq, const struct vq_config *cfg)
{
	uint16_t size = cfg->size;

	if (size == 0 || size > VQ_MAX_SIZE || (size & (size - 1)) != 0)
		return -EINVAL;
	if (!is_aligned(cfg->desc, DESC_ALIGN) || !is_aligned(cfg->avail, AVAIL_ALIGN) ||
		!is_aligned(cfg->used, USED_ALIGN))
		return -EINVAL;
	if (cfg->mem == NULL || cfg->mem->nb_regions == 0)
		return -EINVAL;

	*vq = (struct vq){
		.desc = cfg->desc,
		.avail = cfg->avail,
		.used = cfg->used,
		.mem = cfg->mem,
		.region = &cfg->mem->regions[0],
		.size = size,
		.mask = size - 1,
		.last_avail = cfg->last_avail,
		.avail_shadow = cfg->last_avail,
		.used_idx = cfg->used_idx,
		.used_flushed = cfg->used_idx,
		.used_signalled = cfg->used_idx,
		.to_guest = cfg->to_guest,
		.event_idx = cfg->event_idx,
		.indirect = cfg->indirect,
		.notify_on_empty = cfg->notify_on_empty,
		/* The kick setting in the ring is unknown: let the first disable write it. */
		.kicks_wanted = true,
	};
	return 0;
}

/* Try the region of the last address first: most addresses are in the same one. */
static inline uint8_t *
translate(struct vq *vq, uint64_t gpa, uint32_t len)
{
	const struct gmem_region *r = vq->region;
	uint64_t off = gpa - r->gpa;

	if (likely(off < r->len && len <= r->len - off))
		return r->va + off;
	r = gmem_find(vq->mem, gpa, len);
	if (r == NULL)
		return NULL;
	vq->region = r;
	return r->va + (gpa - r->gpa);
}

static int
ring_broken(struct vq *vq)
{
	vq->broken = true;
	vq->avail_shadow = vq->last_avail; /* every pop then calls avail_refresh() */
	return -EPROTO;
}

/*
 * True if a correct driver can have moved its index to idx. Pending, staged and in-flight chains
 * together never exceed the size of the ring.
 */
static inline bool
avail_idx_possible(const struct vq *vq, uint16_t idx)
{
	uint32_t nb_pending = (uint16_t)(idx - vq->last_avail);

	return nb_pending + vq_nb_staged(vq) + vq->nb_in_flight <= vq->size;
}

/* Read the driver's index. @return 1: there are chains; 0: none; -EPROTO: broken ring. */
static int
avail_refresh(struct vq *vq)
{
	uint16_t idx;

	if (vq->broken)
		return -EPROTO;
	idx = le16toh(gmem_load16_acquire(vq->avail + OFF_IDX));
	if (idx == vq->last_avail)
		return 0;
	if (!avail_idx_possible(vq, idx))
		return ring_broken(vq);
	vq->avail_shadow = idx;
	return 1;
}

/*
 * Prefetch for the next pops: the descriptor after the next one and, for RX buffers, the buffer of
 * the next one. Chains from the guest are popped in batches, and their reader prefetches the bytes.
 * The values read here are used for nothing else, so they need no validation.
 */
static inline void
prefetch_next(const struct vq *vq)
{
	uint16_t nb = vq->avail_shadow - vq->last_avail;
	const struct gmem_region *r = vq->region;
	const uint8_t *desc;
	uint64_t off;

	if (nb == 0)
		return;
	if (nb > 1) {
		uint16_t head = avail_head(vq, vq->last_avail + 1) & vq->mask;

		__builtin_prefetch(vq->desc + DESC_LEN * head);
	}
	if (!vq->to_guest)
		return;
	desc = vq->desc + DESC_LEN * (avail_head(vq, vq->last_avail) & vq->mask);
	off = le64toh(__atomic_load_n((const uint64_t *)desc, __ATOMIC_RELAXED)) - r->gpa;
	if (off < r->len)
		__builtin_prefetch(r->va + off, 1); /* for writing: see -mprfchw */
}

/*
 * Follow the chain from head on. @return 0; -EBADMSG. chain->nb_descs is set in both cases. The
 * counters are local variables, because every load of guest memory is a compiler barrier.
 */
static int
chain_walk(struct vq *vq, uint16_t head, struct vq_chain *chain)
{
	const uint16_t want = vq->to_guest ? DESC_F_WRITE : 0;
	const uint8_t *table = vq->desc;
	struct vq_seg *seg = chain->segs;
	uint32_t nb_left = vq->size; /* a longer walk is a loop */
	uint32_t nb_total = 0;
	uint16_t nb_descs = 0; /* of the ring, if an indirect table was entered */
	bool in_table = false; /* a flag, because a table may have the address of the ring */
	uint32_t nb_entries = vq->size;
	uint32_t idx = head;
	uint64_t total_len = 0;
	int ret = -EBADMSG;

	for (;;) {
		const uint8_t *desc = table + (size_t)DESC_LEN * idx;
		const uint64_t addr = le64toh(gmem_load64(desc));
		const uint64_t word = le64toh(gmem_load64(desc + DESC_OFF_LEN));
		const uint16_t flags = (uint16_t)(word >> DESC_FLAGS_BIT);
		const uint32_t len = (uint32_t)word;

		if (unlikely(nb_left-- == 0))
			break;
		nb_total++;
		if (unlikely((flags & DESC_F_INDIRECT) != 0)) {
			/* The device must ignore its WRITE flag (2.7.5.3.2). */
			if (!vq->indirect || in_table || (flags & DESC_F_NEXT) != 0 || len == 0 ||
				len % DESC_LEN != 0)
				break;
			table = translate(vq, addr, len);
			if (table == NULL)
				break;
			in_table = true;
			nb_descs = nb_total--; /* the entry of the table is not a segment */
			nb_entries = len / DESC_LEN;
			nb_left = nb_entries;
			idx = 0;
			continue;
		}
		if (unlikely((flags & DESC_F_WRITE) != want || nb_total > VQ_CHAIN_MAX_SEGS))
			break;
		if (likely(len != 0)) {
			seg->va = translate(vq, addr, len);
			if (unlikely(seg->va == NULL))
				break;
			seg->gpa = addr;
			seg->len = len;
			seg++;
			total_len += len;
		}
		if (likely((flags & DESC_F_NEXT) == 0)) {
			ret = seg == chain->segs ? -EBADMSG : 0;
			break;
		}
		idx = (uint32_t)(word >> DESC_NEXT_BIT);
		if (unlikely(idx >= nb_entries))
			break;
	}
	chain->nb_walked = (uint16_t)nb_total;
	chain->nb_descs = in_table ? nb_descs : (uint16_t)nb_total;
	chain->nb_segs = ret == 0 ? seg - chain->segs : 0;
	chain->len = ret != 0 ? 0 : total_len > UINT32_MAX ? UINT32_MAX : (uint32_t)total_len;
	return ret;
}

int
vq_pop(struct vq *vq, struct vq_chain *chain, struct vq_seg *segs)
{
	uint16_t head;
	int rc;

	if (vq->last_avail == vq->avail_shadow) {
		rc = avail_refresh(vq);
		if (rc <= 0)
			return rc;
	}
	head = avail_head(vq, vq->last_avail);
	if (unlikely(head >= vq->size))
		return ring_broken(vq);

	vq->last_avail++;
	vq->nb_in_flight++;
	prefetch_next(vq);

	chain->segs = segs;
	chain->id = head;
	rc = chain_walk(vq, head, chain);
	return likely(rc == 0) ? 1 : rc;
}

void
vq_rewind(struct vq *vq, uint16_t nb)
{
	assert(nb <= vq->nb_in_flight);
	vq->last_avail -= nb;
	vq->nb_in_flight -= nb;
	if (vq->broken)
		vq->avail_shadow = vq->last_avail;
}

static inline void
used_stage(struct vq *vq, uint16_t id, uint32_t len)
{
	uint8_t *elem = vq->used + OFF_RING + USED_ELEM_LEN * (vq->used_idx & vq->mask);

	assert(vq->nb_in_flight > 0 && id < vq->size);
	/* Two stores, because an entry may cross a cache line. */
	store32(elem, id);
	store32(elem + 4, len);
	vq->used_idx++;
	vq->nb_in_flight--;
}

void
vq_push(struct vq *vq, const struct vq_chain *chain, uint32_t written_len)
{
	assert(written_len <= chain->len && (vq->to_guest || written_len == 0));
	used_stage(vq, chain->id, written_len);
}

void
vq_return(struct vq *vq, uint16_t id)
{
	used_stage(vq, id, 0);
}

bool
vq_flush(struct vq *vq)
{
	uint16_t old_idx = vq->used_signalled;
	bool valid = vq->signalled_valid;

	if (vq->used_idx == vq->used_flushed)
		return false;
	store16_seq_cst(vq->used + OFF_IDX, vq->used_idx);
	vq->used_flushed = vq->used_idx;
	vq->used_signalled = vq->used_idx;
	vq->signalled_valid = true;

	if (vq->notify_on_empty &&
		le16toh(gmem_load16_seq_cst(vq->avail + OFF_IDX)) == vq->last_avail)
		return true;
	if (!vq->event_idx)
		return !(
			le16toh(gmem_load16_seq_cst(vq->avail + OFF_FLAGS)) & AVAIL_F_NO_INTERRUPT);
	/* Before the first flush the last notification is unknown: notify. */
	return !valid ||
		need_event(le16toh(gmem_load16_seq_cst(used_event(vq))), vq->used_idx, old_idx);
}

uint16_t
vq_nb_avail(struct vq *vq, uint16_t want)
{
	uint16_t nb = vq->avail_shadow - vq->last_avail;
	uint16_t idx;

	if (nb >= want || vq->broken)
		return nb;
	idx = le16toh(gmem_load16_acquire(vq->avail + OFF_IDX));
	if (!avail_idx_possible(vq, idx))
		return nb != 0 ? nb : 1;
	vq->avail_shadow = idx;
	return idx - vq->last_avail;
}

bool
vq_kick_enable(struct vq *vq)
{
	if (vq->broken)
		return false;
	vq->kicks_wanted = true;
	if (vq->event_idx)
		store16_seq_cst(avail_event(vq), vq->last_avail);
	else
		store16_seq_cst(vq->used + OFF_FLAGS, 0);
	return le16toh(gmem_load16_seq_cst(vq->avail + OFF_IDX)) != vq->last_avail;
}

void
vq_kick_disable(struct vq *vq)
{
	if (!vq->kicks_wanted)
		return;
	vq->kicks_wanted = false;
	/* EVENT_IDX: set the index that was passed last. It comes again after 65,535 chains. */
	if (vq->event_idx)
		store16(avail_event(vq), vq->last_avail - 1);
	else
		store16(vq->used + OFF_FLAGS, USED_F_NO_NOTIFY);
}
