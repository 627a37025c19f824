/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCKD_TELEMETRY_H
#define VSOCKD_TELEMETRY_H

/**
 * @file
 * The commands /vsock/... of DPDK's telemetry socket. The handlers run in the telemetry threads.
 * They get the state of lcores as copies from control/snapshot.h.
 */

struct vsock_switch;

/** Register the commands. Context: main, the switch runs. @return 0; -errno of telemetry. */
int telemetry_start(struct vsock_switch *sw);

/** Refuse all commands from now on, and wait for running ones. Context: main. */
void telemetry_stop(void);

#endif
