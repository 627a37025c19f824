/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PG_DATA_H
#define PG_DATA_H

/**
 * @file
 * The types of a run against a back end: guests, the ends of connections in guests and on the
 * host, and what the connections do.
 *
 * All of it belongs to one thread. A connection has two ends. Side 0 asked for the connection and
 * says with its first PG_PREAMBLE_LEN bytes which connection it is, so that the other end is found
 * in any order of the connections. The bytes behind follow from seed and offset alone.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pg_conf.h"
#include "pg_live.h"
#include "pg_result.h"
#include "pg_sizes.h"
#include "vfe.h"

#define PG_PREAMBLE_LEN  8u
#define PG_PREAMBLE_MARK UINT64_C(0x7673706b00000000) /**< In the upper half; below: the index. */

struct pg_run;
struct pg_conn;

/** Kind of the object that an epoll event points to; its first member. */
enum pg_source {
	PG_SOURCE_CALL,   /**< A guest's call descriptors: struct pg_guest. */
	PG_SOURCE_LISTEN, /**< A host program's listening socket: struct pg_guest. */
	PG_SOURCE_END,    /**< A host program's connection: struct pg_end. */
};

struct pg_watch {
	enum pg_source source;
};

struct pg_guest {
	struct pg_watch call;
	struct pg_watch listen;
	struct pg_run *run;
	const struct pg_guest_conf *conf;
	struct vfe_guest *fe;
	uint64_t answered_ns; /**< When a connection to it, or through it, was opened; 0: never. */
	int listen_fd;
	bool busy; /**< Has connections that do something: polled in each round. */
	bool due;  /**< A call came: polled in the next round. */
};

/** One end of a connection. */
struct pg_end {
	struct pg_watch watch;
	struct pg_run *run;
	struct pg_guest *guest; /**< The guest that it is in, or through whose sockets it goes. */
	struct pg_conn *conn;   /**< NULL: accepted, and the preamble has not come. */
	struct vfe_conn *fe;    /**< In a guest: its connection; NULL: on the host. */
	int fd;                 /**< On the host: the socket; -1: in a guest. */
	uint8_t side;           /**< 0: asked for the connection. */
	bool open;
	bool closing;     /**< Closed by us: its end is expected. */
	bool readable;    /**< Host: there may be something to read. */
	bool writable;    /**< Host: the socket may take something. */
	bool queued;      /**< In the run's list of readable ends. */
	bool hot;         /**< Host: read in each round, epoll or not. */
	uint32_t msg_len; /**< Of the message that is being sent. */
	uint32_t msg_left;
	uint32_t rx_msg_len; /**< Of the message that is being received. */
	uint64_t tx_len;
	uint64_t rx_len;
	uint64_t progress_ns; /**< When it received something last. */
	uint64_t tx_seed;
	uint64_t rx_seed;
	struct pg_rng tx_sizes;
	struct pg_rng rx_sizes;
	uint8_t preamble[PG_PREAMBLE_LEN];
	struct pg_end *next; /**< In the list of readable ends, or of free ones. */
};

enum pg_conn_state {
	PG_CONN_NONE,
	PG_CONN_OPENING, /**< Asked for; or open on one side only. */
	PG_CONN_OPEN,
	PG_CONN_CLOSING,
	PG_CONN_CLOSED,
};

struct pg_conn {
	struct pg_end *ends[2];
	struct pg_guest *from; /**< In it, or through its sockets, the connection is asked for. */
	struct pg_guest *to;   /**< The guest that is asked, or FROM for the host. */
	uint64_t started_ns;   /**< Of the round trip or connection under way; 0: none. */
	uint64_t next_ns;      /**< When the next one, or the next change of on and off, is due. */
	uint32_t idx;
	uint32_t ping_len;
	uint8_t state; /**< enum pg_conn_state */
	uint8_t path;  /**< enum pg_path */
	uint8_t role;  /**< enum pg_role */
	bool on;       /**< Sends (stream, on-off). */
};

enum pg_phase {
	PG_PHASE_OPEN,
	PG_PHASE_WARMUP,
	PG_PHASE_MEASURE,
	PG_PHASE_DRAIN,
	PG_PHASE_CLOSE,
	PG_PHASE_DONE,
};

/** Callbacks for ends and connections; pg_setup() sets them to functions of the floors above. */
struct pg_events {
	/** The host program's socket has an answer, or the RESPONSE came. */
	void (*answer)(struct pg_end *end);
	/** The preamble of an accepted end is complete. */
	void (*identified)(struct pg_end *end);
	/** The connection is over at this end. */
	void (*ended)(struct pg_end *end);
	/** Payload behind the preamble came; end->rx_msg_len counts it already. */
	void (*received)(struct pg_end *end, bool end_of_message);
	/** Both ends of a connection are known. */
	void (*opened)(struct pg_conn *conn);
};

struct pg_run {
	const struct pg_conf *conf;
	struct pg_events events;
	struct pg_result *result;
	struct pg_live *live;
	struct pg_guest *guests;
	struct pg_conn *conns;
	uint32_t nb_conns; /**< All: measured, load and idle ones. */
	uint32_t nb_open;
	uint32_t nb_opening;
	uint32_t *opening; /**< The connections that are being opened. */
	uint32_t nb_closed;
	uint32_t next_to_open;
	uint32_t *active; /**< Connections that are looked at in each round. */
	uint32_t nb_active;
	uint32_t nb_senders; /**< Sending ends, among which the rate is divided. */
	struct pg_rng rng;
	struct pg_conn *probe; /**< idle: the one whose round trip is under way. */
	uint64_t probe_ns;     /**< idle: when the next one is due. */
	struct pg_end *free_ends;
	struct pg_end *ready, **ready_last;
	void **slabs;
	uint32_t nb_slabs;
	struct pg_end *hot_ends[8];
	unsigned int nb_hot;
	uint8_t *io;    /**< PG_IO_LEN bytes to write from. */
	uint8_t *io_in; /**< PG_IO_LEN bytes to read into. */
	int epoll_fd;
	enum pg_phase phase;
	uint64_t now_ns;
	uint64_t start_ns;    /**< Of the run. */
	uint64_t phase_ns;    /**< Start of the phase. */
	uint64_t progress_ns; /**< When anything moved last. */
	uint64_t tick_ns;     /**< When the next look at stalls and the live line is due. */
	uint64_t seconds_told;
	uint64_t nb_refused;       /**< Before anything was answered; asked for again. */
	uint64_t nb_accepted;      /**< connect-*: ends that were accepted. */
	uint64_t nb_accepted_gone; /**< connect-*: and have seen the end. */
	struct pg_counts counts;
	struct pg_counts before; /**< At the start of the measured time. */
	bool armed;              /**< --wait block: calls are asked for, and none has come. */
	bool called;             /**< A call came since the guests were looked at. */
	bool stop;               /**< A signal came. */
};

#endif /* PG_DATA_H */
