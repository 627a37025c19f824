/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "control/port.h"
#include "control/snapshot.h"
#include "tel.h"
#include "tel_conns.h"
#include "vsock_limits.h"

#define TOP_DEFAULT 10

/* ---- a row ---- */

/* Add what both commands tell. */
static void
add_values(struct rte_tel_data *row, const struct snapshot_conn *r)
{
	tel_add_u64(row, "guest_port", r->local_port);
	tel_add_u64(row, "peer_cid", r->peer_cid);
	tel_add_u64(row, "peer_port", r->peer_port);
	rte_tel_data_add_dict_string(row, "type", r->type);
	rte_tel_data_add_dict_string(row, "state", r->state);
	rte_tel_data_add_dict_string(row, "waits", r->waits);
	tel_add_u64(row, "rx_bytes", r->rx_bytes);
	tel_add_u64(row, "tx_bytes", r->tx_bytes);
	tel_add_u64(row, "age_ms", r->age_ms);
	tel_add_u64(row, "idle_ms", r->idle_ms);
	tel_add_u64(row, "pid", (uint64_t)r->pid);
	tel_add_u64(row, "uid", r->uid);
}

/* ---- /vsock/conns ---- */

/* DPDK 22.11 nests only dictionaries, so the key of a connection is its pair of addresses. */
static void
add_row(struct rte_tel_data *d, const struct snapshot_conn *r)
{
	struct rte_tel_data *row = tel_dict();
	char name[48];

	if (row == NULL)
		return;
	add_values(row, r);
	tel_add_u64(row, "rx_packets", r->rx_packets);
	tel_add_u64(row, "tx_packets", r->tx_packets);
	tel_add_u64(row, "credit_from_guest", r->credit_from_guest);
	tel_add_u64(row, "credit_to_guest", r->credit_to_guest);
	/* Names of the first release: modulo 2^32. */
	tel_add_u64(row, "rx_cnt", (uint32_t)r->rx_bytes);
	tel_add_u64(row, "tx_cnt", r->tx_accepted);
	tel_add_u64(row, "backlog", r->backlog);
	snprintf(name, sizeof(name), "%u_%u_%u", r->local_port, r->peer_cid, r->peer_port);
	tel_add_dict(d, name, row);
}

struct page {
	uint32_t start;
	struct snapshot_conns *s;
};

/* Empty pages are left out: the entries of a table may be far apart. */
static void
copy_page(struct port *port, void *arg)
{
	struct page *p = arg;

	p->s->next = p->start;
	do {
		snapshot_conns(port, p->s->next, p->s);
	} while (p->s->nb == 0 && p->s->next != 0);
}

int
tel_conns_page(struct vsock_switch *sw, const char *params, struct rte_tel_data *d)
{
	struct tel_params parsed = {.number = 0};
	struct snapshot_conns s;
	struct page page = {.s = &s};

	if (!tel_parse(params, true, LIMIT_NB_CONNS_PER_PORT_MAX, d, &parsed))
		return 0;
	page.start = parsed.number;
	if (!tel_with_port(sw, &parsed, d, copy_page, &page))
		return 0;
	rte_tel_data_start_dict(d);
	tel_add_u64(d, "next", s.next);
	for (uint32_t i = 0; i < s.nb; i++)
		add_row(d, &s.rows[i]);
	return 0;
}

/* ---- /vsock/top ---- */

/** A connection at the time of a sample. */
struct sampled {
	char port[64];
	uint32_t guest_cid;
	struct snapshot_conn conn;
	uint64_t rx_rate, tx_rate; /* bytes per second */
};

struct sample {
	struct sampled *rows;
	size_t nb, nb_max;
	uint64_t at_ms; /* 0: none */
	bool failed;
};

static struct sample last; /* telemetry.c lets in one call at a time */

static void
sample_free(struct sample *s)
{
	free(s->rows);
	memset(s, 0, sizeof(*s));
}

static struct sampled *
sample_add(struct sample *s)
{
	if (s->nb == s->nb_max) {
		const size_t nb_max = s->nb_max == 0 ? 256 : s->nb_max * 2;
		struct sampled *rows = realloc(s->rows, nb_max * sizeof(*rows));

		if (rows == NULL) {
			s->failed = true;
			return NULL;
		}
		s->rows = rows;
		s->nb_max = nb_max;
	}
	return &s->rows[s->nb++];
}

static void
sample_port(struct port *port, void *arg)
{
	const struct port_conf *conf = port_conf_of(port);
	struct sample *s = arg;
	struct snapshot_conns page;

	page.next = 0;
	do {
		snapshot_conns(port, page.next, &page);
		for (uint32_t i = 0; i < page.nb && !s->failed; i++) {
			struct sampled *row = sample_add(s);

			if (row == NULL)
				break;
			snprintf(row->port, sizeof(row->port), "%s", conf->name);
			row->guest_cid = conf->cid;
			row->conn = page.rows[i];
		}
	} while (page.next != 0 && !s->failed);
}

static int
by_connection(const void *a, const void *b)
{
	const struct sampled *x = a, *y = b;
	const uint32_t left[] = {x->guest_cid, x->conn.local_port, x->conn.peer_cid,
		x->conn.peer_port, x->conn.serial};
	const uint32_t right[] = {y->guest_cid, y->conn.local_port, y->conn.peer_cid,
		y->conn.peer_port, y->conn.serial};

	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		if (left[i] != right[i])
			return left[i] < right[i] ? -1 : 1;
	}
	return 0;
}

static int
by_rate(const void *a, const void *b)
{
	const struct sampled *x = a, *y = b;
	const uint64_t left = x->rx_rate + x->tx_rate, right = y->rx_rate + y->tx_rate;

	if (left != right)
		return left > right ? -1 : 1;
	return by_connection(a, b);
}

static void
sample_sort(struct sample *s, int (*compare)(const void *a, const void *b))
{
	if (s->nb > 0)
		qsort(s->rows, s->nb, sizeof(s->rows[0]), compare);
}

/* @return 0; -ENOMEM. */
static int
sample_take(struct vsock_switch *sw, struct sample *s)
{
	memset(s, 0, sizeof(*s));
	s->at_ms = clock_ms();
	port_foreach(sw, sample_port, s);
	if (s->failed) {
		sample_free(s);
		return -ENOMEM;
	}
	sample_sort(s, by_connection);
	return 0;
}

/* A connection that is not in the old sample has moved all its bytes since. */
static void
compute_rates(struct sample *s, const struct sample *old, uint64_t ms)
{
	for (size_t i = 0; i < s->nb; i++) {
		struct sampled *row = &s->rows[i];
		const struct sampled *before = old->nb == 0
			? NULL
			: bsearch(row, old->rows, old->nb, sizeof(*row), by_connection);
		const uint64_t rx = before != NULL ? before->conn.rx_bytes : 0;
		const uint64_t tx = before != NULL ? before->conn.tx_bytes : 0;

		row->rx_rate = (row->conn.rx_bytes - rx) * 1000 / ms;
		row->tx_rate = (row->conn.tx_bytes - tx) * 1000 / ms;
	}
}

static void
add_top(struct rte_tel_data *d, const struct sampled *s, unsigned int rank)
{
	struct rte_tel_data *row = tel_dict();
	char name[16];

	if (row == NULL)
		return;
	rte_tel_data_add_dict_string(row, "port", s->port);
	tel_add_u64(row, "guest_cid", s->guest_cid);
	add_values(row, &s->conn);
	tel_add_u64(row, "rx_bytes_per_s", s->rx_rate);
	tel_add_u64(row, "tx_bytes_per_s", s->tx_rate);
	snprintf(name, sizeof(name), "%u", rank);
	tel_add_dict(d, name, row);
}

int
tel_conns_top(struct vsock_switch *sw, const char *params, struct rte_tel_data *d)
{
	struct tel_params parsed = {.number = TOP_DEFAULT};
	struct sample now;
	uint64_t ms;

	if (!tel_parse(params, false, SNAPSHOT_NB_CONNS, d, &parsed))
		return 0;
	ms = clock_ms() - last.at_ms;
	if (last.at_ms == 0 || ms < LIMIT_TOP_SAMPLE_MS || ms > LIMIT_TOP_AGE_MS) {
		const struct timespec pause = {.tv_nsec = LIMIT_TOP_SAMPLE_MS * 1000000L};

		sample_free(&last);
		if (sample_take(sw, &last) != 0)
			return tel_error(d, "out of memory");
		nanosleep(&pause, NULL);
	}
	if (sample_take(sw, &now) != 0)
		return tel_error(d, "out of memory");
	ms = now.at_ms > last.at_ms ? now.at_ms - last.at_ms : 1;
	compute_rates(&now, &last, ms);
	sample_sort(&now, by_rate);
	rte_tel_data_start_dict(d);
	tel_add_u64(d, "interval_ms", ms);
	tel_add_u64(d, "conns", now.nb);
	for (size_t i = 0; i < now.nb && i < parsed.number; i++)
		add_top(d, &now.rows[i], (unsigned int)i + 1);
	/* The next call looks connections up in it. */
	sample_sort(&now, by_connection);
	sample_free(&last);
	last = now;
	return 0;
}

void
tel_conns_free(void)
{
	sample_free(&last);
}
