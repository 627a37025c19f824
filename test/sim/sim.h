/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_H
#define SIM_H

/**
 * @file
 * Deterministic simulation of the switch: the daemon's own data plane in one thread, in a world
 * that consists of lcores, works, guests and time. A seed determines a run, byte for byte.
 * Context of everything: the one thread of the simulator.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- numbers: one stream for each actor, so that dropping one leaves the others alone ---- */

/** A stream of random numbers. */
struct sim_rand {
	uint64_t state;
};

/** Begin stream @p stream of a seed. */
void sim_rand_init(struct sim_rand *r, uint64_t seed, uint64_t stream);

/** @return a number below @p bound, which is at least 1. */
uint32_t sim_rand(struct sim_rand *r, uint32_t bound);

/** @return true once in @p n times. */
bool sim_chance(struct sim_rand *r, uint32_t n);

/* ---- coroutines ---- */

/** What runs until it waits: an lcore, a work, a thread, a task of the control plane. */
struct sim_co;

/** Start a coroutine. It runs when the schedule chooses it. @param name constant. */
struct sim_co *sim_co_start(const char *name, void (*fn)(void *arg), void *arg);

/** @return true if the function has returned. */
bool sim_co_ended(const struct sim_co *co);

/** Free it; it has ended. */
void sim_co_free(struct sim_co *co);

/** Let others run. Outside of a coroutine: no effect. */
void sim_yield(void);

/** Wait until @p ready returns true, or until the time @p deadline_ns. In a coroutine. */
void sim_wait(bool (*ready)(void *arg), void *arg, uint64_t deadline_ns);

/** @return true if a coroutine can run now. */
bool sim_co_runnable(const struct sim_co *co);

/** Run a coroutine until it yields or ends. */
void sim_co_run(struct sim_co *co);

/** @return coroutine number @p i; NULL behind the last one. */
struct sim_co *sim_co_at(unsigned int i);

/** @return the name. */
const char *sim_co_name(const struct sim_co *co);

/** @return the earliest deadline of a coroutine that waits; UINT64_MAX: none. */
uint64_t sim_co_next_deadline(void);

/* ---- time ---- */

/** The present time, nanoseconds. */
extern uint64_t sim_now_ns;

/* ---- works ---- */

/** @return the time of the next delayed work; UINT64_MAX: none. */
uint64_t sim_wq_next(void);

/** Start works that are due as coroutines. */
void sim_wq_poll(void);

/* ---- descriptors ---- */

/** Make an eventfd. */
int sim_eventfd(void);

/** Signal an eventfd, as a guest's driver does. A closed one: no effect. */
void sim_eventfd_signal(int fd);

/** @return the count of an eventfd, which becomes 0. */
uint64_t sim_eventfd_take(int fd);

/** @return descriptors that are open. */
unsigned int sim_nb_fds(void);

/* ---- faults ---- */

/** Report a fault of the switch, with the seed, and end the process with status 1. */
_Noreturn void sim_fault(const char *oracle, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** @return true if --without names the oracle. */
bool sim_ignores(const char *oracle);

/** Print a line of --trace. */
void sim_trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** --trace was given. */
extern bool sim_tracing;

/** Mix a value into the hash of the run. */
void sim_hash(uint64_t value);

#endif
