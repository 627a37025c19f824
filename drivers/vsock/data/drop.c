/* SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>

#include "data/drop.h"

static const char *const names[DROP_NB] = {
	[DROP_BAD_CHAIN] = "bad_chain",
	[DROP_SHORT_HEADER] = "short_header",
	[DROP_BAD_LEN] = "bad_len",
	[DROP_BAD_SRC_CID] = "bad_src_cid",
	[DROP_BAD_TYPE] = "bad_type",
	[DROP_BAD_OP] = "bad_op",
	[DROP_NO_CONN] = "no_conn",
	[DROP_BAD_STATE] = "bad_state",
	[DROP_OVER_CREDIT] = "over_credit",
	[DROP_LATE] = "late",
	[DROP_HOST_SHUT] = "host_shut",
	[DROP_MSG_CUT] = "msg_cut",
	[DROP_UNKNOWN_CID] = "unknown_cid",
	[DROP_NOT_IN_GROUP] = "not_in_group",
	[DROP_NO_GUEST] = "no_guest",
	[DROP_CONN_LIMIT] = "conn_limit",
	[DROP_CONN_EXISTS] = "conn_exists",
	[DROP_NO_HOST_PATH] = "no_host_path",
	[DROP_HOST_REFUSED] = "host_refused",
	[DROP_HOST_BACKLOG] = "host_backlog",
	[DROP_HOST_TYPE] = "host_type",
	[DROP_HOST_DENIED] = "host_denied",
	[DROP_GUEST_REFUSED] = "guest_refused",
	[DROP_BAD_LINE] = "bad_line",
	[DROP_LINE_TIMEOUT] = "line_timeout",
	[DROP_NO_RESOURCES] = "no_resources",
	[DROP_POOL_EXHAUSTED] = "pool_exhausted",
	[DROP_PAIR_LIMIT] = "pair_limit",
	[DROP_MSG_TOO_BIG] = "msg_too_big",
	[DROP_EMPTY_MSGS] = "empty_msgs",
	[DROP_HOST_ERROR] = "host_error",
	[DROP_CONNECT_TIMEOUT] = "connect_timeout",
	[DROP_CLOSE_TIMEOUT] = "close_timeout",
	[DROP_LINGER_TIMEOUT] = "linger_timeout",
	[DROP_GUEST_GONE] = "guest_gone",
	[DROP_RX_BAD_CHAIN] = "rx_bad_chain",
	[DROP_RX_TOO_SMALL] = "rx_too_small",
	[DROP_RING_BROKEN] = "ring_broken",
	[DROP_MEMORY_GONE] = "memory_gone",
	[DROP_CALL_BLOCKED] = "call_blocked",
};

const char *
drop_reason_name(enum drop_reason reason)
{
	return reason < DROP_NB ? names[reason] : NULL;
}
