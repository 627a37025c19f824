/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ST_PAIR_H
#define ST_PAIR_H

/**
 * @file
 * Ping-pong as in st_ping.h, by threads that sleep until the device calls or the socket has
 * something: one for each end.
 */

#include <stdbool.h>
#include <stdint.h>

#include "st_guest.h"
#include "st_host.h"

#define ST_PAIR_NB_GUESTS 3u

/**
 * Opens, plays, and resets the connections. The guests' and the host's waits must be as long as a
 * stall: who waits does not look by himself.
 *
 * Context: main; the guests and the host are the threads' meanwhile.
 *
 * @param host beside the third guest
 * @param from_guest the first guest pings the second
 * @param with_host the host pings the third guest
 * @param until_us st_now_us()'s time
 * @return pings that were answered
 */
uint64_t st_pairs_play(struct st_guest guests[ST_PAIR_NB_GUESTS], struct st_host *host,
	bool from_guest, bool with_host, uint64_t until_us);

#endif /* ST_PAIR_H */
