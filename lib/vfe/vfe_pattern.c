/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfe_pattern.h"

#include <endian.h>
#include <string.h>

static uint64_t
pattern_word(uint64_t seed, uint64_t word_idx)
{
	uint64_t x = (seed + word_idx) * UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 29)) * UINT64_C(0xbf58476d1ce4e5b9);
	return htole64(x ^ (x >> 32));
}

/* Bytes up to the next whole word of the stream, at most len. */
static uint32_t
head_len(uint64_t off, uint32_t len)
{
	const uint32_t head = (uint32_t)(-off & 7);

	return head < len ? head : len;
}

static void
fill_part(uint64_t seed, uint64_t off, uint8_t *buf, uint32_t len)
{
	const uint64_t word = pattern_word(seed, off / 8);

	memcpy(buf, (const uint8_t *)&word + off % 8, len);
}

void
vfe_pattern_fill(uint64_t seed, uint64_t off, void *buf, uint32_t len)
{
	const uint32_t head = head_len(off, len);
	uint8_t *to = buf;

	if (head > 0)
		fill_part(seed, off, to, head);
	to += head;
	off += head;
	len -= head;
	for (; len >= 8; len -= 8, off += 8, to += 8) {
		const uint64_t word = pattern_word(seed, off / 8);

		memcpy(to, &word, sizeof(word));
	}
	if (len > 0)
		fill_part(seed, off, to, len);
}

static uint32_t
check_part(uint64_t seed, uint64_t off, const uint8_t *buf, uint32_t len)
{
	uint8_t want[8];
	uint32_t i;

	fill_part(seed, off, want, len);
	for (i = 0; i < len && buf[i] == want[i]; i++)
		;
	return i;
}

uint32_t
vfe_pattern_check(uint64_t seed, uint64_t off, const void *buf, uint32_t len)
{
	const uint32_t head = head_len(off, len);
	const uint8_t *from = buf;
	uint32_t i;

	i = head > 0 ? check_part(seed, off, from, head) : 0;
	if (i < head)
		return i;
	for (; len - i >= 8; i += 8) {
		const uint64_t want = pattern_word(seed, (off + i) / 8);
		uint64_t got;

		memcpy(&got, from + i, sizeof(got));
		if (got != want)
			return i + check_part(seed, off + i, from + i, 8);
	}
	return i + (i < len ? check_part(seed, off + i, from + i, len - i) : 0);
}
