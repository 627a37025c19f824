/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_GMEM_GUARD_H
#define VSOCK_GMEM_GUARD_H

/**
 * @file
 * Survive a front end that truncates the file of guest memory. The front end owns the file and may
 * do so at any time. A load or store of the daemon then raises SIGBUS. The handler maps zeroes at
 * that page, sets the flag of the memory table, and lets the thread repeat the access. Only that
 * guest loses data. Builds without EAL.
 *
 * A system call that touches such a page (readv(), sendmsg()) raises no signal. It fails with
 * EFAULT, and its caller must handle that like the flag.
 */

#include "ring/gmem.h"

/**
 * Install the SIGBUS handler. Only the first call in a process does anything. A SIGBUS outside of
 * the guarded ranges is passed to the handler that was installed before, or ends the process.
 * Context: control plane, before an lcore touches guest memory.
 * @return 0; -errno of sigaction().
 */
int gmem_guard_init(void);

/**
 * Guard the regions of a memory table. They must stay mapped until gmem_guard_del() returns.
 * Context: control plane; may allocate and block.
 * @param mem not owned; the key for gmem_guard_del().
 * @param fault_flag set to 1 by the thread that faults. The lcore that owns the port reads it with
 * an atomic load and stops the port. Not owned; must live until gmem_guard_del() returns.
 * @return 0; -EEXIST @p mem is already guarded; -ENOMEM.
 */
int gmem_guard_add(const struct gmem *mem, volatile int *fault_flag);

/**
 * Stop guarding. When it returns, no handler uses the ranges or the flag, and the regions may be
 * unmapped. No-op if @p mem is not guarded.
 * Context: control plane; waits for handlers that are running.
 */
void gmem_guard_del(const struct gmem *mem);

#endif
