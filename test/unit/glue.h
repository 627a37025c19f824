/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_GLUE_H
#define TEST_GLUE_H

/**
 * @file
 * Shared by the tests of vhost.c: EAL, a folder for sockets, ports on them.
 *
 * The event thread of librte_vhost notices a new listener when any event wakes it, or after one
 * second. A front end that stays connected to a port of its own therefore sends a message after
 * each vhost_attach().
 *
 * Context: the main thread of the test. What fails ends the test.
 */

#include <stdbool.h>
#include <stdint.h>

#include "glue_port.h"

/** Two sockets in the test's folder. */
extern char glue_path[PORT_PATH_LEN];
extern char glue_other_path[PORT_PATH_LEN];

/** Starts EAL without devices, the thread of glue_port.c, and the front end that wakes. */
void glue_init(void);

/** Undoes glue_init(). The folder must be empty. */
void glue_fini(void);

/** Wakes the event thread of librte_vhost. */
void glue_wake(void);

/** @return a port that is not attached */
struct port *glue_new_port(const char *path, uint32_t cid, bool client);

/** glue_new_port(), vhost_attach(), glue_wake(). @return the port */
struct port *glue_attach(const char *path, uint32_t cid, bool client);

/** Detaches and frees a port. */
void glue_detach(struct port *port);

/** @return open descriptors of the process */
int glue_count_fds(void);

/** Waits up to 5 s until @p want descriptors are open. */
void glue_wait_fds(int want);

#endif
