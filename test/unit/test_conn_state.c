/* SPDX-License-Identifier: BSD-3-Clause */
#include "check.h"
#include "wire/conn_state.h"

/* Written down from the rules of the specification, one letter an operation; the order of the
 * columns is that of the operations: unknown, REQUEST, RESPONSE, RST, SHUTDOWN, RW, CREDIT_UPDATE,
 * CREDIT_REQUEST. */
static const struct {
	enum conn_state state;
	const char *expected;
} rows[] = {
	{CONN_NONE, "NnNiNNNN"},
	{CONN_FROM_GUEST, "vvvrvvcc"},
	{CONN_TO_GUEST, "vvervvcc"},
	{CONN_OPEN, "vvvrsdcC"},
	{CONN_CLOSING, "vvvrsvcc"},
	{CONN_FLUSHING, "vvvtcvcc"},
	{CONN_DRAINING, "xxxrxxcc"},
};

static enum conn_action
meaning(char letter)
{
	switch (letter) {
	case 'N':
		return CONN_ACT_REPLY_RST;
	case 'n':
		return CONN_ACT_CREATE;
	case 'i':
		return CONN_ACT_IGNORE;
	case 'v':
		return CONN_ACT_VIOLATION;
	case 'r':
		return CONN_ACT_RESET;
	case 'e':
		return CONN_ACT_ESTABLISH;
	case 's':
		return CONN_ACT_SHUTDOWN;
	case 'd':
		return CONN_ACT_DATA;
	case 'c':
		return CONN_ACT_CREDIT;
	case 'C':
		return CONN_ACT_CREDIT_REPLY;
	case 't':
		return CONN_ACT_DETACH;
	case 'x':
		return CONN_ACT_DROP;
	default:
		CHECK(!"a letter of the table");
		return CONN_ACT_DROP;
	}
}

static void
every_state_and_op(void)
{
	CHECK_EQ(sizeof(rows) / sizeof(rows[0]), CONN_NB_STATES);
	for (size_t i = 0; i < CONN_NB_STATES; i++) {
		for (uint16_t op = 0; op <= WIRE_OP_MAX; op++)
			CHECK_EQ(conn_state_action(rows[i].state, op, 0),
				meaning(rows[i].expected[op]));
	}
}

static void
unknown_ops_are_one(void)
{
	static const uint16_t ops[] = {8, 9, 255, 256, 0x107, 0x8000, UINT16_MAX};

	for (int s = 0; s < CONN_NB_STATES; s++) {
		for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
			CHECK_EQ(conn_state_action(s, ops[i], 0), conn_state_action(s, 0, 0));
	}
}

/* RST is never answered in any state, because that would reset a new connection. */
static void
rst_is_never_answered(void)
{
	for (int s = 0; s < CONN_NB_STATES; s++) {
		enum conn_action a = conn_state_action(s, WIRE_OP_RST, 0);

		CHECK(a != CONN_ACT_REPLY_RST && a != CONN_ACT_VIOLATION);
	}
}

static void
data_behind_shutdown(void)
{
	CHECK_EQ(conn_state_action(CONN_OPEN, WIRE_OP_RW, WIRE_SHUTDOWN_RCV), CONN_ACT_DATA);
	CHECK_EQ(conn_state_action(CONN_OPEN, WIRE_OP_RW, WIRE_SHUTDOWN_SEND), CONN_ACT_VIOLATION);
	CHECK_EQ(conn_state_action(CONN_OPEN, WIRE_OP_RW, WIRE_SHUTDOWN_BOTH), CONN_ACT_VIOLATION);
	CHECK_EQ(conn_state_action(CONN_OPEN, WIRE_OP_CREDIT_UPDATE, WIRE_SHUTDOWN_SEND),
		CONN_ACT_CREDIT);
	CHECK_EQ(conn_state_action(CONN_OPEN, WIRE_OP_SHUTDOWN, WIRE_SHUTDOWN_SEND),
		CONN_ACT_SHUTDOWN);
}

static void
every_state_has_a_name(void)
{
	for (int s = 0; s < CONN_NB_STATES; s++) {
		const char *name = conn_state_name(s);

		CHECK(name != NULL && name[0] != '\0' && name[0] != '?');
		for (int t = 0; t < s; t++)
			CHECK(strcmp(name, conn_state_name(t)) != 0);
	}
}

int
main(void)
{
	RUN(every_state_and_op);
	RUN(unknown_ops_are_one);
	RUN(rst_is_never_answered);
	RUN(data_behind_shutdown);
	RUN(every_state_has_a_name);
	return 0;
}
