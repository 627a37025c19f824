/* SPDX-License-Identifier: BSD-3-Clause */

/* Reading the caches and the memory nodes of the CPUs from sysfs. */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "topology.h"

#define SYS_CPU  "/sys/devices/system/cpu"
#define SYS_NODE "/sys/devices/system/node"
/* Upper limits of the numbers in sysfs. */
#define MAX_CACHES 8
#define MAX_NODES  1024

enum {
	SCOPE_CPU,
	SCOPE_CACHE,
	SCOPE_NUMA,
	SCOPE_SYSTEM,
};

/* Parses "0-3,8,10-11". */
static int
parse_list(const char *s, cpu_set_t *set)
{
	CPU_ZERO(set);
	while (*s != '\0' && *s != '\n') {
		char *end;
		unsigned long lo = strtoul(s, &end, 10), hi = lo;

		if (end == s)
			return -EINVAL;
		if (*end == '-') {
			s = end + 1;
			hi = strtoul(s, &end, 10);
			if (end == s || hi < lo)
				return -EINVAL;
		}
		for (unsigned long i = lo; i <= hi && i < WQ_MAX_CPUS; i++)
			CPU_SET(i, set);
		s = *end == ',' ? end + 1 : end;
		if (s == end && *s != '\0' && *s != '\n')
			return -EINVAL;
	}
	return 0;
}

static int
read_line(const char *path, char *buf, int buf_len)
{
	FILE *f = fopen(path, "re");
	int rc;

	if (f == NULL)
		return -errno;
	rc = fgets(buf, buf_len, f) == NULL ? -EIO : 0;
	fclose(f);
	return rc;
}

static int
read_list(const char *path, cpu_set_t *set)
{
	char buf[4096];
	int rc = read_line(path, buf, sizeof(buf));

	return rc == 0 ? parse_list(buf, set) : rc;
}

/* Reads the CPUs that share the last-level cache with @cpu. */
static int
read_cache(int cpu, cpu_set_t *out)
{
	int best = -1;

	for (int i = 0; i < MAX_CACHES; i++) {
		char path[128], buf[32];
		cpu_set_t set;
		int level;

		snprintf(path, sizeof(path), SYS_CPU "/cpu%d/cache/index%d/level", cpu, i);
		if (read_line(path, buf, sizeof(buf)) != 0)
			continue;
		level = atoi(buf);
		snprintf(
			path, sizeof(path), SYS_CPU "/cpu%d/cache/index%d/shared_cpu_list", cpu, i);
		if (level > best && read_list(path, &set) == 0 && CPU_ISSET(cpu, &set)) {
			best = level;
			*out = set;
		}
	}
	return best < 0 ? -ENOENT : 0;
}

/* Makes a pod of those CPUs of a set that have no pod yet. */
static void
add_pod(struct wq_topology *topo, int scope, const cpu_set_t *set)
{
	int pod = topo->nb_pods[scope];
	bool used = false;

	for (int c = 0; c < topo->nb_cpus; c++) {
		if (CPU_ISSET(c, set) && topo->pod_of[scope][c] == UINT16_MAX) {
			topo->pod_of[scope][c] = (uint16_t)pod;
			used = true;
		}
	}
	if (used)
		topo->nb_pods[scope]++;
}

int
wq_topology_read(struct wq_topology *topo)
{
	long conf = sysconf(_SC_NPROCESSORS_CONF);
	cpu_set_t set, all;

	topo->nb_cpus = conf > 0 ? (int)conf : 1;
	/* CPU numbers may have gaps: the highest number counts. */
	if (read_list(SYS_CPU "/possible", &set) == 0) {
		for (int c = topo->nb_cpus; c < WQ_MAX_CPUS; c++) {
			if (CPU_ISSET(c, &set))
				topo->nb_cpus = c + 1;
		}
	}
	if (topo->nb_cpus > WQ_MAX_CPUS)
		topo->nb_cpus = WQ_MAX_CPUS;
	CPU_ZERO(&all);
	for (int c = 0; c < topo->nb_cpus; c++)
		CPU_SET(c, &all);
	for (int s = 0; s < WQ_NB_SCOPES; s++) {
		topo->nb_pods[s] = 0;
		topo->pod_of[s] = malloc((size_t)topo->nb_cpus * sizeof(uint16_t));
		if (topo->pod_of[s] == NULL) {
			wq_topology_free(topo);
			return -ENOMEM;
		}
		memset(topo->pod_of[s], 0xff, (size_t)topo->nb_cpus * sizeof(uint16_t));
	}
	for (int c = 0; c < topo->nb_cpus; c++) {
		cpu_set_t one;

		CPU_ZERO(&one);
		CPU_SET(c, &one);
		add_pod(topo, SCOPE_CPU, &one);
		if (read_cache(c, &set) == 0)
			add_pod(topo, SCOPE_CACHE, &set);
	}
	for (int n = 0; n < MAX_NODES; n++) {
		char path[128];

		snprintf(path, sizeof(path), SYS_NODE "/node%d/cpulist", n);
		if (read_list(path, &set) == 0)
			add_pod(topo, SCOPE_NUMA, &set);
	}
	/* One pod for the CPUs that sysfs does not describe, and one for the system. */
	for (int s = SCOPE_CACHE; s <= SCOPE_SYSTEM; s++)
		add_pod(topo, s, &all);
	return 0;
}

void
wq_topology_free(struct wq_topology *topo)
{
	for (int s = 0; s < WQ_NB_SCOPES; s++) {
		free(topo->pod_of[s]);
		topo->pod_of[s] = NULL;
	}
}

void
wq_topology_pod_cpus(const struct wq_topology *topo, int scope, int pod, cpu_set_t *out)
{
	CPU_ZERO(out);
	for (int c = 0; c < topo->nb_cpus; c++) {
		if (topo->pod_of[scope][c] == pod)
			CPU_SET(c, out);
	}
}

int
wq_topology_nearest(const struct wq_topology *topo, int cpu, const cpu_set_t *set)
{
	if (CPU_ISSET(cpu, set))
		return cpu;
	for (int s = SCOPE_CACHE; s <= SCOPE_SYSTEM; s++) {
		int found[WQ_MAX_CPUS], nb_found = 0;

		for (int c = 0; c < topo->nb_cpus; c++) {
			if (CPU_ISSET(c, set) && topo->pod_of[s][c] == topo->pod_of[s][cpu])
				found[nb_found++] = c;
		}
		if (nb_found > 0)
			return found[cpu % nb_found];
	}
	return -1;
}
