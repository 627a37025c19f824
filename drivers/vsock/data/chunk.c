/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <rte_common.h>
#include <rte_lcore.h>
#include <rte_mempool.h>

#include "data/chunk.h"
#include "vsock_limits.h"

int
chunk_pool_create(struct chunk_pool *pool, const char *name)
{
	uint32_t nb;

	/* If EAL has little memory (-m), create a smaller pool. */
	for (nb = LIMIT_POOL_LEN / CHUNK_LEN; nb >= LIMIT_POOL_LEN / CHUNK_LEN / LIMIT_POOL_MIN_DIV;
		nb = nb * 3 / 4) {
		pool->mempool = rte_mempool_create(name, nb, CHUNK_LEN, 64, 0, NULL, NULL, NULL,
			NULL, SOCKET_ID_ANY, RTE_MEMPOOL_F_NO_SPREAD);
		if (pool->mempool != NULL) {
			pool->nb_chunks = nb;
			pool->nb_common_left = (int32_t)(nb / LIMIT_POOL_COMMON_SHARE);
			return 0;
		}
	}
	return -ENOMEM;
}

void
chunk_pool_free(struct chunk_pool *pool)
{
	rte_mempool_free(pool->mempool);
	pool->mempool = NULL;
}

void
chunk_share(struct chunk_account *acct, const struct chunk_pool *pool, uint32_t nb_accounts)
{
	/* Divide by at least two, so that one port can never use the whole pool. */
	acct->nb_max = (pool->nb_chunks - pool->nb_chunks / LIMIT_POOL_COMMON_SHARE) /
		RTE_MAX(nb_accounts, 2u);
	acct->nb_common_max = pool->nb_chunks / LIMIT_POOL_COMMON_SHARE / LIMIT_PORT_COMMON_SHARE;
}

static bool
common_get(struct chunk_pool *pool, struct chunk_account *acct)
{
	if (acct->nb_common >= acct->nb_common_max)
		return false;
	if (__atomic_fetch_sub(&pool->nb_common_left, 1, __ATOMIC_RELAXED) <= 0) {
		__atomic_fetch_add(&pool->nb_common_left, 1, __ATOMIC_RELAXED);
		return false;
	}
	acct->nb_common++;
	return true;
}

/* Give back the chunks of the common part first. */
static void
common_put(struct chunk_pool *pool, struct chunk_account *acct)
{
	if (acct->nb_common == 0)
		return;
	acct->nb_common--;
	__atomic_fetch_add(&pool->nb_common_left, 1, __ATOMIC_RELAXED);
}

static struct chunk *
chunk_get(struct chunk_pool *pool, struct chunk_account *acct)
{
	bool own = acct->nb_used - acct->nb_common < acct->nb_max;
	void *obj;
	struct chunk *c;

	if (!own && !common_get(pool, acct))
		return NULL;
	if (rte_mempool_get(pool->mempool, &obj) != 0) {
		if (!own)
			common_put(pool, acct);
		return NULL;
	}
	acct->nb_used++;
	c = obj;
	c->next = NULL;
	c->start = 0;
	c->end = 0;
	return c;
}

static void
chunk_put(struct chunk_pool *pool, struct chunk_account *acct, struct chunk *c)
{
	acct->nb_used--;
	common_put(pool, acct);
	rte_mempool_put(pool->mempool, c);
}

/* Add chunks until the queue has space for len bytes. Adds all of them or none. */
static int
make_space(struct chunk_queue *q, struct chunk_pool *pool, struct chunk_account *acct, uint32_t len)
{
	uint32_t space = q->tail != NULL ? CHUNK_DATA_LEN - q->tail->end : 0;
	struct chunk *first = NULL, *last = NULL;

	while (space < len) {
		struct chunk *c = chunk_get(pool, acct);

		if (c == NULL) {
			while (first != NULL) {
				c = first->next;
				chunk_put(pool, acct, first);
				first = c;
			}
			return -ENOBUFS;
		}
		if (last != NULL)
			last->next = c;
		else
			first = c;
		last = c;
		space += CHUNK_DATA_LEN;
	}
	if (first == NULL)
		return 0;
	if (q->tail != NULL)
		q->tail->next = first;
	else
		q->head = first;
	if (q->tail == NULL)
		q->tail = first;
	return 0;
}

/* Copy bytes into the space that make_space() added. */
static void
fill(struct chunk_queue *q, const struct vq_seg *segs, uint16_t nb_segs, uint32_t off, uint32_t len)
{
	while (len > 0) {
		struct chunk *c = q->tail;
		uint32_t n = RTE_MIN(len, (uint32_t)(CHUNK_DATA_LEN - c->end));

		if (n == 0) {
			q->tail = c->next;
			continue;
		}
		n = seg_read(segs, nb_segs, off, c->data + c->end, n);
		c->end += n;
		off += n;
		len -= n;
		q->len += n;
		if (n == 0)
			break; /* cannot happen, because the caller has checked the length */
	}
}

int
chunk_append_segs(struct chunk_queue *q, struct chunk_pool *pool, struct chunk_account *acct,
	const struct vq_seg *segs, uint16_t nb_segs, uint32_t off, uint32_t len)
{
	return chunk_append_record(q, pool, acct, NULL, 0, segs, nb_segs, off, len);
}

int
chunk_append_record(struct chunk_queue *q, struct chunk_pool *pool, struct chunk_account *acct,
	const void *record, uint32_t record_len, const struct vq_seg *segs, uint16_t nb_segs,
	uint32_t off, uint32_t len)
{
	/* The segment is only read from. */
	struct vq_seg head = {.va = (uint8_t *)(uintptr_t)record, .len = record_len};

	if (make_space(q, pool, acct, record_len + len) != 0)
		return -ENOBUFS;
	fill(q, &head, 1, 0, record_len);
	fill(q, segs, nb_segs, off, len);
	return 0;
}

int
chunk_append(struct chunk_queue *q, struct chunk_pool *pool, struct chunk_account *acct,
	const void *src, uint32_t len)
{
	/* The segment is only read from. */
	struct vq_seg seg = {.va = (uint8_t *)(uintptr_t)src, .len = len};

	return chunk_append_segs(q, pool, acct, &seg, 1, 0, len);
}

uint32_t
chunk_reserve(struct chunk_queue *q, struct chunk_pool *pool, struct chunk_account *acct,
	uint32_t len, struct iovec *iov, uint32_t max_iov)
{
	struct chunk *c;
	uint32_t n = 0;

	if (q->head != NULL || make_space(q, pool, acct, len) != 0)
		return 0;
	for (c = q->head; c != NULL && n < max_iov; c = c->next, n++) {
		iov[n].iov_base = c->data;
		iov[n].iov_len = RTE_MIN(len, CHUNK_DATA_LEN);
		len -= iov[n].iov_len;
	}
	return n;
}

void
chunk_grown(
	struct chunk_queue *q, struct chunk_pool *pool, struct chunk_account *acct, uint32_t len)
{
	struct chunk *c, *rest;

	q->len = len;
	q->tail = NULL;
	for (c = q->head; c != NULL && len > 0; c = c->next) {
		c->end = RTE_MIN(len, CHUNK_DATA_LEN);
		len -= c->end;
		q->tail = c;
	}
	rest = c;
	if (q->tail != NULL)
		q->tail->next = NULL;
	else
		q->head = NULL;
	while (rest != NULL) {
		c = rest->next;
		chunk_put(pool, acct, rest);
		rest = c;
	}
}

uint32_t
chunk_iov(const struct chunk_queue *q, uint32_t off, uint32_t len, struct iovec *iov,
	uint32_t max_iov, uint32_t *out_len)
{
	uint32_t n = 0, total = 0;

	for (struct chunk *c = q->head; c != NULL && len > 0 && n < max_iov; c = c->next) {
		uint32_t have = c->end - c->start;

		if (off >= have) {
			off -= have;
			continue;
		}
		iov[n].iov_base = c->data + c->start + off;
		iov[n].iov_len = RTE_MIN(have - off, len);
		len -= iov[n].iov_len;
		total += iov[n].iov_len;
		off = 0;
		n++;
	}
	*out_len = total;
	return n;
}

uint32_t
chunk_read_segs(const struct chunk_queue *q, uint32_t len, const struct vq_seg *segs,
	uint16_t nb_segs, uint32_t dst_off)
{
	uint32_t done = 0;

	for (const struct chunk *c = q->head; c != NULL && len > 0; c = c->next) {
		uint32_t n = RTE_MIN((uint32_t)(c->end - c->start), len);

		n = seg_write(segs, nb_segs, dst_off + done, c->data + c->start, n);
		done += n;
		len -= n;
	}
	return done;
}

uint32_t
chunk_peek(const struct chunk_queue *q, void *dst, uint32_t len)
{
	uint32_t done = 0;

	for (const struct chunk *c = q->head; c != NULL && done < len; c = c->next) {
		uint32_t n = RTE_MIN((uint32_t)(c->end - c->start), len - done);

		memcpy((uint8_t *)dst + done, c->data + c->start, n);
		done += n;
	}
	return done;
}

void
chunk_poke(struct chunk_queue *q, uint32_t off, const void *src, uint32_t len)
{
	const uint8_t *p = src;

	for (struct chunk *c = q->head; c != NULL && len > 0; c = c->next) {
		uint32_t have = c->end - c->start, n;

		if (off >= have) {
			off -= have;
			continue;
		}
		n = RTE_MIN(have - off, len);
		memcpy(c->data + c->start + off, p, n);
		p += n;
		len -= n;
		off = 0;
	}
}

void
chunk_consume(
	struct chunk_queue *q, struct chunk_pool *pool, struct chunk_account *acct, uint32_t len)
{
	while (q->head != NULL) {
		struct chunk *c = q->head;
		uint32_t n = RTE_MIN((uint32_t)(c->end - c->start), len);

		c->start += n;
		q->len -= n;
		len -= n;
		if (c->start < c->end)
			return;
		q->head = c->next;
		chunk_put(pool, acct, c);
	}
	q->tail = NULL;
}

void
chunk_truncate(
	struct chunk_queue *q, struct chunk_pool *pool, struct chunk_account *acct, uint32_t len)
{
	struct chunk_queue rest = *q;
	struct chunk **link = &q->head;

	q->len = len;
	q->tail = NULL;
	for (struct chunk *c = q->head; c != NULL && len > 0; c = c->next) {
		uint32_t have = RTE_MIN((uint32_t)(c->end - c->start), len);

		c->end = c->start + have;
		len -= have;
		q->tail = c;
		link = &c->next;
	}
	rest.head = *link;
	*link = NULL;
	chunk_clear(&rest, pool, acct);
}

void
chunk_join(struct chunk_queue *q, struct chunk_queue *from)
{
	if (q->tail != NULL)
		q->tail->next = from->head;
	else
		q->head = from->head;
	if (from->tail != NULL)
		q->tail = from->tail;
	q->len += from->len;
	*from = (struct chunk_queue){0};
}

void
chunk_clear(struct chunk_queue *q, struct chunk_pool *pool, struct chunk_account *acct)
{
	while (q->head != NULL) {
		struct chunk *c = q->head;

		q->head = c->next;
		chunk_put(pool, acct, c);
	}
	q->tail = NULL;
	q->len = 0;
}
