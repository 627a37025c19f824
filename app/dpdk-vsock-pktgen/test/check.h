/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>

/* Ends the test with the place and the two values. */
#define CHECK_EQ(a, b)                                                                             \
	do {                                                                                       \
		const long long check_a = (long long)(a), check_b = (long long)(b);                \
		if (check_a != check_b) {                                                          \
			fprintf(stderr, "%s:%d: %s is %lld, not %s = %lld\n", __FILE__, __LINE__,  \
				#a, check_a, #b, check_b);                                         \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond);         \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

#endif /* CHECK_H */
