/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PG_RESULT_H
#define PG_RESULT_H

/**
 * @file
 * The result of a run.
 *
 * Context: the thread of the run.
 */

#include <stdbool.h>
#include <stdint.h>

#include "vfe.h"
#include "pg_cpu.h"
#include "pg_hist.h"

/** Also the program's exit status. */
enum pg_status {
	PG_OK = 0,
	PG_ERROR = 1,      /**< The run could not be set up. */
	PG_CORRUPTION = 2, /**< Bytes that are not what was sent there. */
	PG_LOSS = 3,       /**< Bytes or connections that never came. */
	PG_STALL = 4,      /**< Nothing moved for too long. */
	PG_FAULT = 5,      /**< The device broke the rules of the protocol. */
};

/** Totals since the start; a run's figures are differences. */
struct pg_counts {
	uint64_t bytes;    /**< Payload at its receivers. */
	uint64_t messages; /**< Sent. */
	uint64_t round_trips;
	uint64_t connections; /**< Opened and closed. */
	uint64_t packets_from_guest;
	uint64_t packets_to_guest;
	uint64_t data_from_guest; /**< Packets with payload. */
	uint64_t data_to_guest;
	uint64_t credit_from_guest; /**< CREDIT_UPDATE packets. */
	uint64_t credit_to_guest;
	uint64_t kicks;      /**< Sent to the device. */
	uint64_t calls;      /**< Received from it. */
	uint64_t host_reads; /**< Of host programs, with data. */
	uint64_t host_writes;
};

struct pg_result {
	enum pg_status status;
	char detail[320];        /**< What is wrong, in words. */
	double seconds;          /**< Measured, without warm-up. */
	double setup_s;          /**< Until all connections were open. */
	uint32_t nb_open;        /**< Connections that were open. */
	struct pg_counts counts; /**< Of the measured time. */
	struct pg_hist hist;     /**< Round trips, or connections from asking to the end. */
	const char *hist_of;     /**< What @a hist holds; NULL: nothing. */
	bool has_cpu;
	struct pg_cpu cpu_before;
	struct pg_cpu cpu_after;
	uint64_t self_cpu_ns; /**< CPU time of this thread. */
	uint64_t faults[VFE_NB_FAULTS];
	uint64_t backend_features; /**< Agreed with the first guest's device. */
};

/** Sets status and detail unless something was wrong before: the first cause is told. */
void pg_result_fail(struct pg_result *result, enum pg_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** @return "ok", "corruption", ... */
const char *pg_result_status_name(enum pg_status status);

/** Subtracts what was counted @p before. */
void pg_result_counts_since(struct pg_counts *counts, const struct pg_counts *before);

/** @return the name of counter @p i of struct pg_counts, as in JSON; NULL behind the last one */
const char *pg_result_counter_name(unsigned int i);

/** @return the value of counter @p i, which must exist */
uint64_t pg_result_counter(const struct pg_counts *counts, unsigned int i);

#endif /* PG_RESULT_H */
