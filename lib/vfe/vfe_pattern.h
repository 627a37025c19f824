/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFE_PATTERN_H
#define VFE_PATTERN_H

/**
 * @file
 * Bytes that follow from a stream's seed and their offset. A receiver can therefore check each byte
 * without the sender's help, and detects changed, lost, repeated and moved bytes.
 *
 * Context: pure functions.
 */

#include <stdint.h>

/** Writes the bytes @p off to @p off + @p len of the stream @p seed. */
void vfe_pattern_fill(uint64_t seed, uint64_t off, void *buf, uint32_t len);

/** @return the index in @p buf of the first byte that is not the stream's; @p len: all are */
uint32_t vfe_pattern_check(uint64_t seed, uint64_t off, const void *buf, uint32_t len);

#endif /* VFE_PATTERN_H */
