/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_lcore.h>
#include <rte_random.h>

#include "base/clock.h"
#include "base/vsock_log.h"
#include "control/host_listen.h"
#include "control/port.h"
#include "data/lcore.h"
#include "data/port_data.h"
#include "data/vsock_switch.h"
#include "lcore/host_job.h"
#include "lcore/lcore_msg.h"
#include "loop/lcore_ctl.h"
#include "loop/lcore_data.h"

_Static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) == PORT_PATH_LEN, "sun_path");

/** The ports of a switch. An id is reused with another generation. */
struct port_table {
	pthread_mutex_t mutex;
	struct port *ports[LIMIT_NB_PORTS]; /* mutex */
	uint32_t gen_next;                  /* mutex */
	struct {
		char name[32];
		unsigned int nb_ports;
	} groups[LIMIT_NB_GROUPS]; /* mutex */
};

int
port_table_create(struct vsock_switch *sw)
{
	struct port_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	pthread_mutex_init(&t->mutex, NULL);
	t->gen_next = 1;
	sw->ports = t;
	return 0;
}

void
port_table_free(struct vsock_switch *sw)
{
	if (sw->ports == NULL)
		return;
	pthread_mutex_destroy(&sw->ports->mutex);
	free(sw->ports);
	sw->ports = NULL;
}

/* ---- groups: names become bits ---- */

/* Find the bit of each group of the port, or take a free one. The mutex is held. */
static int
groups_get(struct port_table *t, struct port *port)
{
	for (unsigned int i = 0; i < port->conf.nb_groups; i++) {
		const char *name = port->conf.groups[i];
		int bit = -1, unused = -1;

		for (int j = LIMIT_NB_GROUPS - 1; j >= 0; j--) {
			if (t->groups[j].nb_ports == 0)
				unused = j;
			else if (strcmp(t->groups[j].name, name) == 0)
				bit = j;
		}
		if (bit < 0 && unused < 0)
			return -ENOSPC;
		if (bit < 0) {
			bit = unused;
			strcpy(t->groups[bit].name, name);
		}
		if ((port->groups_mask & (1ULL << bit)) == 0)
			t->groups[bit].nb_ports++;
		port->groups_mask |= 1ULL << bit;
	}
	return 0;
}

static void
groups_put(struct port_table *t, struct port *port)
{
	for (unsigned int i = 0; i < LIMIT_NB_GROUPS; i++) {
		if ((port->groups_mask & (1ULL << i)) != 0)
			t->groups[i].nb_ports--;
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

/* The cause of a stop, for the log line. */
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

	VSOCK_LOG(WARNING, "%s: cid=%u: device stopped: %s (restart the driver or the front end)",
		port->conf.name, port->cid,
		broken_text(__atomic_load_n(&port->broken_reason, __ATOMIC_RELAXED)));
	wq_block_begin();
	clear(port, false);
	wq_block_end();
}

/* ---- create ---- */

/* Give the port an id and its groups. */
static int
enlist(struct port_table *t, struct port *port)
{
	int id = -ENOSPC, ret = 0;

	pthread_mutex_lock(&t->mutex);
	for (int i = LIMIT_NB_PORTS - 1; i >= 0 && ret == 0; i--) {
		if (t->ports[i] == NULL)
			id = i;
		else if (t->ports[i]->cid == port->cid ||
			strcmp(t->ports[i]->conf.iface, port->conf.iface) == 0)
			ret = -EEXIST;
	}
	if (ret == 0 && id < 0)
		ret = -ENOSPC;
	if (ret == 0) {
		ret = groups_get(t, port);
		if (ret != 0)
			groups_put(t, port);
	}
	if (ret == 0) {
		port->id = id;
		port->gen = t->gen_next++;
		t->ports[id] = port;
	}
	pthread_mutex_unlock(&t->mutex);
	return ret;
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
port_create(struct vsock_switch *sw, const struct port_conf *conf, struct port **out)
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
	port->sw = sw;
	port->conf = *conf;
	port->cid = conf->cid;
	/* After a restart, the guest may still know connections to the last daemon's host ports. */
	port->host_port_next = (uint32_t)rte_rand();
	port_device_init(&port->dev);
	TAILQ_INIT(&port->ready);
	pthread_mutex_init(&port->clear_mutex, NULL);
	wq_work_init(&port->broken_work, broken);
	port->pairs = calloc(LIMIT_NB_PORTS, sizeof(*port->pairs));
	for (unsigned int i = 0; port->pairs != NULL && i < LIMIT_NB_PORTS; i++)
		TAILQ_INIT(&port->pairs[i].ready);
	ret = port->pairs == NULL ? -ENOMEM : conn_table_init(&port->conns, conf->max_conns);
	if (ret == 0)
		ret = enlist(sw->ports, port);
	if (ret != 0) {
		port_free(port);
		return ret;
	}
	*out = port;
	return 0;
}

/* ---- start ---- */

/* The lcore of the settings, or the lcore with the fewest ports. NULL: no such lcore. */
static struct lcore *
choose_lcore(const struct port *port)
{
	unsigned int nb_ports[LIMIT_NB_LCORES] = {0}, best = 0;
	const struct vsock_switch *sw = port->sw;

	for (unsigned int i = 0; i < sw->nb_lcores; i++) {
		if ((int)sw->lcores[i]->lcore_id == port->conf.lcore)
			return sw->lcores[i];
	}
	if (port->conf.lcore >= 0)
		return NULL;
	for (unsigned int i = 0; i < LIMIT_NB_PORTS; i++) {
		const struct port *other = sw->ports->ports[i];

		if (other != NULL && other->lcore != NULL)
			nb_ports[other->lcore->index]++;
	}
	for (unsigned int i = 1; i < sw->nb_lcores; i++) {
		if (nb_ports[i] < nb_ports[best])
			best = i;
	}
	return sw->lcores[best];
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
	for (unsigned int i = 0; i < port->sw->nb_lcores; i++) {
		int one = lcore_msg_call(port->sw->lcores[i], lcore_ctl_route, &arg);

		ret = ret != 0 ? ret : one;
	}
	return ret;
}

static int
add_to_lcore(struct port *port)
{
	struct lcore_ctl_port_add arg = {.port = port};
	unsigned int nb_ports = 0;
	int ret;

	pthread_mutex_lock(&port->sw->ports->mutex);
	for (unsigned int i = 0; i < LIMIT_NB_PORTS; i++) {
		const struct port *other = port->sw->ports->ports[i];

		nb_ports += other != NULL && other->lcore == port->lcore;
	}
	ret = lcore_data_make_pkts(port->lcore, nb_ports, &arg.pkts);
	pthread_mutex_unlock(&port->sw->ports->mutex);
	if (ret != 0) {
		VSOCK_LOG(ERR, "%s: no memory for packets of lcore %u (see -m)", port->conf.name,
			port->lcore->lcore_id);
		return ret;
	}
	lcore_msg_call(port->lcore, lcore_ctl_port_add, &arg);
	return 0;
}

int
port_start(struct port *port)
{
	int ret;

	pthread_mutex_lock(&port->sw->ports->mutex);
	port->lcore = choose_lcore(port);
	pthread_mutex_unlock(&port->sw->ports->mutex);
	if (port->lcore == NULL) {
		VSOCK_LOG(ERR, "%s: lcore=%d: not a poll lcore (see -l)", port->conf.name,
			port->conf.lcore);
		return -EINVAL;
	}
	if (port->conf.uds[0] != '\0') {
		ret = host_listen_open(port, &port->listener);
		if (ret != 0)
			return ret;
	}
	ret = add_to_lcore(port);
	if (ret != 0)
		return ret;
	ret = set_routes(port, true);
	__atomic_store_n(&port->started, true, __ATOMIC_RELEASE);
	return ret;
}

/* ---- devices ---- */

/* Do the rings continue where they stopped? Then the driver has not restarted. */
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
		port_device_release(dev);
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
port_reset_all(struct vsock_switch *sw, unsigned int timeout_ms)
{
	struct port_table *t = sw->ports;
	uint64_t deadline_ms = clock_ms() + timeout_ms;
	int left;

	do {
		left = 0;
		pthread_mutex_lock(&t->mutex);
		for (unsigned int i = 0; i < LIMIT_NB_PORTS; i++) {
			if (t->ports[i] != NULL && t->ports[i]->started)
				left += lcore_msg_call(
					t->ports[i]->lcore, lcore_ctl_reset, t->ports[i]);
		}
		pthread_mutex_unlock(&t->mutex);
		if (left > 0)
			usleep(LIMIT_RESET_POLL_US);
	} while (left > 0 && clock_ms() < deadline_ms);
}

void
port_destroy(struct port *port)
{
	struct vsock_switch *sw = port->sw;

	pthread_mutex_lock(&sw->ports->mutex);
	sw->ports->ports[port->id] = NULL;
	groups_put(sw->ports, port);
	pthread_mutex_unlock(&sw->ports->mutex);
	host_listen_close(port->listener);
	if (port->started) {
		set_routes(port, false);
		port_device_down(port, NULL);
		clear(port, true);
		/* Jobs of the slow path read the port's settings, so run them first. */
		for (unsigned int i = 0; i < sw->nb_lcores; i++)
			host_job_flush(sw->lcores[i]);
		wq_flush(sw->slow_wq);
		lcore_msg_call(port->lcore, lcore_ctl_port_remove, port);
	}
	port_free(port);
}

/* ---- queries ---- */

void
port_foreach(struct vsock_switch *sw, void (*fn)(struct port *port, void *arg), void *arg)
{
	struct port_table *t = sw->ports;

	pthread_mutex_lock(&t->mutex);
	for (unsigned int i = 0; i < LIMIT_NB_PORTS; i++) {
		if (t->ports[i] != NULL && t->ports[i]->started)
			fn(t->ports[i], arg);
	}
	pthread_mutex_unlock(&t->mutex);
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
