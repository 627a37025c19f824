/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver that follows the input: the first bytes choose the features, the head of the
 * rest is a list of operations of both sides, and its tail changes guest memory behind every load
 * that the device makes, so that nothing that was checked may be read again.
 *
 * Built with GMEM_LOAD_HOOK. All of guest memory, the ring included, is allocated exactly: the
 * sanitizer sees what goes past it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ring/gmem.h"
#include "ring/seg.h"
#include "ring/vq.h"

#define GPA0      0x1000u
#define GPA1      0x100000u
#define MEM0_LEN  4096u
#define MEM1_LEN  600u
#define MAX_ORDER 6u
#define NB_KEPT   64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct kept {
	struct vq_chain chain;
	struct vq_seg *segs;
	bool refused;
};

/* One game; static, since the hook has no argument. */
static struct {
	const uint8_t *head; /* operations, forwards */
	const uint8_t *tail; /* changes behind loads, backwards */
	uint8_t *mem0;
	uint8_t *mem1;
	struct gmem *gmem;
	struct vq vq;
	struct kept kept[NB_KEPT]; /* in flight, in the order of pops */
	uint32_t nb_kept;
	uint32_t nb_tail; /* of these, still to be rewound */
	bool broken;
} g;

static struct vq_seg segs[VQ_CHAIN_MAX_SEGS];

static void
require(bool cond)
{
	if (!cond)
		abort();
}

static uint8_t
take(void)
{
	return g.head < g.tail ? *g.head++ : 0;
}

static uint16_t
take16(void)
{
	uint16_t v = take();

	return (uint16_t)(v | take() << 8);
}

static void
scribble(uint16_t where, uint64_t v, uint32_t len)
{
	uint32_t off = where % (MEM0_LEN - 8);

	memcpy(g.mem0 + off, &v, len);
}

void
gmem_load_hook(const void *src, size_t len)
{
	uint8_t how;

	(void)src;
	(void)len;
	if (g.head + 4 > g.tail)
		return;
	how = *--g.tail;
	if (how % 4 != 0) /* often enough nothing changes */
		return;
	g.tail -= 3;
	scribble((uint16_t)(g.tail[0] | g.tail[1] << 8), g.tail[2] * 0x0101010101010101ull,
		1 + how / 4 % 8);
}

static void
put(uint8_t *at, uint64_t v, uint32_t nb)
{
	for (uint32_t i = 0; i < nb; i++)
		at[i] = (uint8_t)(v >> (8 * i));
}

/* A ring that works, so that the input only has to spoil it. */
static void
build_ring(struct vq_config *cfg, uint8_t order, uint8_t features)
{
	uint32_t size = 1u << order;
	uint8_t *desc = g.mem0;
	uint8_t *avail = desc + 16 * size;
	uint8_t *used = avail + ((6 + 2 * size + 3) & ~3u);

	for (uint32_t i = 0; i < size; i++) {
		bool pair = i % 2 == 0 && size > 1;

		/* In both regions, and in turn. */
		put(desc + 16 * i, (i % 4 < 2 ? GPA0 + 2048 : GPA1) + 8 * i, 8);
		put(desc + 16 * i + 8, 16 + i, 4);
		put(desc + 16 * i + 12, (features & 1 ? 2u : 0) | pair, 2);
		put(desc + 16 * i + 14, i + 1, 2);
		put(avail + 4 + 2 * i, i, 2);
	}
	put(avail + 2, cfg->last_avail + size, 2);
	*cfg = (struct vq_config){
		.desc = desc,
		.avail = avail,
		.used = used,
		.size = (uint16_t)size,
		.last_avail = cfg->last_avail,
		.used_idx = cfg->used_idx,
		.to_guest = features & 1,
		.event_idx = features & 2,
		.indirect = features & 4,
		.notify_on_empty = features & 8,
		.mem = g.gmem,
	};
}

static void
check_chain(const struct vq_chain *c)
{
	uint64_t sum = 0;

	require(c->segs == segs && c->nb_segs >= 1 && c->nb_segs <= VQ_CHAIN_MAX_SEGS);
	require(c->id < g.vq.size && c->nb_descs >= 1 && c->nb_descs <= g.vq.size);
	for (uint16_t i = 0; i < c->nb_segs; i++) {
		const struct vq_seg *s = &segs[i];
		bool second = s->gpa >= GPA1;
		uint64_t off = s->gpa - (second ? GPA1 : GPA0);

		require(s->len != 0);
		require(off + s->len <= (second ? MEM1_LEN : MEM0_LEN));
		require(s->va == (second ? g.mem1 : g.mem0) + off);
		sum += s->len;
	}
	require(c->len == (sum > UINT32_MAX ? UINT32_MAX : sum));
	require(seg_total_len(segs, c->nb_segs) == c->len);
}

static void
op_pop(void)
{
	struct kept *k = &g.kept[g.nb_kept];
	int rc;

	if (g.nb_kept == NB_KEPT)
		return;
	rc = vq_pop(&g.vq, &k->chain, segs);
	require(rc == 1 || rc == 0 || rc == -EBADMSG || rc == -EPROTO);
	require(!g.broken || rc == -EPROTO);
	g.broken = rc == -EPROTO;
	if (rc == 0 || rc == -EPROTO)
		return;
	require(k->chain.id < g.vq.size);
	k->refused = rc < 0;
	k->segs = NULL;
	if (rc == 1) {
		check_chain(&k->chain);
		k->segs = malloc(k->chain.nb_segs * sizeof(segs[0]));
		require(k->segs != NULL);
		memcpy(k->segs, segs, k->chain.nb_segs * sizeof(segs[0]));
		k->chain.segs = k->segs;
	} else {
		require(k->chain.nb_segs == 0 && k->chain.len == 0);
	}
	g.nb_kept++;
	g.nb_tail++;
}

static void
op_hand_back(void)
{
	uint32_t which;
	struct kept k;

	if (g.nb_kept == 0)
		return;
	which = take() % g.nb_kept;
	k = g.kept[which];
	if (k.refused || take() % 4 == 0)
		vq_return(&g.vq, k.chain.id);
	else
		vq_push(&g.vq, &k.chain, g.vq.to_guest ? take16() % (k.chain.len + 1) : 0);
	free(k.segs);
	g.nb_kept--;
	memmove(&g.kept[which], &g.kept[which + 1], (g.nb_kept - which) * sizeof(k));
	if (g.nb_tail > g.nb_kept - which)
		g.nb_tail = g.nb_kept - which;
}

static void
op_rewind(void)
{
	uint32_t nb = take() % (g.nb_tail + 1);

	vq_rewind(&g.vq, (uint16_t)nb);
	for (uint32_t i = 0; i < nb; i++)
		free(g.kept[--g.nb_kept].segs);
	g.nb_tail -= nb;
}

/* Use the segments of two chains: all accesses stay inside guest memory. */
static void
op_copy(void)
{
	const struct kept *a;
	const struct kept *b;
	uint8_t buf[64] = {0};
	struct iovec *iov;
	uint32_t off;
	uint32_t len;
	uint32_t out_len;
	uint16_t nb;

	if (g.nb_kept == 0)
		return;
	a = &g.kept[take() % g.nb_kept];
	b = &g.kept[take() % g.nb_kept];
	off = take16();
	len = take16();
	seg_read(a->segs, a->chain.nb_segs, off, buf, len % sizeof(buf));
	seg_write(b->segs, b->chain.nb_segs, off, buf, len % sizeof(buf));
	seg_copy(b->segs, b->chain.nb_segs, off % 256, a->segs, a->chain.nb_segs, off / 256, len);
	iov = malloc(a->chain.nb_segs * sizeof(*iov) + 1);
	require(iov != NULL);
	nb = seg_iov(a->segs, a->chain.nb_segs, off, len, iov, &out_len);
	require(nb <= a->chain.nb_segs && out_len <= len);
	for (uint16_t i = 0; i < nb; i++) {
		require(iov[i].iov_len != 0 && iov[i].iov_len <= out_len);
		memset(iov[i].iov_base, (int)i, iov[i].iov_len);
		out_len -= (uint32_t)iov[i].iov_len;
	}
	require(out_len == 0);
	free(iov);
}

static void
op_driver(void)
{
	uint16_t where = take16();
	uint64_t v = take16();
	uint8_t *avail_idx = g.vq.avail + 2;

	/* Mostly the index: anything else is only seen when it moves. */
	if (where % 4 == 0)
		put(avail_idx, g.vq.last_avail + v % (g.vq.size + 2u), 2);
	else
		scribble(where / 4, v * (take() + 1ull), 1 + v % 8);
}

static void
step(uint8_t op)
{
	uint16_t nb;

	switch (op % 12) {
	case 0:
	case 1:
	case 2:
	case 3:
		op_pop();
		break;
	case 4:
	case 5:
		op_hand_back();
		break;
	case 6:
		vq_flush(&g.vq);
		require(g.vq.used_flushed == g.vq.used_idx && !vq_flush(&g.vq));
		break;
	case 7:
		op_rewind();
		break;
	case 8:
		nb = vq_nb_avail(&g.vq, take());
		require(nb <= g.vq.size);
		break;
	case 9:
		if (take() % 2)
			vq_kick_disable(&g.vq);
		else
			vq_kick_enable(&g.vq);
		break;
	case 10:
		op_copy();
		break;
	default:
		op_driver();
		break;
	}
	require(g.vq.nb_in_flight == g.nb_kept);
	require(g.nb_kept + (uint16_t)(g.vq.used_idx - g.vq.used_flushed) <= g.vq.size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct vq_config cfg = {0};
	uint8_t features;
	uint8_t order;

	memset(&g, 0, sizeof(g));
	g.mem0 = aligned_alloc(16, MEM0_LEN);
	g.mem1 = malloc(MEM1_LEN);
	g.gmem = calloc(1, sizeof(*g.gmem) + 2 * sizeof(g.gmem->regions[0]));
	require(g.mem0 != NULL && g.mem1 != NULL && g.gmem != NULL);
	memset(g.mem0, 0, MEM0_LEN);
	memset(g.mem1, 0, MEM1_LEN);
	g.gmem->nb_regions = 2;
	g.gmem->regions[0] = (struct gmem_region){.gpa = GPA0, .len = MEM0_LEN, .va = g.mem0};
	g.gmem->regions[1] = (struct gmem_region){.gpa = GPA1, .len = MEM1_LEN, .va = g.mem1};

	g.head = data;
	g.tail = data + len;
	features = take();
	order = take() % (MAX_ORDER + 1);
	cfg.last_avail = take16();
	cfg.used_idx = take16();
	build_ring(&cfg, order, features);
	require(vq_init(&g.vq, &cfg) == 0);
	while (g.head < g.tail)
		step(take());

	while (g.nb_kept > 0)
		free(g.kept[--g.nb_kept].segs);
	free(g.mem0);
	free(g.mem1);
	free(g.gmem);
	return 0;
}
