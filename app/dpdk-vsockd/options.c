/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_lcore.h>

#include "options.h"
#include "vsock_limits.h"

static bool
names_devices(const char *arg)
{
	static const char *const words[] = {"--no-pci", "--allow", "--block", "-a", "-b"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t len = strlen(words[i]);

		if (strncmp(arg, words[i], len) == 0 &&
			(arg[1] != '-' || arg[len] == '\0' || arg[len] == '='))
			return true;
	}
	return false;
}

char **
options_for_eal(int *argc, char **argv)
{
	char **out = calloc((size_t)*argc + 2, sizeof(*out));
	static char no_pci[] = "--no-pci";
	bool add = true;
	int n = 0;

	if (out == NULL)
		return NULL;
	for (int i = 1; i < *argc && strcmp(argv[i], "--") != 0; i++)
		add = add && !names_devices(argv[i]);
	out[n++] = argv[0];
	if (add)
		out[n++] = no_pci;
	for (int i = 1; i < *argc; i++)
		out[n++] = argv[i];
	*argc = n;
	return out;
}

void
options_usage(const char *program)
{
	printf("Usage: %s EAL-OPTIONS -- APP-OPTIONS\n"
	       "\n"
	       "A guest is a vdev:\n"
	       "  --vdev 'vsock_vhost0,iface=PATH,cid=N[,uds=PATH][,client=0|1][,groups=A+B]\n"
	       "          [,lcore=N][,buf_alloc=SIZE][,max_conns=N]'\n"
	       "All lcores except the main lcore poll. The minimum is -l 0-1.\n"
	       "--no-pci is added unless -a, -b or --no-pci is given.\n"
	       "\n"
	       "Application options:\n"
	       "  --idle spin|adaptive  adaptive: sleep when there is no work; spin: never sleep\n"
	       "                        (default: adaptive)\n"
	       "  --spin-us N           adaptive: time without work before an lcore sleeps, in\n"
	       "                        microseconds, 0 to 10000000 (default: 1000)\n"
	       "  --slow-cpus LIST      CPUs of the slow path, such as 0,4-5\n"
	       "                        (default: all CPUs that do not poll)\n"
	       "  --help                print this text and exit\n"
	       "  --version             print the version and exit\n"
	       "\n",
		program);
}

static int
bad(const char *option, const char *value, const char *wanted)
{
	fprintf(stderr, "dpdk-vsockd: --%s %s: %s\n", option, value, wanted);
	return -EINVAL;
}

static int
parse_number(const char *s, uint32_t max, uint32_t *out)
{
	unsigned long v;
	char *end;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	v = strtoul(s, &end, 10);
	if (*end != '\0' || errno != 0 || v > max)
		return -EINVAL;
	*out = v;
	return 0;
}

static int
parse_cpus(const char *list, cpu_set_t *cpus)
{
	CPU_ZERO(cpus);
	for (const char *p = list;; p++) {
		unsigned long first, last;
		char *end;

		if (*p < '0' || *p > '9')
			return -EINVAL;
		first = last = strtoul(p, &end, 10);
		if (*end == '-') {
			if (end[1] < '0' || end[1] > '9')
				return -EINVAL;
			last = strtoul(end + 1, &end, 10);
		}
		if (last < first || last >= CPU_SETSIZE)
			return -EINVAL;
		for (unsigned long cpu = first; cpu <= last; cpu++)
			CPU_SET(cpu, cpus);
		if (*end == '\0')
			return 0;
		if (*end != ',')
			return -EINVAL;
		p = end;
	}
}

enum option_id {
	OPT_HELP = 256,
	OPT_VERSION,
	OPT_IDLE,
	OPT_SPIN_US,
	OPT_SLOW_CPUS,
};

static int
parse_one(int opt, struct options *opts)
{
	switch (opt) {
	case OPT_HELP:
		options_usage("dpdk-vsockd");
		return 1;
	case OPT_VERSION:
		printf("dpdk-vsockd %s\n", VSOCKD_VERSION);
		return 1;
	case OPT_IDLE:
		if (strcmp(optarg, "spin") != 0 && strcmp(optarg, "adaptive") != 0)
			return bad("idle", optarg, "must be spin or adaptive");
		opts->spin = strcmp(optarg, "spin") == 0;
		return 0;
	case OPT_SPIN_US:
		if (parse_number(optarg, LIMIT_SPIN_US_MAX, &opts->spin_us) != 0)
			return bad("spin-us", optarg, "must be 0 to 10000000 microseconds");
		return 0;
	case OPT_SLOW_CPUS:
		opts->has_slow_cpus = true;
		if (parse_cpus(optarg, &opts->slow_cpus) != 0)
			return bad("slow-cpus", optarg, "must be a list of CPUs such as 0,4-5");
		return 0;
	default:
		return -EINVAL;
	}
}

int
options_parse(int argc, char **argv, struct options *opts)
{
	static const struct option longs[] = {
		{"help", no_argument, NULL, OPT_HELP},
		{"version", no_argument, NULL, OPT_VERSION},
		{"idle", required_argument, NULL, OPT_IDLE},
		{"spin-us", required_argument, NULL, OPT_SPIN_US},
		{"slow-cpus", required_argument, NULL, OPT_SLOW_CPUS},
		{NULL, 0, NULL, 0},
	};
	int opt, ret;

	memset(opts, 0, sizeof(*opts));
	opts->spin_us = LIMIT_SPIN_US_DEFAULT;
	optind = 1;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		if (opt == '?' || opt == ':') {
			fprintf(stderr, "dpdk-vsockd: %s: %s (see --help)\n", argv[optind - 1],
				opt == '?' ? "unknown option" : "needs a value");
			return -EINVAL;
		}
		ret = parse_one(opt, opts);
		if (ret != 0)
			return ret;
	}
	if (optind < argc) {
		fprintf(stderr, "dpdk-vsockd: %s: unexpected argument (see --help)\n",
			argv[optind]);
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
			fprintf(stderr,
				"dpdk-vsockd: --slow-cpus: the process may use none of these "
				"CPUs\n");
			return -EINVAL;
		}
		CPU_AND(&both, out, &polled);
		if (CPU_COUNT(&both) > 0)
			fprintf(stderr,
				"dpdk-vsockd: --slow-cpus: warning: some of these CPUs poll "
				"(the slow path and poll lcores share them)\n");
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
		fprintf(stderr,
			"dpdk-vsockd: --idle spin: no CPU is left for the slow path "
			"(poll on fewer CPUs, or use --slow-cpus)\n");
		return -EINVAL;
	}
	*out = main_cpus;
	fprintf(stderr,
		"dpdk-vsockd: warning: all CPUs poll; the slow path uses the CPU of the main "
		"lcore\n");
	return 0;
}
