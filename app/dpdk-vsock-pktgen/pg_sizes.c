/* SPDX-License-Identifier: BSD-3-Clause */
#include "pg_sizes.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#define MAX_WEIGHT 1000000u

uint64_t
pg_sizes_random(struct pg_rng *rng)
{
	uint64_t x = rng->state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

int
pg_sizes_parse_bytes(const char *text, uint64_t *value, const char **end)
{
	unsigned int shift = 0;
	uint64_t number;
	char *after;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	number = strtoull(text, &after, 10);
	if (errno != 0)
		return -EINVAL;
	switch (toupper((unsigned char)*after)) {
	case 'K':
		shift = 10;
		break;
	case 'M':
		shift = 20;
		break;
	case 'G':
		shift = 30;
		break;
	default:
		break;
	}
	if (shift > 0)
		after++;
	if (number > UINT64_MAX >> shift)
		return -EINVAL;
	*value = number << shift;
	*end = after;
	return 0;
}

int
pg_sizes_parse(const char *text, struct pg_sizes *sizes)
{
	uint32_t sum = 0;

	*sizes = (struct pg_sizes){0};
	for (;;) {
		uint64_t len, weight = 1;

		if (pg_sizes_parse_bytes(text, &len, &text) < 0)
			return -EINVAL;
		if (*text == ':' && pg_sizes_parse_bytes(text + 1, &weight, &text) < 0)
			return -EINVAL;
		if (len == 0 || len > PG_SIZES_MAX_LEN || weight == 0 || weight > MAX_WEIGHT ||
			sizes->nb == PG_SIZES_MAX_NB)
			return -EINVAL;
		sum += (uint32_t)weight;
		sizes->len[sizes->nb] = (uint32_t)len;
		sizes->upto[sizes->nb++] = sum;
		if (len > sizes->max_len)
			sizes->max_len = (uint32_t)len;
		if (*text == '\0')
			return 0;
		if (*text++ != ',')
			return -EINVAL;
	}
}

uint32_t
pg_sizes_next(const struct pg_sizes *sizes, struct pg_rng *rng)
{
	unsigned int i = 0;
	uint32_t draw;

	if (sizes->nb == 1)
		return sizes->len[0];
	draw = (uint32_t)(pg_sizes_random(rng) % sizes->upto[sizes->nb - 1]);
	while (draw >= sizes->upto[i])
		i++;
	return sizes->len[i];
}
