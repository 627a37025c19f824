/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_lcore.h>

#include "base/clock.h"
#include "base/vsock_log.h"
#include "control/host_listen.h"
#include "control/port.h"
#include "data/lcore.h"
#include "data/port_data.h"
#include "lcore/lcore_msg.h"
#include "lcore/slow.h"
#include "life/vsock.h"
#include "loop/lcore_ctl.h"

_Static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) == PORT_PATH_LEN, "sun_path");

#define NB_GROUPS     64
#define RESET_POLL_US 5000

/* All ports; an id is used again with another generation. */
static pthread_mutex_t port_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct port *ports[LIMIT_NB_PORTS]; /* port_mutex */
static uint32_t gen_next = 1;              /* port_mutex */
static struct {
	char name[32];
	unsigned int nb_ports;
} groups[NB_GROUPS]; /* port_mutex */

/* ---- groups: names become bits ---- */

static int
group_bit(const char *name)
{
	int unused = -ENOSPC;

	for (int i = NB_GROUPS - 1; i >= 0; i--) {
		if (groups[i].nb_ports == 0)
			unused = i;
		else if (strcmp(groups[i].name, name) == 0)
			return i;
	}
	if (unused >= 0)
		strcpy(groups[unused].name, name);
	return unused;
}

static int
groups_get(struct port *port)
{
	for (unsigned int i = 0; i < port->conf.nb_groups; i++) {
		int bit = group_bit(port->conf.groups[i]);

		if (bit < 0)
			return bit;
		if ((port->groups_mask & (1ULL << bit)) == 0)
			groups[bit].nb_ports++;
		port->groups_mask |= 1ULL << bit;
	}
	return 0;
}

static void
groups_put(struct port *port)
{
	for (unsigned int i = 0; i < NB_GROUPS; i++) {
		if ((port->groups_mask & (1ULL << i)) != 0)
			groups[i].nb_ports--;
	}
}

/* ---- reset all connections ---- */

static void
clear(struct port *port, bool detach)
{
	struct lcore_ctl_clear arg = {.port = port, .detach = detach};

	pthread_mutex_lock(&port->clear_mutex);
	lcore_msg_call(port->lcore, lcore_ctl_clear, &arg);
	pthread_mutex_unlock(&port->clear_mutex);
}

/* What went wrong with a device, and where. */
static const char *
broken_text(uint16_t reason)
{
	switch (reason) {
	case DROP_CALL_BLOCKED:
		return "the front end's call eventfd blocked";
	case DROP_MEMORY_GONE:
		return "the front end took guest memory away";
	default:
		return "the guest's rings are unusable";
	}
}

static void
broken(struct wq_work *work)
{
	struct port *port =
		(struct port *)(void *)((char *)work - offsetof(struct port, broken_work));

	VSOCK_LOG(WARNING,
		"%s: cid=%u: %s: device stopped until its driver or front end starts anew",
		port->conf.name, port->cid,
		broken_text(__atomic_load_n(&port->broken_reason, __ATOMIC_RELAXED)));
	wq_block_begin();
	clear(port, false);
	wq_block_end();
}

/* ---- create ---- */

static int
enlist(struct port *port)
{
	int id = -ENOSPC, ret;

	for (int i = LIMIT_NB_PORTS - 1; i >= 0; i--) {
		if (ports[i] == NULL)
			id = i;
		else if (ports[i]->cid == port->cid ||
			strcmp(ports[i]->conf.iface, port->conf.iface) == 0)
			return -EEXIST;
	}
	if (id < 0)
		return id;
	ret = groups_get(port);
	if (ret != 0) {
		groups_put(port);
		return ret;
	}
	port->id = id;
	port->gen = gen_next++;
	ports[id] = port;
	return 0;
}

static void
port_free(struct port *port)
{
	conn_table_fini(&port->conns);
	pthread_mutex_destroy(&port->clear_mutex);
	free(port->pairs);
	free(port);
}

int
port_create(const struct port_conf *conf, struct port **out)
{
	struct port *port;
	int ret;

	if (conf->lcore >= 0 &&
		(!rte_lcore_is_enabled(conf->lcore) ||
			(unsigned int)conf->lcore == rte_get_main_lcore()))
		return -EINVAL;
	port = aligned_alloc(_Alignof(struct port), sizeof(*port));
	if (port == NULL)
		return -ENOMEM;
	memset(port, 0, sizeof(*port));
	port->conf = *conf;
	port->cid = conf->cid;
	for (int q = 0; q < PORT_NB_QUEUES; q++) {
		port->kick_fd[q] = -1;
		port->call_fd[q] = -1;
	}
	TAILQ_INIT(&port->ready);
	pthread_mutex_init(&port->clear_mutex, NULL);
	wq_work_init(&port->broken_work, broken);
	port->pairs = calloc(LIMIT_NB_PORTS, sizeof(*port->pairs));
	ret = port->pairs == NULL ? -ENOMEM : conn_table_init(&port->conns, conf->max_conns);
	if (ret == 0) {
		pthread_mutex_lock(&port_mutex);
		ret = enlist(port);
		pthread_mutex_unlock(&port_mutex);
	}
	if (ret != 0) {
		port_free(port);
		return ret;
	}
	*out = port;
	return 0;
}

/* ---- start ---- */

static struct lcore *
choose_lcore(const struct port *port)
{
	unsigned int nb_ports[LIMIT_NB_LCORES] = {0}, best = 0;

	for (unsigned int i = 0; i < vsock_nb_lcores(); i++) {
		if ((int)vsock_lcore(i)->lcore_id == port->conf.lcore)
			return vsock_lcore(i);
	}
	for (unsigned int i = 0; i < LIMIT_NB_PORTS; i++) {
		if (ports[i] != NULL && ports[i]->lcore != NULL)
			nb_ports[ports[i]->lcore->index]++;
	}
	for (unsigned int i = 1; i < vsock_nb_lcores(); i++) {
		if (nb_ports[i] < nb_ports[best])
			best = i;
	}
	return vsock_lcore(best);
}

static int
set_routes(const struct port *port, bool add)
{
	struct lcore_ctl_route arg = {.port_id = port->id};
	int ret = 0;

	if (add) {
		arg.route.cid = port->cid;
		arg.route.gen = port->gen;
		arg.route.groups_mask = port->groups_mask;
		arg.route.lcore = port->lcore->index;
	}
	for (unsigned int i = 0; i < vsock_nb_lcores(); i++) {
		int one = lcore_msg_call(vsock_lcore(i), lcore_ctl_route, &arg);

		ret = ret != 0 ? ret : one;
	}
	return ret;
}

int
port_start(struct port *port)
{
	int ret;

	pthread_mutex_lock(&port_mutex);
	port->lcore = choose_lcore(port);
	pthread_mutex_unlock(&port_mutex);
	if (port->conf.uds[0] != '\0') {
		ret = host_listen_open(port, &port->listener);
		if (ret != 0)
			return ret;
	}
	lcore_msg_call(port->lcore, lcore_ctl_port_add, port);
	ret = set_routes(port, true);
	__atomic_store_n(&port->started, true, __ATOMIC_RELEASE);
	return ret;
}

/* ---- devices ---- */

static void
device_release(struct port_device *dev)
{
	for (int q = 0; q < PORT_NB_QUEUES; q++) {
		if (dev->kick_fd[q] >= 0)
			close(dev->kick_fd[q]);
		if (dev->call_fd[q] >= 0)
			close(dev->call_fd[q]);
	}
	free(dev->mem);
}

/* The rings stand where they stood: the guest's driver has not started anew. */
static bool
goes_on(const struct port *port, const struct port_device *dev)
{
	if (!port->has_stopped_at)
		return false;
	for (int q = 0; q < PORT_NB_QUEUES; q++) {
		if (dev->vq[q].last_avail != port->stopped_at.last_avail[q])
			return false;
	}
	return true;
}

int
port_device_up(struct port *port, struct port_device *dev)
{
	struct lcore_ctl_device arg = {.port = port, .dev = dev};
	int ret;

	if (!goes_on(port, dev))
		clear(port, false);
	ret = lcore_msg_call(port->lcore, lcore_ctl_device_up, &arg);
	if (ret != 0) {
		device_release(dev);
		return ret;
	}
	__atomic_store_n(&port->device, true, __ATOMIC_RELEASE);
	return 0;
}

int
port_device_down(struct port *port, struct port_indices *indices)
{
	struct port_indices at;
	struct lcore_ctl_stop arg = {.port = port, .indices = &at};
	int ret = lcore_msg_call(port->lcore, lcore_ctl_device_down, &arg);

	if (ret != 0)
		return ret;
	__atomic_store_n(&port->device, false, __ATOMIC_RELEASE);
	port->stopped_at = at;
	port->has_stopped_at = true;
	if (indices != NULL)
		*indices = at;
	return 0;
}

void
port_front_end_gone(struct port *port)
{
	clear(port, true);
	port->has_stopped_at = false;
}

/* ---- stop ---- */

void
port_reset_all(unsigned int timeout_ms)
{
	uint64_t deadline_ms = clock_ms() + timeout_ms;
	int left;

	do {
		left = 0;
		pthread_mutex_lock(&port_mutex);
		for (unsigned int i = 0; i < LIMIT_NB_PORTS; i++) {
			if (ports[i] != NULL && ports[i]->started)
				left += lcore_msg_call(ports[i]->lcore, lcore_ctl_reset, ports[i]);
		}
		pthread_mutex_unlock(&port_mutex);
		if (left > 0)
			usleep(RESET_POLL_US);
	} while (left > 0 && clock_ms() < deadline_ms);
}

void
port_destroy(struct port *port)
{
	pthread_mutex_lock(&port_mutex);
	ports[port->id] = NULL;
	groups_put(port);
	pthread_mutex_unlock(&port_mutex);
	host_listen_close(port->listener);
	if (port->started) {
		set_routes(port, false);
		port_device_down(port, NULL);
		clear(port, true);
		slow_flush(); /* jobs look at its settings */
		lcore_msg_call(port->lcore, lcore_ctl_port_remove, port);
	}
	port_free(port);
}

/* ---- queries ---- */

void
port_foreach(void (*fn)(struct port *port, void *arg), void *arg)
{
	pthread_mutex_lock(&port_mutex);
	for (unsigned int i = 0; i < LIMIT_NB_PORTS; i++) {
		if (ports[i] != NULL && ports[i]->started)
			fn(ports[i], arg);
	}
	pthread_mutex_unlock(&port_mutex);
}

const struct port_conf *
port_conf_of(const struct port *port)
{
	return &port->conf;
}

bool
port_has_device(const struct port *port)
{
	return __atomic_load_n(&port->device, __ATOMIC_ACQUIRE);
}

volatile int *
port_fault_flag(struct port *port)
{
	return &port->fault;
}
