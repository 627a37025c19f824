/* SPDX-License-Identifier: BSD-3-Clause */
#include "pg_result.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* The counters by name: what is in the JSON object's "counts". */
struct counter {
	const char *name;
	size_t offset;
};

#define COUNTER(field)                                                                             \
	{                                                                                          \
#field, offsetof(struct pg_counts, field)                                          \
	}

static const struct counter counters[] = {
	COUNTER(bytes),
	COUNTER(messages),
	COUNTER(round_trips),
	COUNTER(connections),
	COUNTER(packets_from_guest),
	COUNTER(packets_to_guest),
	COUNTER(data_from_guest),
	COUNTER(data_to_guest),
	COUNTER(credit_from_guest),
	COUNTER(credit_to_guest),
	COUNTER(kicks),
	COUNTER(calls),
	COUNTER(host_reads),
	COUNTER(host_writes),
};

#define NB_COUNTERS (sizeof(counters) / sizeof(counters[0]))

const char *
pg_result_counter_name(unsigned int i)
{
	return i < NB_COUNTERS ? counters[i].name : NULL;
}

uint64_t
pg_result_counter(const struct pg_counts *counts, unsigned int i)
{
	uint64_t value;

	memcpy(&value, (const char *)counts + counters[i].offset, sizeof(value));
	return value;
}

void
pg_result_counts_since(struct pg_counts *counts, const struct pg_counts *before)
{
	unsigned int i;

	for (i = 0; i < NB_COUNTERS; i++) {
		const uint64_t value = pg_result_counter(counts, i) - pg_result_counter(before, i);

		memcpy((char *)counts + counters[i].offset, &value, sizeof(value));
	}
}

void
pg_result_fail(struct pg_result *result, enum pg_status status, const char *format, ...)
{
	va_list args;

	if (result->status != PG_OK)
		return;
	result->status = status;
	va_start(args, format);
	vsnprintf(result->detail, sizeof(result->detail), format, args);
	va_end(args);
}

const char *
pg_result_status_name(enum pg_status status)
{
	static const char *const names[] = {
		"ok", "error", "corruption", "loss", "stall", "device fault"};

	return names[status];
}
