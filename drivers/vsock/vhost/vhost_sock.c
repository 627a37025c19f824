/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "vhost/vhost_sock.h"

static bool
is_connection_of(int fd, const char *path, bool client)
{
	struct sockaddr_un addr = {.sun_family = AF_UNSPEC};
	socklen_t addr_len = sizeof(addr);
	socklen_t opt_len = sizeof(int);
	int listens;
	int rc;

	if (client)
		rc = getpeername(fd, (struct sockaddr *)&addr, &addr_len);
	else
		rc = getsockname(fd, (struct sockaddr *)&addr, &addr_len);
	if (rc != 0 || addr.sun_family != AF_UNIX ||
		addr_len <= offsetof(struct sockaddr_un, sun_path) ||
		strncmp(addr.sun_path, path, sizeof(addr.sun_path)) != 0)
		return false;
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &opt_len) == 0 && !listens;
}

unsigned int
vhost_sock_set_timeouts(const char *path, bool client, unsigned int timeout_ms)
{
	struct timeval tv = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
	unsigned int nb_found = 0;
	struct dirent *entry;
	char *end;
	DIR *dir;
	int fd;

	dir = opendir("/proc/self/fd");
	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		fd = (int)strtol(entry->d_name, &end, 10);
		if (end == entry->d_name || *end != '\0' || !is_connection_of(fd, path, client))
			continue;
		if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0 &&
			setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0)
			nb_found++;
	}
	closedir(dir);
	return nb_found;
}

bool
vhost_sock_is_eventfd(int fd)
{
	static const char want[] = "anon_inode:[eventfd]";
	char link[64];
	char path[32];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, link, sizeof(link));
	return len == (ssize_t)sizeof(want) - 1 && memcmp(link, want, sizeof(want) - 1) == 0;
}
