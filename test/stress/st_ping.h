/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ST_PING_H
#define ST_PING_H

/**
 * @file
 * Ping-pong on verified connections, with a pause before each answer. An end does nothing until
 * something came for it, and at most one of the two is to move. If any wake-up is lost, in
 * whichever direction, the connection stands still and the stall check ends the test.
 *
 * Context: one thread for all ends that are given to one call; they never sleep.
 */

#include <stdbool.h>
#include <stdint.h>

#include "st_guest.h"
#include "st_host.h"

/** One end; it is a guest's or a host program's only connection. */
struct st_pinger {
	struct st_pinger *peer;
	struct st_guest *guest; /**< NULL: a host program. */
	struct st_host *host;   /**< NULL: a guest. */
	struct st_flow *flow;   /**< Of the initiator; NULL: this end answers. */
	struct st_rng *rng;
	uint64_t due_ns;     /**< When the pause is over; 0: waits for something to come. */
	uint64_t aim_ns;     /**< Pause after which two of three packets meet a port asleep. */
	uint64_t pinged_ns;  /**< When the ping under way began. */
	uint64_t longest_ns; /**< Ping and answer, pauses included. */
	uint64_t nb_pings;   /**< Answered. */
	uint64_t nb_sends;   /**< Of a guest: times that packets were shown to the device. */
	uint64_t nb_kicks;   /**< Of these, with a kick. */
	uint64_t arm_ns;     /**< When to ask for a call if nothing came by then; 0: never. */
	uint64_t arm_aim_ns; /**< Behind the peer's move; then every other answer is there. */
	uint64_t nb_armed;   /**< Answers that a call told of. */
	bool armed;          /**< Waits for a call and looks at nothing else. */
	bool resting;        /**< Its last ping is answered, and time is up. */
};

/** Makes a flow that was just initiated one that is answered byte by byte. */
void st_ping_begin(struct st_flow *f);

/** @return whether all that was sent came back */
bool st_ping_is_back(const struct st_flow *f);

/** Allows the next bytes: few, and now and then many. */
void st_ping_next(struct st_flow *f, struct st_rng *rng);

/** Sets up; @p guest or @p host is NULL. The caller opens the connection and sets the peer. */
void st_pinger_init(struct st_pinger *p, struct st_guest *guest, struct st_host *host);

/**
 * Plays until a point of time and then until every ping is answered, so that nothing is under way
 * when it returns. A second call goes on with the same connections.
 *
 * @param until_us st_now_us()'s time
 * @param yield give the CPU away when there is nothing to do: the daemon needs it
 */
void st_pingers_play(struct st_pinger *pingers, unsigned int nb, uint64_t until_us, bool yield);

/** Resets the connections, and waits until no end has any. */
void st_pingers_finish(struct st_pinger *pingers, unsigned int nb);

#endif /* ST_PING_H */
