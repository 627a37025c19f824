/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCKD_NUMBER_H
#define VSOCKD_NUMBER_H

/** @file Decimal numbers of options and of telemetry's parameters. Context: any thread. */

#include <stdint.h>

/** Parse a decimal number up to @p max. @param out set after success. @return 0; -EINVAL. */
int number_parse(const char *text, uint32_t max, uint32_t *out);

#endif
