/* SPDX-License-Identifier: BSD-3-Clause */
#include <time.h>

#include "check.h"
#include "drv.h"

static void
put(uint8_t *at, uint64_t v, unsigned int nb)
{
	for (unsigned int i = 0; i < nb; i++)
		at[i] = (uint8_t)(v >> (8 * i));
}

static uint16_t
load_idx(const uint8_t *at)
{
	uint8_t b[2];
	uint16_t raw = __atomic_load_n((const uint16_t *)at, __ATOMIC_SEQ_CST);

	memcpy(b, &raw, 2);
	return (uint16_t)(b[0] | b[1] << 8);
}

static void
store_idx(uint8_t *at, uint16_t v)
{
	uint8_t b[2] = {(uint8_t)v, (uint8_t)(v >> 8)};
	uint16_t raw;

	memcpy(&raw, b, 2);
	__atomic_store_n((uint16_t *)at, raw, __ATOMIC_SEQ_CST);
}

void
drv_create(struct drv *d, uint32_t size, bool event_idx, uint16_t start_idx)
{
	*d = (struct drv){.size = size, .event_idx = event_idx};
	d->avail_idx = d->kicked_idx = d->seen_idx = start_idx;
	d->mem0 = calloc(1, DRV_MEM0_LEN);
	d->mem1 = calloc(1, DRV_MEM1_LEN);
	CHECK(d->mem0 != NULL && d->mem1 != NULL);
	d->mem = calloc(1, sizeof(*d->mem) + 2 * sizeof(d->mem->regions[0]));
	CHECK(d->mem != NULL);
	d->mem->nb_regions = 2;
	d->mem->regions[0] =
		(struct gmem_region){.gpa = DRV_GPA0, .len = DRV_MEM0_LEN, .va = d->mem0};
	d->mem->regions[1] =
		(struct gmem_region){.gpa = DRV_GPA1, .len = DRV_MEM1_LEN, .va = d->mem1};

	d->desc = aligned_alloc(16, 16 * size);
	d->avail = malloc(6 + 2 * size);
	d->used = malloc(6 + 8 * size);
	CHECK(d->desc != NULL && d->avail != NULL && d->used != NULL);
	memset(d->desc, 0, 16 * size);
	memset(d->avail, 0, 6 + 2 * size);
	memset(d->used, 0, 6 + 8 * size);
	store_idx(d->avail + 2, start_idx);
	store_idx(d->used + 2, start_idx);
}

void
drv_destroy(struct drv *d)
{
	free(d->mem0);
	free(d->mem1);
	free(d->mem);
	free(d->desc);
	free(d->avail);
	free(d->used);
}

struct vq_config
drv_config(const struct drv *d, bool to_guest)
{
	return (struct vq_config){
		.desc = d->desc,
		.avail = d->avail,
		.used = d->used,
		.size = (uint16_t)d->size,
		.last_avail = d->avail_idx,
		.used_idx = d->seen_idx,
		.to_guest = to_guest,
		.event_idx = d->event_idx,
		.indirect = true,
		.mem = d->mem,
	};
}

uint8_t *
drv_at(const struct drv *d, uint64_t gpa)
{
	if (gpa >= DRV_GPA1) {
		CHECK(gpa - DRV_GPA1 < DRV_MEM1_LEN);
		return d->mem1 + (gpa - DRV_GPA1);
	}
	CHECK(gpa >= DRV_GPA0 && gpa - DRV_GPA0 < DRV_MEM0_LEN);
	return d->mem0 + (gpa - DRV_GPA0);
}

void
drv_put_desc(uint8_t *table, uint32_t idx, struct drv_desc desc)
{
	uint8_t *at = table + 16 * (size_t)idx;

	put(at, desc.addr, 8);
	put(at + 8, desc.len, 4);
	put(at + 12, desc.flags, 2);
	put(at + 14, desc.next, 2);
}

void
drv_offer(struct drv *d, uint16_t head)
{
	store_idx(d->avail + 4 + 2 * (d->avail_idx % d->size), head);
	d->avail_idx++;
}

void
drv_publish(struct drv *d)
{
	store_idx(d->avail + 2, d->avail_idx);
}

bool
drv_publish_kick(struct drv *d)
{
	uint16_t event;
	bool kick = false;

	drv_publish(d);
	if (!d->event_idx) {
		d->kicked_idx = d->avail_idx;
		return !(drv_used_flags(d) & 1);
	}
	/* Did the index move over the entry that the device named? Counted, not computed. */
	event = drv_avail_event(d);
	while (d->kicked_idx != d->avail_idx)
		kick |= d->kicked_idx++ == event;
	return kick;
}

bool
drv_take(struct drv *d, uint32_t *id, uint32_t *len)
{
	const uint8_t *at = d->used + 4 + 8 * (size_t)(d->seen_idx % d->size);

	if (drv_used_idx(d) == d->seen_idx)
		return false;
	*id = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
		(uint32_t)at[3] << 24;
	*len = (uint32_t)at[4] | (uint32_t)at[5] << 8 | (uint32_t)at[6] << 16 |
		(uint32_t)at[7] << 24;
	d->seen_idx++;
	return true;
}

uint16_t
drv_used_idx(const struct drv *d)
{
	return load_idx(d->used + 2);
}

uint16_t
drv_used_flags(const struct drv *d)
{
	return load_idx(d->used);
}

uint16_t
drv_avail_event(const struct drv *d)
{
	return load_idx(d->used + 4 + 8 * (size_t)d->size);
}

void
drv_set_used_event(struct drv *d, uint16_t event)
{
	store_idx(d->avail + 4 + 2 * (size_t)d->size, event);
}

void
drv_set_avail_flags(struct drv *d, uint16_t flags)
{
	store_idx(d->avail, flags);
}

void
drv_set_avail_idx(struct drv *d, uint16_t idx)
{
	store_idx(d->avail + 2, idx);
}

uint64_t
drv_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dull;
}

uint32_t
drv_random_below(uint64_t *state, uint32_t bound)
{
	return (uint32_t)((drv_random(state) >> 32) * bound >> 32);
}

uint64_t
drv_seed(void)
{
	const char *text = getenv("VSOCK_TEST_SEED");
	struct timespec now;
	uint64_t seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = text != NULL ? strtoull(text, NULL, 0)
			    : (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
	if (seed == 0)
		seed = 1;
	printf("seed %#" PRIx64 " (repeat with VSOCK_TEST_SEED)\n", seed);
	return seed;
}
