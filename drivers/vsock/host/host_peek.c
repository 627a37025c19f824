/* SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>
#include <sys/socket.h>

#include "host/host_peek.h"

static ssize_t
look(int fd)
{
	/* A read into too small a buffer truncates a message, so ask for its size first. */
	return recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
}

/*
 * Linux checks the queue of a SEQPACKET socket and the end of file without one lock over both. If a
 * message and the end arrive between the two checks, recv() reports only the end. No message
 * follows an end, so a second check is right.
 */
ssize_t
host_peek(int fd)
{
	ssize_t n = look(fd);

	return n != 0 ? n : look(fd);
}
