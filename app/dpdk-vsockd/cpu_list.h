/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCKD_CPU_LIST_H
#define VSOCKD_CPU_LIST_H

/** @file Lists of CPUs such as 0,4-5. Context: any thread. */

#include <sched.h>
#include <stddef.h>

/** Parse a list. @param cpus filled. @return 0; -EINVAL. */
int cpu_list_parse(const char *list, cpu_set_t *cpus);

/** Format a set as a list. @param len bytes of @p text; a longer list is cut. */
void cpu_list_format(const cpu_set_t *cpus, char *text, size_t len);

#endif
