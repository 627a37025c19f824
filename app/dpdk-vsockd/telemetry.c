/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_telemetry.h>

#include "control/port.h"
#include "control/snapshot.h"
#include "tel.h"
#include "telemetry.h"

/* DPDK truncates an answer at 16 KiB, so lcores are listed in pages. */
#define LCORES_PER_PAGE 32

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct vsock_switch *serving; /* mutex; NULL: requests are refused */

/* Add a container. The answer owns it after success; free it after an error. */
static void
add_container(struct rte_tel_data *d, const char *name, struct rte_tel_data *sub)
{
	if (rte_tel_data_add_dict_container(d, name, sub, 0) != 0)
		rte_tel_data_free(sub);
}

/* ---- answers ---- */

static void
add_counters(struct rte_tel_data *d, const struct snapshot_port *s)
{
	struct rte_tel_data *drops = rte_tel_data_alloc();

	for (unsigned int i = 0; i < SNAPSHOT_NB_COUNTERS; i++)
		tel_add_u64(d, snapshot_counter_name(i), s->counters[i]);
	if (drops == NULL)
		return;
	rte_tel_data_start_dict(drops);
	for (unsigned int i = 0; i < SNAPSHOT_NB_DROPS; i++)
		tel_add_u64(drops, snapshot_drop_name(i), s->drops[i]);
	add_container(d, "drops", drops);
}

/* ---- /vsock/list ---- */

struct list_arg {
	struct rte_tel_data *d;
	unsigned int start, n;
};

static void
list_port(struct port *port, void *arg)
{
	struct list_arg *a = arg;

	if (a->n++ >= a->start)
		rte_tel_data_add_array_string(a->d, port_conf_of(port)->name);
}

static int
handle_list(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct list_arg a = {.d = d};

	(void)cmd;
	if (params != NULL)
		a.start = strtoul(params, NULL, 10);
	rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
	port_foreach(serving, list_port, &a);
	return 0;
}

/* ---- /vsock/port,<name> ---- */

struct find_arg {
	const char *name;
	size_t name_len;
	struct rte_tel_data *d;
	uint32_t start;
	bool found;
};

static bool
is_wanted(const struct port *port, struct find_arg *a)
{
	const char *name = port_conf_of(port)->name;

	if (strlen(name) != a->name_len || memcmp(name, a->name, a->name_len) != 0)
		return false;
	a->found = true;
	return true;
}

static void
add_settings(struct rte_tel_data *d, const struct port_conf *conf, uint32_t lcore_id)
{
	char groups[RTE_TEL_MAX_STRING_LEN] = "";

	for (unsigned int i = 0; i < conf->nb_groups; i++) {
		size_t len = strlen(groups);

		snprintf(groups + len, sizeof(groups) - len, "%s%s", i > 0 ? "+" : "",
			conf->groups[i]);
	}
	rte_tel_data_add_dict_string(d, "name", conf->name);
	tel_add_u64(d, "cid", conf->cid);
	rte_tel_data_add_dict_string(d, "iface", conf->iface);
	rte_tel_data_add_dict_string(d, "uds", conf->uds);
	rte_tel_data_add_dict_string(d, "groups", groups);
	tel_add_u64(d, "lcore", lcore_id);
	tel_add_u64(d, "buf_alloc", conf->buf_alloc);
	tel_add_u64(d, "max_conns", conf->max_conns);
}

static void
show_port(struct port *port, void *arg)
{
	struct find_arg *a = arg;
	struct snapshot_port s;

	if (!is_wanted(port, a))
		return;
	snapshot_port(port, &s);
	add_settings(a->d, port_conf_of(port), s.lcore_id);
	tel_add_u64(a->d, "connected", port_has_device(port));
	tel_add_u64(a->d, "active", s.active);
	tel_add_u64(a->d, "conns", s.nb_conns);
	tel_add_u64(a->d, "pool_chunks", s.nb_pool_chunks);
	tel_add_u64(a->d, "from_guest_in_flight", s.nb_in_flight);
	add_counters(a->d, &s);
}

static int
handle_port(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct find_arg a = {.name = params, .d = d};

	(void)cmd;
	if (params == NULL)
		return -EINVAL;
	a.name_len = strlen(params);
	rte_tel_data_start_dict(d);
	port_foreach(serving, show_port, &a);
	return a.found ? 0 : -ENOENT;
}

/* ---- /vsock/conns,<name>[,<start>] ---- */

/* DPDK 22.11 nests only dictionaries, so the key of a connection is its pair of addresses. */
static void
add_row(struct rte_tel_data *d, const struct snapshot_conn *r)
{
	struct rte_tel_data *row = rte_tel_data_alloc();
	char name[48];

	if (row == NULL)
		return;
	rte_tel_data_start_dict(row);
	tel_add_u64(row, "guest_port", r->local_port);
	tel_add_u64(row, "peer_cid", r->peer_cid);
	tel_add_u64(row, "peer_port", r->peer_port);
	rte_tel_data_add_dict_string(row, "type", r->type);
	rte_tel_data_add_dict_string(row, "state", r->state);
	tel_add_u64(row, "rx_cnt", r->rx_cnt);
	tel_add_u64(row, "tx_cnt", r->tx_cnt);
	tel_add_u64(row, "backlog", r->backlog);
	snprintf(name, sizeof(name), "%u_%u_%u", r->local_port, r->peer_cid, r->peer_port);
	add_container(d, name, row);
}

static void
show_conns(struct port *port, void *arg)
{
	struct find_arg *a = arg;
	struct snapshot_conns *s;

	if (!is_wanted(port, a))
		return;
	s = malloc(sizeof(*s));
	if (s == NULL)
		return;
	snapshot_conns(port, a->start, s);
	tel_add_u64(a->d, "next", s->next);
	for (uint32_t i = 0; i < s->nb; i++)
		add_row(a->d, &s->rows[i]);
	free(s);
}

static int
handle_conns(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct find_arg a = {.name = params, .d = d};
	const char *comma;

	(void)cmd;
	if (params == NULL)
		return -EINVAL;
	comma = strchr(params, ',');
	a.name_len = comma != NULL ? (size_t)(comma - params) : strlen(params);
	a.start = comma != NULL ? strtoul(comma + 1, NULL, 10) : 0;
	rte_tel_data_start_dict(d);
	port_foreach(serving, show_conns, &a);
	return a.found ? 0 : -ENOENT;
}

/* ---- /vsock/stats ---- */

struct sum_arg {
	struct snapshot_port sum; /* the counters and nb_conns */
	uint64_t nb_ports, nb_connected;
};

static void
sum_port(struct port *port, void *arg)
{
	struct sum_arg *a = arg;
	struct snapshot_port s;

	snapshot_port(port, &s);
	for (unsigned int i = 0; i < SNAPSHOT_NB_COUNTERS; i++)
		a->sum.counters[i] += s.counters[i];
	for (unsigned int i = 0; i < SNAPSHOT_NB_DROPS; i++)
		a->sum.drops[i] += s.drops[i];
	a->sum.nb_conns += s.nb_conns;
	a->nb_ports++;
	a->nb_connected += port_has_device(port);
}

static int
handle_stats(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct sum_arg a = {0};

	(void)cmd;
	(void)params;
	port_foreach(serving, sum_port, &a);
	rte_tel_data_start_dict(d);
	tel_add_u64(d, "ports", a.nb_ports);
	tel_add_u64(d, "connected", a.nb_connected);
	tel_add_u64(d, "conns", a.sum.nb_conns);
	add_counters(d, &a.sum);
	return 0;
}

/* ---- /vsock/lcores ---- */

static void
add_lcore(struct rte_tel_data *d, const struct snapshot_lcore *s)
{
	struct rte_tel_data *row = rte_tel_data_alloc();
	char name[16];

	if (row == NULL)
		return;
	rte_tel_data_start_dict(row);
	tel_add_u64(row, "ports", s->nb_ports);
	tel_add_u64(row, "active_ports", s->nb_active);
	tel_add_u64(row, "loops", s->stats.loops);
	tel_add_u64(row, "busy_loops", s->stats.busy_loops);
	tel_add_u64(row, "total_cycles", s->stats.total_cycles);
	tel_add_u64(row, "busy_cycles", s->stats.busy_cycles);
	tel_add_u64(row, "sleeps", s->stats.sleeps);
	tel_add_u64(row, "port_sleeps", s->stats.port_sleeps);
	tel_add_u64(row, "epoll_calls", s->stats.epoll_calls);
	tel_add_u64(row, "wakeups_sent", s->stats.wakeups_sent);
	tel_add_u64(row, "xlcore_messages", s->stats.xlcore_messages);
	tel_add_u64(row, "inbox_messages", s->stats.inbox_messages);
	tel_add_u64(row, "loans_copied", s->stats.loans_copied);
	tel_add_u64(row, "pkts_exhausted", s->stats.pkts_exhausted);
	tel_add_u64(row, "free_pkts", s->nb_free_pkts);
	tel_add_u64(row, "deadlines", s->nb_deadlines);
	snprintf(name, sizeof(name), "%u", s->lcore_id);
	add_container(d, name, row);
}

static int
handle_lcores(const char *cmd, const char *params, struct rte_tel_data *d)
{
	unsigned int start = params != NULL ? strtoul(params, NULL, 10) : 0;
	struct snapshot_lcore s;

	(void)cmd;
	rte_tel_data_start_dict(d);
	for (unsigned int i = 0; i < LCORES_PER_PAGE && snapshot_lcore(serving, start + i, &s); i++)
		add_lcore(d, &s);
	return 0;
}

/* ---- registration ---- */

static const struct {
	const char *cmd;
	telemetry_cb handler;
	const char *help;
} commands[] = {
	{"/vsock/list", handle_list, "Names of the ports. Parameter: number of names to skip"},
	{"/vsock/port", handle_port, "Settings and counters of a port. Parameter: name"},
	{"/vsock/conns", handle_conns,
		"Connections of a port, in pages. Parameters: name[,start]; start is \"next\" of "
		"the "
		"page before"},
	{"/vsock/stats", handle_stats, "Sums of the counters of all ports"},
	{"/vsock/lcores", handle_lcores,
		"Counters of the poll lcores, 32 at a time. Parameter: number of lcores to skip"},
};

#define NB_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* DPDK cannot unregister a command, so refuse commands after telemetry_stop(). */
static int
dispatch(const char *cmd, const char *params, struct rte_tel_data *d)
{
	int ret = -ESHUTDOWN;

	pthread_mutex_lock(&mutex);
	for (size_t i = 0; serving != NULL && i < NB_COMMANDS; i++) {
		if (strcmp(cmd, commands[i].cmd) == 0)
			ret = commands[i].handler(cmd, params, d);
	}
	pthread_mutex_unlock(&mutex);
	return ret;
}

int
telemetry_start(struct vsock_switch *sw)
{
	for (size_t i = 0; i < NB_COMMANDS; i++) {
		int ret = rte_telemetry_register_cmd(commands[i].cmd, dispatch, commands[i].help);

		if (ret != 0)
			return ret;
	}
	pthread_mutex_lock(&mutex);
	serving = sw;
	pthread_mutex_unlock(&mutex);
	return 0;
}

void
telemetry_stop(void)
{
	pthread_mutex_lock(&mutex);
	serving = NULL;
	pthread_mutex_unlock(&mutex);
}
