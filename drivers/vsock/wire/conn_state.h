/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_CONN_STATE_H
#define VSOCK_CONN_STATE_H

/**
 * @file
 * The states of one guest's end of a connection, and what each packet from that guest means in
 * each of them (virtio 1.2, 5.10.6.5 and 5.10.6.6). Pure; builds without EAL. One table, no code
 * path that is not in it.
 */

#include <stdint.h>

#include "wire/wire.h"

enum conn_state {
	CONN_NONE,       /**< no such connection */
	CONN_FROM_GUEST, /**< the guest's REQUEST waits for an answer */
	CONN_TO_GUEST,   /**< our REQUEST waits for the guest's answer */
	CONN_OPEN,       /**< both ends agreed; either direction may be shut since */
	CONN_CLOSING,    /**< the guest was told that both directions are shut: its RST is due */
	CONN_FLUSHING,   /**< the guest shut both directions; what it sent is still being delivered,
			      then it gets its RST */
	CONN_DRAINING, /**< an RST for the guest waits behind data for it; it still believes in the
			      connection */
	CONN_NB_STATES,
};

enum conn_action {
	CONN_ACT_IGNORE,    /**< nothing to do */
	CONN_ACT_DROP,      /**< the guest does not know yet that the connection ended: count */
	CONN_ACT_REPLY_RST, /**< no such connection: answer RST */
	CONN_ACT_CREATE,    /**< a new connection from the guest */
	CONN_ACT_ESTABLISH, /**< the guest accepted */
	CONN_ACT_DATA,
	CONN_ACT_CREDIT,       /**< nothing but the credit values that every packet carries */
	CONN_ACT_CREDIT_REPLY, /**< the guest asks for our credit values */
	CONN_ACT_SHUTDOWN,
	CONN_ACT_RESET,     /**< the guest ended it: no answer, tell the other end */
	CONN_ACT_DETACH,    /**< the guest is done with it; delivery of its data goes on */
	CONN_ACT_VIOLATION, /**< out of place: RST to the guest and reset of the other end */
};

/**
 * What a packet means. Context: any.
 * @param op WIRE_OP_*; anything else counts as unknown.
 * @param shut_from_guest the WIRE_SHUTDOWN_* flags that the guest has
 * sent so far: data behind WIRE_SHUTDOWN_SEND is a violation.
 */
enum conn_action conn_state_action(enum conn_state state, uint16_t op, uint32_t shut_from_guest);

/** Name for telemetry, lower case. Context: any. */
const char *conn_state_name(enum conn_state state);

#endif
