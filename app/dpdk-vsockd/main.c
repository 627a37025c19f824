/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <wq.h>

#include "base/vsock_log.h"
#include "control/port.h"
#include "life/vdev.h"
#include "life/vsock.h"
#include "options.h"
#include "telemetry.h"
#include "vsock_limits.h"
#include "wq_telemetry.h"

/* State of the daemon. */
struct daemon {
	struct options opts;
	cpu_set_t allowed; /* CPUs of the process before EAL pins the main lcore */
	cpu_set_t slow_cpus;
	struct vsock_switch *sw;
	sigset_t signals;
};

static void
log_wq(enum wq_log_level level, const char *line, void *arg)
{
	(void)arg;
	switch (level) {
	case WQ_LOG_ERR:
		VSOCK_LOG(ERR, "%s", line);
		break;
	case WQ_LOG_WARNING:
		VSOCK_LOG(WARNING, "%s", line);
		break;
	case WQ_LOG_INFO:
		VSOCK_LOG(INFO, "%s", line);
		break;
	}
}

static int
start_wq(struct daemon *d)
{
	struct wq_config cfg = {.cpus = &d->slow_cpus, .log = log_wq};
	int ret = wq_init(&cfg);

	if (ret != 0)
		VSOCK_LOG(ERR, "workqueue: start failed: %s", strerror(-ret));
	return ret;
}

static void
stop_wq(struct daemon *d)
{
	(void)d;
	wq_exit();
}

static int
start_switch(struct daemon *d)
{
	struct vsock_conf conf = {
		.slow_cpus = d->slow_cpus,
		.spin = d->opts.spin,
		.spin_us = d->opts.spin_us,
	};

	return vsock_start(d->sw, &conf);
}

static void
stop_switch(struct daemon *d)
{
	vsock_stop(d->sw);
}

static int
start_guests(struct daemon *d)
{
	int ret = vdev_start_all();

	(void)d;
	if (ret != 0)
		vdev_stop_all(); /* some may have started */
	return ret;
}

static void
stop_guests(struct daemon *d)
{
	port_reset_all(d->sw, LIMIT_STOP_MS);
	vdev_stop_all();
}

static int
start_telemetry(struct daemon *d)
{
	int ret = telemetry_start(d->sw);

	if (ret == 0)
		ret = wq_telemetry_register();
	if (ret != 0)
		VSOCK_LOG(ERR, "telemetry: registration failed: %s", strerror(-ret));
	return ret;
}

static void
stop_telemetry(struct daemon *d)
{
	(void)d;
	telemetry_stop();
}

/* Started in this order, stopped in the reverse order. */
static const struct {
	int (*start)(struct daemon *d);
	void (*stop)(struct daemon *d);
} parts[] = {
	{start_wq, stop_wq},
	{start_switch, stop_switch},
	{start_guests, stop_guests},
	{start_telemetry, stop_telemetry},
};

#define NB_PARTS (sizeof(parts) / sizeof(parts[0]))

static int
run(struct daemon *d)
{
	unsigned int nb;
	int ret = 0, sig;

	for (nb = 0; nb < NB_PARTS; nb++) {
		ret = parts[nb].start(d);
		if (ret != 0)
			break;
	}
	if (ret == 0) {
		VSOCK_LOG(NOTICE, "ready");
		while (sigwait(&d->signals, &sig) != 0)
			;
		VSOCK_LOG(NOTICE, "%s: stopping", sig == SIGINT ? "SIGINT" : "SIGTERM");
	}
	while (nb-- > 0)
		parts[nb].stop(d);
	return ret;
}

/* Block the signals in all threads, which inherit the mask. main() takes them with sigwait(). */
static void
block_signals(struct daemon *d)
{
	sigemptyset(&d->signals);
	sigaddset(&d->signals, SIGINT);
	sigaddset(&d->signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &d->signals, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Raise the soft limit to the hard limit, because each host connection needs a descriptor. */
static void
raise_nofile(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

int
main(int argc, char **argv)
{
	struct daemon d;
	char **eal_argv;
	int used, ret;

	memset(&d, 0, sizeof(d));
	block_signals(&d);
	raise_nofile();
	sched_getaffinity(0, sizeof(d.allowed), &d.allowed);
	/* --version alone does not need EAL. */
	if (argc == 2 && (strcmp(argv[1], "--version") == 0))
		return options_parse(argc, argv, &d.opts) < 0;
	rte_set_application_usage_hook(options_usage);
	eal_argv = options_for_eal(&argc, argv);
	if (eal_argv == NULL)
		return EXIT_FAILURE;
	if (vsock_create(0, &d.sw) != 0) {
		fprintf(stderr, "dpdk-vsockd: no memory for the switch\n");
		free(eal_argv);
		return EXIT_FAILURE;
	}
	/* EAL probes the vdevs of the command line while it initializes. */
	vdev_set_switch(d.sw);
	used = rte_eal_init(argc, eal_argv);
	if (used < 0) {
		fprintf(stderr, "dpdk-vsockd: EAL: start failed: %s (see the lines above)\n",
			rte_strerror(rte_errno));
		return EXIT_FAILURE;
	}
	ret = options_parse(argc - used, eal_argv + used, &d.opts);
	if (ret == 0 && vdev_nb_failed() > 0)
		ret = -EINVAL; /* a line was logged for each */
	if (ret == 0)
		ret = options_slow_cpus(&d.opts, &d.allowed, &d.slow_cpus);
	if (ret == 0)
		ret = run(&d);
	rte_eal_cleanup();
	vsock_free(d.sw);
	free(eal_argv);
	return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
