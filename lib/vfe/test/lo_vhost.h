/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LO_VHOST_H
#define LO_VHOST_H

/**
 * @file
 * The back end's side of the vhost-user protocol.
 *
 * Context: the back end's thread.
 */

#include "lo.h"

/** Handles one message of a front end. @return 0; -1: the connection is over */
int lo_vhost_message(struct lo_guest *guest);

/** Closes the connection of a front end, its rings and its memory. */
void lo_vhost_gone(struct lo_guest *guest);

/** @return the place of @p len bytes at guest address @p gpa; NULL: not in one region */
void *lo_vhost_va(const struct lo_guest *guest, uint64_t gpa, uint64_t len);

#endif /* LO_VHOST_H */
