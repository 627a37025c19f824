/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_lcore.h>
#include <rte_malloc.h>

#include "data/lcore.h"
#include "data/vsock_switch.h"
#include "lcore/host_job.h"
#include "lcore/pkt_home.h"
#include "lcore/conn_log.h"
#include "lcore/tick.h"
#include "loop/lcore_data.h"

/** Packet objects that are added at once, at least: those of 16 more ports. */
#define NB_PKTS_PER_BLOCK (16u * LIMIT_NB_PKTS_PER_PORT_MIN)

static int
add_wake_fd(struct lcore *lc)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = EPOLL_TAG_WAKE};

	lc->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	lc->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (lc->epoll_fd < 0 || lc->wake_fd < 0 ||
		epoll_ctl(lc->epoll_fd, EPOLL_CTL_ADD, lc->wake_fd, &ev) != 0)
		return -errno;
	return 0;
}

int
lcore_data_make_pkts(struct lcore *lc, unsigned int nb_ports, struct pkt_block **out)
{
	uint32_t need = LIMIT_NB_PKTS_RESERVED + nb_ports * LIMIT_NB_PKTS_PER_PORT_MIN, nb;
	struct pkt_block *block;

	*out = NULL;
	need = RTE_MAX(need, (uint32_t)LIMIT_NB_PKTS_PER_LCORE);
	if (need <= lc->nb_pkts_made)
		return 0;
	nb = RTE_MAX(need - lc->nb_pkts_made, NB_PKTS_PER_BLOCK);
	block = rte_zmalloc_socket("vsock_pkts", sizeof(*block) + nb * sizeof(block->pkts[0]),
		RTE_CACHE_LINE_SIZE, rte_lcore_to_socket_id(lc->lcore_id));
	if (block == NULL)
		return -ENOMEM;
	block->nb = nb;
	lc->nb_pkts_made += nb;
	*out = block;
	return 0;
}

static int
add_memory(struct lcore *lc, int socket)
{
	struct rte_hash_parameters hash = {
		.entries = LIMIT_NB_PORTS * 2,
		.key_len = sizeof(uint32_t),
		.socket_id = socket,
	};
	char name[RTE_RING_NAMESIZE];
	struct pkt_block *pkts;

	if (lcore_data_make_pkts(lc, 0, &pkts) != 0)
		return -ENOMEM;
	pkt_home_add(lc, pkts);
	snprintf(name, sizeof(name), "vsock%u_inbox%u", lc->sw->id, lc->index);
	lc->inbox = rte_ring_create_elem(name, sizeof(struct inbox_msg), LIMIT_NB_INBOX, socket,
		RING_F_SP_ENQ | RING_F_SC_DEQ);
	snprintf(name, sizeof(name), "vsock%u_cids%u", lc->sw->id, lc->index);
	hash.name = name;
	lc->cids = rte_hash_create(&hash);
	return lc->inbox != NULL && lc->cids != NULL ? 0 : -ENOMEM;
}

int
lcore_data_create(struct vsock_switch *sw, unsigned int index, unsigned int lcore_id)
{
	int socket = rte_lcore_to_socket_id(lcore_id);
	struct lcore *lc = rte_zmalloc_socket("vsock_lcore", sizeof(*lc), 128, socket);
	int ret;

	if (lc == NULL)
		return -ENOMEM;
	lc->index = index;
	lc->lcore_id = lcore_id;
	lc->sw = sw;
	lc->nb_lcores = sw->nb_lcores;
	lc->cycles_per_us = rte_get_tsc_hz() / 1000000;
	lc->chunks = &sw->chunks;
	pthread_mutex_init(&lc->inbox_mutex, NULL);
	lc->epoll_fd = -1;
	lc->wake_fd = -1;
	TAILQ_INIT(&lc->active);
	TAILQ_INIT(&lc->ready);
	TAILQ_INIT(&lc->flush);
	TAILQ_INIT(&lc->busy);
	TAILQ_INIT(&lc->ended);
	TAILQ_INIT(&lc->free_pkts);
	for (unsigned int i = 0; i < LIMIT_NB_PORTS; i++)
		TAILQ_INIT(&lc->held[i]);
	for (unsigned int i = 0; i < CONN_NB_TIMERS; i++)
		TAILQ_INIT(&lc->timers[i]);
	for (unsigned int i = 0; i < LIMIT_NB_LCORES; i++)
		TAILQ_INIT(&lc->out[i].staged);
	ret = add_wake_fd(lc);
	if (ret == 0)
		ret = add_memory(lc, socket);
	if (ret == 0)
		ret = host_job_create(lc, LIMIT_NB_HOST_CONNS_PER_LCORE);
	if (ret == 0)
		ret = tick_create(lc);
	if (ret == 0)
		ret = conn_log_create(lc);
	if (ret != 0) {
		lcore_data_free(lc);
		return ret;
	}
	sw->lcores[index] = lc;
	return 0;
}

void
lcore_data_free(struct lcore *lc)
{
	if (lc == NULL)
		return;
	conn_log_free(lc);
	tick_free(lc);
	host_job_free(lc);
	for (unsigned int i = 0; i < LIMIT_NB_LCORES; i++)
		rte_ring_free(lc->in[i]);
	pthread_mutex_destroy(&lc->inbox_mutex);
	rte_hash_free(lc->cids);
	rte_ring_free(lc->inbox);
	while (lc->pkt_blocks != NULL) {
		struct pkt_block *block = lc->pkt_blocks;

		lc->pkt_blocks = block->next;
		rte_free(block);
	}
	if (lc->wake_fd >= 0)
		close(lc->wake_fd);
	if (lc->epoll_fd >= 0)
		close(lc->epoll_fd);
	rte_free(lc);
}

int
lcore_data_connect(struct vsock_switch *sw)
{
	char name[RTE_RING_NAMESIZE];

	for (unsigned int from = 0; from < sw->nb_lcores; from++) {
		for (unsigned int to = 0; to < sw->nb_lcores; to++) {
			struct rte_ring *r;

			if (from == to)
				continue;
			snprintf(name, sizeof(name), "vsock%u_x%u_%u", sw->id, (uint8_t)from,
				(uint8_t)to);
			r = rte_ring_create(name, LIMIT_NB_XRING,
				rte_lcore_to_socket_id(sw->lcores[to]->lcore_id),
				RING_F_SP_ENQ | RING_F_SC_DEQ);
			if (r == NULL)
				return -ENOMEM;
			sw->lcores[from]->out[to].ring = r;
			sw->lcores[to]->in[from] = r;
		}
	}
	return 0;
}
