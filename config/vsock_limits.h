/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONFIG_VSOCK_LIMITS_H
#define CONFIG_VSOCK_LIMITS_H

/**
 * @file
 * Build-time limits of the data plane, in one place. Every bound that a guest, a front end or a
 * host program can run into stands here, with its unit in its name.
 */

/** Guests in one process; librte_vhost serves about this many connected devices. */
#define LIMIT_NB_PORTS 511
/** Poll lcores in one process. */
#define LIMIT_NB_LCORES 64

/** Chains taken from one guest before the next one is looked at. */
#define LIMIT_BURST_NB_PKTS 64
/** Payload taken from one guest before the next one is looked at. */
#define LIMIT_BURST_LEN (96u * 1024)
/** RX buffers of a guest filled before the next guest is looked at. */
#define LIMIT_BURST_NB_TO_GUEST 128
/** RX buffers that a connection fills in its turn, and their payload. Shown to the guest then. */
#define LIMIT_TURN_NB_BUFFERS 24
#define LIMIT_TURN_LEN        (96u * 1024)

/** Packet objects of one lcore; each stands for a loaned chain, a copy, or a message. */
#define LIMIT_NB_PKTS_PER_LCORE 8192
/** Entries of the ring between an ordered pair of lcores (a power of two). */
#define LIMIT_NB_XRING 1024
/** Entries of an lcore's inbox for the slow path (a power of two). */
#define LIMIT_NB_INBOX 4096

/** Bytes of pool memory for what cannot be held in guest memory, all ports together. */
#define LIMIT_POOL_LEN (96u * 1024 * 1024)
/** Pool bytes that one guest's data may occupy at one other guest. */
#define LIMIT_PAIR_POOL_LEN (16u * 1024 * 1024)
/** Share of a guest's TX ring that one other guest may hold: 1/4; all of them: 1/2. */
#define LIMIT_PAIR_RING_SHARE 4
#define LIMIT_ALL_RING_SHARE  2

/** RSTs for packets without a connection that wait for RX buffers of one guest. */
#define LIMIT_NB_REPLIES 256

/** Host connections of one lcore, opening ones included (bounded by RLIMIT_NOFILE as well). */
#define LIMIT_NB_HOST_CONNS_PER_LCORE 32768
/** Host programs of one guest that have connected and not finished their CONNECT line. */
#define LIMIT_NB_HANDSHAKES_PER_PORT 128
/** Bytes of a CONNECT line, the newline included. */
#define LIMIT_CONNECT_LINE_LEN 32

#define LIMIT_HANDSHAKE_MS       10000 /**< for a host program's CONNECT line */
#define LIMIT_CONNECT_BACKLOG_MS 2000  /**< for a host listener whose backlog is full */
#define LIMIT_CONNECT_MS         10000 /**< for a guest's answer to REQUEST */
#define LIMIT_CLOSE_MS           8000  /**< for a guest's RST after both directions are shut */
#define LIMIT_LINGER_MS          30000 /**< for a host program to take the rest after a close */
#define LIMIT_ASK_MS             10    /**< between credit requests to a slow reader */
#define LIMIT_NB_ASKS            8     /**< of these, then ... */
#define LIMIT_LOOK_MS            500   /**< between looks at what is stuck */
#define LIMIT_STOP_MS            1000  /**< for guests to take their resets when the daemon stops */

#endif
