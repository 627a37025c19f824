/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_GMEM_GUARD_H
#define VSOCK_GMEM_GUARD_H

/**
 * @file
 * Survive a front end that takes guest memory away under the mapping: it owns the file, and may
 * truncate it at any time. A load or store of ours then raises SIGBUS. The guard puts a page of
 * zeroes in place, raises the owner's flag, and lets the access happen again; what the guest loses
 * is its own. Builds without EAL.
 *
 * A system call that meets such a page (readv(), sendmsg()) raises no signal: it fails with EFAULT,
 * which its caller has to take for the same fault.
 */

#include "ring/gmem.h"

/**
 * Install the handler of SIGBUS, once in a process; more calls do nothing. A SIGBUS that is not
 * of a guarded range goes to the handler that was there before, or ends the process as it would
 * have.
 * Context: control plane, before the first lcore touches guest memory.
 * @return 0; -errno of sigaction().
 */
int gmem_guard_init(void);

/**
 * Guard the regions of a memory table. They must be mapped, and stay so until gmem_guard_del().
 * Context: control plane; may allocate and wait.
 * @param mem not owned; names the entry for gmem_guard_del().
 * @param fault_flag set to 1 by whichever thread faults, and read by the owner of the port, who
 * stops it; not owned, must live until gmem_guard_del() returns. Read it with an atomic load.
 * @return 0; -EEXIST when @p mem is guarded already; -ENOMEM.
 */
int gmem_guard_add(const struct gmem *mem, volatile int *fault_flag);

/**
 * Stop guarding. Returns when no handler uses the ranges or the flag any more: after it, and no
 * sooner, the regions may be unmapped. Nothing happens when @p mem is not guarded.
 * Context: control plane; may wait for a handler to return.
 */
void gmem_guard_del(const struct gmem *mem);

#endif
