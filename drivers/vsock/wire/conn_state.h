/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_CONN_STATE_H
#define VSOCK_CONN_STATE_H

/**
 * @file
 * The states of one guest's end of a connection, and the action for each packet from that guest in
 * each state (virtio 1.2, 5.10.6.5 and 5.10.6.6). The whole protocol is one table. Builds without
 * EAL.
 */

#include <stdint.h>

#include "wire/wire.h"

/** State of one guest's end. */
enum conn_state {
	/** There is no connection. */
	CONN_NONE,
	/** The guest sent REQUEST. The other end has not answered yet. */
	CONN_FROM_GUEST,
	/** The guest gets, or got, a REQUEST. It has not answered yet. */
	CONN_TO_GUEST,
	/** Both ends accepted. One direction may be shut down. */
	CONN_OPEN,
	/** The guest was sent SHUTDOWN of both directions. It must answer with RST. */
	CONN_CLOSING,
	/** The guest shut down both directions. Its data is being delivered; then it gets RST. */
	CONN_FLUSHING,
	/** The connection ended. An RST is queued for the guest, after data for it. */
	CONN_DRAINING,
	CONN_NB_STATES,
};

/** Action for a packet from the guest. */
enum conn_action {
	CONN_ACT_IGNORE,       /**< do nothing */
	CONN_ACT_DROP,         /**< drop and count; the guest has not seen its RST yet */
	CONN_ACT_REPLY_RST,    /**< there is no connection: answer with RST */
	CONN_ACT_CREATE,       /**< create a connection from the guest */
	CONN_ACT_ESTABLISH,    /**< the guest accepted: open the connection */
	CONN_ACT_DATA,         /**< deliver the payload */
	CONN_ACT_CREDIT,       /**< take only the credit values of the packet */
	CONN_ACT_CREDIT_REPLY, /**< answer with the current credit values */
	CONN_ACT_SHUTDOWN,     /**< forward the shutdown */
	CONN_ACT_RESET,        /**< the guest reset it: do not answer, reset the other end */
	CONN_ACT_DETACH,       /**< the guest forgot it: free the addresses, go on delivering */
	CONN_ACT_VIOLATION,    /**< protocol error: reset both ends */
};

/**
 * Look up the action for a packet. Context: any.
 * @param op WIRE_OP_*; another value counts as an unknown operation.
 * @param shut_from_guest the WIRE_SHUTDOWN_* flags that the guest has sent so far. Data after
 * WIRE_SHUTDOWN_SEND is a violation.
 * @return the action.
 */
enum conn_action conn_state_action(enum conn_state state, uint16_t op, uint32_t shut_from_guest);

/** @return the name for telemetry, lower case, constant; "?" for an invalid state. Context: any. */
const char *conn_state_name(enum conn_state state);

#endif
