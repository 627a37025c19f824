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
 * Connects, agrees on features, lays memory and rings out, posts the buffers and starts the rings.
 *
 * @param conf copied; its @a ops and @a path must outlive the guest
 * @return 0, -ENOTSUP when the device lacks what conf->required names, -EINVAL, -E2BIG for a shape
 *         of too many pieces, -ENOMEM, or what the vhost-user messages say
 */
int vfe_guest_create(const struct vfe_guest_conf *conf, struct vfe_guest **out);

/** Stops (when the back end is still there), closes and frees everything. NULL is fine. */
void vfe_guest_destroy(struct vfe_guest *g);

/**
 * Closes the vhost-user socket at once and stops nothing, as a front end that dies. Only
 * vfe_guest_destroy() may follow.
 */
void vfe_guest_vanish(struct vfe_guest *g);

/** @return whether the back end still holds its end of the socket */
bool vfe_guest_alive(const struct vfe_guest *g);

/**
 * Stops the rings: SET_VRING_ENABLE 0, GET_VRING_BASE. What the device holds stays on the rings.
 *
 * @param bases where the avail indices go that the device gave back, one per queue; or NULL
 * @return 0, -EBADMSG when the device did not stop settled (it took buffers that it did not give
 *         back: it stands elsewhere than vfe_vring_base() says), -errno of the messages
 */
int vfe_guest_stop(struct vfe_guest *g, uint16_t bases[VFE_NB_QUEUES]);

/** Starts stopped rings where they stood. @return 0 or -errno */
int vfe_guest_start(struct vfe_guest *g);

/**
 * Forgets connections and whatever is on the rings, as a driver that binds anew. The rings must be
 * stopped; on_close is called for nobody. vfe_guest_start() goes on from index 0.
 */
void vfe_guest_reset(struct vfe_guest *g);

/**
 * Adds a region of @p len bytes to the memory of the running guest (memory hotplug), or with
 * @p len 0 takes the last added one away, and sends the new table.
 *
 * @return 0, -ENOSPC, -ENOENT when there is nothing to take away, -errno
 */
int vfe_guest_change_memory(struct vfe_guest *g, uint64_t len);

/**
 * Puts another call descriptor on a ring, live, as QEMU does at any time.
 *
 * @return 0 or -errno
 */
int vfe_guest_replace_call(struct vfe_guest *g, enum vfe_queue queue);

/**
 * Handles what the device did: used buffers of both rings, at most @p burst packets; then flushes.
 *
 * @return packets taken and buffers that came back; 0: nothing to do
 */
unsigned int vfe_guest_poll(struct vfe_guest *g, unsigned int burst);

/** Shows what was sent to the device, with a kick where it wants one. */
void vfe_guest_flush(struct vfe_guest *g);

/**
 * Asks for calls on both rings before the thread waits on vfe_guest_call_fd().
 *
 * @return true when there is work already: poll on, do not wait
 */
bool vfe_guest_arm(struct vfe_guest *g);

/** The end of a wait: no more calls. */
void vfe_guest_disarm(struct vfe_guest *g);

/** Empties the call descriptors, so that they can be waited on again, and counts the calls. */
void vfe_guest_take_calls(struct vfe_guest *g);

/** @return the call descriptor to wait on; it changes with vfe_guest_replace_call() */
int vfe_guest_call_fd(const struct vfe_guest *g, enum vfe_queue queue);

/** @return the sum of stats.faults */
uint64_t vfe_guest_nb_faults(const struct vfe_guest *g);

/** @return the name of a fault, as in JSON */
const char *vfe_guest_fault_name(enum vfe_fault fault);

#endif /* VFE_GUEST_H */
