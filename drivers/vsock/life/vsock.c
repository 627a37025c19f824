/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mempool.h>

#include "base/vsock_log.h"
#include "control/host_listen.h"
#include "control/watch.h"
#include "data/lcore.h"
#include "lcore/lcore_msg.h"
#include "lcore/slow.h"
#include "life/vsock.h"
#include "loop/lcore_data.h"
#include "loop/lcore_loop.h"
#include "ring/gmem_guard.h"

static struct lcore *lcores[LIMIT_NB_LCORES];
static unsigned int nb_lcores;
static unsigned int nb_launched;
static struct rte_mempool *chunks;

unsigned int
vsock_nb_lcores(void)
{
	return nb_lcores;
}

struct lcore *
vsock_lcore(unsigned int index)
{
	return index < nb_lcores ? lcores[index] : NULL;
}

static int
failed(const char *what, int error)
{
	VSOCK_LOG(ERR, "cannot start: %s: %s", what, strerror(-error));
	return error;
}

static int
create_lcores(void)
{
	unsigned int lcore_id, i = 0, nb = rte_lcore_count() - 1;
	uint32_t nb_chunks;
	int ret;

	if (nb == 0) {
		VSOCK_LOG(
			ERR, "cannot start: no poll lcore: -l needs one more besides the main one");
		return -ENODEV;
	}
	if (nb > LIMIT_NB_LCORES)
		return failed("too many lcores", -E2BIG);
	ret = chunk_pool_create(&chunks, &nb_chunks);
	if (ret != 0)
		return failed("no memory for the packet pool (see -m)", ret);
	RTE_LCORE_FOREACH_WORKER (lcore_id) {
		ret = lcore_data_create(i, lcore_id, nb, chunks, nb_chunks, &lcores[i]);
		if (ret != 0)
			return failed("no memory for an lcore (see -m)", ret);
		nb_lcores = ++i;
	}
	lcore_msg_init(lcores);
	ret = lcore_data_connect(lcores, nb_lcores);
	return ret == 0 ? 0 : failed("no memory for rings (see -m)", ret);
}

static int
launch(void)
{
	for (nb_launched = 0; nb_launched < nb_lcores; nb_launched++) {
		struct lcore *lc = lcores[nb_launched];
		int ret = rte_eal_remote_launch(lcore_loop_main, lc, lc->lcore_id);

		if (ret != 0)
			return failed("an lcore is busy", ret);
	}
	return 0;
}

int
vsock_start(const struct vsock_conf *conf)
{
	const struct lcore_conf loop = {.spin = conf->spin, .spin_us = conf->spin_us};
	int ret;

	lcore_loop_configure(&loop);
	ret = gmem_guard_init();
	if (ret != 0)
		return failed("SIGBUS handler", ret);
	ret = slow_start();
	if (ret != 0)
		return failed("slow path", ret);
	ret = create_lcores();
	if (ret == 0) {
		ret = host_listen_init(&conf->slow_cpus);
		if (ret != 0)
			failed("listening thread", ret);
	}
	if (ret == 0)
		ret = launch();
	if (ret == 0) {
		ret = watch_start();
		if (ret != 0)
			failed("watch over lcores", ret);
	}
	if (ret != 0)
		vsock_stop();
	return ret;
}

void
vsock_stop(void)
{
	host_listen_exit();
	if (nb_launched > 0)
		slow_flush(); /* its answers go to lcores that still run */
	for (unsigned int i = 0; i < nb_launched; i++) {
		lcore_loop_quit(lcores[i]);
		lcore_loop_wait(lcores[i]);
	}
	nb_launched = 0;
	watch_stop();
	slow_stop();
	for (unsigned int i = 0; i < nb_lcores; i++) {
		lcore_data_free(lcores[i]);
		lcores[i] = NULL;
	}
	nb_lcores = 0;
	rte_mempool_free(chunks);
	chunks = NULL;
}
