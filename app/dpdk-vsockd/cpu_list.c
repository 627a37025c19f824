/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpu_list.h"

int
cpu_list_parse(const char *list, cpu_set_t *cpus)
{
	CPU_ZERO(cpus);
	for (const char *p = list;; p++) {
		unsigned long first, last;
		char *end;

		if (*p < '0' || *p > '9')
			return -EINVAL;
		first = last = strtoul(p, &end, 10);
		if (*end == '-') {
			if (end[1] < '0' || end[1] > '9')
				return -EINVAL;
			last = strtoul(end + 1, &end, 10);
		}
		if (last < first || last >= CPU_SETSIZE)
			return -EINVAL;
		for (unsigned long cpu = first; cpu <= last; cpu++)
			CPU_SET(cpu, cpus);
		if (*end == '\0')
			return 0;
		if (*end != ',')
			return -EINVAL;
		p = end;
	}
}

void
cpu_list_format(const cpu_set_t *cpus, char *text, size_t len)
{
	size_t used = 0;

	text[0] = '\0';
	for (int cpu = 0; cpu < CPU_SETSIZE && used < len; cpu++) {
		const int first = cpu;

		if (!CPU_ISSET(cpu, cpus))
			continue;
		while (cpu + 1 < CPU_SETSIZE && CPU_ISSET(cpu + 1, cpus))
			cpu++;
		used += (size_t)snprintf(
			text + used, len - used, "%s%d", used > 0 ? "," : "", first);
		if (cpu > first && used < len)
			used += (size_t)snprintf(text + used, len - used, "-%d", cpu);
	}
}
