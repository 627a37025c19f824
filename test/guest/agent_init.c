/* SPDX-License-Identifier: BSD-3-Clause */
/* The part of an init: file systems and modules. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"

int
init_module_load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
		rc = -errno;
	close(fd);
	return rc;
}

static void
load_modules(void)
{
	char path[512];
	FILE *list = fopen("/modules.list", "re");

	if (list == NULL) {
		perror("agent: /modules.list");
		return;
	}
	while (fgets(path, sizeof(path), list) != NULL) {
		int rc;

		path[strcspn(path, "\n")] = '\0';
		rc = init_module_load(path);
		if (rc < 0)
			fprintf(stderr, "agent: %s: %s\n", path, strerror(-rc));
	}
	fclose(list);
}

static void
mount_one(const char *fs, const char *dir)
{
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		perror(dir);
	if (mount(fs, dir, fs, 0, NULL) < 0 && errno != EBUSY)
		perror(dir);
}

void
init_system(void)
{
	int fd;

	mount_one("devtmpfs", "/dev");
	mount_one("proc", "/proc");
	mount_one("sysfs", "/sys");
	mount_one("tmpfs", "/tmp");
	fd = open("/dev/console", O_RDWR);
	if (fd >= 0) {
		dup2(fd, 0);
		dup2(fd, 1);
		dup2(fd, 2);
		if (fd > 2)
			close(fd);
	}
	/* Memory that is added later is used at once, as a distribution's udev rule has it. */
	fd = open("/sys/devices/system/memory/auto_online_blocks", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "online", 6) != 6)
		perror("agent: auto_online_blocks");
	if (fd >= 0)
		close(fd);
	load_modules();
}
