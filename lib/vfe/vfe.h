/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFE_H
#define VFE_H

/**
 * @file
 * lib/vfe: a vhost-user front end with a guest's vsock driver, without a VM. It plays QEMU and the
 * guest kernel towards a vhost-user back end such as dpdk-vsockd.
 *
 * Use, from the top down:
 * - vfe_guest.h: create a guest from a struct vfe_guest_conf, poll it, wait for its calls;
 * - vfe_conn.h: open connections, send, consume, close;
 * - vfe_data.h: their types, the callbacks (struct vfe_guest_ops), statistics and faults;
 * - vfe_host.h: the host program's end of a connection;
 * - vfe_pattern.h: payload that a receiver can check.
 *
 * For tests that need the parts alone:
 * - vfe_vring.h, vfe_ring.h: the driver's side of a split or packed ring;
 * - vfe_vu.h, vfe_vu_msg.h: the front end's side of the vhost-user protocol;
 * - vfe_mem.h, vfe_layout.h, vfe_wire.h: guest memory, shapes of buffers, the packet header.
 *
 * The library uses the C library alone. It shares no code with drivers/vsock.
 *
 * Context: one thread per guest. Objects are not locked; different guests share nothing. Functions
 * return 0 or a count, or a negative errno value.
 */

#include "vfe_conn.h"
#include "vfe_data.h"
#include "vfe_guest.h"
#include "vfe_host.h"
#include "vfe_layout.h"
#include "vfe_mem.h"
#include "vfe_pattern.h"
#include "vfe_ring.h"
#include "vfe_vring.h"
#include "vfe_vu.h"
#include "vfe_vu_msg.h"
#include "vfe_wire.h"

#endif /* VFE_H */
