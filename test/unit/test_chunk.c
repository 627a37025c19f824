/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>

#include <rte_eal.h>
#include <rte_mempool.h>

#include "check.h"
#include "data/chunk.h"

#define NB_CHUNKS 64

static struct chunk_pool pool_memory;
static struct chunk_pool *const pool = &pool_memory;
static uint8_t pattern[64 * 1024];

static struct chunk_account
account(uint32_t nb_max)
{
	struct chunk_account a = {.nb_max = nb_max};

	return a;
}

static void
append_peek_consume(void)
{
	struct chunk_account acct = account(NB_CHUNKS);
	struct chunk_queue q = {0};
	static uint8_t out[sizeof(pattern)];
	uint32_t at = 0, taken = 0;

	/* Odd pieces, so that chunks' borders fall everywhere. */
	for (uint32_t len = 1; at + len < 40000; len = len * 3 % 7919 + 1) {
		CHECK_EQ(chunk_append(&q, pool, &acct, pattern + at, len), 0);
		at += len;
		CHECK_EQ(q.len, at);
	}
	CHECK_EQ(chunk_peek(&q, out, sizeof(out)), at);
	CHECK_MEM(out, pattern, at);
	for (uint32_t len = 5; q.len > 0; len = len * 5 % 6007 + 1) {
		len = len < q.len ? len : q.len;
		CHECK_EQ(chunk_peek(&q, out, len), len);
		CHECK_MEM(out, pattern + taken, len);
		chunk_consume(&q, pool, &acct, len);
		taken += len;
	}
	CHECK_EQ(taken, at);
	CHECK_EQ(acct.nb_used, 0);
	CHECK(q.head == NULL && q.tail == NULL);
}

/* A queue that was consumed to the last byte of a chunk grows again. */
static void
consume_and_append(void)
{
	struct chunk_account acct = account(4);
	struct chunk_queue q = {0};
	uint32_t in = 0, out = 0;
	uint8_t byte[997];

	for (int i = 0; i < 3000; i++) {
		uint32_t n = (i * 31) % sizeof(byte) + 1;

		for (uint32_t k = 0; k < n; k++)
			byte[k] = (uint8_t)(in + k);
		CHECK_EQ(chunk_append(&q, pool, &acct, byte, n), 0);
		in += n;
		n = i % 3 == 0 ? q.len : q.len / 2;
		CHECK_EQ(chunk_peek(&q, byte, n < sizeof(byte) ? n : sizeof(byte)),
			n < sizeof(byte) ? n : sizeof(byte));
		for (uint32_t k = 0; k < n && k < sizeof(byte); k++)
			CHECK_EQ(byte[k], (uint8_t)(out + k));
		chunk_consume(&q, pool, &acct, n);
		out += n;
	}
	chunk_clear(&q, pool, &acct);
	CHECK_EQ(acct.nb_used, 0);
}

static void
limits(void)
{
	struct chunk_account acct = account(2), other = account(NB_CHUNKS + 10);
	struct vq_seg seg = {.va = pattern, .len = sizeof(pattern)};
	struct chunk_queue q = {0}, r = {0};

	CHECK_EQ(chunk_append(&q, pool, &acct, pattern, 2 * CHUNK_DATA_LEN), 0);
	CHECK_EQ(chunk_append(&q, pool, &acct, pattern, 1), -ENOBUFS);
	CHECK_EQ(q.len, 2 * CHUNK_DATA_LEN);
	CHECK_EQ(acct.nb_used, 2);
	/* A record and its bytes: both or neither. */
	chunk_consume(&q, pool, &acct, CHUNK_DATA_LEN);
	CHECK_EQ(chunk_append_record(&q, pool, &acct, "head", 4, &seg, 1, 0, CHUNK_DATA_LEN - 3),
		-ENOBUFS);
	CHECK_EQ(q.len, CHUNK_DATA_LEN);
	CHECK_EQ(
		chunk_append_record(&q, pool, &acct, "head", 4, &seg, 1, 0, CHUNK_DATA_LEN - 4), 0);
	CHECK_EQ(q.len, 2 * CHUNK_DATA_LEN);
	/* The pool itself: all or nothing. */
	for (int i = 0; i < NB_CHUNKS - 2; i++)
		CHECK_EQ(chunk_append(&r, pool, &other, pattern, CHUNK_DATA_LEN), 0);
	CHECK_EQ(chunk_append(&r, pool, &other, pattern, 2 * CHUNK_DATA_LEN), -ENOBUFS);
	CHECK_EQ(other.nb_used, NB_CHUNKS - 2);
	chunk_clear(&r, pool, &other);
	chunk_clear(&q, pool, &acct);
	CHECK_EQ(acct.nb_used + other.nb_used, 0);
	CHECK_EQ(rte_mempool_avail_count(pool->mempool), NB_CHUNKS);
}

static void
segments_and_iovecs(void)
{
	struct chunk_account acct = account(NB_CHUNKS);
	struct chunk_queue q = {0};
	static uint8_t out[20000];
	struct vq_seg segs[3] = {
		{.va = pattern, .len = 10},
		{.va = pattern + 10, .len = 9000},
		{.va = pattern + 9010, .len = 5},
	};
	struct vq_seg dst[2] = {{.va = out, .len = 100}, {.va = out + 100, .len = 15000}};
	struct iovec iov[8];
	uint32_t len, n;

	CHECK_EQ(chunk_append_segs(&q, pool, &acct, segs, 3, 4, 9011), 0);
	CHECK_EQ(chunk_read_segs(&q, 9011, dst, 2, 50), 9011);
	CHECK_MEM(out + 50, pattern + 4, 9011);
	n = chunk_iov(&q, 4000, 5000, iov, 8, &len);
	CHECK_EQ(len, 5000);
	CHECK(n >= 2);
	CHECK_MEM(iov[0].iov_base, pattern + 4004, iov[0].iov_len);
	/* Fewer iovecs than chunks: what was described is told. */
	CHECK_EQ(chunk_iov(&q, 0, 9011, iov, 1, &len), 1);
	CHECK_EQ(len, CHUNK_DATA_LEN);
	chunk_poke(&q, CHUNK_DATA_LEN - 1, "ab", 2);
	chunk_consume(&q, pool, &acct, CHUNK_DATA_LEN - 1);
	CHECK_EQ(chunk_peek(&q, out, 2), 2);
	CHECK_MEM(out, "ab", 2);
	chunk_clear(&q, pool, &acct);
}

static void
reserve_and_grow(void)
{
	struct chunk_account acct = account(5);
	struct chunk_queue q = {0};
	struct iovec iov[8];
	uint32_t n;

	CHECK_EQ(chunk_reserve(&q, pool, &acct, 6 * CHUNK_DATA_LEN, iov, 8), 0);
	CHECK_EQ(acct.nb_used, 0);
	n = chunk_reserve(&q, pool, &acct, 3 * CHUNK_DATA_LEN + 1, iov, 8);
	CHECK_EQ(n, 4);
	for (uint32_t i = 0; i < n; i++)
		memcpy(iov[i].iov_base, pattern + i * CHUNK_DATA_LEN, iov[i].iov_len);
	/* Less came than there was room for. */
	chunk_grown(&q, pool, &acct, CHUNK_DATA_LEN + 7);
	CHECK_EQ(q.len, CHUNK_DATA_LEN + 7);
	CHECK_EQ(acct.nb_used, 2);
	CHECK_EQ(chunk_append(&q, pool, &acct, pattern + q.len, 100), 0);
	chunk_consume(&q, pool, &acct, CHUNK_DATA_LEN);
	CHECK_EQ(q.len, 107);
	chunk_consume(&q, pool, &acct, 107);
	CHECK_EQ(acct.nb_used, 0);
	/* Nothing came at all. */
	CHECK_EQ(chunk_reserve(&q, pool, &acct, 10, iov, 8), 1);
	chunk_grown(&q, pool, &acct, 0);
	CHECK_EQ(acct.nb_used, 0);
	CHECK(q.head == NULL && q.tail == NULL);
}

/* First the own share, then chunks of the common part up to a bound. */
static void
shares(void)
{
	struct chunk_account one = {0}, two = {0};
	struct chunk_queue q1 = {0}, q2 = {0};
	uint32_t n1 = 0, n2 = 0;

	pool->nb_common_left = NB_CHUNKS / 2;
	chunk_share(&one, pool, 8);
	chunk_share(&two, pool, 8);
	CHECK_EQ(one.nb_max, NB_CHUNKS / 16);
	while (chunk_append(&q1, pool, &one, pattern, CHUNK_DATA_LEN) == 0)
		n1++;
	CHECK_EQ(n1, NB_CHUNKS / 16 + NB_CHUNKS / 8);
	CHECK_EQ(one.nb_common, NB_CHUNKS / 8);
	/* Nothing is left in common: the other has its own share all the same. */
	pool->nb_common_left = 0;
	while (chunk_append(&q2, pool, &two, pattern, CHUNK_DATA_LEN) == 0)
		n2++;
	CHECK_EQ(n2, NB_CHUNKS / 16);
	/* Chunks that the first account gives back are common to all. */
	chunk_consume(&q1, pool, &one, CHUNK_DATA_LEN);
	CHECK_EQ(chunk_append(&q2, pool, &two, pattern, CHUNK_DATA_LEN), 0);
	CHECK_EQ(two.nb_common, 1);
	CHECK_EQ(chunk_append(&q2, pool, &two, pattern, 1), -ENOBUFS);
	chunk_clear(&q1, pool, &one);
	chunk_clear(&q2, pool, &two);
	CHECK_EQ(one.nb_used + two.nb_used + one.nb_common + two.nb_common, 0);
	pool->nb_common_left = 0;
}

int
main(int argc, char **argv)
{
	char *eal[] = {argv[0], (char[]){"--no-huge"}, (char[]){"--no-pci"}, (char[]){"-m"},
		(char[]){"32"}, (char[]){"-l"}, (char[]){"0"}, (char[]){"--no-shconf"},
		(char[]){"--no-telemetry"}, (char[]){"--log-level"}, (char[]){"lib.eal:error"}};

	(void)argc;
	CHECK(rte_eal_init(sizeof(eal) / sizeof(eal[0]), eal) >= 0);
	pool->mempool = rte_mempool_create(
		"chunks", NB_CHUNKS, CHUNK_LEN, 0, 0, NULL, NULL, NULL, NULL, SOCKET_ID_ANY, 0);
	CHECK(pool->mempool != NULL);
	pool->nb_chunks = NB_CHUNKS;
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 7 + i / 251);
	RUN(append_peek_consume);
	RUN(consume_and_append);
	RUN(limits);
	RUN(shares);
	RUN(segments_and_iovecs);
	RUN(reserve_and_grow);
	chunk_pool_free(pool);
	rte_eal_cleanup();
	return 0;
}
