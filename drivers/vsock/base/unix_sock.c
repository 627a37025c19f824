/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/unix_sock.h"

/* Linux 6.16. The headers of Debian 12 and 13 are older. */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/* Bytes of SO_SNDBUF that the kernel reserves when it bounds a message (AF_UNIX). */
#define SNDBUF_RESERVED 32

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

void
unix_sock_remember(const char *path, struct unix_sock_file *file)
{
	struct stat st;

	*file = (struct unix_sock_file){0};
	if (lstat(path, &st) == 0) {
		file->dev = st.st_dev;
		file->ino = st.st_ino;
	}
}

void
unix_sock_remove(const char *path, const struct unix_sock_file *file)
{
	struct unix_sock_file now;

	unix_sock_remember(path, &now);
	if (file->ino != 0 && now.dev == file->dev && now.ino == file->ino)
		unlink(path);
}

/* Remove a socket file without a listener. */
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

/* librte_vhost does not report why bind() failed, so find out before it tries. */
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
unix_sock_prepare(const char *path, const char **reason)
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

bool
unix_sock_refuse_rights(int fd)
{
	const int zero = 0;

	return setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &zero, sizeof(zero)) == 0;
}

uint32_t
unix_sock_set_send_buffer(int fd, uint32_t len)
{
	/* The kernel doubles the size. SO_SNDBUFFORCE ignores wmem_max, with CAP_NET_ADMIN. */
	int size = (int)len, got = 0;
	socklen_t got_len = sizeof(got);

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &got, &got_len) != 0 || got <= SNDBUF_RESERVED)
		return 0;
	return (uint32_t)got - SNDBUF_RESERVED;
}

void
unix_sock_peer(int fd, pid_t *pid, uid_t *uid)
{
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);

	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	*pid = peer.pid;
	*uid = peer.uid;
}
