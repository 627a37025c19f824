/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mempool.h>

#include <wq.h>

#include "base/vsock_log.h"
#include "control/host_listen.h"
#include "control/port.h"
#include "control/watch.h"
#include "data/lcore.h"
#include "data/vsock_switch.h"
#include "lcore/host_job.h"
#include "lcore/conn_log.h"
#include "lcore/tick.h"
#include "life/vsock.h"
#include "loop/lcore_data.h"
#include "loop/lcore_loop.h"
#include "ring/gmem_guard.h"

static int
failed(const char *what, int error)
{
	if (error == -EMFILE || error == -ENFILE)
		what = "too few file descriptors (raise RLIMIT_NOFILE, LimitNOFILE= of the unit)";
	VSOCK_LOG(ERR, "switch: cannot start: %s: %s", what, strerror(-error));
	return error;
}

int
vsock_create(uint16_t id, struct vsock_switch **out)
{
	struct vsock_switch *sw = calloc(1, sizeof(*sw));
	int ret;

	if (sw == NULL)
		return -ENOMEM;
	sw->id = id;
	ret = port_table_create(sw);
	if (ret != 0) {
		free(sw);
		return ret;
	}
	*out = sw;
	return 0;
}

void
vsock_free(struct vsock_switch *sw)
{
	if (sw == NULL)
		return;
	port_table_free(sw);
	free(sw);
}

/* If the settings list no lcores, use all lcores except the main lcore. */
static int
choose_lcores(struct vsock_conf *conf)
{
	unsigned int lcore_id;

	if (conf->nb_lcores > LIMIT_NB_LCORES || rte_lcore_count() - 1 > LIMIT_NB_LCORES)
		return failed("too many lcores", -E2BIG);
	if (conf->nb_lcores == 0) {
		RTE_LCORE_FOREACH_WORKER (lcore_id)
			conf->lcore_ids[conf->nb_lcores++] = lcore_id;
	}
	if (conf->nb_lcores == 0) {
		VSOCK_LOG(ERR,
			"switch: cannot start: no poll lcore "
			"(-l needs one more than the main lcore)");
		return -ENODEV;
	}
	return 0;
}

/* EAL loads the driver as a plugin, which a package may have left out. */
static bool
has_ring_driver(void)
{
	for (uint32_t i = 0; i < rte_mempool_ops_table.num_ops; i++) {
		if (strcmp(rte_mempool_ops_table.ops[i].name, "ring_mp_mc") == 0)
			return true;
	}
	return false;
}

static int
create_lcores(struct vsock_switch *sw)
{
	char name[RTE_MEMPOOL_NAMESIZE];
	int ret;

	sw->nb_lcores = sw->conf.nb_lcores;
	for (unsigned int i = 0; i < sw->nb_lcores; i++) {
		ret = lcore_data_create(sw, i, sw->conf.lcore_ids[i]);
		if (ret != 0)
			return failed("no memory for an lcore (see -m)", ret);
	}
	ret = lcore_data_connect(sw);
	if (ret != 0)
		return failed("no memory for rings (see -m)", ret);
	/* Create the pool last: it can be smaller, and the data of the lcores cannot. */
	snprintf(name, sizeof(name), "vsock%u_chunks", sw->id);
	ret = chunk_pool_create(&sw->chunks, name);
	if (ret == 0)
		return 0;
	if (!has_ring_driver())
		return failed(
			"DPDK's mempool driver \"ring\" is missing (install its package)", ret);
	return failed("no memory for the packet pool (see -m)", ret);
}

static int
launch(struct vsock_switch *sw)
{
	for (; sw->nb_launched < sw->nb_lcores; sw->nb_launched++) {
		struct lcore *lc = sw->lcores[sw->nb_launched];
		int ret = rte_eal_remote_launch(lcore_loop_main, lc, lc->lcore_id);

		if (ret != 0)
			return failed("an lcore is busy", ret);
	}
	return 0;
}

int
vsock_start(struct vsock_switch *sw, const struct vsock_conf *conf)
{
	int ret;

	sw->conf = *conf;
	ret = choose_lcores(&sw->conf);
	if (ret != 0)
		return ret;
	ret = gmem_guard_init();
	if (ret != 0)
		return failed("SIGBUS handler", ret);
	/* With a rescuer, connections end even when no thread can be created. */
	ret = wq_alloc("vsock_slow", WQ_MEM_RECLAIM, 0, &sw->slow_wq);
	if (ret != 0)
		return failed("slow path", ret);
	ret = create_lcores(sw);
	if (ret == 0) {
		ret = host_listen_start(sw);
		if (ret != 0)
			failed("listening thread", ret);
	}
	if (ret == 0)
		ret = launch(sw);
	if (ret == 0) {
		ret = watch_start(sw);
		if (ret != 0)
			failed("watch over lcores", ret);
	}
	if (ret != 0)
		vsock_stop(sw);
	return ret;
}

void
vsock_stop(struct vsock_switch *sw)
{
	if (sw->slow_wq == NULL)
		return;
	host_listen_stop(sw);
	if (sw->nb_launched > 0) {
		/* Answers of the slow path need lcores that run. */
		for (unsigned int i = 0; i < sw->nb_lcores; i++)
			host_job_flush(sw->lcores[i]);
		wq_flush(sw->slow_wq);
	}
	for (unsigned int i = 0; i < sw->nb_launched; i++) {
		lcore_loop_quit(sw->lcores[i]);
		lcore_loop_wait(sw->lcores[i]);
	}
	sw->nb_launched = 0;
	watch_stop(sw);
	for (unsigned int i = 0; i < sw->nb_lcores; i++) {
		if (sw->lcores[i] == NULL)
			continue;
		tick_stop(sw->lcores[i]);
		conn_log_stop(sw->lcores[i]);
		host_job_stop(sw->lcores[i]);
	}
	wq_destroy(sw->slow_wq);
	sw->slow_wq = NULL;
	for (unsigned int i = 0; i < sw->nb_lcores; i++) {
		lcore_data_free(sw->lcores[i]);
		sw->lcores[i] = NULL;
	}
	sw->nb_lcores = 0;
	chunk_pool_free(&sw->chunks);
}
