/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_TOPOLOGY_H
#define WQ_TOPOLOGY_H

/*
 * The CPUs of the machine, grouped into pods by affinity scope: CPU, last-level cache, NUMA node,
 * system. Functions take the topology as an argument and use no other state.
 */

#include <sched.h>
#include <stdint.h>

#define WQ_MAX_CPUS  CPU_SETSIZE
#define WQ_NB_SCOPES 4

/** Read once by wq_topology_read(), constant afterwards. */
struct wq_topology {
	int nb_cpus;                    /* highest CPU number plus 1 */
	int nb_pods[WQ_NB_SCOPES];      /* by scope */
	uint16_t *pod_of[WQ_NB_SCOPES]; /* by scope and CPU */
};

/**
 * Read the topology from sysfs. CPUs that sysfs does not describe form one pod.
 *
 * Context: slow path.
 * @param topo filled in; free it with wq_topology_free().
 * @return 0; -ENOMEM.
 */
int wq_topology_read(struct wq_topology *topo);

/** Free the arrays of a topology. Context: slow path. Does nothing on a zeroed one. */
void wq_topology_free(struct wq_topology *topo);

/** Get the CPUs of a pod. Context: any thread. @param out filled in. */
void wq_topology_pod_cpus(const struct wq_topology *topo, int scope, int pod, cpu_set_t *out);

/**
 * Find the CPU of a set that is nearest to @p cpu: itself, else one in the smallest common scope.
 * Among equals the choice depends on @p cpu, so that different CPUs spread over the set.
 *
 * Context: slow path.
 * @return a CPU of @p set; -1 if the set is empty.
 */
int wq_topology_nearest(const struct wq_topology *topo, int cpu, const cpu_set_t *set);

#endif
