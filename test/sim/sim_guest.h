/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_GUEST_H
#define SIM_GUEST_H

/**
 * @file
 * Honest guests: memory, a split-ring driver, and connections between each other. They check each
 * byte, the order of packets, credit, and that chains that are with the device stay untouched.
 */

#include "sim.h"

/** Guests of a run at most. */
#define SIM_NB_GUESTS 4

/** @return true if the guest has something to do. */
bool sim_guest_runnable(unsigned int i);

/** Do one thing. */
void sim_guest_step(unsigned int i);

/** Begin nothing new from now on. */
void sim_guests_finish(void);

/** @return true if all that was accepted has arrived, and nothing is under way. */
bool sim_guests_at_rest(void);

/** Report what is missing, if anything is. */
void sim_guests_check_end(void);

/** After each step: each loan belongs to a chain that is with the device. */
void sim_check_custody(void);

/** Guests send chains that need several packet objects. */
extern bool sim_long_chains;

/** Packets that guests sent and received, and bytes that they checked. */
extern uint64_t sim_nb_packets, sim_nb_bytes;

#endif
