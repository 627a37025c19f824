/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFE_TABLE_H
#define VFE_TABLE_H

/**
 * @file
 * The connections of a guest: their memory, and a hash table by peer CID, peer port and local port.
 * The table grows with the number of connections and never shrinks.
 *
 * Context: the guest's thread. Internal to lib/vfe.
 */

#include "vfe_data.h"

/** Local ports that the guest takes for itself start here. */
#define VFE_TABLE_FIRST_PORT (1u << 16)

/** Makes an empty table. @return 0 or -ENOMEM */
int vfe_table_init(struct vfe_guest *g);

/** Frees the table with all connections. Also after a failed vfe_table_init(). */
void vfe_table_fini(struct vfe_guest *g);

/** Removes all connections; on_close is not called. */
void vfe_table_clear(struct vfe_guest *g);

/** @return the connection, or NULL when there is none */
struct vfe_conn *vfe_table_find(
	const struct vfe_guest *g, uint64_t peer_cid, uint32_t peer_port, uint32_t local_port);

/**
 * Adds a connection, which must not exist yet. Its state is VFE_CONN_REQUESTED.
 *
 * @param type enum vfe_type
 * @return the connection, which the table owns, or NULL: no memory
 */
struct vfe_conn *vfe_table_add(struct vfe_guest *g, uint64_t peer_cid, uint32_t peer_port,
	uint32_t local_port, uint16_t type);

/** Removes and frees the connection. A callback under way for it finds guest->active NULL. */
void vfe_table_remove(struct vfe_conn *conn);

#endif /* VFE_TABLE_H */
