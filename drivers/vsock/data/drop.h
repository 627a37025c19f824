/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_DROP_H
#define VSOCK_DROP_H

/**
 * @file
 * The reasons why packets are dropped, requests refused, connections reset and devices stopped.
 * Each reason has a counter in struct port_stats. The names are an interface: telemetry prints
 * them.
 */

/** Why something was dropped, refused, reset or stopped. */
enum drop_reason {
	DROP_NONE,
	/* Packets of the guest that were not delivered. */
	DROP_BAD_CHAIN,    /**< refused by the ring: loop, outside of memory, wrong direction */
	DROP_SHORT_HEADER, /**< chain shorter than a header */
	DROP_BAD_LEN,      /**< len above 64 KiB or above the chain */
	DROP_BAD_SRC_CID,  /**< source is not the guest's own CID */
	DROP_BAD_TYPE,     /**< neither stream nor seqpacket, or not the connection's */
	DROP_BAD_OP,       /**< unknown operation */
	DROP_NO_CONN,      /**< an operation outside of a connection */
	DROP_BAD_STATE,    /**< out of place in the connection's state */
	DROP_OVER_CREDIT,  /**< more than the receiver's credit */
	DROP_LATE,         /**< for a connection whose RST is on its way to the guest */
	DROP_HOST_SHUT,    /**< the host program does not read any more */
	DROP_MSG_CUT,      /**< a message whose end the guest will not send */
	/* Requests of the guest that were refused. */
	DROP_UNKNOWN_CID,  /**< no such guest */
	DROP_NOT_IN_GROUP, /**< the two guests share no group */
	DROP_NO_GUEST,     /**< the other guest is not there */
	DROP_CONN_LIMIT,   /**< max_conns reached, here or at the other guest */
	DROP_CONN_EXISTS,  /**< the pair of addresses is still in use */
	DROP_NO_HOST_PATH, /**< the port has no uds, or its path would be too long */
	DROP_HOST_REFUSED, /**< no listener on the host */
	DROP_HOST_BACKLOG, /**< the backlog of the listener on the host stayed full */
	DROP_HOST_TYPE,    /**< the listener on the host has another socket type */
	DROP_HOST_DENIED,  /**< no permission for the listener's socket on the host */
	DROP_NO_RESOURCES, /**< no descriptor, memory or message for a host connection */
	/* Requests of others that were refused. */
	DROP_GUEST_REFUSED, /**< the guest answered REQUEST with RST: mostly no listener */
	DROP_BAD_LINE,      /**< a host program's first line was no CONNECT line */
	DROP_LINE_TIMEOUT,  /**< a host program sent no complete line in time, or closed before */
	/* Connections that were reset. */
	DROP_POOL_EXHAUSTED,  /**< no pool memory for data that the receiver did not take */
	DROP_PAIR_LIMIT,      /**< too much of one guest's data waits at another */
	DROP_MSG_TOO_BIG,     /**< a message larger than the receiver's buffer */
	DROP_EMPTY_MSGS,      /**< empty messages that nobody reads */
	DROP_HOST_ERROR,      /**< an error of the host program's socket, or it closed unread */
	DROP_CONNECT_TIMEOUT, /**< no answer to REQUEST */
	DROP_CLOSE_TIMEOUT,   /**< no RST after both directions were shut */
	DROP_LINGER_TIMEOUT,  /**< the host program did not take the rest */
	DROP_GUEST_GONE,      /**< the guest, its driver or its front end went away */
	/* Receive buffers of the guest. */
	DROP_RX_BAD_CHAIN, /**< refused by the ring */
	DROP_RX_TOO_SMALL, /**< no room for a header and a byte */
	/* The device. */
	DROP_RING_BROKEN,  /**< avail index jumped or head out of range: the device was stopped */
	DROP_MEMORY_GONE,  /**< the front end took guest memory away under us: device stopped */
	DROP_CALL_BLOCKED, /**< the front end's call eventfd blocked: device stopped */
	DROP_NB,
};

/** @return the name of a reason, lower case with underscores; NULL for DROP_NONE. Context: any. */
const char *drop_reason_name(enum drop_reason reason);

#endif
