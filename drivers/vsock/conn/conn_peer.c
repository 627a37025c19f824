/* SPDX-License-Identifier: BSD-3-Clause */
#include "conn/conn_peer.h"

struct conn *
conn_peer_find(
	struct port *port, const struct wire_hdr *hdr, uint32_t conn_serial, uint32_t peer_serial)
{
	struct conn *c = conn_find(&port->conns, hdr->dst_port, hdr->src_cid, hdr->src_port);

	if (c == NULL || c->is_host)
		return NULL;
	if (peer_serial != 0 && peer_serial != c->serial)
		return NULL;
	if (c->peer.serial != 0 && c->peer.serial != conn_serial)
		return NULL;
	return c;
}
