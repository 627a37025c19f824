/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_DEVICE_H
#define SIM_DEVICE_H

/** @file Guests come and go: memory, port and device. */

/** Make guest @p i, with the CID 3 + i, and its port. In a coroutine. */
void sim_device_create(unsigned int i);

/** Give the guest's device to its port. In a coroutine. */
void sim_device_up(unsigned int i);

/** Take the device back, and overwrite the guest's memory. In a coroutine. */
void sim_device_down(unsigned int i);

/** Destroy port and guest. In a coroutine. */
void sim_device_destroy(unsigned int i);

#endif
