/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/conn_state.h"

#define NB_OPS (WIRE_OP_MAX + 1)

#define IGNORE CONN_ACT_IGNORE
#define DROP   CONN_ACT_DROP
#define NORST  CONN_ACT_REPLY_RST
#define CREATE CONN_ACT_CREATE
#define ESTAB  CONN_ACT_ESTABLISH
#define DATA   CONN_ACT_DATA
#define CREDIT CONN_ACT_CREDIT
#define CREPLY CONN_ACT_CREDIT_REPLY
#define SHUT   CONN_ACT_SHUTDOWN
#define RESET  CONN_ACT_RESET
#define DETACH CONN_ACT_DETACH
#define VIOL   CONN_ACT_VIOLATION

/* Never answer an RST. Ignore an RST without a connection. */
/* clang-format off */
static const uint8_t actions[CONN_NB_STATES][NB_OPS] = {
	/*                  unknown REQUEST RESPONS RST     SHUTDWN RW     CR_UPD  CR_REQ */
	[CONN_NONE] =       {NORST, CREATE, NORST,  IGNORE, NORST,  NORST, NORST,  NORST},
	[CONN_FROM_GUEST] = {VIOL,  VIOL,   VIOL,   RESET,  VIOL,   VIOL,  CREDIT, CREDIT},
	[CONN_TO_GUEST] =   {VIOL,  VIOL,   ESTAB,  RESET,  VIOL,   VIOL,  CREDIT, CREDIT},
	[CONN_OPEN] =       {VIOL,  VIOL,   VIOL,   RESET,  SHUT,   DATA,  CREDIT, CREPLY},
	/* The other end is gone: data cannot be delivered, so reset. */
	[CONN_CLOSING] =    {VIOL,  VIOL,   VIOL,   RESET,  SHUT,   VIOL,  CREDIT, CREDIT},
	[CONN_FLUSHING] =   {VIOL,  VIOL,   VIOL,   DETACH, CREDIT, VIOL,  CREDIT, CREDIT},
	[CONN_DRAINING] =   {DROP,  DROP,   DROP,   RESET,  DROP,   DROP,  CREDIT, CREDIT},
};

enum conn_action
conn_state_action(enum conn_state state, uint16_t op, uint32_t shut_from_guest)
{
	enum conn_action act = actions[state][op <= WIRE_OP_MAX ? op : WIRE_OP_INVALID];

	if (act == CONN_ACT_DATA && (shut_from_guest & WIRE_SHUTDOWN_SEND) != 0)
		return CONN_ACT_VIOLATION;
	return act;
}

const char *
conn_state_name(enum conn_state state)
{
	static const char *const names[CONN_NB_STATES] = {
		[CONN_NONE] = "none",
		[CONN_FROM_GUEST] = "from_guest",
		[CONN_TO_GUEST] = "to_guest",
		[CONN_OPEN] = "open",
		[CONN_CLOSING] = "closing",
		[CONN_FLUSHING] = "flushing",
		[CONN_DRAINING] = "draining",
	};

	return state < CONN_NB_STATES ? names[state] : "?";
}
