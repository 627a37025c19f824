/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONFIG_VSOCK_LIMITS_H
#define CONFIG_VSOCK_LIMITS_H

/**
 * @file
 * Build-time limits of the data plane and of the control plane. Every bound that a guest, a front
 * end or a host program can reach is defined here. The name of a constant gives its unit: _LEN
 * bytes, NB_ a count, _MS and _US a time, _SHARE and _DIV a divisor.
 */

/* ---- the switch ---- */

/** Guests in one process. librte_vhost serves about this many connected devices. */
#define LIMIT_NB_PORTS 511
/** Poll lcores in one process, at most 64: an lcore is a bit in some masks. */
#define LIMIT_NB_LCORES 64
/** Different group names in use at the same time, at most 64: a group is a bit in a mask. */
#define LIMIT_NB_GROUPS 64
/** Groups of one port. */
#define LIMIT_NB_GROUPS_PER_PORT 16

/* ---- descriptor chains ---- */

/** Segments of the longest chain that is accepted, those of an indirect table included. */
#define LIMIT_CHAIN_NB_SEGS 1024u

/* ---- the turns of an lcore ---- */

/** Values of --spin-us: time without work before an lcore or a port sleeps. */
#define LIMIT_SPIN_US_DEFAULT 1000u
#define LIMIT_SPIN_US_MAX     10000000u

/** Chains taken from one guest before the lcore serves the next guest. */
#define LIMIT_BURST_NB_PKTS 64
/** Payload taken from one guest before the lcore serves the next guest. */
#define LIMIT_BURST_LEN (96u * 1024)
/** RX buffers of one guest filled before the lcore serves the next guest. */
#define LIMIT_BURST_NB_TO_GUEST 128
/** RX descriptors of one guest that are looked at before the lcore serves the next guest. */
#define LIMIT_BURST_NB_RX_DESCS 2048
/** Payload that each descriptor of a long TX chain counts as, so that LIMIT_BURST_LEN bounds it. */
#define LIMIT_DESC_COST_LEN 48u
/** RX buffers that one connection fills in its turn. The guest sees them after the turn. */
#define LIMIT_TURN_NB_BUFFERS 24
/** Payload that one connection writes in its turn. */
#define LIMIT_TURN_LEN (96u * 1024)
/** Connections of one lcore whose timers expire in one iteration of the loop. */
#define LIMIT_EXPIRE_NB_CONNS 256
/** Connections of one port that are reset in one iteration of the loop. */
#define LIMIT_CLEAR_NB_CONNS 256

/* ---- packet objects and messages ---- */

/**
 * Packet objects of one lcore, more if it has many guests. Each holds a part of a loaned chain, or
 * a message. They are divided among the guests, apart from the reserved ones.
 */
#define LIMIT_NB_PKTS_PER_LCORE 8192
/** Packet objects that every guest of an lcore may have under way, however many guests it has. */
#define LIMIT_NB_PKTS_PER_PORT_MIN 128
/** Packet objects of one lcore for messages that end connections, and for control. */
#define LIMIT_NB_PKTS_RESERVED 256
/** Entries of the ring between an ordered pair of lcores; a power of two. */
#define LIMIT_NB_XRING 1024
/** Packets staged for one other lcore before chains for it stay in the guests' rings. */
#define LIMIT_NB_STAGED (LIMIT_NB_XRING / 4)
/** Entries of an lcore's inbox; a power of two. */
#define LIMIT_NB_INBOX 4096

/* ---- pool memory ---- */

/** Bytes of pool memory for data that cannot stay in guest memory, all ports together. */
#define LIMIT_POOL_LEN (96u * 1024 * 1024)
/** The pool may be smaller when EAL's memory is, down to LIMIT_POOL_LEN / LIMIT_POOL_MIN_DIV. */
#define LIMIT_POOL_MIN_DIV 16
/** Share of the pool that is common to all ports: 1/2. The rest is divided among the ports. */
#define LIMIT_POOL_COMMON_SHARE 2
/** Share of the common part that one port may use: 1/4. */
#define LIMIT_PORT_COMMON_SHARE 4
/** Pool bytes that one guest's data may occupy at one other guest. */
#define LIMIT_PAIR_POOL_LEN (16u * 1024 * 1024)
/** Share of a guest's TX ring that one other guest may hold: 1/4. */
#define LIMIT_PAIR_RING_SHARE 4
/** Share of a guest's TX ring that all other guests together may hold: 1/2. */
#define LIMIT_ALL_RING_SHARE 2

/* ---- connections ---- */

/** Values of max_conns: connections of one port at the same time. */
#define LIMIT_NB_CONNS_PER_PORT_DEFAULT 4096u
#define LIMIT_NB_CONNS_PER_PORT_MAX     65536u
/**
 * Parts of max_conns that are left for the guest itself, for host programs, and for guests besides
 * the one that has most: 1/8 each, at most 512.
 */
#define LIMIT_CONNS_PART_SHARE  8u
#define LIMIT_NB_CONNS_PART_MAX 512u
/** max_conns from which on there are such parts. */
#define LIMIT_NB_CONNS_SHARED_MIN 64u
/** Values of buf_alloc: receive window for each host connection. */
#define LIMIT_BUF_ALLOC_LEN_MIN     (4u * 1024)
#define LIMIT_BUF_ALLOC_LEN_DEFAULT (256u * 1024)
#define LIMIT_BUF_ALLOC_LEN_MAX     (16u * 1024 * 1024)

/** Empty messages that may follow one another until the receiver has read a byte. */
#define LIMIT_NB_EMPTY_MSGS 64
/** RSTs for packets without a connection that wait for RX buffers of one guest. */
#define LIMIT_NB_REPLIES 256
/** Host connections of one lcore, those being opened included. RLIMIT_NOFILE bounds them, too. */
#define LIMIT_NB_HOST_CONNS_PER_LCORE 32768
/** First host port of connections that host programs open; above the usual listening ports. */
#define LIMIT_HOST_PORT_FIRST 0x40000000u
/** Bytes of SO_SNDBUF that the kernel does not give to a message (AF_UNIX). */
#define LIMIT_SNDBUF_RESERVED_LEN 32

/** The lcore sends a credit update itself when the guest knows of less free space than this. */
#define LIMIT_CREDIT_URGENT_LEN 65536u
/** ... or than 1/4 of the window, ... */
#define LIMIT_CREDIT_URGENT_SHARE 4
/** ... or when this many steps like the last one would use up the free space that it knows of. */
#define LIMIT_CREDIT_NB_STEPS 3u

/** Bytes that a packet is assumed to cost a Linux guest besides its payload, until it is read. */
#define LIMIT_PKT_COST_LEN 1024u
/** Bytes of the largest packet that Linux stores behind the last one, and that costs nothing. */
#define LIMIT_PKT_JOINED_LEN 128u

#define LIMIT_CONNECT_MS 10000 /**< for a guest's answer to REQUEST */
#define LIMIT_CLOSE_MS   8000  /**< for a guest's RST after both directions were shut */
#define LIMIT_LINGER_MS  30000 /**< for a program to read the rest after a close */
#define LIMIT_ASK_MS     10    /**< between credit requests to a guest that reads slowly */
#define LIMIT_NB_ASKS    8     /**< such requests; after them LIMIT_LOOK_MS is used */
#define LIMIT_LOOK_MS    500   /**< between checks of a connection that does not proceed */
#define LIMIT_STOP_MS    1000  /**< for guests to take their RSTs when the daemon stops */

/* ---- host programs ---- */

/** Host programs of one guest that have connected and not completed their CONNECT line. */
#define LIMIT_NB_HANDSHAKES_PER_PORT 128
/** Bytes of a CONNECT line, the newline included. */
#define LIMIT_CONNECT_LINE_LEN 32
/** Connections accepted from one listener before other events are handled. */
#define LIMIT_ACCEPT_BURST_NB_CONNS 32
/** Backlog of a listener: connections that the kernel queues. */
#define LIMIT_LISTEN_BACKLOG_NB_CONNS 1024
/** Events of one epoll_wait() of the listener thread. */
#define LIMIT_LISTEN_NB_EVENTS 32

#define LIMIT_HANDSHAKE_MS       10000 /**< for a host program's CONNECT line */
#define LIMIT_CONNECT_BACKLOG_MS 2000  /**< for a host listener whose backlog is full */
#define LIMIT_CONNECT_RETRY_US   10000 /**< between two connect() to such a listener */
#define LIMIT_ACCEPT_RETRY_MS    20    /**< before a listener accepts again after an error */
/** Time between the two samples of the busiest connections if the last one is too old. */
#define LIMIT_TOP_SAMPLE_MS 250
/** Age of the last sample up to which it is used. */
#define LIMIT_TOP_AGE_MS 5000
/** Log lines of one kind that guests and host programs can cause, in LIMIT_LOG_PERIOD_MS. */
#define LIMIT_LOG_NB_LINES  5u
#define LIMIT_LOG_PERIOD_MS 10000u
/** As above, for debug lines about connections of one lcore. */
#define LIMIT_CONN_LOG_NB_LINES 1000u

/* ---- front ends ---- */

/** For a front end to send the rest of a message, since one thread serves all front ends. */
#define LIMIT_VHOST_MSG_MS 1000
/** Log lines about one front end that are written at once. Then one line a second is written. */
#define LIMIT_VHOST_REPORT_NB_LINES 10

/* ---- timers of the slow path ---- */

/** Between two ticks of an lcore's connection timers. */
#define LIMIT_TICK_US 250000
/** Between two quick ticks, for CONN_TIMER_ASK. */
#define LIMIT_TICK_SOON_US (LIMIT_ASK_MS * 1000)
/** Closes of sockets within this time are batched. */
#define LIMIT_CLOSE_BATCH_US 1000
/** A close that follows the last one after more than this is not delayed. */
#define LIMIT_CLOSE_ALONE_US (LIMIT_CLOSE_BATCH_US / 4)
/** Between two checks whether the guests have taken their RSTs. */
#define LIMIT_RESET_POLL_US 5000

/** Stall of a pool of lib/wq that the watchdog of the service manager takes for a hang, ms. */
#define LIMIT_WQ_WATCHDOG_MS 5000

/** Between two checks for lcores that are blocked in a write to a call eventfd. */
#define LIMIT_WATCH_US 500000
/** The same after a blocked lcore was found ... */
#define LIMIT_WATCH_QUICK_US 2000
/** ... for so many checks. */
#define LIMIT_WATCH_NB_QUICK 5000

#endif
