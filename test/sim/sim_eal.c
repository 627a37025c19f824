/* SPDX-License-Identifier: BSD-3-Clause */
/* What the data plane uses of EAL, in plain memory. The linker finds what is missing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_hash.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_malloc.h>
#include <rte_mempool.h>
#include <rte_random.h>
#include <rte_ring.h>

#include "sim.h"
#include "sim_world.h"

RTE_DEFINE_PER_LCORE(unsigned int, _lcore_id) = LCORE_ID_ANY;

/* ---- memory ---- */

void *
rte_zmalloc_socket(const char *type, size_t size, unsigned int align, int socket)
{
	const size_t step = align > 64 ? align : 64;
	void *p = aligned_alloc(step, (size + step - 1) / step * step);

	(void)type;
	(void)socket;
	if (p != NULL)
		memset(p, 0, size);
	return p;
}

void *
rte_calloc_socket(const char *type, size_t num, size_t size, unsigned int align, int socket)
{
	return rte_zmalloc_socket(type, num * size, align, socket);
}

void
rte_free(void *p)
{
	free(p);
}

/* ---- rings ---- */

struct rte_ring *
rte_ring_create_elem(
	const char *name, unsigned int esize, unsigned int count, int socket, unsigned int flags)
{
	struct rte_ring *r =
		rte_zmalloc_socket(name, sizeof(*r) + (size_t)count * esize, 128, socket);

	(void)flags;
	if (r == NULL)
		return NULL;
	r->prod.sync_type = RTE_RING_SYNC_ST;
	r->cons.sync_type = RTE_RING_SYNC_ST;
	r->size = count;
	r->mask = count - 1;
	r->capacity = r->mask;
	return r;
}

struct rte_ring *
rte_ring_create(const char *name, unsigned int count, int socket, unsigned int flags)
{
	return rte_ring_create_elem(name, sizeof(void *), count, socket, flags);
}

void
rte_ring_free(struct rte_ring *r)
{
	rte_free(r);
}

/* ---- mempool: a stack ---- */

struct stack {
	unsigned int nb;
	uint8_t *memory;
	void *objects[];
};

static int
put(struct rte_mempool *mp, void *const *objects, unsigned int n)
{
	struct stack *s = mp->pool_data;

	memcpy(&s->objects[s->nb], objects, n * sizeof(*objects));
	s->nb += n;
	return 0;
}

static int
take(struct rte_mempool *mp, void **objects, unsigned int n)
{
	struct stack *s = mp->pool_data;

	if (s->nb < n)
		return -ENOBUFS;
	for (unsigned int i = 0; i < n; i++)
		objects[i] = s->objects[--s->nb];
	return 0;
}

struct rte_mempool_ops_table rte_mempool_ops_table = {
	.num_ops = 1,
	.ops = {{.name = "ring_mp_mc", .enqueue = put, .dequeue = take}},
};

struct rte_mempool *
rte_mempool_create(const char *name, unsigned int n, unsigned int elt_size, unsigned int cache_size,
	unsigned int private_len, rte_mempool_ctor_t *mp_init, void *mp_init_arg,
	rte_mempool_obj_cb_t *obj_init, void *obj_init_arg, int socket, unsigned int flags)
{
	const size_t step = RTE_CACHE_LINE_ROUNDUP(elt_size + sizeof(struct rte_mempool_objhdr));
	struct rte_mempool *mp = rte_zmalloc_socket(name, sizeof(*mp), 64, socket);
	struct stack *s = calloc(1, sizeof(*s) + n * sizeof(s->objects[0]));

	(void)cache_size;
	(void)private_len;
	(void)mp_init;
	(void)mp_init_arg;
	(void)obj_init;
	(void)obj_init_arg;
	(void)flags;
	s->memory = aligned_alloc(64, n * step);
	mp->pool_data = s;
	mp->size = n;
	for (unsigned int i = 0; i < n; i++) {
		struct rte_mempool_objhdr *hdr = (void *)(s->memory + i * step);
		void *object = s->memory + i * step + sizeof(*hdr);

		hdr->mp = mp;
		put(mp, &object, 1);
	}
	return mp;
}

void
rte_mempool_free(struct rte_mempool *mp)
{
	struct stack *s;

	if (mp == NULL)
		return;
	s = mp->pool_data;
	if (s->nb != mp->size)
		sim_fault(
			"leak", "%u of %u chunks were not given back", mp->size - s->nb, mp->size);
	free(s->memory);
	free(s);
	rte_free(mp);
}

/* ---- hash: CIDs in an array ---- */

#define NB_KEYS 64

struct rte_hash {
	unsigned int nb;
	uint32_t keys[NB_KEYS];
	void *values[NB_KEYS];
};

struct rte_hash *
rte_hash_create(const struct rte_hash_parameters *params)
{
	(void)params;
	return calloc(1, sizeof(struct rte_hash));
}

void
rte_hash_free(struct rte_hash *h)
{
	free(h);
}

int
rte_hash_lookup_data(const struct rte_hash *h, const void *key, void **data)
{
	uint32_t cid;

	memcpy(&cid, key, sizeof(cid));
	for (unsigned int i = 0; i < h->nb; i++) {
		if (h->keys[i] != cid)
			continue;
		*data = h->values[i];
		return (int)i;
	}
	return -ENOENT;
}

int
rte_hash_add_key_data(const struct rte_hash *hash, const void *key, void *data)
{
	struct rte_hash *h = (struct rte_hash *)(uintptr_t)hash;

	if (h->nb == NB_KEYS)
		return -ENOSPC;
	memcpy(&h->keys[h->nb], key, sizeof(h->keys[0]));
	h->values[h->nb++] = data;
	return 0;
}

int32_t
rte_hash_del_key(const struct rte_hash *hash, const void *key)
{
	struct rte_hash *h = (struct rte_hash *)(uintptr_t)hash;
	void *data;
	int i = rte_hash_lookup_data(h, key, &data);

	if (i < 0)
		return i;
	h->nb--;
	h->keys[i] = h->keys[h->nb];
	h->values[i] = h->values[h->nb];
	return i;
}

/* ---- lcores: number 0 is the main one ---- */

unsigned int
rte_lcore_count(void)
{
	return sim_world.nb_lcores + 1;
}

unsigned int
rte_get_main_lcore(void)
{
	return 0;
}

int
rte_lcore_is_enabled(unsigned int lcore_id)
{
	return lcore_id <= sim_world.nb_lcores;
}

unsigned int
rte_get_next_lcore(unsigned int i, int skip_main, int wrap)
{
	(void)wrap;
	i++; /* from LCORE_ID_ANY, UINT32_MAX, to 0 */
	if (i == 0 && skip_main)
		i++;
	return i <= sim_world.nb_lcores ? i : RTE_MAX_LCORE;
}

unsigned int
rte_lcore_to_socket_id(unsigned int lcore_id)
{
	(void)lcore_id;
	return 0;
}

static struct sim_co *lcores[RTE_MAX_LCORE];

static void
run_lcore(void *arg)
{
	sim_world.lcore_main(arg);
}

int
rte_eal_remote_launch(lcore_function_t *fn, void *arg, unsigned int lcore_id)
{
	sim_world.lcore_main = fn;
	lcores[lcore_id] = sim_co_start("lcore", run_lcore, arg);
	return 0;
}

static bool
lcore_ended(void *arg)
{
	return sim_co_ended(arg);
}

int
rte_eal_wait_lcore(unsigned int lcore_id)
{
	sim_wait(lcore_ended, lcores[lcore_id], UINT64_MAX);
	return 0;
}

uint64_t
rte_get_tsc_hz(void)
{
	return 1000000000; /* a cycle is a nanosecond */
}

uint64_t
rte_rand(void)
{
	return (uint64_t)sim_rand(&sim_world.rand, UINT32_MAX) << 32 |
		sim_rand(&sim_world.rand, UINT32_MAX);
}

/* ---- log ---- */

int
rte_log(uint32_t level, uint32_t type, const char *fmt, ...)
{
	va_list ap;

	(void)type;
	if (!sim_tracing && level > RTE_LOG_ERR)
		return 0;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	return 0;
}

bool
rte_log_can_log(uint32_t type, uint32_t level)
{
	(void)type;
	(void)level;
	return false;
}

int
rte_log_register_type_and_pick_level(const char *name, uint32_t level)
{
	(void)name;
	(void)level;
	return 1;
}

void
__rte_panic(const char *function, const char *fmt, ...)
{
	va_list ap;
	char text[256];

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sim_fault("panic", "%s: %s", function, text);
}
