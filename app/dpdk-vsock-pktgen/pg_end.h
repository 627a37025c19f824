/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PG_END_H
#define PG_END_H

/**
 * @file
 * One end of a connection: bytes out, bytes in, in a guest or in a host program.
 *
 * Context: the thread of the run.
 */

#include "pg_data.h"

/** Callbacks of a guest whose @a user is its struct pg_guest. */
extern const struct vfe_guest_ops pg_end_ops;

/** Makes an end without connection. @return the end, which the run owns; NULL: no memory */
struct pg_end *pg_end_new(struct pg_run *run, struct pg_guest *guest, uint8_t side);

/** Closes the socket and frees the end, now or when it leaves the list of readable ends. */
void pg_end_free(struct pg_end *end);

/** Adds the socket of a host program to epoll. A failure is the result's. */
void pg_end_watch(struct pg_end *end);

/** Puts the end into the list of readable ends, unless it is there. */
void pg_end_ready(struct pg_end *end);

/** Makes the end a side of @p conn. Seeds of contents and sizes follow from the connection. */
void pg_end_attach(struct pg_end *end, struct pg_conn *conn);

/** Starts a message of @p len bytes; pg_end_push() sends it. */
void pg_end_message(struct pg_end *end, uint32_t len);

/**
 * Sends as much of the message under way as possible.
 *
 * @param budget at most this many packets (guest) or writes (host)
 * @return packets or writes; 0: nothing can be sent now
 */
unsigned int pg_end_push(struct pg_end *end, unsigned int budget);

/** Reads from a host program's socket, at most @p budget times. @return reads with a result */
unsigned int pg_end_read(struct pg_end *end, unsigned int budget);

/** Closes the connection from this end. end->closing stays false if it must be tried again. */
void pg_end_close(struct pg_end *end);

#endif /* PG_END_H */
