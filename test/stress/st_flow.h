/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ST_FLOW_H
#define ST_FLOW_H

/**
 * @file
 * One end of a verified connection: the bytes that it sends, the bytes that it expects, and whether
 * the way in which it ended was right. Both directions begin with a preamble {flags, seed, length},
 * so that each end knows every byte of the other; the acceptor's seed follows from the initiator's,
 * so that two connections taken for each other are found out. A seqpacket's borders follow from the
 * seed as well.
 *
 * Context: one thread per end.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "st.h"

#define ST_PREAMBLE_LEN 24u

/** Plan of an end. */
enum st_plan {
	ST_PLAN_FULL,  /**< Sends all, receives all; the initiator then closes. */
	ST_PLAN_HALF,  /**< The same, and shuts its direction down behind the last byte. */
	ST_PLAN_CLOSE, /**< Closes at some point in the middle. */
	ST_PLAN_RESET, /**< Resets there (a host program closes with input unread, if there is). */
	ST_PLAN_GIVE_UP, /**< Goes before there is an answer. */
	ST_NB_PLANS,
};

/** How likely what is; percent. */
struct st_policy {
	uint32_t max_len;     /**< Bytes of one direction, the preamble aside. */
	unsigned int half;    /**< ST_PLAN_HALF */
	unsigned int close;   /**< ST_PLAN_CLOSE */
	unsigned int reset;   /**< ST_PLAN_RESET */
	unsigned int give_up; /**< ST_PLAN_GIVE_UP, of initiators. */
	unsigned int seqpacket;
	bool lenient; /**< Connections may be cut for reasons outside of them. */
};

struct st_flow {
	uint64_t tx_seed;
	uint64_t tx_len; /**< With the preamble. */
	uint64_t tx_off;
	uint64_t tx_limit; /**< Not to be passed now. */
	uint64_t rx_seed;
	uint64_t rx_len; /**< 0: not known yet. */
	uint64_t rx_off;
	uint64_t rx_msg_end; /**< seqpacket: where the message under way ends. */
	uint64_t turn_at;    /**< ST_PLAN_CLOSE, _RESET: at this many bytes of both directions. */
	uint64_t moved_us;   /**< Last progress. */
	uint8_t preamble[ST_PREAMBLE_LEN]; /**< Received so far. */
	uint8_t plan;                      /**< enum st_plan */
	uint8_t peer_plan;                 /**< From its preamble. */
	bool initiator;
	bool seqpacket;
	bool echo; /**< The acceptor sends as much as it received, no more and at once. */
	bool refused_expected; /**< The port has no listener. */
	bool opened;
	bool firm; /**< A lenient policy is not meant for this one. */
	const struct st_policy *policy;
};

struct st_flow_stats {
	uint64_t nb_complete; /**< Ends that sent and received everything. */
	uint64_t nb_cut;      /**< Ends that did not, and had reasons. */
	uint64_t nb_refused;
	uint64_t nb_bytes; /**< Received and verified. */
};

/** Initialise an end that opens the connection. */
void st_flow_initiate(struct st_flow *f, const struct st_policy *policy, struct st_rng *rng);

/** Initialise an end that accepts; the preamble sets the rest. */
void st_flow_accept(
	struct st_flow *f, const struct st_policy *policy, bool seqpacket, struct st_rng *rng);

/**
 * @param want at most this much of a stream
 * @param eom whether the piece ends a message
 * @return bytes that may be sent now; of a seqpacket the whole message
 */
uint32_t st_flow_next(const struct st_flow *f, uint32_t want, bool *eom);

/** Writes what is sent from offset @p off on. */
void st_flow_fill(const struct st_flow *f, uint64_t off, void *buf, uint32_t len);

/** @p len bytes were sent. */
void st_flow_sent(struct st_flow *f, uint32_t len);

/** Takes and checks what came. */
void st_flow_receive(struct st_flow *f, const void *buf, uint32_t len);

/** A message's border came. */
void st_flow_border(struct st_flow *f);

/** @return whether all that is to be sent was sent */
bool st_flow_all_sent(const struct st_flow *f);

/** @return whether everything was sent and everything came */
bool st_flow_complete(const struct st_flow *f);

/** @return whether it is time for what the plan has in store (ST_PLAN_CLOSE, _RESET) */
bool st_flow_turns(const struct st_flow *f);

/** Fails when nothing has moved for too long. @param where in the message */
void st_flow_check_stall(const struct st_flow *f, uint64_t now_us, const char *where);

/** The connection is over: fails when it should not be. @param how in the message */
void st_flow_over(const struct st_flow *f, struct st_flow_stats *stats, const char *how);

#endif /* ST_FLOW_H */
