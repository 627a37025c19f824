/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_UNIX_SOCK_H
#define VSOCK_UNIX_SOCK_H

/**
 * @file
 * Unix sockets: the file that a listener binds to, and the send buffer of a connection. Builds
 * without EAL.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * Make sure that a stream socket can be bound to @p path. A socket file without a listener is
 * removed. Every other file stays.
 * Context: control threads; may block in the file system.
 * @param path   of the socket, at most 107 bytes
 * @param reason set to a few words when the call fails; a constant or strerror()'s
 * @return 0; -EADDRINUSE another process listens; -EEXIST not a socket; -ENAMETOOLONG;
 * -errno of socket(), lstat(), connect(), unlink() or bind().
 */
int unix_sock_prepare(const char *path, const char **reason);

/** A file, whatever its name. */
struct unix_sock_file {
	dev_t dev;
	ino_t ino; /**< 0: none */
};

/** Remember the file that a socket was just bound to. Context: as above. */
void unix_sock_remember(const char *path, struct unix_sock_file *file);

/** Remove @p path if it is still that file. Context: as above. */
void unix_sock_remove(const char *path, const struct unix_sock_file *file);

/**
 * Have the kernel refuse file descriptors that a program sends along (SCM_RIGHTS): the program's
 * sendmsg() fails with EPERM. Nobody takes them here, and to close one can take as long as the
 * program likes, for example a socket with SO_LINGER. A listener passes this on to the connections
 * that it accepts; a socket that connects needs it before connect().
 * Context: any thread. @return false if the kernel is older than Linux 6.16.
 */
bool unix_sock_refuse_rights(int fd);

/**
 * Set the send buffer so that @p len bytes fit into it, as far as the system's limit allows.
 * Context: threads that may block.
 * @return bytes that one message may have (SOCK_SEQPACKET); 0 when the buffer cannot be read.
 */
uint32_t unix_sock_set_send_buffer(int fd, uint32_t len);

/**
 * Get the process at the other end of a connection. For a socket that connected, this is the
 * process that listens.
 * Context: any thread. @param pid set; 0: not known. @param uid set.
 */
void unix_sock_peer(int fd, pid_t *pid, uid_t *uid);

#endif
