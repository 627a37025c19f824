/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The vsock_vhost vdev under the real EAL: devices of the command line, good and bad, and devices
 * that are plugged and unplugged while the switch runs.
 */

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_eal.h>

#include "check.h"
#include "glue_port.h"
#include "raw_fe.h"
#include "ring/gmem_guard.h"
#include "life/vdev.h"

static char dir[] = "/tmp/vdev_XXXXXX";

/* Stays connected to a device: its messages wake the library's thread, which then sees sockets. */
static struct raw_fe waker;

static bool
exists(const char *name)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return stat(path, &st) == 0;
}

static int
plug(const char *name, const char *fmt)
{
	char args[200];

	snprintf(args, sizeof(args), fmt, dir, dir);
	return rte_eal_hotplug_add("vdev", name, args);
}

static void
command_line(void)
{
	char path[64];

	/* Two of the seven devices are good; they wait for the switch. */
	CHECK_EQ(vdev_nb_failed(), 5);
	CHECK_EQ(glue_port_nb(), 2);
	CHECK(!exists("a.sock") && !exists("b.sock"));
	CHECK_EQ(vdev_start_all(), 0);
	CHECK(exists("a.sock") && exists("b.sock"));
	snprintf(path, sizeof(path), "%s/a.sock", dir);
	raw_fe_init(&waker);
	raw_fe_connect(&waker, path);
}

static void *
hotplug(void *arg)
{
	struct raw_fe fe;
	char path[64];

	snprintf(path, sizeof(path), "%s/c.sock", dir);
	raw_fe_init(&fe);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(plug("vsock_vhost7", "iface=%s/c.sock,cid=7"), 0);
		CHECK_EQ(glue_port_nb(), 3);
		CHECK(raw_fe_sync(&waker));
		raw_fe_connect(&fe, path);
		raw_fe_start(&fe);
		CHECK_EQ(rte_eal_hotplug_remove("vdev", "vsock_vhost7"), 0);
		CHECK(raw_fe_wait_closed(&fe));
		raw_fe_close(&fe);
		CHECK_EQ(glue_port_nb(), 2);
		CHECK(!exists("c.sock"));
	}
	raw_fe_cleanup(&fe);
	return arg;
}

static void
plug_and_unplug(void)
{
	pthread_t tid;

	CHECK_EQ(pthread_create(&tid, NULL, hotplug, NULL), 0);
	CHECK_EQ(pthread_join(tid, NULL), 0);
	CHECK(rte_eal_hotplug_remove("vdev", "vsock_vhost7") != 0);
}

/* Refused, and nothing changed. */
static void
bad_plugs(void)
{
	unsigned int nb_failed = vdev_nb_failed();

	CHECK(plug("vsock_vhost8", "iface=%s/d.sock,cid=2") != 0);
	CHECK(plug("vsock_vhost8", "iface=%s/d.sock,cid=3") != 0);
	CHECK(plug("vsock_vhost8", "iface=%s/a.sock,cid=8") != 0);
	CHECK(plug("vsock_vhost8", "iface=%s/d.sock,cid=8,uds=%s/a") != 0);
	CHECK(plug("vsock_vhost8", "iface=%s/d.sock,cid=8,uds=%s/b.sock") != 0);
	CHECK(plug("vsock_vhost8", "iface=%s/a,cid=8") != 0);
	CHECK(plug("vsock_vhost8", "iface=%s,cid=8") != 0);
	CHECK(plug("vsock_vhost8", "iface=%s/d.sock,cid=8,lcore=0") != 0);
	CHECK(plug("vsock_vhost8", "iface=%s/d.sock,cid=8,uds=/cannot/start") != 0);
	CHECK_EQ(vdev_nb_failed(), nb_failed + 9);
	CHECK_EQ(glue_port_nb(), 2);
	CHECK(!exists("d.sock"));
	/* The name and all that it asked for are free again. */
	CHECK_EQ(plug("vsock_vhost8", "iface=%s/d.sock,cid=8,uds=%s/d"), 0);
	CHECK_EQ(glue_port_nb(), 3);
	CHECK_EQ(rte_eal_hotplug_remove("vdev", "vsock_vhost8"), 0);
}

static void
stop_and_fail(void)
{
	raw_fe_cleanup(&waker);
	vdev_stop_all();
	CHECK_EQ(glue_port_nb(), 0);
	CHECK(!exists("a.sock") && !exists("b.sock"));
	/* Plugged while the switch does not run; one cannot start, so none does. */
	CHECK_EQ(plug("vsock_vhost9", "iface=%s/e.sock,cid=9"), 0);
	CHECK_EQ(plug("vsock_vhost10", "iface=%s/f.sock,cid=10,uds=/cannot/start"), 0);
	CHECK_EQ(glue_port_nb(), 2);
	CHECK_EQ(vdev_start_all(), -EACCES);
	CHECK_EQ(glue_port_nb(), 0);
	CHECK(!exists("e.sock") && !exists("f.sock"));
	vdev_stop_all();
}

int
main(void)
{
	static const char *const devs[] = {
		"vsock_vhost0,iface=%s/a.sock,cid=3,uds=%s/a",
		"vsock_vhost1,iface=%s/b.sock,cid=4",
		"vsock_vhost2,iface=%s/c.sock,cid=2",
		"vsock_vhost3,iface=%s/c.sock,cid=3",
		"vsock_vhost4,cid=5",
		"vsock_vhost5,iface=%s/c.sock,cid=5,lcore=0",
		"vsock_vhost6,iface=%s/c.sock,cid=5,rate=1",
	};
	char vdev[7][100], prefix[40], program[] = "test", no_huge[] = "--no-huge", mem[] = "-m";
	char mem_len[] = "64", no_pci[] = "--no-pci", list[] = "-l", cpus[] = "0";
	char no_tel[] = "--no-telemetry";
	char *eal[] = {program, no_huge, mem, mem_len, no_pci, list, cpus, no_tel, prefix, vdev[0],
		vdev[1], vdev[2], vdev[3], vdev[4], vdev[5], vdev[6], NULL};

	CHECK(mkdtemp(dir) != NULL);
	for (int i = 0; i < 7; i++) {
		char fmt[100];

		snprintf(fmt, sizeof(fmt), "--vdev=%s", devs[i]);
		snprintf(vdev[i], sizeof(vdev[i]), fmt, dir, dir);
	}
	snprintf(prefix, sizeof(prefix), "--file-prefix=vdev%d", (int)getpid());
	CHECK_EQ(gmem_guard_init(), 0);
	glue_port_init();
	CHECK(rte_eal_init(16, eal) >= 0);

	RUN(command_line);
	RUN(plug_and_unplug);
	RUN(bad_plugs);
	RUN(stop_and_fail);

	CHECK_EQ(rmdir(dir), 0);
	CHECK_EQ(rte_eal_cleanup(), 0);
	return 0;
}
