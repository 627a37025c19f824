/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/port.h"
#include "vhost/vhost_sock.h"

_Static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) == PORT_PATH_LEN, "sun_path");

static int
make_address(const char *path, struct sockaddr_un *addr)
{
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	if ((size_t)snprintf(addr->sun_path, sizeof(addr->sun_path), "%s", path) >=
		sizeof(addr->sun_path))
		return -ENAMETOOLONG;
	return 0;
}

/* Remove a socket file that nobody listens on. */
static int
remove_stale(const struct sockaddr_un *addr, const char **reason)
{
	struct stat st;
	int fd, rc;

	if (lstat(addr->sun_path, &st) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode)) {
		*reason = "exists and is not a socket";
		return -EEXIST;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	rc = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 ? 0 : errno;
	close(fd);
	/* EAGAIN: a full backlog; EPROTOTYPE: a live socket of another type. */
	if (rc == 0 || rc == EAGAIN || rc == EPROTOTYPE) {
		*reason = "another process listens there";
		return -EADDRINUSE;
	}
	if (rc == ENOENT)
		return 0;
	if (rc != ECONNREFUSED)
		return -rc;
	return unlink(addr->sun_path) == 0 || errno == ENOENT ? 0 : -errno;
}

/* The library says only that it failed, and leaves fds in doubt: find out before it tries. */
static int
try_bind(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	rc = bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 ? 0 : -errno;
	if (rc == 0)
		unlink(addr->sun_path);
	close(fd);
	return rc;
}

int
vhost_sock_prepare(const char *path, const char **reason)
{
	struct sockaddr_un addr;
	int rc;

	*reason = NULL;
	rc = make_address(path, &addr);
	if (rc == 0)
		rc = remove_stale(&addr, reason);
	if (rc == 0)
		rc = try_bind(&addr);
	if (rc != 0 && *reason == NULL)
		*reason = strerror(-rc);
	return rc;
}

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
