/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCKD_TELEMETRY_H
#define VSOCKD_TELEMETRY_H

/**
 * @file
 * /vsock/... on DPDK's telemetry socket. The handlers run on telemetry's threads and ask the owning
 * lcores for copies; they touch nothing of theirs.
 */

struct vsock_switch;

/** Register the commands. Context: main, the switch runs. @return 0; -errno of telemetry. */
int telemetry_start(struct vsock_switch *sw);

/** Commands answer nothing from now on; waits for those under way. Context: main. */
void telemetry_stop(void);

#endif
