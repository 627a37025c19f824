/* SPDX-License-Identifier: BSD-3-Clause */

/* dpdk-vsock-pktgen: drives a vhost-user-vsock back end as front end, guest and host program. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg_cpu.h"
#include "pg_options.h"
#include "pg_report.h"

int
main(int argc, char **argv)
{
	struct pg_result *result;
	struct pg_conf *conf;
	int status = PG_ERROR;
	bool done;
	int rc;

	/* Both are too large for a stack. */
	conf = calloc(1, sizeof(*conf));
	result = calloc(1, sizeof(*result));
	if (conf == NULL || result == NULL)
		goto out;
	rc = pg_options_parse(conf, argc, argv, &done);
	if (rc < 0 || done) {
		status = rc < 0 ? PG_ERROR : PG_OK;
		goto out;
	}
	rc = pg_cpu_pin(conf->cpu);
	if (rc < 0) {
		fprintf(stderr, "dpdk-vsock-pktgen: --cpu %d: %s\n", conf->cpu, strerror(-rc));
		goto out;
	}
	status = (int)conf->scenario->run(conf, result);
	if (conf->json)
		pg_report_print_json(conf, result);
	else
		pg_report_print(conf, result);
	if (status != PG_OK)
		fprintf(stderr, "dpdk-vsock-pktgen: %s: %s\n",
			pg_result_status_name(result->status), result->detail);

out:
	if (conf != NULL)
		pg_options_free(conf);
	free(conf);
	free(result);
	return status;
}
