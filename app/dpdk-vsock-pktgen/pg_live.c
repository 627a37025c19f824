/* SPDX-License-Identifier: BSD-3-Clause */

/* One line per second: on the terminal over the one before, in the CSV file below it. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pg_live.h"

struct pg_live {
	FILE *csv;
	bool show;
	bool shown;
	double told_s;
	struct pg_counts told;
};

int
pg_live_open(const struct pg_conf *conf, struct pg_live **out)
{
	struct pg_live *live = calloc(1, sizeof(*live));

	if (live == NULL)
		return -ENOMEM;
	live->show = conf->live || (isatty(STDERR_FILENO) && !conf->quiet);
	if (conf->csv != NULL) {
		live->csv = fopen(conf->csv, "we");
		if (live->csv == NULL) {
			const int rc = -errno;

			fprintf(stderr, "dpdk-vsock-pktgen: %s: %s\n", conf->csv, strerror(-rc));
			free(live);
			return rc;
		}
		fprintf(live->csv,
			"second,phase,open,bytes_per_s,messages_per_s,packets_from_guest_per_s,"
			"packets_to_guest_per_s,round_trips_per_s,connections_per_s,kicks_per_s,"
			"calls_per_s,p50_ns,p99_ns,max_ns\n");
	}
	*out = live;
	return 0;
}

void
pg_live_line(struct pg_live *live, double now_s, const char *phase, const struct pg_counts *counts,
	const struct pg_hist *hist, uint32_t nb_open)
{
	const double span_s = now_s - live->told_s;
	struct pg_counts diff = *counts;

	if (span_s <= 0) {
		/* A phase began: the clock starts anew. */
		live->told_s = now_s;
		return;
	}
	pg_result_counts_since(&diff, &live->told);
	if (live->csv != NULL) {
		fprintf(live->csv, "%.3f,%s,%u,%.0f,%.0f,%.0f,%.0f,%.0f,%.0f,%.0f,%.0f", now_s,
			phase, nb_open, (double)diff.bytes / span_s, (double)diff.messages / span_s,
			(double)diff.packets_from_guest / span_s,
			(double)diff.packets_to_guest / span_s, (double)diff.round_trips / span_s,
			(double)diff.connections / span_s, (double)diff.kicks / span_s,
			(double)diff.calls / span_s);
		fprintf(live->csv, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n",
			pg_hist_quantile(hist, 0.5), pg_hist_quantile(hist, 0.99), hist->max_ns);
		fflush(live->csv);
	}
	if (live->show) {
		fprintf(stderr,
			"\r%6.1f s %-7s %u open, %.3g GB/s, %.4g kpkt/s from and %.4g to guests",
			now_s, phase, nb_open, (double)diff.bytes / span_s / 1e9,
			(double)diff.packets_from_guest / span_s / 1e3,
			(double)diff.packets_to_guest / span_s / 1e3);
		if (hist->nb > 0)
			fprintf(stderr, ", p50 %.1f p99 %.1f us",
				(double)pg_hist_quantile(hist, 0.5) / 1e3,
				(double)pg_hist_quantile(hist, 0.99) / 1e3);
		fprintf(stderr, "\033[K");
		live->shown = true;
	}
	live->told_s = now_s;
	live->told = *counts;
}

void
pg_live_close(struct pg_live *live)
{
	if (live == NULL)
		return;
	if (live->shown)
		fprintf(stderr, "\n");
	if (live->csv != NULL)
		fclose(live->csv);
	free(live);
}
