/* SPDX-License-Identifier: BSD-3-Clause */

/* Baselines: the copying alone, hot, cold, and over the memory of two rings. */

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pg_clock.h"
#include "pg_memcpy.h"
#include "vfe.h"

#define COLD_LEN (UINT64_C(128) << 20) /* of each side: 256 MiB in all */
#define CHUNK    64u                   /* copies between looks at the clock */

/* A row of buffers, used one after the other. */
struct row {
	uint8_t *mem;
	uint64_t len;
	uint64_t pos;
	uint64_t step; /* 0: as long as what is copied */
	uint32_t cap;  /* of one buffer; UINT32_MAX: any */
};

static uint8_t *
row_next(struct row *row, uint32_t len)
{
	uint8_t *at;

	if (row->pos + (row->step > len ? row->step : len) > row->len)
		row->pos = 0;
	at = row->mem + row->pos;
	row->pos += row->step > 0 ? row->step : len;
	return at;
}

static void
copy_message(struct row *from, struct row *to, uint32_t len)
{
	const uint8_t *src = row_next(from, len);

	while (len > 0) {
		const uint32_t n = len < to->cap ? len : to->cap;

		memcpy(row_next(to, n), src, n);
		src += n;
		len -= n;
	}
	/* No code reads the copies. Do not let the compiler remove them. */
	__asm__ volatile("" : : "r"(to->mem) : "memory");
}

static enum pg_status
copy_for(const struct pg_conf *conf, struct pg_result *result, struct row *from, struct row *to)
{
	struct pg_rng rng = {conf->seed};
	struct pg_counts before = {0};
	uint64_t start_ns, now_ns, measure_ns = 0, end_ns = UINT64_MAX;
	unsigned int i;

	from->mem = malloc(from->len);
	to->mem = malloc(to->len);
	if (from->mem == NULL || to->mem == NULL) {
		pg_result_fail(result, PG_ERROR, "out of memory");
		goto out;
	}
	memset(from->mem, 0x5a, from->len);
	memset(to->mem, 0xa5, to->len);
	start_ns = now_ns = pg_clock_now_ns();
	while (now_ns < end_ns) {
		for (i = 0; i < CHUNK; i++) {
			const uint32_t len = pg_sizes_next(&conf->sizes, &rng);

			copy_message(from, to, len);
			result->counts.messages++;
			result->counts.bytes += len;
		}
		now_ns = pg_clock_now_ns();
		if (measure_ns == 0 && (double)(now_ns - start_ns) >= conf->warmup_s * 1e9) {
			before = result->counts;
			measure_ns = now_ns;
			end_ns = now_ns + (uint64_t)(conf->seconds * 1e9);
		}
	}
	pg_result_counts_since(&result->counts, &before);
	result->seconds = (double)(now_ns - measure_ns) / 1e9;

out:
	free(from->mem);
	free(to->mem);
	return result->status;
}

enum pg_status
pg_memcpy_hot(const struct pg_conf *conf, struct pg_result *result)
{
	struct row from = {.len = conf->sizes.max_len, .cap = UINT32_MAX};
	struct row to = from;

	from.step = to.step = conf->sizes.max_len;
	return copy_for(conf, result, &from, &to);
}

enum pg_status
pg_memcpy_cold(const struct pg_conf *conf, struct pg_result *result)
{
	struct row from = {.len = COLD_LEN, .cap = UINT32_MAX};
	struct row to = from;

	return copy_for(conf, result, &from, &to);
}

enum pg_status
pg_memcpy_ring(const struct pg_conf *conf, struct pg_result *result)
{
	struct vfe_layout from_guest, to_guest;
	struct row from = {.cap = UINT32_MAX}, to = {0};
	uint32_t max_len = conf->sizes.max_len;

	if (max_len > VFE_PAYLOAD_MAX)
		max_len = VFE_PAYLOAD_MAX;
	if (vfe_layout_make(&from_guest, &conf->from_guest, max_len + VFE_HDR_LEN) < 0 ||
		vfe_layout_make(&to_guest, &conf->to_guest, 0) < 0 ||
		to_guest.total_len == VFE_HDR_LEN) {
		pg_result_fail(result, PG_ERROR, "no such buffers");
		return result->status;
	}
	/* A ring is as long as its buffers of so many descriptors allow. */
	from.step = from_guest.slot_len > max_len ? from_guest.slot_len : max_len;
	from.len = from.step * (conf->ring_size / from_guest.nb_segs + 1);
	to.step = to_guest.slot_len;
	to.cap = to_guest.total_len - VFE_HDR_LEN;
	to.len = to.step * (conf->ring_size / to_guest.nb_segs + 1);
	return copy_for(conf, result, &from, &to);
}
