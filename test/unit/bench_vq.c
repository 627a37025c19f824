/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cost of the ring with all data in the cache: nanoseconds to pop a chain, to push it and
 * to flush a burst, and what seg_copy() adds to memcpy(). Not a test: nothing here can fail.
 */
#include <time.h>

#include "check.h"
#include "raw_ring.h"

#define SIZE      256u
#define NB_ROUNDS 20000u
#define BURST     32u

static struct vq_seg segs[BURST][VQ_CHAIN_MAX_SEGS];

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Heads are every third descriptor; what is behind them depends on the shape. */
static void
build(struct raw_ring *d, unsigned int nb_descs, bool indirect)
{
	for (uint16_t i = 0; i < BURST; i++) {
		uint8_t *table = d->desc;
		uint16_t first = (uint16_t)(3 * i);

		if (indirect) {
			uint64_t gpa = RAW_RING_GPA0 + 64u * i;

			raw_ring_put_desc(table, first,
				(struct vfe_vring_desc){gpa, 16 * nb_descs, VFE_DESC_INDIRECT, 0});
			table = raw_ring_at(d, gpa);
			first = 0;
		}
		for (uint16_t k = 0; k < nb_descs; k++) {
			struct vfe_vring_desc desc = {
				.gpa = RAW_RING_GPA0 + 0x10000 + 0x1000u * i + 44u * k,
				.len = k == 0 ? 44 : 3000,
				.flags = k + 1u < nb_descs ? VFE_DESC_NEXT : 0,
				.next = (uint16_t)(first + k + 1)};

			raw_ring_put_desc(table, first + k, desc);
		}
	}
}

static void
bench_ring(const char *what, unsigned int nb_descs, bool indirect)
{
	struct vq_chain chains[BURST];
	struct vq_config cfg;
	uint64_t pop_ns = UINT64_MAX;
	uint64_t push_ns = UINT64_MAX;
	uint64_t flush_ns = UINT64_MAX;
	struct raw_ring d;
	struct vq vq;

	raw_ring_create(&d, SIZE, true, 0);
	build(&d, nb_descs, indirect);
	cfg = raw_ring_config(&d, false);
	CHECK_EQ(vq_init(&vq, &cfg), 0);
	for (uint32_t part = 0; part < 10; part++) {
		uint64_t ns[3] = {0};

		for (uint32_t round = 0; round < NB_ROUNDS / 10; round++) {
			uint64_t t[4];

			for (uint16_t i = 0; i < BURST; i++)
				raw_ring_offer(&d, (uint16_t)(3 * i));
			raw_ring_publish(&d);
			t[0] = now_ns();
			for (uint32_t i = 0; i < BURST; i++)
				CHECK(vq_pop(&vq, &chains[i], segs[i]) == 1);
			t[1] = now_ns();
			for (uint32_t i = 0; i < BURST; i++)
				vq_push(&vq, &chains[i], 0);
			t[2] = now_ns();
			vq_flush(&vq);
			t[3] = now_ns();
			for (uint32_t i = 0; i < 3; i++)
				ns[i] += t[i + 1] - t[i];
		}
		/* The best of ten: the others were disturbed. */
		pop_ns = ns[0] < pop_ns ? ns[0] : pop_ns;
		push_ns = ns[1] < push_ns ? ns[1] : push_ns;
		flush_ns = ns[2] < flush_ns ? ns[2] : flush_ns;
	}
	printf("%-28s pop %5.1f ns  push %4.1f ns  flush %5.1f ns a burst of %u\n", what,
		(double)pop_ns / (NB_ROUNDS / 10) / BURST,
		(double)push_ns / (NB_ROUNDS / 10) / BURST, (double)flush_ns / (NB_ROUNDS / 10),
		BURST);
	raw_ring_destroy(&d);
}

static void
bench_copy(uint32_t len, uint16_t nb_src)
{
	uint8_t *from = malloc(len + 44);
	uint8_t *to = malloc(len + 44);
	struct vq_seg src[2];
	struct vq_seg dst = {.va = to, .len = len + 44};
	uint32_t nb = 400000000u / (len + 400);
	uint64_t start;
	uint64_t plain_ns;
	uint64_t seg_ns;

	CHECK(from != NULL && to != NULL);
	memset(from, 1, len + 44);
	memset(to, 1, len + 44);
	src[0] = (struct vq_seg){.va = from, .len = nb_src == 1 ? len + 44 : 44};
	src[1] = (struct vq_seg){.va = from + 44, .len = len};
	start = now_ns();
	for (uint32_t i = 0; i < nb; i++) {
		memcpy(to + 44, from + 44, len);
		__asm__ volatile("" : "+r"(len)::"memory");
	}
	plain_ns = now_ns() - start;
	start = now_ns();
	for (uint32_t i = 0; i < nb; i++) {
		seg_copy(&dst, 1, 44, src, nb_src, 44, len);
		__asm__ volatile("" : "+r"(len)::"memory");
	}
	seg_ns = now_ns() - start;
	printf("copy of %5u bytes from %u     memcpy %7.1f ns  seg_copy %7.1f ns\n", len, nb_src,
		(double)plain_ns / nb, (double)seg_ns / nb);
	free(from);
	free(to);
}

int
main(void)
{
	static const uint32_t lens[] = {64, 1024, 4052, 65536};

	bench_ring("one descriptor", 1, false);
	bench_ring("two descriptors", 2, false);
	bench_ring("three descriptors", 3, false);
	bench_ring("a table of one", 1, true);
	bench_ring("a table of two", 2, true);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		bench_copy(lens[i], 1);
		bench_copy(lens[i], 2);
	}
	return 0;
}
