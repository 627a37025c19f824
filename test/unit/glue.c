/* SPDX-License-Identifier: BSD-3-Clause */
#include "glue.h"

#include <dirent.h>
#include <unistd.h>

#include <rte_eal.h>

#include "check.h"
#include "raw_fe.h"
#include "ring/gmem_guard.h"
#include "vhost/vhost.h"

char glue_path[PORT_PATH_LEN];
char glue_other_path[PORT_PATH_LEN];

static char dir[] = "/tmp/vhost_glue_XXXXXX";
static struct port *waker_port;
static struct raw_fe waker;

void
glue_init(void)
{
	char prefix[40], program[] = "test", no_huge[] = "--no-huge", mem[] = "-m";
	char mem_len[] = "64", no_pci[] = "--no-pci", list[] = "-l", cpus[] = "0";
	char no_tel[] = "--no-telemetry";
	char *eal[] = {program, no_huge, mem, mem_len, no_pci, list, cpus, no_tel, prefix, NULL};
	char path[PORT_PATH_LEN];

	snprintf(prefix, sizeof(prefix), "--file-prefix=glue%d", (int)getpid());
	CHECK(rte_eal_init(9, eal) >= 0);
	CHECK(mkdtemp(dir) != NULL);
	snprintf(glue_path, sizeof(glue_path), "%s/a.sock", dir);
	snprintf(glue_other_path, sizeof(glue_other_path), "%s/b.sock", dir);
	snprintf(path, sizeof(path), "%s/wake.sock", dir);
	CHECK_EQ(gmem_guard_init(), 0);
	glue_port_init();
	waker_port = glue_new_port(path, 1000, false);
	CHECK_EQ(vhost_attach(waker_port), 0);
	raw_fe_init(&waker);
	raw_fe_connect(&waker, path);
	glue_wake();
}

void
glue_fini(void)
{
	raw_fe_cleanup(&waker);
	glue_detach(waker_port);
	CHECK_EQ(rmdir(dir), 0);
	rte_eal_cleanup();
}

void
glue_wake(void)
{
	CHECK(raw_fe_sync(&waker));
}

struct port *
glue_new_port(const char *path, uint32_t cid, bool client)
{
	struct port_conf conf = {.cid = cid, .client = client};

	snprintf(conf.name, sizeof(conf.name), "vsock_vhost%u", cid);
	snprintf(conf.iface, sizeof(conf.iface), "%s", path);
	return glue_port_new(&conf);
}

struct port *
glue_attach(const char *path, uint32_t cid, bool client)
{
	struct port *port = glue_new_port(path, cid, client);

	CHECK_EQ(vhost_attach(port), 0);
	glue_wake();
	return port;
}

void
glue_detach(struct port *port)
{
	vhost_detach(port);
	glue_port_free(port);
}

int
glue_count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int nb = 0;

	CHECK(d != NULL);
	while (readdir(d) != NULL)
		nb++;
	closedir(d);
	return nb;
}

void
glue_wait_fds(int want)
{
	for (int i = 0; glue_count_fds() != want; i++) {
		if (i == 5000)
			CHECK_EQ(glue_count_fds(), want);
		usleep(1000);
	}
}
