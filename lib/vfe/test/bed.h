/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BED_H
#define BED_H

/**
 * @file
 * A test bed: two guests of lib/vfe at the loopback back end. Guest 0 opens connections, guest 1
 * accepts them. What is sent follows vfe_pattern.h with seed 1.
 *
 * Context: one thread. What fails ends the test; every wait ends after BED_TIMEOUT_S.
 */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "lo.h"
#include "vfe.h"

#define BED_TIMEOUT_S 60
#define BED_PORT      1234u /**< On which guests accept. */

/** Results of the callbacks of a guest. */
struct bed_end {
	struct vfe_conn *conn;     /**< Asked for; NULL: over. */
	struct vfe_conn *accepted; /**< NULL: none, or over. */
	unsigned int nb_closed;
	bool by_rst;
	unsigned int nb_messages;
	uint64_t bad_at; /**< Offset of the first wrong byte + 1. */
};

struct bed {
	struct lo *lo;
	struct vfe_guest *g[2];
	struct bed_end ends[2];
	time_t deadline;
};

/** Sockets of the two guests: vhost-user, and base paths of the host side. */
extern char bed_paths[2][64], bed_uds[2][64];

/** Makes the folder of the sockets. */
void bed_init(void);

/** Removes the folder, which must be empty. */
void bed_fini(void);

/** Starts the back end and both guests. @param conf of both; path, ops and user are set here */
void bed_open(struct bed *bed, struct vfe_guest_conf conf, enum lo_fault fault);

/** Stops everything. */
void bed_close(struct bed *bed);

/** Handles what there is, or sleeps until a call comes, or @p also_fd (-1: none) is readable. */
void bed_step(struct bed *bed, int also_fd);

/** Opens a connection from guest 0 to guest 1. */
void bed_open_pair(struct bed *bed, enum vfe_type type);

/** Closes it from guest 0. */
void bed_close_pair(struct bed *bed);

/** Checks that there was neither a fault nor a wrong byte. */
void bed_check_clean(const struct bed *bed);

/** Sends @p total bytes in both directions at once, in sizes from 1 byte to above a packet's. */
void bed_transfer(struct bed *bed, uint64_t total);

#endif /* BED_H */
