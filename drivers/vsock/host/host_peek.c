/* SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>
#include <sys/socket.h>

#include "host/host_peek.h"

static ssize_t
look(int fd)
{
	/* A read that is too small cuts a message silently: its size first. */
	return recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
}

/*
 * Linux looks at the queue of a SEQPACKET socket and at its end one after the other, without a lock
 * over both: a message that comes in between, with the end behind it, looks like the end alone.
 * Nothing comes behind an end, so a second look is right.
 */
ssize_t
host_peek(int fd)
{
	ssize_t n = look(fd);

	return n != 0 ? n : look(fd);
}
