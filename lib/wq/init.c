/* SPDX-License-Identifier: BSD-3-Clause */

/* Start and stop of the library, and its system workqueues. */

#include <errno.h>
#include <stdlib.h>

#include "current.h"
#include "global.h"
#include "link.h"
#include "monitor.h"
#include "os.h"
#include "pool.h"
#include "timer.h"
#include "topology.h"
#include "workqueue.h"

static const struct {
	const char *name;
	unsigned flags;
} system_wqs[WQ_NB_SYSTEM] = {
	[WQ_SYSTEM] = {"system", 0},
	[WQ_SYSTEM_HIGHPRI] = {"system_highpri", WQ_HIGHPRI},
	[WQ_SYSTEM_LONG] = {"system_long", 0},
	[WQ_SYSTEM_UNBOUND] = {"system_unbound", WQ_UNBOUND},
	[WQ_SYSTEM_FREEZABLE] = {"system_freezable", WQ_FREEZABLE},
};

static void
set_default(uint32_t *field, uint32_t value)
{
	if (*field == 0)
		*field = value;
}

static void
take_config(const struct wq_config *cfg)
{
	struct wq_config *c = &wq_global.cfg;

	*c = cfg != NULL ? *cfg : (struct wq_config){0};
	c->cpus = NULL;
	set_default(&c->spin_us, 2);
	if (c->spin_us == WQ_SPIN_NONE)
		c->spin_us = 0;
	set_default(&c->monitor_us, 1000);
	set_default(&c->cpu_intensive_us, 10000);
	set_default(&c->idle_timeout_ms, 300000);
	set_default(&c->create_cooldown_ms, 1000);
	set_default(&c->mayday_ms, 10);
	set_default(&c->watchdog_ms, 30000);
}

/* Takes the CPUs of the configuration that exist; without one, those the process may use. */
static int
take_cpus(const struct wq_config *cfg)
{
	cpu_set_t mine;

	if (sched_getaffinity(0, sizeof(mine), &mine) != 0)
		return -errno;
	if (cfg != NULL && cfg->cpus != NULL)
		mine = *cfg->cpus;
	for (int c = wq_global.topo.nb_cpus; c < WQ_MAX_CPUS; c++)
		CPU_CLR(c, &mine);
	if (CPU_COUNT(&mine) == 0)
		return -EINVAL;
	wq_global.cpus = mine;
	return 0;
}

static int
make_pools(void)
{
	int nb = wq_global.topo.nb_cpus;

	wq_global.home = calloc((size_t)nb, sizeof(*wq_global.home));
	wq_global.cpu_pools = calloc((size_t)nb * 2, sizeof(struct wq_pool *));
	if (wq_global.home == NULL || wq_global.cpu_pools == NULL)
		return -ENOMEM;
	for (int c = 0; c < nb; c++) {
		wq_global.home[c] = wq_topology_nearest(&wq_global.topo, c, &wq_global.cpus);
		for (int hi = 0; hi < 2; hi++) {
			int rc = wq_pool_create(c, -1, -1, hi, &wq_global.cpu_pools[2 * c + hi]);

			if (rc != 0)
				return rc;
		}
	}
	return 0;
}

static int
make_system_wqs(void)
{
	for (int i = 0; i < WQ_NB_SYSTEM; i++) {
		int rc = wq_workqueue_create(
			system_wqs[i].name, system_wqs[i].flags, 0, false, &wq_global.system[i]);

		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Undoes wq_init(), also one that failed at any step. */
static void
tear_down(void)
{
	for (int i = 0; i < WQ_NB_SYSTEM; i++) {
		wq_destroy(wq_global.system[i]);
		wq_global.system[i] = NULL;
	}
	wq_timer_stop();
	wq_monitor_stop();
	for (uint32_t id = wq_global.nb_pools; id > 0; id--)
		wq_pool_destroy(wq_global.pools[id]);
	wq_global.nb_pools = 0;
	free(wq_global.cpu_pools);
	wq_global.cpu_pools = NULL;
	free(wq_global.home);
	wq_global.home = NULL;
	wq_topology_free(&wq_global.topo);
	wq_global.frozen = false;
	__atomic_store_n(&wq_global.started, false, __ATOMIC_RELEASE);
}

int
wq_init(const struct wq_config *cfg)
{
	int rc;

	if (__atomic_exchange_n(&wq_global.started, true, __ATOMIC_ACQ_REL))
		return -EALREADY;
	take_config(cfg);
	wq_link_init(&wq_global.workqueues);
	wq_os_tsc_init();
	rc = wq_topology_read(&wq_global.topo);
	if (rc == 0)
		rc = take_cpus(cfg);
	if (rc == 0)
		rc = make_pools();
	if (rc == 0)
		rc = wq_monitor_start();
	if (rc == 0)
		rc = wq_timer_start();
	if (rc == 0)
		rc = make_system_wqs();
	if (rc != 0)
		tear_down();
	return rc;
}

void
wq_exit(void)
{
	if (!__atomic_load_n(&wq_global.started, __ATOMIC_ACQUIRE))
		return;
	WQ_ASSERT(wq_current == NULL);
	/* All workqueues but the system's must have been destroyed by their owners. */
	for (struct wq_link *l = wq_global.workqueues.next; l != &wq_global.workqueues;
		l = l->next) {
		struct workqueue *wq = wq_container_of(l, struct workqueue, node);
		bool ours = false;

		for (int i = 0; i < WQ_NB_SYSTEM; i++)
			ours |= wq == wq_global.system[i];
		WQ_ASSERT(ours);
	}
	wq_thaw();
	tear_down();
}
