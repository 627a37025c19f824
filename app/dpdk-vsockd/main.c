/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_version.h>
#include <wq.h>

#include "base/notify.h"
#include "base/vsock_log.h"
#include "control/heartbeat.h"
#include "control/port.h"
#include "eal_args.h"
#include "life/vdev.h"
#include "life/vsock.h"
#include "log_stream.h"
#include "options.h"
#include "telemetry.h"
#include "vsock_limits.h"
#include "wq_telemetry.h"

/* State of the daemon. */
struct daemon {
	struct options opts;
	struct eal_args eal;
	cpu_set_t allowed; /* CPUs of the process before EAL pins the main lcore */
	cpu_set_t slow_cpus;
	struct vsock_switch *sw;
	struct heartbeat *heartbeat;
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
	struct wq_config cfg = {
		.cpus = &d->slow_cpus,
		.log = log_wq,
		.watchdog_ms = LIMIT_WQ_WATCHDOG_MS,
	};
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

static int
start_heartbeat(struct daemon *d)
{
	return heartbeat_start(d->sw, &d->heartbeat);
}

static void
stop_heartbeat(struct daemon *d)
{
	(void)d; /* an lcore may still answer: main() frees it */
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
	{start_heartbeat, stop_heartbeat},
};

#define NB_PARTS (sizeof(parts) / sizeof(parts[0]))

static void
count_connected(struct port *port, void *arg)
{
	*(unsigned int *)arg += port_has_device(port);
}

/* Tell the service manager how it goes. Feed its watchdog only if all threads make progress. */
static void
beat(struct daemon *d)
{
	unsigned int nb = 0;
	char culprit[64];

	port_foreach(d->sw, count_connected, &nb);
	if (heartbeat_check(d->heartbeat, culprit, sizeof(culprit)) == 0) {
		notify_send("WATCHDOG=1\nSTATUS=%u of %u guests connected", nb, vdev_nb());
		return;
	}
	VSOCK_LOG(ERR, "watchdog: %s makes no progress (the service manager restarts the daemon)",
		culprit);
	notify_send("STATUS=%s makes no progress", culprit);
}

/* Wait for a signal that ends the daemon. */
static int
wait_for_end(struct daemon *d)
{
	const uint64_t us = notify_watchdog_us() / 3;
	const struct timespec period = {
		.tv_sec = (time_t)(us / 1000000),
		.tv_nsec = (long)(us % 1000000) * 1000,
	};

	for (;;) {
		int sig = us > 0 ? sigtimedwait(&d->signals, NULL, &period)
				 : sigwaitinfo(&d->signals, NULL);

		if (sig < 0 && errno == EAGAIN)
			beat(d);
		else if (sig == SIGHUP)
			VSOCK_LOG(NOTICE, "SIGHUP: ignored: there is no file to read again");
		else if (sig > 0)
			return sig;
	}
}

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
		const unsigned int nb_guests = vdev_nb();

		VSOCK_LOG(NOTICE,
			"ready: %u guest%s; telemetry: %s/dpdk_telemetry.v2 (dpdk-vsock-top.py -f "
			"%s)",
			nb_guests, nb_guests == 1 ? "" : "s", rte_eal_get_runtime_dir(),
			d->eal.prefix);
		if (nb_guests == 0)
			VSOCK_LOG(WARNING,
				"there is no guest (add --vdev vsock_vhost0,iface=PATH,cid=N)");
		notify_send("READY=1\nSTATUS=0 of %u guests connected", nb_guests);
		sig = wait_for_end(d);
		VSOCK_LOG(NOTICE, "%s: stopping", sig == SIGINT ? "SIGINT" : "SIGTERM");
		notify_send("STOPPING=1\nSTATUS=resetting connections");
	}
	while (nb-- > 0)
		parts[nb].stop(d);
	heartbeat_free(d->heartbeat);
	return ret;
}

/* Block the signals in all threads, which inherit the mask. The main lcore waits for them. */
static void
block_signals(struct daemon *d)
{
	sigemptyset(&d->signals);
	sigaddset(&d->signals, SIGINT);
	sigaddset(&d->signals, SIGTERM);
	sigaddset(&d->signals, SIGHUP);
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

/* ---- EAL ---- */

static bool eal_starts;

/* The last line of a failed start says what failed, and what to do. */
static void
tell_eal_failure(int error)
{
	const char *line = log_stream_eal_error();
	const char *advice = "see the lines above";

	if (strstr(line, "memory") != NULL || strstr(line, "hugepage") != NULL)
		advice = "use --no-huge -m 256, or reserve huge pages in /proc/sys/vm/nr_hugepages";
	else if (strstr(line, "command line") != NULL)
		advice = "see the lines above, and --help-eal";
	log_stream_line(LOG_ERR, "EAL: start failed: %s (%s)",
		line[0] != '\0' ? line : rte_strerror(error), advice);
}

/* EAL ends the process itself after some errors. */
static void
on_exit_in_eal(void)
{
	if (eal_starts)
		tell_eal_failure(0);
}

/*
 * Initialise EAL. stdout is closed meanwhile, because EAL prints its usage text there after an
 * error, which would hide the line that names the error.
 */
static int
start_eal(struct daemon *d)
{
	int out = dup(STDOUT_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC), ret;

	if (out >= 0 && null >= 0)
		dup2(null, STDOUT_FILENO);
	atexit(on_exit_in_eal);
	eal_starts = true;
	ret = rte_eal_init(d->eal.argc, d->eal.argv);
	eal_starts = false;
	fflush(stdout);
	if (out >= 0)
		dup2(out, STDOUT_FILENO);
	close(out);
	close(null);
	if (ret >= 0 && ret + 1 < d->eal.argc) {
		log_stream_line(
			LOG_ERR, "%s: unexpected argument (see --help)", d->eal.argv[ret + 1]);
		return -EINVAL;
	}
	if (ret >= 0)
		return 0;
	tell_eal_failure(rte_errno);
	return rte_errno == EINVAL ? -EINVAL : -EIO;
}

/* ---- start ---- */

/* Print what the command line asks for. @return the exit status; -1 it asks to run. */
static int
answer_query(int argc, char **argv)
{
	switch (options_query(argc, argv)) {
	case OPTIONS_HELP:
		options_usage("dpdk-vsockd");
		return EXIT_SUCCESS;
	case OPTIONS_VERSION:
		printf("dpdk-vsockd %s (%s)\n", VSOCKD_VERSION, rte_version());
		return EXIT_SUCCESS;
	case OPTIONS_HELP_EAL: {
		char help[] = "--help", *eal[] = {argv[0], help, NULL};

		rte_eal_init(2, eal); /* ends the process */
		return EXIT_FAILURE;
	}
	case OPTIONS_RUN:
		break;
	}
	return -1;
}

int
main(int argc, char **argv)
{
	struct daemon d;
	int ret = answer_query(argc, argv);

	if (ret >= 0)
		return ret;
	memset(&d, 0, sizeof(d));
	log_stream_open();
	block_signals(&d);
	raise_nofile();
	sched_getaffinity(0, sizeof(d.allowed), &d.allowed);
	ret = options_parse(argc, argv, &d.opts);
	if (ret == 0)
		ret = eal_args_make(d.opts.eal_argc, argv, d.opts.spin, &d.allowed, &d.eal);
	if (ret == 0) {
		ret = vsock_create(0, &d.sw);
		if (ret != 0)
			log_stream_line(LOG_ERR, "switch: not created: out of memory");
	}
	if (ret == 0) {
		/* EAL probes the vdevs of the command line while it initializes. */
		vdev_set_switch(d.sw);
		ret = start_eal(&d);
	}
	if (ret == 0) {
		eal_args_share_runtime();
		ret = options_slow_cpus(&d.opts, &d.allowed, &d.slow_cpus);
		if (ret == 0 && vdev_log_failed() > 0)
			ret = -EINVAL;
		if (ret == 0)
			ret = run(&d);
		rte_eal_cleanup();
	}
	log_stream_close();
	vsock_free(d.sw);
	eal_args_free(&d.eal);
	if (ret == -EINVAL)
		return EX_CONFIG;
	return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
