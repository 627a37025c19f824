/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Statistics of lib/wq in DPDK's telemetry. Answers are flat objects by their number in the list,
 * in pages: what fits into an answer of 16 KiB. (Arrays hold no objects there, and keys no
 * arbitrary names.)
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>
#include <rte_telemetry.h>

#include "tel.h"
#include "wq_stats.h"
#include "wq_telemetry.h"

/* An object is at most some 400 bytes of JSON. */
#define PAGE_LEN 32

struct page {
	struct rte_tel_data *answer;
	unsigned start;
	unsigned seen;
};

/* A new object in the page; NULL: it does not belong there. *rc: what the visitor returns. */
static struct rte_tel_data *
next_object(struct page *page, int *rc)
{
	struct rte_tel_data *d;
	char key[16];

	*rc = 0;
	if (page->seen++ < page->start)
		return NULL;
	if (page->seen > page->start + PAGE_LEN) {
		*rc = 1;
		return NULL;
	}
	d = rte_tel_data_alloc();
	if (d == NULL) {
		*rc = -ENOMEM;
		return NULL;
	}
	rte_tel_data_start_dict(d);
	snprintf(key, sizeof(key), "%u", page->seen - 1);
	*rc = rte_tel_data_add_dict_container(page->answer, key, d, 0);
	if (*rc != 0) {
		rte_tel_data_free(d);
		return NULL;
	}
	return d;
}

static int
add_wq(const struct wq_stats_wq *s, void *arg)
{
	int rc;
	struct rte_tel_data *d = next_object(arg, &rc);

	if (d == NULL)
		return rc;
	rte_tel_data_add_dict_string(d, "name", s->name);
	tel_add_u64(d, "flags", s->flags);
	rte_tel_data_add_dict_int(d, "max_active", s->max_active);
	tel_add_u64(d, "in_flight", s->in_flight);
	tel_add_u64(d, "active", s->active);
	tel_add_u64(d, "delayed", s->delayed);
	tel_add_u64(d, "started", s->started);
	tel_add_u64(d, "completed", s->completed);
	tel_add_u64(d, "cpu_us", s->cpu_ns / 1000);
	tel_add_u64(d, "cpu_hogs", s->cpu_hogs);
	tel_add_u64(d, "blocked", s->blocked);
	tel_add_u64(d, "woken", s->woken);
	tel_add_u64(d, "mayday", s->mayday);
	tel_add_u64(d, "rescued", s->rescued);
	return 0;
}

/* The set as a list: "0-3,8". */
static void
format_cpus(const cpu_set_t *set, char *buf, size_t buf_len)
{
	size_t used = 0;

	buf[0] = '\0';
	for (int lo = 0; lo < CPU_SETSIZE && used < buf_len; lo++) {
		int hi = lo;

		if (!CPU_ISSET(lo, set))
			continue;
		while (hi + 1 < CPU_SETSIZE && CPU_ISSET(hi + 1, set))
			hi++;
		used += (size_t)snprintf(buf + used, buf_len - used, hi > lo ? "%s%d-%d" : "%s%d",
			used > 0 ? "," : "", lo, hi);
		lo = hi;
	}
}

static int
add_pool(const struct wq_stats_pool *s, void *arg)
{
	int rc;
	struct rte_tel_data *d = next_object(arg, &rc);
	char cpus[64];

	if (d == NULL)
		return rc;
	format_cpus(&s->cpus, cpus, sizeof(cpus));
	tel_add_u64(d, "id", s->id);
	rte_tel_data_add_dict_string(d, "scope", s->scope);
	rte_tel_data_add_dict_int(d, "cpu", s->cpu);
	rte_tel_data_add_dict_int(d, "pod", s->pod);
	rte_tel_data_add_dict_string(d, "cpus", cpus);
	rte_tel_data_add_dict_int(d, "highpri", s->highpri);
	rte_tel_data_add_dict_int(d, "associated", s->associated);
	rte_tel_data_add_dict_int(d, "running", s->running);
	tel_add_u64(d, "workers", s->workers);
	tel_add_u64(d, "idle", s->idle);
	tel_add_u64(d, "waiting", s->waiting);
	tel_add_u64(d, "started", s->started);
	tel_add_u64(d, "created", s->created);
	tel_add_u64(d, "create_failed", s->create_failed);
	tel_add_u64(d, "reaped", s->reaped);
	tel_add_u64(d, "stalls", s->stalls);
	return 0;
}

static int
add_worker(const struct wq_stats_worker *s, void *arg)
{
	int rc;
	struct rte_tel_data *d = next_object(arg, &rc);
	char func[32];

	if (d == NULL)
		return rc;
	snprintf(func, sizeof(func), "0x%" PRIxPTR, s->func);
	rte_tel_data_add_dict_string(d, "name", s->name);
	tel_add_u64(d, "pool", s->pool_id);
	tel_add_u64(d, "id", s->id);
	rte_tel_data_add_dict_int(d, "tid", s->tid);
	rte_tel_data_add_dict_int(d, "rescuer", s->rescuer);
	rte_tel_data_add_dict_string(d, "state", wq_stats_state_name(s->state));
	tel_add_u64(d, "works", s->works);
	tel_add_u64(d, "idle_us", s->idle_ns / 1000);
	rte_tel_data_add_dict_string(d, "wq", s->wq);
	rte_tel_data_add_dict_string(d, "func", func);
	return 0;
}

/* Where the page starts; negative: no number. */
static long
parse_start(const char *params)
{
	char *end;
	long start;

	if (params == NULL || *params == '\0')
		return 0;
	errno = 0;
	start = strtol(params, &end, 10);
	return errno != 0 || *end != '\0' || start < 0 || start > INT32_MAX ? -EINVAL : start;
}

static int
begin(const char *params, struct rte_tel_data *d, struct page *page)
{
	long start = parse_start(params);

	if (start < 0)
		return (int)start;
	*page = (struct page){.answer = d, .start = (unsigned)start};
	return rte_tel_data_start_dict(d);
}

static int
handle_list(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct page page;
	int rc = begin(params, d, &page);

	RTE_SET_USED(cmd);
	if (rc == 0)
		rc = wq_stats_visit_wqs(add_wq, &page);
	return rc < 0 ? rc : 0;
}

static int
handle_pools(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct page page;
	int rc = begin(params, d, &page);

	RTE_SET_USED(cmd);
	if (rc == 0)
		rc = wq_stats_visit_pools(add_pool, &page);
	return rc < 0 ? rc : 0;
}

static int
handle_workers(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct page page;
	int rc = begin(params, d, &page);

	RTE_SET_USED(cmd);
	if (rc == 0)
		rc = wq_stats_visit_workers(add_worker, &page);
	return rc < 0 ? rc : 0;
}

int
wq_telemetry_register(void)
{
	int rc;

	rc = rte_telemetry_register_cmd("/wq/list", handle_list,
		"Workqueues. Parameter: number of the first one (pages of 32)");
	if (rc == 0)
		rc = rte_telemetry_register_cmd("/wq/pools", handle_pools,
			"Worker pools. Parameter: number of the first one (pages of 32)");
	if (rc == 0)
		rc = rte_telemetry_register_cmd("/wq/workers", handle_workers,
			"Workers. Parameter: number of the first one (pages of 32)");
	return rc;
}
