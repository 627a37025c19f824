/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFE_GUEST_H
#define VFE_GUEST_H

/**
 * @file
 * A guest without a VM: memory, rings and the vsock driver of one vhost-user front end.
 *
 * vfe_guest_flush() shows the packets that were sent to the device; vfe_guest_poll() ends with it.
 * Only create, start, stop, change_memory and replace_call block: they wait for answers to
 * vhost-user messages, at most vfe_guest_conf.timeout_ms each.
 *
 * Context: one thread per guest.
 */

#include "vfe_data.h"

/**
 * Connects, negotiates features, makes memory and rings, posts the buffers and starts the rings.
 *
 * @param conf copied; its @a ops and @a path must outlive the guest
 * @param out the guest, which vfe_guest_destroy() frees
 * @return 0, -ENOTSUP when the device lacks a feature of conf->required, -EINVAL, -E2BIG for a
 *         shape of too many pieces, -ENOMEM, or the error of a vhost-user message (vfe_vu.h)
 */
int vfe_guest_create(const struct vfe_guest_conf *conf, struct vfe_guest **out);

/** Stops (when the back end is still there), closes and frees everything. NULL is fine. */
void vfe_guest_destroy(struct vfe_guest *g);

/**
 * Closes the vhost-user socket without stopping the rings, as a front end does that dies. Only
 * vfe_guest_destroy() may follow.
 */
void vfe_guest_vanish(struct vfe_guest *g);

/** @return true if the back end still holds its end of the socket */
bool vfe_guest_alive(const struct vfe_guest *g);

/**
 * Stops the rings: SET_VRING_ENABLE 0, GET_VRING_BASE. Buffers that the device holds stay on the
 * rings.
 *
 * @param bases gets the avail index of each queue that the device returned; or NULL
 * @return 0, -EBADMSG when an index differs from vfe_vring_base(), because the device took buffers
 *         that it did not give back, -errno of the messages
 */
int vfe_guest_stop(struct vfe_guest *g, uint16_t bases[VFE_NB_QUEUES]);

/** Starts stopped rings where they stood. @return 0 or -errno */
int vfe_guest_start(struct vfe_guest *g);

/**
 * Frees all connections and empties the rings, as a driver does that binds again. The rings must be
 * stopped. on_close is not called. vfe_guest_start() continues from index 0.
 */
void vfe_guest_reset(struct vfe_guest *g);

/**
 * Adds a region of @p len bytes to the memory of the running guest (memory hotplug), or with
 * @p len 0 removes the region that was added last, and sends the new table.
 *
 * @return 0, -ENOSPC when there are too many regions, -ENOENT when there is none to remove, -errno
 */
int vfe_guest_change_memory(struct vfe_guest *g, uint64_t len);

/**
 * Replaces the call descriptor of a running ring, as QEMU does at any time.
 *
 * @return 0 or -errno
 */
int vfe_guest_replace_call(struct vfe_guest *g, enum vfe_queue queue);

/**
 * Takes the used buffers of all rings, at most @p burst packets to the guest, then flushes.
 *
 * @return packets handled and buffers that came back; 0: there was no work
 */
unsigned int vfe_guest_poll(struct vfe_guest *g, unsigned int burst);

/** Makes sent packets visible to the device, and kicks it if it asked for a kick. */
void vfe_guest_flush(struct vfe_guest *g);

/**
 * Asks for calls on both rings before the thread waits on vfe_guest_call_fd().
 *
 * @return true when there is work already: poll again, do not wait
 */
bool vfe_guest_arm(struct vfe_guest *g);

/** Ends a wait: asks for no more calls. */
void vfe_guest_disarm(struct vfe_guest *g);

/** Reads the call descriptors, so that a thread can wait on them again, and counts the calls. */
void vfe_guest_take_calls(struct vfe_guest *g);

/** @return the call descriptor to wait on; it changes with vfe_guest_replace_call() */
int vfe_guest_call_fd(const struct vfe_guest *g, enum vfe_queue queue);

/** @return the sum of stats.faults */
uint64_t vfe_guest_nb_faults(const struct vfe_guest *g);

/** @return the name of a fault, as in JSON */
const char *vfe_guest_fault_name(enum vfe_fault fault);

#endif /* VFE_GUEST_H */
