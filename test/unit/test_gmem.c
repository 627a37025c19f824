/* SPDX-License-Identifier: BSD-3-Clause */
#include "check.h"
#include "ring/gmem.h"
#include "ring/seg.h"

#define NB_MEM 3

static uint8_t mem_a[4096];
static uint8_t mem_b[8192];
static uint8_t mem_top[16];

static struct gmem *
make_mem(void)
{
	struct gmem *mem = calloc(1, sizeof(*mem) + NB_MEM * sizeof(mem->regions[0]));

	CHECK(mem != NULL);
	mem->nb_regions = NB_MEM;
	mem->regions[0] = (struct gmem_region){.gpa = 0x10000, .len = sizeof(mem_a), .va = mem_a};
	/* Adjacent in the guest's view, elsewhere here. */
	mem->regions[1] = (struct gmem_region){.gpa = 0x11000, .len = sizeof(mem_b), .va = mem_b};
	mem->regions[2] = (struct gmem_region){
		.gpa = UINT64_MAX - sizeof(mem_top), .len = sizeof(mem_top), .va = mem_top};
	return mem;
}

static uint8_t *
gmem_translate(const struct gmem *mem, uint64_t gpa, uint64_t len)
{
	const struct gmem_region *r = gmem_find(mem, gpa, len);

	return r == NULL ? NULL : r->va + (gpa - r->gpa);
}

static void
translate_borders(void)
{
	struct gmem *mem = make_mem();

	CHECK(gmem_translate(mem, 0x10000, 1) == mem_a);
	CHECK(gmem_translate(mem, 0x10000, 4096) == mem_a);
	CHECK(gmem_translate(mem, 0x10fff, 1) == mem_a + 4095);
	CHECK(gmem_translate(mem, 0xffff, 1) == NULL);
	CHECK(gmem_translate(mem, 0xffff, 2) == NULL);
	CHECK(gmem_translate(mem, 0x10000, 4097) == NULL); /* two regions, not one */
	CHECK(gmem_translate(mem, 0x10fff, 2) == NULL);
	CHECK(gmem_translate(mem, 0x11000, 1) == mem_b);
	CHECK(gmem_translate(mem, 0x12fff, 1) == mem_b + 8191);
	CHECK(gmem_translate(mem, 0x13000, 1) == NULL);
	CHECK(gmem_translate(mem, 0, 1) == NULL);
	CHECK(gmem_find(mem, 0x12000, 16) == &mem->regions[1]);
	CHECK(gmem_find(mem, 0x13000, 16) == NULL);
	free(mem);
}

static void
translate_zero_and_overflow(void)
{
	struct gmem *mem = make_mem();
	uint64_t top = UINT64_MAX - sizeof(mem_top);
	struct gmem none = {.nb_regions = 0};

	CHECK(gmem_translate(mem, 0x10000, 0) == NULL);
	CHECK(gmem_translate(mem, 0x10010, UINT64_MAX) == NULL);
	CHECK(gmem_translate(mem, 0x10010, UINT64_MAX - 0xf) == NULL);
	CHECK(gmem_translate(mem, 0x10010, 0 - (uint64_t)0x10010) == NULL);
	CHECK(gmem_translate(mem, top, sizeof(mem_top)) == mem_top);
	CHECK(gmem_translate(mem, top + 15, 1) == mem_top + 15);
	CHECK(gmem_translate(mem, top + 15, 2) == NULL);
	CHECK(gmem_translate(mem, top + 15, UINT64_MAX) == NULL);
	CHECK(gmem_translate(mem, UINT64_MAX, 1) == NULL);
	CHECK(gmem_translate(mem, UINT64_MAX, UINT64_MAX) == NULL);
	CHECK(gmem_translate(&none, 0, 1) == NULL);
	free(mem);
}

static void
total_len(void)
{
	struct vq_seg s[3] = {{.len = 1}, {.len = UINT32_MAX - 1}, {.len = 1}};

	CHECK_EQ(seg_total_len(s, 0), 0);
	CHECK_EQ(seg_total_len(s, 1), 1);
	CHECK_EQ(seg_total_len(s, 2), UINT32_MAX);
	CHECK_EQ(seg_total_len(s, 3), UINT32_MAX);
}

/* Cut buf into pieces with gaps; returns how many, and puts what the pieces hold into flat. */
#define FLAT_LEN 61u

struct cut {
	struct vq_seg segs[16];
	uint16_t nb;
	uint8_t buf[256];
};

static void
cut_make(struct cut *c, const uint32_t *lens, uint16_t nb)
{
	uint32_t at = 3;

	memset(c->buf, 0xcc, sizeof(c->buf));
	c->nb = nb;
	for (uint16_t i = 0; i < nb; i++) {
		c->segs[i] = (struct vq_seg){.va = c->buf + at, .gpa = at, .len = lens[i]};
		at += lens[i] + 5; /* odd addresses, and a gap that must stay as it is */
	}
	CHECK(at <= sizeof(c->buf));
}

static void
cut_fill(struct cut *c, const uint8_t *flat)
{
	for (uint16_t i = 0; i < c->nb; i++) {
		memcpy(c->segs[i].va, flat, c->segs[i].len);
		flat += c->segs[i].len;
	}
}

/* The bytes of the pieces equal flat, and no byte between them was touched. */
static void
cut_check(const struct cut *c, const uint8_t *flat)
{
	uint8_t seen[sizeof(c->buf)] = {0};

	for (uint16_t i = 0; i < c->nb; i++) {
		CHECK_MEM(c->segs[i].va, flat, c->segs[i].len);
		flat += c->segs[i].len;
		memset(seen + (c->segs[i].va - c->buf), 1, c->segs[i].len);
	}
	for (size_t i = 0; i < sizeof(c->buf); i++)
		CHECK(seen[i] || c->buf[i] == 0xcc);
}

static const uint32_t cuts[][8] = {
	{61},
	{44, 17},
	{1, 60},
	{60, 1},
	{20, 24, 17},
	{1, 1, 1, 1, 1, 1, 1, 54},
	{8, 8, 8, 8, 8, 8, 8, 5},
};

#define NB_CUTS (sizeof(cuts) / sizeof(cuts[0]))

static uint16_t
cut_nb(const uint32_t *lens)
{
	uint16_t nb = 0;

	while (nb < 8 && lens[nb] != 0)
		nb++;
	return nb;
}

static uint32_t
least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static void
read_and_write_everywhere(void)
{
	uint8_t flat[FLAT_LEN];
	uint8_t out[FLAT_LEN + 8];
	struct cut c;

	for (uint32_t i = 0; i < FLAT_LEN; i++)
		flat[i] = (uint8_t)i;
	for (size_t k = 0; k < NB_CUTS; k++) {
		for (uint32_t off = 0; off <= FLAT_LEN + 2; off++) {
			for (uint32_t len = 0; len <= FLAT_LEN + 3; len++) {
				uint32_t n = off < FLAT_LEN ? least(len, FLAT_LEN - off) : 0;
				uint8_t want[FLAT_LEN] = {0};

				cut_make(&c, cuts[k], cut_nb(cuts[k]));
				cut_fill(&c, flat);
				memset(out, 0xdd, sizeof(out));
				CHECK_EQ(seg_read(c.segs, c.nb, off, out, len), n);
				CHECK_MEM(out, flat + least(off, FLAT_LEN), n);
				CHECK_EQ(out[n], 0xdd);

				cut_fill(&c, want);
				CHECK_EQ(seg_write(c.segs, c.nb, off, flat, len), n);
				memcpy(want + least(off, FLAT_LEN), flat, n);
				cut_check(&c, want);
			}
		}
	}
	CHECK_EQ(seg_read(NULL, 0, 0, out, 4), 0);
	CHECK_EQ(seg_write(NULL, 0, 0, out, 4), 0);
	CHECK_EQ(seg_copy(NULL, 0, 0, c.segs, c.nb, 0, 4), 0);
	CHECK_EQ(seg_copy(c.segs, c.nb, 0, NULL, 0, 0, 4), 0);
	CHECK_EQ(seg_read(c.segs, c.nb, UINT32_MAX, out, UINT32_MAX), 0);
}

static void
copy_every_cut_to_every_cut(void)
{
	static const uint32_t offs[] = {0, 1, 8, 43, 44, 45, 60, 61, 62};
	static const uint32_t lens[] = {0, 1, 8, 17, 44, 60, 61, 62, UINT32_MAX};
	uint8_t flat[FLAT_LEN];
	struct cut a;
	struct cut b;

	for (uint32_t i = 0; i < FLAT_LEN; i++)
		flat[i] = (uint8_t)(i + 1);
	for (size_t k = 0; k < NB_CUTS * NB_CUTS * 9 * 9 * 9; k++) {
		const uint32_t *from = cuts[k % NB_CUTS];
		const uint32_t *to = cuts[k / NB_CUTS % NB_CUTS];
		size_t rest = k / NB_CUTS / NB_CUTS;
		uint32_t src_off = offs[rest % 9];
		uint32_t dst_off = offs[rest / 9 % 9];
		uint32_t len = lens[rest / 81];
		uint8_t want[FLAT_LEN] = {0};
		uint32_t n = len;

		n = least(n, src_off < FLAT_LEN ? FLAT_LEN - src_off : 0);
		n = least(n, dst_off < FLAT_LEN ? FLAT_LEN - dst_off : 0);
		cut_make(&a, from, cut_nb(from));
		cut_fill(&a, flat);
		cut_make(&b, to, cut_nb(to));
		cut_fill(&b, want);
		CHECK_EQ(seg_copy(b.segs, b.nb, dst_off, a.segs, a.nb, src_off, len), n);
		if (n != 0)
			memcpy(want + dst_off, flat + src_off, n);
		cut_check(&b, want);
		cut_check(&a, flat);
	}
}

static void
copy_onto_itself(void)
{
	uint8_t buf[32];
	struct vq_seg src = {.va = buf, .len = 24};
	struct vq_seg dst = {.va = buf + 4, .len = 24};

	memset(buf, 7, sizeof(buf));
	CHECK_EQ(seg_copy(&dst, 1, 0, &src, 1, 0, 24), 24);
	CHECK_EQ(seg_copy(&dst, 1, 1, &src, 1, 0, 24), 23);
	for (size_t i = 0; i < sizeof(buf); i++)
		CHECK_EQ(buf[i], 7);
}

static void
iovecs(void)
{
	for (size_t k = 0; k < NB_CUTS; k++) {
		for (uint32_t off = 0; off <= FLAT_LEN + 1; off++) {
			for (uint32_t len = 0; len <= FLAT_LEN + 1; len++) {
				struct iovec iov[8];
				struct cut c;
				uint32_t n = off < FLAT_LEN ? least(len, FLAT_LEN - off) : 0;
				uint32_t out_len = 12345;
				uint8_t want[FLAT_LEN] = {0};
				uint16_t nb;

				cut_make(&c, cuts[k], cut_nb(cuts[k]));
				cut_fill(&c, want);
				nb = seg_iov(c.segs, c.nb, off, len, iov, &out_len);
				CHECK_EQ(out_len, n);
				CHECK(nb <= c.nb && (nb == 0) == (n == 0));
				for (uint16_t i = 0; i < nb; i++) {
					CHECK(iov[i].iov_len != 0);
					memset(iov[i].iov_base, 9, iov[i].iov_len);
				}
				memset(want + least(off, FLAT_LEN), 9, n);
				cut_check(&c, want);
			}
		}
	}
}

static void
loads_once(void)
{
	_Alignas(2) uint8_t bytes[4] = {0x34, 0x12, 0x78, 0x56};
	uint32_t out = 0;

	gmem_load(&out, bytes, 4);
	CHECK_MEM(&out, bytes, 4);
	CHECK_MEM(&(uint16_t){gmem_load16(bytes)}, bytes, 2);
	CHECK_MEM(&(uint16_t){gmem_load16_acquire(bytes + 2)}, bytes + 2, 2);
	CHECK_MEM(&(uint16_t){gmem_load16_seq_cst(bytes + 2)}, bytes + 2, 2);
}

/* A header that is in one piece, ends with its piece, or is split. */
static void
heads(void)
{
	static const uint32_t splits[] = {44, 60, 1, 20, 43};

	for (size_t i = 0; i < sizeof(splits) / sizeof(splits[0]); i++) {
		struct vq_seg segs[] = {{.va = mem_a, .len = splits[i]},
			{.va = mem_b + 100, .len = 4}, {.va = mem_b + 200, .len = 64}};
		uint8_t in[44], out[44] = {0};

		for (size_t k = 0; k < sizeof(in); k++)
			in[k] = (uint8_t)(k + 1 + i);
		CHECK_EQ(seg_write_head(segs, 3, in, sizeof(in)), sizeof(in));
		CHECK_EQ(seg_read_head(segs, 3, out, sizeof(out)), sizeof(out));
		CHECK(memcmp(in, out, sizeof(in)) == 0);
		CHECK_EQ(seg_read(segs, 3, 0, out, sizeof(out)), sizeof(out));
		CHECK(memcmp(in, out, sizeof(in)) == 0);
		CHECK_EQ(seg_read_head(segs, 1, out, sizeof(out)),
			splits[i] < sizeof(out) ? splits[i] : sizeof(out));
	}
}

int
main(void)
{
	RUN(translate_borders);
	RUN(translate_zero_and_overflow);
	RUN(total_len);
	RUN(read_and_write_everywhere);
	RUN(copy_every_cut_to_every_cut);
	RUN(copy_onto_itself);
	RUN(iovecs);
	RUN(loads_once);
	RUN(heads);
	return 0;
}
