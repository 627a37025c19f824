/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>
#include <rte_telemetry.h>

#include "control/port.h"
#include "control/snapshot.h"
#include "tel.h"
#include "tel_conns.h"
#include "telemetry.h"
#include "vsock_limits.h"

/* DPDK truncates an answer at 16 KiB, so lcores and ports are listed in pages. */
#define ROWS_PER_PAGE 32

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct vsock_switch *serving; /* mutex; NULL: requests are refused */

/* ---- answers ---- */

static void
add_counters(struct rte_tel_data *d, const struct snapshot_port *s)
{
	struct rte_tel_data *drops = tel_dict();

	for (unsigned int i = 0; i < SNAPSHOT_NB_COUNTERS; i++)
		tel_add_u64(d, snapshot_counter_name(i), s->counters[i]);
	if (drops == NULL)
		return;
	for (unsigned int i = 0; i < SNAPSHOT_NB_DROPS; i++)
		tel_add_u64(drops, snapshot_drop_name(i), s->drops[i]);
	tel_add_dict(d, "drops", drops);
}

/* ---- /vsock/list ---- */

struct list_arg {
	struct rte_tel_data *d;
	unsigned int start, n, nb_rows;
};

static void
list_port(struct port *port, void *arg)
{
	struct list_arg *a = arg;

	if (a->n++ >= a->start)
		rte_tel_data_add_array_string(a->d, port_conf_of(port)->name);
}

static int
handle_list(struct vsock_switch *sw, const char *params, struct rte_tel_data *d)
{
	struct tel_params parsed = {.number = 0};
	struct list_arg a = {.d = d};

	if (!tel_parse(params, false, LIMIT_NB_PORTS, d, &parsed))
		return 0;
	a.start = parsed.number;
	rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
	port_foreach(sw, list_port, &a);
	return 0;
}

/* ---- /vsock/ports[,<start>] ---- */

static uint64_t
sum_drops(const struct snapshot_port *s)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < SNAPSHOT_NB_DROPS; i++)
		sum += s->drops[i];
	return sum;
}

static void
table_port(struct port *port, void *arg)
{
	/* The others are in /vsock/port. */
	static const char *const columns[] = {"from_guest_packets", "from_guest_bytes",
		"to_guest_packets", "to_guest_bytes", "conns_opened", "resets_sent"};
	const struct port_conf *conf = port_conf_of(port);
	struct rte_tel_data *row;
	struct list_arg *a = arg;
	struct snapshot_port s;

	if (a->n++ < a->start || a->nb_rows == ROWS_PER_PAGE)
		return;
	row = tel_dict();
	if (row == NULL)
		return;
	a->nb_rows++;
	snapshot_port(port, &s);
	tel_add_u64(row, "cid", conf->cid);
	tel_add_u64(row, "lcore", s.lcore_id);
	tel_add_u64(row, "connected", port_has_device(port));
	tel_add_u64(row, "active", s.active);
	tel_add_u64(row, "conns", s.nb_conns);
	tel_add_u64(row, "pool_chunks", s.nb_pool_chunks);
	for (unsigned int i = 0; i < SNAPSHOT_NB_COUNTERS; i++) {
		for (unsigned int j = 0; j < RTE_DIM(columns); j++) {
			if (strcmp(columns[j], snapshot_counter_name(i)) == 0)
				tel_add_u64(row, columns[j], s.counters[i]);
		}
	}
	tel_add_u64(row, "drops", sum_drops(&s));
	tel_add_dict(a->d, conf->name, row);
}

static int
handle_ports(struct vsock_switch *sw, const char *params, struct rte_tel_data *d)
{
	struct tel_params parsed = {.number = 0};
	struct list_arg a = {.d = d};

	if (!tel_parse(params, false, LIMIT_NB_PORTS, d, &parsed))
		return 0;
	a.start = parsed.number;
	rte_tel_data_start_dict(d);
	port_foreach(sw, table_port, &a);
	tel_add_u64(d, "next", a.n > a.start + a.nb_rows ? a.start + a.nb_rows : 0);
	return 0;
}

/* ---- /vsock/port,<name> ---- */

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
	struct rte_tel_data *d = arg;
	struct snapshot_port s;

	snapshot_port(port, &s);
	rte_tel_data_start_dict(d);
	add_settings(d, port_conf_of(port), s.lcore_id);
	tel_add_u64(d, "connected", port_has_device(port));
	tel_add_u64(d, "active", s.active);
	tel_add_u64(d, "conns", s.nb_conns);
	tel_add_u64(d, "pool_chunks", s.nb_pool_chunks);
	tel_add_u64(d, "from_guest_in_flight", s.nb_in_flight);
	add_counters(d, &s);
}

static int
handle_port(struct vsock_switch *sw, const char *params, struct rte_tel_data *d)
{
	struct tel_params parsed;

	if (tel_parse(params, true, 0, d, &parsed))
		(void)tel_with_port(sw, &parsed, d, show_port, d);
	return 0;
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
handle_stats(struct vsock_switch *sw, const char *params, struct rte_tel_data *d)
{
	struct sum_arg a = {0};

	if (!tel_no_params(params, d))
		return 0;
	port_foreach(sw, sum_port, &a);
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
	struct rte_tel_data *row = tel_dict();
	char name[16];

	if (row == NULL)
		return;
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
	tel_add_dict(d, name, row);
}

static int
handle_lcores(struct vsock_switch *sw, const char *params, struct rte_tel_data *d)
{
	struct tel_params parsed = {.number = 0};
	struct snapshot_lcore s;
	unsigned int start;

	if (!tel_parse(params, false, LIMIT_NB_LCORES, d, &parsed))
		return 0;
	start = parsed.number;
	rte_tel_data_start_dict(d);
	for (unsigned int i = 0; i < ROWS_PER_PAGE && snapshot_lcore(sw, start + i, &s); i++)
		add_lcore(d, &s);
	return 0;
}

/* ---- registration ---- */

static int handle_help(struct vsock_switch *sw, const char *params, struct rte_tel_data *d);

/* DPDK cuts a text after 127 bytes. */
static const struct {
	const char *cmd;
	int (*handler)(struct vsock_switch *sw, const char *params, struct rte_tel_data *d);
	const char *help;
} commands[] = {
	{"/vsock/help", handle_help, "These texts. No parameters"},
	{"/vsock/list", handle_list, "Names of the ports. Parameter: number of names to skip"},
	{"/vsock/ports", handle_ports,
		"Table of the ports, 32 at a time. Parameter: 'next' of the page before"},
	{"/vsock/port", handle_port, "Settings and counters of a port. Parameter: name or CID"},
	{"/vsock/conns", tel_conns_page,
		"Connections of a port, in pages. Parameters: name or CID[,'next' of the page "
		"before]"},
	{"/vsock/top", tel_conns_top,
		"The busiest connections since the last call. Parameter: their number, at most 25"},
	{"/vsock/stats", handle_stats, "Sums of the counters of all ports. No parameters"},
	{"/vsock/lcores", handle_lcores,
		"Counters of the poll lcores, 32 at a time. Parameter: number of lcores to skip"},
};

#define NB_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int
handle_help(struct vsock_switch *sw, const char *params, struct rte_tel_data *d)
{
	(void)sw;
	if (!tel_no_params(params, d))
		return 0;
	rte_tel_data_start_dict(d);
	for (size_t i = 0; i < NB_COMMANDS; i++)
		rte_tel_data_add_dict_string(d, commands[i].cmd, commands[i].help);
	return 0;
}

/* DPDK cannot unregister a command, so refuse commands after telemetry_stop(). */
static int
dispatch(const char *cmd, const char *params, struct rte_tel_data *d)
{
	int ret = 0;

	pthread_mutex_lock(&mutex);
	if (serving == NULL)
		ret = tel_error(d, "the daemon is stopping");
	for (size_t i = 0; serving != NULL && i < NB_COMMANDS; i++) {
		if (strcmp(cmd, commands[i].cmd) == 0)
			ret = commands[i].handler(serving, params, d);
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
	tel_conns_free();
	pthread_mutex_unlock(&mutex);
}
