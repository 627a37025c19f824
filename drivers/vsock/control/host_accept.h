/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_HOST_ACCEPT_H
#define VSOCK_HOST_ACCEPT_H

/**
 * @file
 * What the thread of host_listen.c does with its events: accepts host programs and reads their
 * CONNECT lines, within bounds of number and time. Context of everything: that thread. What is
 * declared here belongs to it, so that there is no lock and no event finds what is gone; a listener
 * that was not added, or was removed, is its caller's.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "data/port_data.h"

#define HOST_NB_LISTEN_SOCKETS 2

/** What epoll reports; stands first in what it is part of. */
enum host_source {
	HOST_SOURCE_REQUEST, /**< host_listen.c: requests wait */
	HOST_SOURCE_SOCKET,
	HOST_SOURCE_HANDSHAKE,
};

struct listen_socket {
	enum host_source source; /* first */
	int fd;
	int type; /* SOCK_STREAM or SOCK_SEQPACKET */
	bool paused;
	struct host_listener *listener;
	uint64_t resume_ms; /* when it is paused */
	uint64_t reported_ms;
	TAILQ_ENTRY(listen_socket) entry; /* of the paused ones */
	char path[PORT_PATH_LEN];
};

struct handshake;

/** What the thread of one switch works on. */
struct host_accept {
	TAILQ_HEAD(, handshake) handshakes; /* by deadline */
	TAILQ_HEAD(, listen_socket) paused; /* by resume_ms */
	int epoll_fd;                       /* not owned */
};

struct host_listener {
	struct port *port;
	struct host_accept *accept; /* of the port's switch */
	struct listen_socket sockets[HOST_NB_LISTEN_SOCKETS];
	unsigned int nb_handshakes;
};

/** The epoll instance that the thread waits in. Context: main, before the thread runs. */
void host_accept_init(struct host_accept *a, int epoll_fd);

/** @p source, not a request, has something. */
void host_accept_event(void *source);

/** Do what is due by time. Behind the events of one wait, as it frees. */
void host_accept_tick(struct host_accept *a);

/** @return milliseconds until host_accept_tick() has something to do; -1: nothing waits. */
int host_accept_timeout_ms(const struct host_accept *a);

/** Begin to accept. @return 0; -errno of epoll, then nothing of it is left. */
int host_accept_add(struct host_listener *listener);

/**
 * Stop to accept, and close what owes its line. Behind the events of one wait, as it frees.
 * @return 0.
 */
int host_accept_remove(struct host_listener *listener);

#endif
