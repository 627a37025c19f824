/* SPDX-License-Identifier: BSD-3-Clause */
#include "pg_report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "vfe.h"

struct quantile {
	const char *name;
	double share;
};

static const struct quantile quantiles[] = {
	{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1.0}};

#define NB_QUANTILES (sizeof(quantiles) / sizeof(quantiles[0]))

/* The packets that the scenario is about: what back-end CPU is divided by. */
static uint64_t
main_packets(const struct pg_conf *conf, const struct pg_counts *counts)
{
	const bool from_host = conf->scenario->path == PG_PATH_HOST_GUEST;

	if (!conf->scenario->needs_guests)
		return counts->messages;
	if (conf->duplex || conf->scenario->path == PG_PATH_ANY)
		return counts->data_from_guest + counts->data_to_guest;
	if (conf->scenario->path == PG_PATH_GUEST_GUEST)
		return counts->data_from_guest;
	return from_host != conf->reverse ? counts->data_to_guest : counts->data_from_guest;
}

static double
per(double value, double by)
{
	return by > 0 ? value / by : 0;
}

/* CPU time of the back end in the measured time: the sum of the threads is the finer figure. */
static uint64_t
backend_ns(const struct pg_result *result)
{
	uint64_t sum_ns = 0;
	unsigned int i;

	for (i = 0; i < result->cpu_after.nb_threads; i++)
		sum_ns += pg_cpu_thread_ns(&result->cpu_before, &result->cpu_after.threads[i]);
	return sum_ns;
}

static void
print_rates(const struct pg_conf *conf, const struct pg_result *result)
{
	const struct pg_counts *counts = &result->counts;
	const double s = result->seconds;
	const uint64_t packets = main_packets(conf, counts);

	if (counts->bytes > 0)
		printf("%-16s %.4g GB/s (%.4g Gb/s), %" PRIu64 " bytes\n", "payload",
			per((double)counts->bytes, s) / 1e9, per((double)counts->bytes, s) * 8e-9,
			counts->bytes);
	if (counts->messages > 0)
		printf("%-16s %.4g k/s, %" PRIu64 "\n", "messages",
			per((double)counts->messages, s) / 1e3, counts->messages);
	if (conf->scenario->needs_guests && packets > 0)
		printf("%-16s %.4g k/s, %" PRIu64 ", %.1f bytes each\n", "data packets",
			per((double)packets, s) / 1e3, packets,
			per((double)counts->bytes, (double)packets));
	if (counts->round_trips > 0)
		printf("%-16s %.4g k/s, %" PRIu64 "\n", "round trips",
			per((double)counts->round_trips, s) / 1e3, counts->round_trips);
	if (conf->scenario->role == PG_ROLE_CONNECT)
		printf("%-16s %.4g k/s, %" PRIu64 "\n", "connections",
			per((double)counts->connections, s) / 1e3, counts->connections);
}

static void
print_cpu(const struct pg_conf *conf, const struct pg_result *result)
{
	const uint64_t packets = main_packets(conf, &result->counts);
	const double ns = (double)backend_ns(result);
	unsigned int i;

	printf("%-16s %.1f %%", "back-end CPU", per(ns / 1e7, result->seconds));
	if (packets > 0)
		printf(", %.0f ns per packet", ns / (double)packets);
	if (conf->scenario->role == PG_ROLE_CONNECT && result->counts.connections > 0)
		printf(", %.1f us per connection", ns / 1e3 / (double)result->counts.connections);
	printf(" (");
	for (i = 0; i < result->cpu_after.nb_threads; i++) {
		const struct pg_cpu_thread *thread = &result->cpu_after.threads[i];

		printf("%s%s %.1f %%", i > 0 ? ", " : "", thread->name,
			per((double)pg_cpu_thread_ns(&result->cpu_before, thread) / 1e7,
				result->seconds));
	}
	printf(")\n");
}

void
pg_report_print(const struct pg_conf *conf, const struct pg_result *result)
{
	const struct pg_counts *counts = &result->counts;
	const double packets = (double)(counts->packets_from_guest + counts->packets_to_guest);
	unsigned int i;

	printf("%-16s %s: %s%s%s\n", "result", conf->scenario->name,
		pg_result_status_name(result->status), result->detail[0] != '\0' ? ": " : "",
		result->detail);
	if (result->seconds == 0)
		return;
	printf("%-16s %.2f s, %u connections open%s\n", "measured", result->seconds,
		result->nb_open, conf->verify ? ", every byte checked" : "");
	print_rates(conf, result);
	if (result->hist_of != NULL && result->hist.nb > 0) {
		printf("%-16s",
			strcmp(result->hist_of, "connection") == 0 ? "open to closed"
								   : "round trip");
		for (i = 0; i < NB_QUANTILES; i++)
			printf(" %s %.2f", quantiles[i].name,
				(double)pg_hist_quantile(&result->hist, quantiles[i].share) / 1e3);
		printf(" us\n");
	}
	if (packets > 0)
		printf("%-16s %" PRIu64 " kicks, %" PRIu64 " calls: %.4f per packet\n",
			"notifications", counts->kicks, counts->calls,
			(double)(counts->kicks + counts->calls) / packets);
	if (result->has_cpu)
		print_cpu(conf, result);
}

static json_t *
json_hist(const struct pg_hist *hist)
{
	json_t *object = json_object();
	unsigned int i;

	json_object_set_new(object, "nb", json_integer((json_int_t)hist->nb));
	json_object_set_new(object, "min", json_integer((json_int_t)hist->min_ns));
	json_object_set_new(object, "mean", json_real(pg_hist_mean(hist)));
	for (i = 0; i < NB_QUANTILES; i++)
		json_object_set_new(object, quantiles[i].name,
			json_integer((json_int_t)pg_hist_quantile(hist, quantiles[i].share)));
	return object;
}

static json_t *
json_counts(const struct pg_counts *counts)
{
	json_t *object = json_object();
	unsigned int i;

	for (i = 0; pg_result_counter_name(i) != NULL; i++)
		json_object_set_new(object, pg_result_counter_name(i),
			json_integer((json_int_t)pg_result_counter(counts, i)));
	return object;
}

static json_t *
json_cpu(const struct pg_conf *conf, const struct pg_result *result)
{
	const double ns = (double)backend_ns(result);
	json_t *object = json_object(), *threads = json_array();
	unsigned int i;

	json_object_set_new(object, "seconds", json_real(ns / 1e9));
	json_object_set_new(object, "ns_per_packet",
		json_real(per(ns, (double)main_packets(conf, &result->counts))));
	json_object_set_new(object, "ns_per_connection",
		json_real(per(ns, (double)result->counts.connections)));
	for (i = 0; i < result->cpu_after.nb_threads; i++) {
		const struct pg_cpu_thread *thread = &result->cpu_after.threads[i];

		json_array_append_new(threads,
			json_pack("{s:i,s:s,s:f}", "tid", (int)thread->tid, "name", thread->name,
				"seconds",
				(double)pg_cpu_thread_ns(&result->cpu_before, thread) / 1e9));
	}
	json_object_set_new(object, "threads", threads);
	return object;
}

static json_t *
json_conf(const struct pg_conf *conf)
{
	json_t *object = json_object(), *sizes = json_array();
	unsigned int i;

	for (i = 0; i < conf->sizes.nb; i++)
		json_array_append_new(sizes, json_integer(conf->sizes.len[i]));
	json_object_set_new(object, "scenario", json_string(conf->scenario->name));
	json_object_set_new(object, "type",
		json_string(conf->type == VFE_TYPE_STREAM ? "stream" : "seqpacket"));
	json_object_set_new(object, "sizes", sizes);
	json_object_set_new(object, "guests", json_integer(conf->nb_guests));
	json_object_set_new(object, "conns", json_integer(conf->nb_conns));
	json_object_set_new(object, "idle_conns", json_integer(conf->nb_idle_conns));
	json_object_set_new(object, "load_conns", json_integer(conf->nb_load_conns));
	json_object_set_new(object, "ring_size", json_integer(conf->ring_size));
	json_object_set_new(object, "to_guest", json_string(conf->to_guest_text));
	json_object_set_new(object, "from_guest", json_string(conf->from_guest_text));
	json_object_set_new(object, "packed", json_boolean(conf->packed));
	json_object_set_new(object, "event_idx", json_boolean(conf->event_idx));
	json_object_set_new(object, "indirect", json_boolean(conf->indirect));
	json_object_set_new(object, "buf_alloc", json_integer(conf->buf_alloc));
	json_object_set_new(object, "burst", json_integer(conf->burst));
	json_object_set_new(object, "verify", json_boolean(conf->verify));
	json_object_set_new(object, "duplex", json_boolean(conf->duplex));
	json_object_set_new(object, "reverse", json_boolean(conf->reverse));
	return object;
}

static json_t *
json_faults(const struct pg_result *result)
{
	json_t *object = json_object();
	unsigned int i;

	for (i = 0; i < VFE_NB_FAULTS; i++)
		json_object_set_new(object, vfe_guest_fault_name(i),
			json_integer((json_int_t)result->faults[i]));
	return object;
}

void
pg_report_print_json(const struct pg_conf *conf, const struct pg_result *result)
{
	const struct pg_counts *counts = &result->counts;
	const double packets = (double)main_packets(conf, counts), s = result->seconds;
	json_t *object = json_object();

	json_object_set_new(object, "conf", json_conf(conf));
	json_object_set_new(object, "result", json_string(pg_result_status_name(result->status)));
	json_object_set_new(object, "detail", json_string(result->detail));
	json_object_set_new(object, "seconds", json_real(s));
	json_object_set_new(object, "setup_seconds", json_real(result->setup_s));
	json_object_set_new(object, "open", json_integer(result->nb_open));
	json_object_set_new(object, "features", json_integer((json_int_t)result->backend_features));
	json_object_set_new(object, "packets", json_integer((json_int_t)packets));
	json_object_set_new(object, "bytes_per_s", json_real(per((double)counts->bytes, s)));
	json_object_set_new(object, "messages_per_s", json_real(per((double)counts->messages, s)));
	json_object_set_new(object, "packets_per_s", json_real(per(packets, s)));
	json_object_set_new(
		object, "round_trips_per_s", json_real(per((double)counts->round_trips, s)));
	json_object_set_new(
		object, "connections_per_s", json_real(per((double)counts->connections, s)));
	json_object_set_new(object, "counts", json_counts(counts));
	json_object_set_new(object, "faults", json_faults(result));
	json_object_set_new(
		object, "own_cpu_seconds", json_real((double)result->self_cpu_ns / 1e9));
	if (result->hist_of != NULL) {
		char key[32];

		snprintf(key, sizeof(key), "%s_ns", result->hist_of);
		json_object_set_new(object, key, json_hist(&result->hist));
	}
	if (result->has_cpu)
		json_object_set_new(object, "backend_cpu", json_cpu(conf, result));
	json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
	putchar('\n');
	json_decref(object);
}
