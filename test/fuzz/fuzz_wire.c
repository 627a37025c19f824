/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Headers of any bytes: what decodes encodes to the same bytes, and what wire_check() lets pass
 * keeps every rule, read from the bytes and not from the decoder.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/wire.h"

#define INPUT_LEN (WIRE_HDR_LEN + 8u)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
require(bool cond)
{
	if (!cond)
		abort();
}

static uint64_t
le(const uint8_t *p, unsigned int nb)
{
	uint64_t v = 0;

	while (nb-- > 0)
		v = v << 8 | p[nb];
	return v;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t input[INPUT_LEN] = {0};
	uint8_t again[WIRE_HDR_LEN];
	enum wire_verdict verdict;
	struct wire_hdr hdr;
	uint32_t own_cid;
	uint32_t payload_len;
	uint64_t hdr_len;
	uint64_t type;
	uint64_t op;

	memcpy(input, data, len < INPUT_LEN ? len : INPUT_LEN);
	own_cid = (uint32_t)le(input + WIRE_HDR_LEN, 4);
	payload_len = (uint32_t)le(input + WIRE_HDR_LEN + 4, 4);
	hdr_len = le(input + 24, 4);
	type = le(input + 28, 2);
	op = le(input + 30, 2);

	wire_decode(input, &hdr);
	wire_encode(&hdr, again);
	require(memcmp(again, input, WIRE_HDR_LEN) == 0);

	verdict = wire_check(&hdr, own_cid, payload_len);
	if (verdict != WIRE_BAD_LEN) {
		require(hdr_len <= 65536 && hdr_len <= payload_len);
		require(hdr_len == 0 || op == 5 || op == 0 || op > 7);
		if (verdict != WIRE_BAD_SRC_CID) {
			require(le(input, 8) == own_cid && le(input + 8, 8) >> 32 == 0);
			if (verdict != WIRE_BAD_TYPE) {
				require(type == 1 || type == 2);
				require((verdict == WIRE_OK) == (op >= 1 && op <= 7));
			}
		}
	}
	if (wire_cid_is_guest(hdr.dst_cid))
		require(hdr.dst_cid > 2 && hdr.dst_cid < 0xffffffff);
	return 0;
}
