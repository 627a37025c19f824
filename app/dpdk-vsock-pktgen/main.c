/* SPDX-License-Identifier: BSD-3-Clause */

/* dpdk-vsock-pktgen: drives a vhost-user-vsock back end as front end, guest and host program. */

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg_conf.h"
#include "pg_result.h"
#include "pg_scenario.h"

static int
pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return 0;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) < 0 ? -errno : 0;
}

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
	rc = pg_conf_parse(conf, argc, argv, &done);
	if (rc < 0 || done) {
		status = rc < 0 ? PG_ERROR : PG_OK;
		goto out;
	}
	rc = pin(conf->cpu);
	if (rc < 0) {
		fprintf(stderr, "dpdk-vsock-pktgen: --cpu %d: %s\n", conf->cpu, strerror(-rc));
		goto out;
	}
	status = (int)conf->scenario->run(conf, result);
	if (conf->json)
		pg_result_print_json(conf, result);
	else
		pg_result_print(conf, result);
	if (status != PG_OK)
		fprintf(stderr, "dpdk-vsock-pktgen: %s: %s\n", pg_status_name(result->status),
			result->detail);

out:
	if (conf != NULL)
		pg_conf_free(conf);
	free(conf);
	free(result);
	return status;
}
