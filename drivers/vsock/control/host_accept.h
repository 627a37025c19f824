/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_HOST_ACCEPT_H
#define VSOCK_HOST_ACCEPT_H

/**
 * @file
 * Accept connections of host programs and read their CONNECT lines, with limits on number and time.
 *
 * Context of all functions: the listener thread (host_listen.c). It owns the structs below, so they
 * need no lock, and no event refers to freed memory. Before host_accept_add() and after
 * host_accept_remove() a listener belongs to the caller.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/log_limit.h"
#include "base/unix_sock.h"
#include "data/port_data.h"

/** Listening sockets of a port: stream and seqpacket. */
#define HOST_NB_LISTEN_SOCKETS 2

/** Kind of the object that an epoll event points to. It is the first field of the object. */
enum host_source {
	HOST_SOURCE_REQUEST,   /**< host_listen.c: requests are queued */
	HOST_SOURCE_SOCKET,    /**< struct listen_socket */
	HOST_SOURCE_HANDSHAKE, /**< a connection without a complete CONNECT line */
};

/** A listening socket. */
struct listen_socket {
	enum host_source source; /**< must be first */
	int fd;                  /**< -1: not open */
	int type;                /**< SOCK_STREAM or SOCK_SEQPACKET */
	bool paused;             /**< does not accept until resume_ms */
	struct host_listener *listener;
	uint64_t resume_ms;               /**< monotonic clock */
	struct log_limit report;          /**< lines about errors of accept() */
	TAILQ_ENTRY(listen_socket) entry; /**< in the list of paused sockets */
	char path[PORT_PATH_LEN];
	struct unix_sock_file file; /**< that it is bound to */
};

struct handshake;

/** The handshakes and paused listeners of one switch. Only its listener thread accesses it. */
struct host_accept {
	TAILQ_HEAD(, handshake) handshakes; /* by deadline */
	TAILQ_HEAD(, listen_socket) paused; /* by resume_ms */
	int epoll_fd;                       /* not owned */
};

/** The listeners of a port. */
struct host_listener {
	struct port *port;          /**< not owned */
	struct host_accept *accept; /**< of the port's switch; not owned */
	struct listen_socket sockets[HOST_NB_LISTEN_SOCKETS];
	unsigned int nb_handshakes; /**< connections without a complete CONNECT line */
};

/**
 * Set the epoll instance of the thread. Context: main, before the thread starts.
 * @param epoll_fd not owned.
 */
void host_accept_init(struct host_accept *a, int epoll_fd);

/** Handle an epoll event. @param source a socket or a handshake, not HOST_SOURCE_REQUEST. */
void host_accept_event(void *source);

/**
 * Handle timeouts. Call it after the events of one epoll_wait() are handled, because it frees
 * objects that events point to.
 */
void host_accept_tick(struct host_accept *a);

/** @return milliseconds until host_accept_tick() is due; -1: no timeout is pending. */
int host_accept_timeout_ms(const struct host_accept *a);

/** Start accepting. @return 0; -errno of epoll_ctl(): the listener was not added. */
int host_accept_add(struct host_listener *listener);

/**
 * Stop accepting and close connections without a complete CONNECT line. Call it after the events of
 * one epoll_wait() are handled, because it frees objects that events point to.
 * @return 0.
 */
int host_accept_remove(struct host_listener *listener);

#endif
