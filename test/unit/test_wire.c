/* SPDX-License-Identifier: BSD-3-Clause */
#include "check.h"
#include "wire/wire.h"

/* Every byte differs, so that a field in the wrong place or order cannot go unseen. */
static const uint8_t sample_raw[44] = {
	0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, /* src_cid */
	0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, /* dst_cid */
	0x21, 0x22, 0x23, 0x24,                         /* src_port */
	0x31, 0x32, 0x33, 0x34,                         /* dst_port */
	0x41, 0x42, 0x43, 0x44,                         /* len */
	0x51, 0x52,                                     /* type */
	0x61, 0x62,                                     /* op */
	0x71, 0x72, 0x73, 0x74,                         /* flags */
	0x81, 0x82, 0x83, 0x84,                         /* buf_alloc */
	0x91, 0x92, 0x93, 0x94,                         /* fwd_cnt */
};

static const struct wire_hdr sample_hdr = {
	.src_cid = 0x0807060504030201,
	.dst_cid = 0x1817161514131211,
	.src_port = 0x24232221,
	.dst_port = 0x34333231,
	.len = 0x44434241,
	.type = 0x5251,
	.op = 0x6261,
	.flags = 0x74737271,
	.buf_alloc = 0x84838281,
	.fwd_cnt = 0x94939291,
};

static void
decode_places_every_field(void)
{
	struct wire_hdr hdr;

	memset(&hdr, 0xee, sizeof(hdr));
	wire_decode(sample_raw, &hdr);
	CHECK_EQ(hdr.src_cid, sample_hdr.src_cid);
	CHECK_EQ(hdr.dst_cid, sample_hdr.dst_cid);
	CHECK_EQ(hdr.src_port, sample_hdr.src_port);
	CHECK_EQ(hdr.dst_port, sample_hdr.dst_port);
	CHECK_EQ(hdr.len, sample_hdr.len);
	CHECK_EQ(hdr.type, sample_hdr.type);
	CHECK_EQ(hdr.op, sample_hdr.op);
	CHECK_EQ(hdr.flags, sample_hdr.flags);
	CHECK_EQ(hdr.buf_alloc, sample_hdr.buf_alloc);
	CHECK_EQ(hdr.fwd_cnt, sample_hdr.fwd_cnt);
}

static void
encode_places_every_field(void)
{
	uint8_t raw[WIRE_HDR_LEN + 2];

	memset(raw, 0xee, sizeof(raw));
	wire_encode(&sample_hdr, raw + 1);
	CHECK_MEM(raw + 1, sample_raw, sizeof(sample_raw));
	CHECK_EQ(raw[0], 0xee);
	CHECK_EQ(raw[WIRE_HDR_LEN + 1], 0xee);
}

static void
unaligned_and_single_bits(void)
{
	uint8_t raw[WIRE_HDR_LEN + 1] = {0};
	uint8_t again[WIRE_HDR_LEN];
	struct wire_hdr hdr;

	for (unsigned int bit = 0; bit < WIRE_HDR_LEN * 8; bit++) {
		memset(raw, 0, sizeof(raw));
		raw[1 + bit / 8] = (uint8_t)(1u << (bit % 8));
		wire_decode(raw + 1, &hdr);
		wire_encode(&hdr, again);
		CHECK_MEM(again, raw + 1, WIRE_HDR_LEN);
	}
}

static const struct wire_hdr good = {
	.src_cid = 3,
	.dst_cid = 2,
	.src_port = 1000,
	.dst_port = 2000,
	.len = 10,
	.type = WIRE_TYPE_STREAM,
	.op = WIRE_OP_RW,
};

static void
check_lengths(void)
{
	struct wire_hdr h = good;

	CHECK_EQ(wire_check(&h, 3, 10), WIRE_OK);
	CHECK_EQ(wire_check(&h, 3, 4096), WIRE_OK);
	CHECK_EQ(wire_check(&h, 3, 9), WIRE_BAD_LEN);
	CHECK_EQ(wire_check(&h, 3, 0), WIRE_BAD_LEN);
	h.len = 0;
	CHECK_EQ(wire_check(&h, 3, 0), WIRE_OK);
	h.len = WIRE_PAYLOAD_MAX_LEN;
	CHECK_EQ(wire_check(&h, 3, UINT32_MAX), WIRE_OK);
	h.len = WIRE_PAYLOAD_MAX_LEN + 1;
	CHECK_EQ(wire_check(&h, 3, UINT32_MAX), WIRE_BAD_LEN);
	h.len = UINT32_MAX;
	CHECK_EQ(wire_check(&h, 3, UINT32_MAX), WIRE_BAD_LEN);
}

static void
check_every_op(void)
{
	struct wire_hdr h = good;

	for (uint32_t op = 0; op <= UINT16_MAX; op++) {
		bool known = op >= 1 && op <= 7;

		h.op = (uint16_t)op;
		h.len = 0;
		CHECK_EQ(wire_check(&h, 3, 64), known ? WIRE_OK : WIRE_BAD_OP);
		h.len = 1;
		CHECK_EQ(wire_check(&h, 3, 64),
			op == 5 ? WIRE_OK : (known ? WIRE_BAD_LEN : WIRE_BAD_OP));
	}
}

static void
check_every_type(void)
{
	struct wire_hdr h = good;

	for (uint32_t type = 0; type <= UINT16_MAX; type++) {
		h.type = (uint16_t)type;
		CHECK_EQ(wire_check(&h, 3, 64), type == 1 || type == 2 ? WIRE_OK : WIRE_BAD_TYPE);
	}
}

static void
check_cids(void)
{
	struct wire_hdr h = good;

	CHECK_EQ(wire_check(&h, 4, 10), WIRE_BAD_SRC_CID);
	h.src_cid = 3 | (1ull << 32);
	CHECK_EQ(wire_check(&h, 3, 10), WIRE_BAD_SRC_CID);
	h = good;
	h.dst_cid = 1ull << 63 | 2;
	CHECK_EQ(wire_check(&h, 3, 10), WIRE_BAD_SRC_CID);
	h.dst_cid = 1ull << 32;
	CHECK_EQ(wire_check(&h, 3, 10), WIRE_BAD_SRC_CID);
	h.dst_cid = UINT32_MAX;
	CHECK_EQ(wire_check(&h, 3, 10), WIRE_OK);
}

static void
first_broken_rule_wins(void)
{
	struct wire_hdr h = {.src_cid = 9, .dst_cid = 2, .len = 99, .type = 77, .op = 88};

	CHECK_EQ(wire_check(&h, 3, 10), WIRE_BAD_LEN);
	h.len = 0;
	CHECK_EQ(wire_check(&h, 3, 10), WIRE_BAD_SRC_CID);
	h.src_cid = 3;
	CHECK_EQ(wire_check(&h, 3, 10), WIRE_BAD_TYPE);
	h.type = 1;
	CHECK_EQ(wire_check(&h, 3, 10), WIRE_BAD_OP);
	h.op = WIRE_OP_RST;
	CHECK_EQ(wire_check(&h, 3, 10), WIRE_OK);
}

static void
cids_of_guests(void)
{
	for (uint64_t cid = 0; cid <= 2; cid++)
		CHECK(!wire_cid_is_guest(cid));
	CHECK(wire_cid_is_guest(3));
	CHECK(wire_cid_is_guest(UINT32_MAX - 1));
	CHECK(!wire_cid_is_guest(UINT32_MAX));
	CHECK(!wire_cid_is_guest(1ull << 32));
	CHECK(!wire_cid_is_guest((1ull << 32) + 3));
	CHECK(!wire_cid_is_guest(UINT64_MAX));
}

int
main(void)
{
	RUN(decode_places_every_field);
	RUN(encode_places_every_field);
	RUN(unaligned_and_single_bits);
	RUN(check_lengths);
	RUN(check_every_op);
	RUN(check_every_type);
	RUN(check_cids);
	RUN(first_broken_rule_wins);
	RUN(cids_of_guests);
	return 0;
}
