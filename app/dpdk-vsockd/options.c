/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <rte_lcore.h>

#include "cpu_list.h"
#include "log_stream.h"
#include "number.h"
#include "options.h"
#include "vsock_limits.h"

void
options_usage(const char *program)
{
	printf("Usage: %s [EAL-OPTION]... [-- APP-OPTION...]\n"
	       "\n"
	       "One guest; the front end (QEMU) connects to iface, host programs to uds:\n"
	       "  %s --vdev vsock_vhost0,iface=/tmp/vm3.sock,cid=3,uds=/tmp/vm3.vsock\n"
	       "Two guests that reach each other, on the main lcore and two poll lcores:\n"
	       "  %s -l 0-2 --vdev vsock_vhost0,iface=/tmp/vm3.sock,cid=3 \\\n"
	       "      --vdev vsock_vhost1,iface=/tmp/vm4.sock,cid=4\n"
	       "Poll lcores that never sleep, in huge pages:\n"
	       "  %s -l 0-1 --in-memory --vdev vsock_vhost0,iface=/tmp/vm3.sock,cid=3 \\\n"
	       "      -- --idle spin\n"
	       "\n"
	       "A guest is a vdev:\n"
	       "  --vdev 'vsock_vhost0,iface=PATH,cid=N[,uds=PATH][,client=0|1][,groups=A+B]\n"
	       "          [,lcore=N][,buf_alloc=SIZE][,max_conns=N]'\n"
	       "\n"
	       "EAL options (--help-eal lists all); without them the daemon chooses:\n"
	       "  -l LIST               lcores; the first one is the main lcore, the others poll\n"
	       "                        (default: the first two CPUs of the process)\n"
	       "  -m MIB, --no-huge, --in-memory\n"
	       "                        memory (default: --in-memory if enough huge pages are\n"
	       "                        free, otherwise --no-huge -m 256)\n"
	       "  --file-prefix NAME    names telemetry's socket (default: vsockd; vsockd-PID if\n"
	       "                        that is in use)\n"
	       "  -a, -b, --no-pci      PCI devices (default: --no-pci)\n"
	       "\n"
	       "Application options:\n"
	       "  --idle spin|adaptive  adaptive: sleep when there is no work; spin: never sleep\n"
	       "                        (default: adaptive)\n"
	       "  --spin-us N           adaptive: time without work before an lcore sleeps, in\n"
	       "                        microseconds, 0 to 10000000 (default: 1000)\n"
	       "  --slow-cpus LIST      CPUs of the slow path, such as 0,4-5\n"
	       "                        (default: all CPUs that do not poll)\n"
	       "  --help                print this text and exit\n"
	       "  --help-eal            print the options of EAL and exit\n"
	       "  --version             print the version and exit\n"
	       "\n"
	       "Exit status: 0 after SIGTERM or SIGINT, 78 for a bad command line, 1 for any "
	       "other\n"
	       "failure. See dpdk-vsockd(8).\n",
		program, program, program, program);
}

static int
bad(const char *option, const char *value, const char *wanted)
{
	log_stream_line(LOG_ERR, "--%s %s: %s", option, value, wanted);
	return -EINVAL;
}

enum option_id {
	OPT_IDLE = 256,
	OPT_SPIN_US,
	OPT_SLOW_CPUS,
};

static const struct option longs[] = {
	{"idle", required_argument, NULL, OPT_IDLE},
	{"spin-us", required_argument, NULL, OPT_SPIN_US},
	{"slow-cpus", required_argument, NULL, OPT_SLOW_CPUS},
	{NULL, 0, NULL, 0},
};

static int
parse_one(int opt, struct options *opts)
{
	switch (opt) {
	case OPT_IDLE:
		if (strcmp(optarg, "spin") != 0 && strcmp(optarg, "adaptive") != 0)
			return bad("idle", optarg, "must be spin or adaptive");
		opts->spin = strcmp(optarg, "spin") == 0;
		return 0;
	case OPT_SPIN_US:
		if (number_parse(optarg, LIMIT_SPIN_US_MAX, &opts->spin_us) != 0)
			return bad("spin-us", optarg, "must be 0 to 10000000 microseconds");
		return 0;
	case OPT_SLOW_CPUS:
		opts->has_slow_cpus = true;
		if (cpu_list_parse(optarg, &opts->slow_cpus) != 0)
			return bad("slow-cpus", optarg, "must be a list of CPUs such as 0,4-5");
		return 0;
	default:
		return -EINVAL;
	}
}

enum options_query
options_query(int argc, char *const *argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return OPTIONS_HELP;
		if (strcmp(argv[i], "--help-eal") == 0)
			return OPTIONS_HELP_EAL;
		if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-v") == 0)
			return OPTIONS_VERSION;
	}
	return OPTIONS_RUN;
}

/* EAL would print its usage text for an option of ours, and for a word that is no option. */
static int
check_eal_part(int argc, char *const *argv)
{
	for (int i = 1; i < argc; i++) {
		for (const struct option *o = longs; o->name != NULL; o++) {
			const size_t len = strlen(o->name);

			if (strncmp(argv[i], "--", 2) != 0 ||
				strncmp(argv[i] + 2, o->name, len) != 0 ||
				(argv[i][2 + len] != '\0' && argv[i][2 + len] != '='))
				continue;
			log_stream_line(LOG_ERR,
				"--%s: an application option in front of \"--\" (write: %s "
				"EAL-OPTIONS -- --%s VALUE)",
				o->name, argv[0], o->name);
			return -EINVAL;
		}
	}
	return 0;
}

int
options_parse(int argc, char **argv, struct options *opts)
{
	int opt, ret;

	memset(opts, 0, sizeof(*opts));
	opts->spin_us = LIMIT_SPIN_US_DEFAULT;
	for (opts->eal_argc = 1; opts->eal_argc < argc; opts->eal_argc++) {
		if (strcmp(argv[opts->eal_argc], "--") == 0)
			break;
	}
	ret = check_eal_part(opts->eal_argc, argv);
	if (ret != 0 || opts->eal_argc == argc)
		return ret;
	argc -= opts->eal_argc;
	argv += opts->eal_argc;
	optind = 1;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+:", longs, NULL)) != -1) {
		if (opt == '?' || opt == ':') {
			log_stream_line(LOG_ERR, "%s: %s (see --help)", argv[optind - 1],
				opt == '?' ? "unknown option" : "the option needs a value");
			return -EINVAL;
		}
		ret = parse_one(opt, opts);
		if (ret != 0)
			return ret;
	}
	if (optind < argc) {
		log_stream_line(LOG_ERR, "%s: unexpected argument (see --help)", argv[optind]);
		return -EINVAL;
	}
	return 0;
}

int
options_slow_cpus(const struct options *opts, const cpu_set_t *allowed, cpu_set_t *out)
{
	rte_cpuset_t main_cpus = rte_lcore_cpuset(rte_get_main_lcore());
	cpu_set_t polled, both;
	unsigned int lcore_id;

	CPU_ZERO(&polled);
	RTE_LCORE_FOREACH_WORKER (lcore_id) {
		rte_cpuset_t set = rte_lcore_cpuset(lcore_id);

		CPU_OR(&polled, &polled, &set);
	}
	if (opts->has_slow_cpus) {
		CPU_AND(out, &opts->slow_cpus, allowed);
		if (CPU_COUNT(out) == 0) {
			log_stream_line(LOG_ERR,
				"--slow-cpus: the process may use none of these CPUs (see "
				"taskset -p)");
			return -EINVAL;
		}
		CPU_AND(&both, out, &polled);
		if (CPU_COUNT(&both) > 0)
			log_stream_line(LOG_WARNING,
				"--slow-cpus: some of these CPUs poll (the slow path and poll "
				"lcores share them)");
		return 0;
	}
	CPU_ZERO(out);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, allowed) && !CPU_ISSET(cpu, &polled))
			CPU_SET(cpu, out);
	}
	if (CPU_COUNT(out) > 0)
		return 0;
	if (opts->spin) {
		log_stream_line(LOG_ERR,
			"--idle spin: no CPU is left for the slow path (poll on fewer CPUs, or use "
			"--slow-cpus)");
		return -EINVAL;
	}
	*out = main_cpus;
	log_stream_line(LOG_WARNING,
		"all CPUs poll: the slow path uses the CPU of the main lcore (see --slow-cpus)");
	return 0;
}
