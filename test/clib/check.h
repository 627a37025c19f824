/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_CHECK_H
#define TEST_CHECK_H

/**
 * @file
 * Assertions of the C tests. The first that fails prints its place and values, and ends the program
 * with status 1.
 */

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Exit status of a test that cannot run here; print the reason before. */
#define CHECK_SKIP 77

/** Whether ThreadSanitizer is in the program. */
#if defined(__SANITIZE_THREAD__)
#define CHECK_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CHECK_TSAN 1
#endif
#endif
#ifndef CHECK_TSAN
#define CHECK_TSAN 0
#endif

/** Fail unless @p cond holds. */
#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #cond);       \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

/** Fail unless two integers are equal; prints both. */
#define CHECK_EQ(got, want) check_eq(__FILE__, __LINE__, #got, (int64_t)(got), (int64_t)(want))

/** Fail unless @p len bytes are equal; prints where they differ. */
#define CHECK_MEM(got, want, len) check_mem(__FILE__, __LINE__, #got, (got), (want), (len))

/** Run a test function and say so. */
#define RUN(fn)                                                                                    \
	do {                                                                                       \
		printf("%s\n", #fn);                                                               \
		fflush(stdout);                                                                    \
		fn();                                                                              \
	} while (0)

/** Behind CHECK_EQ(). */
static inline void
check_eq(const char *file, int line, const char *what, int64_t got, int64_t want)
{
	if (got == want)
		return;
	fprintf(stderr, "%s:%d: %s is %" PRId64 " (%#" PRIx64 "), expected %" PRId64 "\n", file,
		line, what, got, (uint64_t)got, want);
	exit(1);
}

/** Behind CHECK_MEM(). */
static inline void
check_mem(
	const char *file, int line, const char *what, const void *got, const void *want, size_t len)
{
	const uint8_t *g = got;
	const uint8_t *w = want;

	for (size_t i = 0; i < len; i++) {
		if (g[i] == w[i])
			continue;
		fprintf(stderr, "%s:%d: %s: byte %zu of %zu is %#x, expected %#x\n", file, line,
			what, i, len, g[i], w[i]);
		exit(1);
	}
}

#endif
