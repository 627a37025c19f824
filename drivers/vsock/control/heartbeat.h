/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_HEARTBEAT_H
#define VSOCK_HEARTBEAT_H

/**
 * @file
 * Checks that the threads of a switch make progress: each lcore and the listener thread answer a
 * message between two checks, and no pool of lib/wq stalls. The daemon feeds the watchdog of its
 * service manager only then.
 */

#include <stddef.h>

struct vsock_switch;
struct heartbeat;

/** Start. Context: main; the switch runs. @return 0; -ENOMEM. */
int heartbeat_start(struct vsock_switch *sw, struct heartbeat **out);

/** Free. NULL is allowed. Context: main; the lcores have stopped. */
void heartbeat_free(struct heartbeat *hb);

/**
 * Check the answers to the messages of the last call, and send new ones. Never blocks.
 * Context: main; the switch runs.
 * @param culprit filled with what makes no progress, for example "lcore 1"; empty: all is well.
 * @param len bytes of @p culprit.
 * @return 0 all made progress, or this is the first call; -ETIMEDOUT.
 */
int heartbeat_check(struct heartbeat *hb, char *culprit, size_t len);

#endif
