/* SPDX-License-Identifier: BSD-3-Clause */
/* SHA-256 (FIPS 180-4), so that both ends of a transfer can be compared. */

#include <stdio.h>
#include <string.h>

#include "agent.h"

static const uint32_t round_constants[64] = {
	0x428a2f98,
	0x71374491,
	0xb5c0fbcf,
	0xe9b5dba5,
	0x3956c25b,
	0x59f111f1,
	0x923f82a4,
	0xab1c5ed5,
	0xd807aa98,
	0x12835b01,
	0x243185be,
	0x550c7dc3,
	0x72be5d74,
	0x80deb1fe,
	0x9bdc06a7,
	0xc19bf174,
	0xe49b69c1,
	0xefbe4786,
	0x0fc19dc6,
	0x240ca1cc,
	0x2de92c6f,
	0x4a7484aa,
	0x5cb0a9dc,
	0x76f988da,
	0x983e5152,
	0xa831c66d,
	0xb00327c8,
	0xbf597fc7,
	0xc6e00bf3,
	0xd5a79147,
	0x06ca6351,
	0x14292967,
	0x27b70a85,
	0x2e1b2138,
	0x4d2c6dfc,
	0x53380d13,
	0x650a7354,
	0x766a0abb,
	0x81c2c92e,
	0x92722c85,
	0xa2bfe8a1,
	0xa81a664b,
	0xc24b8b70,
	0xc76c51a3,
	0xd192e819,
	0xd6990624,
	0xf40e3585,
	0x106aa070,
	0x19a4c116,
	0x1e376c08,
	0x2748774c,
	0x34b0bcb5,
	0x391c0cb3,
	0x4ed8aa4a,
	0x5b9cca4f,
	0x682e6ff3,
	0x748f82ee,
	0x78a5636f,
	0x84c87814,
	0x8cc70208,
	0x90befffa,
	0xa4506ceb,
	0xbef9a3f7,
	0xc67178f2,
};

static inline uint32_t
ror(uint32_t x, unsigned int n)
{
	return x >> n | x << (32 - n);
}

static void
compress(uint32_t state[8], const uint8_t *block)
{
	uint32_t w[64], s[8];

	for (unsigned int i = 0; i < 16; i++)
		w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
			(uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
	for (unsigned int i = 16; i < 64; i++) {
		uint32_t s0 = ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3;
		uint32_t s1 = ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10;

		w[i] = w[i - 16] + s0 + w[i - 7] + s1;
	}
	memcpy(s, state, sizeof(s));
	for (unsigned int i = 0; i < 64; i++) {
		uint32_t s1 = ror(s[4], 6) ^ ror(s[4], 11) ^ ror(s[4], 25);
		uint32_t s0 = ror(s[0], 2) ^ ror(s[0], 13) ^ ror(s[0], 22);
		uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
		uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
		uint32_t t1 = s[7] + s1 + choice + round_constants[i] + w[i];

		memmove(&s[1], &s[0], 7 * sizeof(s[0]));
		s[4] += t1;
		s[0] = t1 + s0 + majority;
	}
	for (unsigned int i = 0; i < 8; i++)
		state[i] += s[i];
}

void
sha256_init(struct sha256 *h)
{
	static const uint32_t start[8] = {
		0x6a09e667,
		0xbb67ae85,
		0x3c6ef372,
		0xa54ff53a,
		0x510e527f,
		0x9b05688c,
		0x1f83d9ab,
		0x5be0cd19,
	};

	memcpy(h->state, start, sizeof(start));
	h->total_len = 0;
}

void
sha256_update(struct sha256 *h, const void *data, size_t data_len)
{
	const uint8_t *p = data;
	size_t fill = h->total_len % sizeof(h->block);

	h->total_len += data_len;
	if (fill > 0) {
		size_t part_len = sizeof(h->block) - fill;

		if (part_len > data_len)
			part_len = data_len;
		memcpy(h->block + fill, p, part_len);
		p += part_len;
		data_len -= part_len;
		if (fill + part_len < sizeof(h->block))
			return;
		compress(h->state, h->block);
	}
	for (; data_len >= sizeof(h->block); data_len -= sizeof(h->block)) {
		compress(h->state, p);
		p += sizeof(h->block);
	}
	memcpy(h->block, p, data_len);
}

void
sha256_hex(struct sha256 *h, char *hex)
{
	static const uint8_t padding[64] = {0x80};
	uint64_t nb_bits = h->total_len * 8;
	uint8_t tail[8];

	for (unsigned int i = 0; i < 8; i++)
		tail[i] = (uint8_t)(nb_bits >> (56 - 8 * i));
	sha256_update(h, padding, 1 + (119 - h->total_len % 64) % 64);
	sha256_update(h, tail, sizeof(tail));
	for (unsigned int i = 0; i < 8; i++)
		sprintf(hex + 8 * i, "%08x", (unsigned int)h->state[i]);
}
