/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_bitops.h>
#include <rte_common.h>
#include <rte_jhash.h>
#include <rte_random.h>

#include "data/conn.h"

static void *
reserve(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int
conn_table_init(struct conn_table *t, uint32_t nb_max)
{
	uint32_t nb_buckets = rte_align32pow2(nb_max);

	memset(t, 0, sizeof(*t));
	t->slab = reserve((size_t)nb_max * sizeof(*t->slab));
	t->buckets = reserve((size_t)nb_buckets * sizeof(*t->buckets));
	t->mask = nb_buckets - 1;
	t->nb_max = nb_max;
	t->seed = (uint32_t)rte_rand();
	if (t->slab == NULL || t->buckets == NULL) {
		conn_table_fini(t);
		return -ENOMEM;
	}
	return 0;
}

void
conn_table_fini(struct conn_table *t)
{
	if (t->slab != NULL)
		munmap(t->slab, (size_t)t->nb_max * sizeof(*t->slab));
	if (t->buckets != NULL)
		munmap(t->buckets, ((size_t)t->mask + 1) * sizeof(*t->buckets));
	memset(t, 0, sizeof(*t));
}

static inline struct conn **
bucket(struct conn_table *t, uint32_t local_port, uint32_t peer_cid, uint32_t peer_port)
{
	return &t->buckets[rte_jhash_3words(local_port, peer_cid, peer_port, t->seed) & t->mask];
}

static inline bool
matches(const struct conn *c, uint32_t local_port, uint32_t peer_cid, uint32_t peer_port)
{
	return c->local_port == local_port && c->peer_port == peer_port && c->peer_cid == peer_cid;
}

struct conn *
conn_find(struct conn_table *t, uint32_t local_port, uint32_t peer_cid, uint32_t peer_port)
{
	struct conn *c = t->last;

	if (c != NULL && matches(c, local_port, peer_cid, peer_port))
		return c;
	for (c = *bucket(t, local_port, peer_cid, peer_port); c != NULL; c = c->hash_next) {
		if (matches(c, local_port, peer_cid, peer_port)) {
			t->last = c;
			return c;
		}
	}
	return NULL;
}

struct conn *
conn_add(struct conn_table *t, uint32_t local_port, uint32_t peer_cid, uint32_t peer_port)
{
	struct conn *c = t->free;
	struct conn **b;

	if (c != NULL) {
		t->free = c->hash_next;
		memset(c, 0, sizeof(*c));
	} else if (t->nb_touched < t->nb_max) {
		c = &t->slab[t->nb_touched++];
	} else {
		return NULL;
	}
	t->nb_used++;
	c->local_port = local_port;
	c->peer_cid = peer_cid;
	c->peer_port = peer_port;
	TAILQ_INIT(&c->loans);
	b = bucket(t, local_port, peer_cid, peer_port);
	c->hash_next = *b;
	*b = c;
	c->in_table = true;
	return c;
}

void
conn_init(struct conn *c, struct port *port, uint32_t serial, uint8_t type,
	const struct wire_hdr *request)
{
	c->port = port;
	c->serial = serial;
	c->type = type;
	if (request == NULL) {
		c->state = CONN_TO_GUEST;
		return;
	}
	c->state = CONN_FROM_GUEST;
	c->request_sent = true;
	conn_take_credit(c, request);
}

void
conn_detach(struct conn_table *t, struct conn *c)
{
	struct conn **p;

	if (!c->in_table)
		return;
	p = bucket(t, c->local_port, c->peer_cid, c->peer_port);
	while (*p != c)
		p = &(*p)->hash_next;
	*p = c->hash_next;
	c->in_table = false;
	if (t->last == c)
		t->last = NULL;
}

void
conn_free(struct conn_table *t, struct conn *c)
{
	conn_detach(t, c);
	c->state = CONN_NONE;
	c->hash_next = t->free;
	t->free = c;
	t->nb_used--;
}
