/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_HOST_LINE_H
#define VSOCK_HOST_LINE_H

/**
 * @file
 * The line with which a host program says what it wants: "CONNECT <port>\n", at most
 * LIMIT_CONNECT_LINE_LEN bytes, in any number of pieces.
 */

#include <stdbool.h>
#include <stdint.h>

#include "vsock_limits.h"

/** What has come of a line; all zero at first. */
struct host_line {
	uint32_t len;                          /**< bytes */
	char text[LIMIT_CONNECT_LINE_LEN + 1]; /**< room for the end of a string */
};

/**
 * Take what has come of the line, and not a byte behind it: that is the guest's. Never waits.
 * Context: any thread, one at a time for each line.
 * @param fd        the program's socket
 * @param seqpacket each message is a line, with its newline or without
 * @param port      the port asked for, when 0 is returned
 * @return 0: the line is complete and asks for a port; -EAGAIN: more of it has to come;
 * -EBADMSG: it is no such line; -EMSGSIZE: it is too long; -ECONNRESET: the program is gone;
 * -errno of recv().
 */
int host_line_read(struct host_line *line, int fd, bool seqpacket, uint32_t *port);

#endif
