/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_HOST_LINE_H
#define VSOCK_HOST_LINE_H

/**
 * @file
 * The first line of a host program: "CONNECT <port>\n", at most LIMIT_CONNECT_LINE_LEN bytes, in
 * any case. Spaces, tabs and carriage returns may stand around both words. The line may arrive in
 * several parts.
 */

#include <stdbool.h>
#include <stdint.h>

#include "vsock_limits.h"

/** The part of a line that was received. All zero at first. */
struct host_line {
	uint32_t len;                          /**< bytes */
	char text[LIMIT_CONNECT_LINE_LEN + 1]; /**< with room for a terminating zero */
};

/**
 * Read from the socket up to the end of the line. Bytes after the line stay in the socket, because
 * they are for the guest. Does not block.
 * Context: any thread; one at a time for each line.
 * @param fd the program's socket; not owned.
 * @param seqpacket true: a message is one line, with or without a newline.
 * @param port set to the requested port if 0 is returned.
 * @return 0 the line is complete; -EAGAIN more has to come; -EBADMSG not a CONNECT line; -EMSGSIZE
 * too long; -ECONNRESET the program has closed; -errno of recv().
 */
int host_line_read(struct host_line *line, int fd, bool seqpacket, uint32_t *port);

#endif
