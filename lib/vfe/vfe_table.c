/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfe_table.h"

#include <errno.h>
#include <stdlib.h>

#define MIN_BUCKETS   64u
#define SLAB_NB_CONNS 256u

static uint32_t
hash_tuple(uint64_t peer_cid, uint32_t peer_port, uint32_t local_port)
{
	uint64_t h = peer_cid * UINT64_C(0x9e3779b97f4a7c15);

	h = (h ^ peer_port) * UINT64_C(0xbf58476d1ce4e5b9);
	h = (h ^ (h >> 31) ^ local_port) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)(h >> 32);
}

int
vfe_table_init(struct vfe_guest *g)
{
	g->buckets = calloc(MIN_BUCKETS, sizeof(*g->buckets));
	g->bucket_mask = MIN_BUCKETS - 1;
	g->next_port = VFE_TABLE_FIRST_PORT;
	return g->buckets == NULL ? -ENOMEM : 0;
}

void
vfe_table_clear(struct vfe_guest *g)
{
	uint32_t i;

	if (g->buckets == NULL)
		return;
	for (i = 0; i <= g->bucket_mask; i++) {
		while (g->buckets[i] != NULL)
			vfe_table_remove(g->buckets[i]);
	}
}

void
vfe_table_fini(struct vfe_guest *g)
{
	uint32_t i;

	for (i = 0; i < g->nb_slabs; i++)
		free(g->slabs[i]);
	free(g->slabs);
	free(g->buckets);
	g->slabs = NULL;
	g->buckets = NULL;
}

static struct vfe_conn **
bucket_of(const struct vfe_guest *g, const struct vfe_conn *conn)
{
	return &g->buckets[hash_tuple(conn->peer_cid, conn->peer_port, conn->local_port) &
		g->bucket_mask];
}

/* After a failure the table stays as it is, with longer chains. */
static void
grow_table(struct vfe_guest *g)
{
	const uint32_t old_mask = g->bucket_mask;
	struct vfe_conn **old = g->buckets;
	uint32_t i;

	g->buckets = calloc(2 * ((size_t)old_mask + 1), sizeof(*g->buckets));
	if (g->buckets == NULL) {
		g->buckets = old;
		return;
	}
	g->bucket_mask = 2 * old_mask + 1;
	for (i = 0; i <= old_mask; i++) {
		while (old[i] != NULL) {
			struct vfe_conn *conn = old[i];
			struct vfe_conn **bucket = bucket_of(g, conn);

			old[i] = conn->hash_next;
			conn->hash_next = *bucket;
			*bucket = conn;
		}
	}
	free(old);
}

static int
add_slab(struct vfe_guest *g)
{
	struct vfe_conn *slab;
	void **slabs;
	uint32_t i;

	slabs = realloc(g->slabs, (g->nb_slabs + 1) * sizeof(*slabs));
	if (slabs == NULL)
		return -ENOMEM;
	g->slabs = slabs;
	slab = calloc(SLAB_NB_CONNS, sizeof(*slab));
	if (slab == NULL)
		return -ENOMEM;
	g->slabs[g->nb_slabs++] = slab;
	for (i = 0; i < SLAB_NB_CONNS; i++) {
		slab[i].hash_next = g->free_conns;
		g->free_conns = &slab[i];
	}
	return 0;
}

struct vfe_conn *
vfe_table_find(
	const struct vfe_guest *g, uint64_t peer_cid, uint32_t peer_port, uint32_t local_port)
{
	struct vfe_conn *conn =
		g->buckets[hash_tuple(peer_cid, peer_port, local_port) & g->bucket_mask];

	while (conn != NULL &&
		(conn->peer_cid != peer_cid || conn->peer_port != peer_port ||
			conn->local_port != local_port))
		conn = conn->hash_next;
	return conn;
}

struct vfe_conn *
vfe_table_add(struct vfe_guest *g, uint64_t peer_cid, uint32_t peer_port, uint32_t local_port,
	uint16_t type)
{
	struct vfe_conn *conn, **bucket;

	if (g->free_conns == NULL && add_slab(g) < 0)
		return NULL;
	if (g->nb_conns > g->bucket_mask)
		grow_table(g);
	conn = g->free_conns;
	g->free_conns = conn->hash_next;
	*conn = (struct vfe_conn){
		.guest = g,
		.peer_cid = peer_cid,
		.peer_port = peer_port,
		.local_port = local_port,
		.type = type,
		.buf_alloc = g->conf.buf_alloc,
	};
	bucket = bucket_of(g, conn);
	conn->hash_next = *bucket;
	*bucket = conn;
	g->nb_conns++;
	return conn;
}

void
vfe_table_remove(struct vfe_conn *conn)
{
	struct vfe_guest *g = conn->guest;
	struct vfe_conn **link = bucket_of(g, conn);

	while (*link != conn)
		link = &(*link)->hash_next;
	*link = conn->hash_next;
	if (g->active == conn)
		g->active = NULL;
	conn->hash_next = g->free_conns;
	g->free_conns = conn;
	g->nb_conns--;
}
