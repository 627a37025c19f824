/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_common.h>

#include "base/unix_sock.h"
#include "base/vsock_log.h"
#include "control/host_accept.h"
#include "control/host_listen.h"
#include "vsock_limits.h"

struct request {
	int (*fn)(struct host_listener *listener); /* NULL: stop */
	struct host_listener *listener;
	int result;
	sem_t done;
	STAILQ_ENTRY(request) entry;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of requests alone */
static STAILQ_HEAD(, request) requests = STAILQ_HEAD_INITIALIZER(requests);
static enum host_source request_source = HOST_SOURCE_REQUEST;
static int epoll_fd = -1;
static int request_fd = -1;
static bool running;
static pthread_t thread;

/* ---- the thread ---- */

/* True when it was the last one. */
static bool
serve_requests(void)
{
	struct request *req;
	bool stop = false;
	uint64_t count;

	(void)!read(request_fd, &count, sizeof(count));
	for (;;) {
		pthread_mutex_lock(&mutex);
		req = STAILQ_FIRST(&requests);
		if (req != NULL)
			STAILQ_REMOVE_HEAD(&requests, entry);
		pthread_mutex_unlock(&mutex);
		if (req == NULL)
			return stop;
		if (req->fn != NULL)
			req->result = req->fn(req->listener);
		else
			stop = true;
		sem_post(&req->done);
	}
}

static void *
serve(void *arg)
{
	struct epoll_event evs[LIMIT_LISTEN_NB_EVENTS];

	(void)arg;
	for (;;) {
		int n = epoll_wait(epoll_fd, evs, RTE_DIM(evs), host_accept_timeout_ms());
		bool asked = false;

		for (int i = 0; i < n; i++) {
			if (evs[i].data.ptr == &request_source)
				asked = true;
			else
				host_accept_event(evs[i].data.ptr);
		}
		host_accept_tick();
		/* Last: they free what events are about. */
		if (asked && serve_requests())
			return NULL;
	}
}

/* Have the thread do something, and wait until it is done. */
static int
ask(int (*fn)(struct host_listener *listener), struct host_listener *listener)
{
	struct request req = {.fn = fn, .listener = listener};
	const uint64_t one = 1;
	int ret;

	sem_init(&req.done, 0, 0);
	pthread_mutex_lock(&mutex);
	STAILQ_INSERT_TAIL(&requests, &req, entry);
	pthread_mutex_unlock(&mutex);
	(void)!write(request_fd, &one, sizeof(one));
	do {
		ret = sem_wait(&req.done);
	} while (ret != 0 && errno == EINTR);
	sem_destroy(&req.done);
	return req.result;
}

/* ---- open and close ---- */

static int
open_socket(struct listen_socket *s, int type, const char *suffix)
{
	const struct port_conf *conf = &s->listener->port->conf;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const char *reason;
	int fd = -1, ret;

	if ((size_t)snprintf(s->path, sizeof(s->path), "%s%s", conf->uds, suffix) >=
		sizeof(s->path)) {
		VSOCK_LOG(ERR, "%s: uds=%s: too long with %s behind it", conf->name, conf->uds,
			suffix);
		return -ENAMETOOLONG;
	}
	ret = unix_sock_prepare(s->path, &reason);
	if (ret != 0)
		goto fail;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", s->path);
	fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
		listen(fd, LIMIT_LISTEN_BACKLOG_NB_CONNS) != 0) {
		ret = -errno;
		reason = strerror(errno);
		goto fail;
	}
	s->fd = fd;
	s->type = type;
	return 0;

fail:
	VSOCK_LOG(
		ERR, "%s: uds=%s: cannot listen at %s: %s", conf->name, conf->uds, s->path, reason);
	if (fd >= 0)
		close(fd);
	return ret;
}

static void
close_sockets(struct host_listener *l)
{
	for (unsigned int i = 0; i < HOST_NB_LISTEN_SOCKETS; i++) {
		struct listen_socket *s = &l->sockets[i];

		if (s->fd < 0)
			continue;
		close(s->fd);
		unlink(s->path);
	}
}

int
host_listen_open(struct port *port, struct host_listener **out)
{
	static const char *const suffixes[HOST_NB_LISTEN_SOCKETS] = {"", "_seqpacket"};
	struct host_listener *l = calloc(1, sizeof(*l));
	int ret = 0;

	if (l == NULL)
		return -ENOMEM;
	l->port = port;
	for (unsigned int i = 0; i < HOST_NB_LISTEN_SOCKETS; i++) {
		l->sockets[i].source = HOST_SOURCE_SOCKET;
		l->sockets[i].listener = l;
		l->sockets[i].fd = -1;
	}
	for (unsigned int i = 0; i < HOST_NB_LISTEN_SOCKETS && ret == 0; i++)
		ret = open_socket(
			&l->sockets[i], i == 0 ? SOCK_STREAM : SOCK_SEQPACKET, suffixes[i]);
	if (ret == 0) {
		ret = ask(host_accept_add, l);
		if (ret != 0)
			VSOCK_LOG(ERR, "%s: uds=%s: cannot wait for programs: %s", port->conf.name,
				port->conf.uds, strerror(-ret));
	}
	if (ret != 0) {
		close_sockets(l);
		free(l);
		return ret;
	}
	*out = l;
	return 0;
}

void
host_listen_close(struct host_listener *l)
{
	if (l == NULL)
		return;
	ask(host_accept_remove, l);
	close_sockets(l);
	free(l);
}

int
host_listen_init(const cpu_set_t *cpus)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &request_source};
	pthread_attr_t attr;
	int ret;

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	request_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (epoll_fd < 0 || request_fd < 0)
		return -errno;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, request_fd, &ev) != 0)
		return -errno;
	host_accept_init(epoll_fd);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(*cpus), cpus);
	ret = pthread_create(&thread, &attr, serve, NULL);
	pthread_attr_destroy(&attr);
	if (ret != 0)
		return -ret;
	running = true;
	pthread_setname_np(thread, "vsock-listen");
	return 0;
}

void
host_listen_exit(void)
{
	if (running) {
		ask(NULL, NULL);
		pthread_join(thread, NULL);
	}
	running = false;
	if (request_fd >= 0)
		close(request_fd);
	if (epoll_fd >= 0)
		close(epoll_fd);
	request_fd = -1;
	epoll_fd = -1;
}
