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
#include "data/vsock_switch.h"
#include "vsock_limits.h"

struct request {
	int (*fn)(struct host_listener *listener); /* NULL: stop */
	struct host_listener *listener;
	int result;
	sem_t done;
	STAILQ_ENTRY(request) entry;
};

struct host_listen {
	pthread_mutex_t mutex;
	STAILQ_HEAD(, request) requests; /* protected by mutex */
	enum host_source request_source; /* constant; epoll reports its address */
	int epoll_fd;
	int request_fd; /* eventfd */
	uint32_t turns; /* atomic; iterations of the thread */
	bool running;
	pthread_t thread;
	struct host_accept accept; /* only the thread accesses it */
};

/* ---- the thread ---- */

/* Run the queued requests. @return true if the thread must stop. */
static bool
serve_requests(struct host_listen *hl)
{
	struct request *req;
	bool stop = false;
	uint64_t count;

	(void)!read(hl->request_fd, &count, sizeof(count));
	for (;;) {
		pthread_mutex_lock(&hl->mutex);
		req = STAILQ_FIRST(&hl->requests);
		if (req != NULL)
			STAILQ_REMOVE_HEAD(&hl->requests, entry);
		pthread_mutex_unlock(&hl->mutex);
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
	struct host_listen *hl = arg;

	for (;;) {
		int n = epoll_wait(
			hl->epoll_fd, evs, RTE_DIM(evs), host_accept_timeout_ms(&hl->accept));
		bool asked = false;

		for (int i = 0; i < n; i++) {
			if (evs[i].data.ptr == &hl->request_source)
				asked = true;
			else
				host_accept_event(evs[i].data.ptr);
		}
		host_accept_tick(&hl->accept);
		__atomic_add_fetch(&hl->turns, 1, __ATOMIC_RELAXED);
		/* Last, because requests free objects that events point to. */
		if (asked && serve_requests(hl))
			return NULL;
	}
}

/* Let the thread call fn, and wait for its result. */
static int
ask(struct host_listen *hl, int (*fn)(struct host_listener *listener),
	struct host_listener *listener)
{
	struct request req = {.fn = fn, .listener = listener};
	const uint64_t one = 1;
	int ret;

	sem_init(&req.done, 0, 0);
	pthread_mutex_lock(&hl->mutex);
	STAILQ_INSERT_TAIL(&hl->requests, &req, entry);
	pthread_mutex_unlock(&hl->mutex);
	(void)!write(hl->request_fd, &one, sizeof(one));
	do {
		ret = sem_wait(&req.done);
	} while (ret != 0 && errno == EINTR);
	sem_destroy(&req.done);
	return req.result;
}

/* ---- open and close ---- */

/* Once in a process. */
static void
report_rights(const struct port_conf *conf)
{
	static bool reported;

	if (!__atomic_exchange_n(&reported, true, __ATOMIC_RELAXED))
		VSOCK_LOG(WARNING,
			"%s: uds=%s: this kernel cannot refuse descriptors that host programs "
			"send, so that one of them can delay guests (use Linux 6.16 or later)",
			conf->name, conf->uds);
}

static int
open_socket(struct listen_socket *s, int type, const char *suffix)
{
	const struct port_conf *conf = &s->listener->port->conf;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const char *reason;
	int fd = -1, ret;

	if ((size_t)snprintf(s->path, sizeof(s->path), "%s%s", conf->uds, suffix) >=
		sizeof(s->path)) {
		VSOCK_LOG(ERR, "%s: uds=%s: path too long with the suffix %s", conf->name,
			conf->uds, suffix);
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
	if (!unix_sock_refuse_rights(fd))
		report_rights(conf);
	unix_sock_remember(s->path, &s->file);
	s->fd = fd;
	s->type = type;
	return 0;

fail:
	VSOCK_LOG(ERR, "%s: uds=%s: listening at %s failed: %s", conf->name, conf->uds, s->path,
		reason);
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
		unix_sock_remove(s->path, &s->file);
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
	l->accept = &port->sw->listen->accept;
	for (unsigned int i = 0; i < HOST_NB_LISTEN_SOCKETS; i++) {
		l->sockets[i].source = HOST_SOURCE_SOCKET;
		l->sockets[i].listener = l;
		l->sockets[i].fd = -1;
	}
	for (unsigned int i = 0; i < HOST_NB_LISTEN_SOCKETS && ret == 0; i++)
		ret = open_socket(
			&l->sockets[i], i == 0 ? SOCK_STREAM : SOCK_SEQPACKET, suffixes[i]);
	if (ret == 0) {
		ret = ask(port->sw->listen, host_accept_add, l);
		if (ret != 0)
			VSOCK_LOG(ERR, "%s: uds=%s: epoll_ctl failed: %s", port->conf.name,
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
	ask(l->port->sw->listen, host_accept_remove, l);
	close_sockets(l);
	free(l);
}

uint32_t
host_listen_turns(const struct vsock_switch *sw)
{
	return __atomic_load_n(&sw->listen->turns, __ATOMIC_RELAXED);
}

void
host_listen_poke(struct vsock_switch *sw)
{
	const uint64_t one = 1;

	(void)!write(sw->listen->request_fd, &one, sizeof(one));
}

int
host_listen_start(struct vsock_switch *sw)
{
	struct host_listen *hl = calloc(1, sizeof(*hl));
	struct epoll_event ev = {.events = EPOLLIN};
	pthread_attr_t attr;
	int ret;

	if (hl == NULL)
		return -ENOMEM;
	sw->listen = hl;
	pthread_mutex_init(&hl->mutex, NULL);
	STAILQ_INIT(&hl->requests);
	hl->request_source = HOST_SOURCE_REQUEST;
	hl->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	hl->request_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ev.data.ptr = &hl->request_source;
	if (hl->epoll_fd < 0 || hl->request_fd < 0 ||
		epoll_ctl(hl->epoll_fd, EPOLL_CTL_ADD, hl->request_fd, &ev) != 0) {
		ret = -errno;
		goto fail;
	}
	host_accept_init(&hl->accept, hl->epoll_fd);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(sw->conf.slow_cpus), &sw->conf.slow_cpus);
	ret = -pthread_create(&hl->thread, &attr, serve, hl);
	pthread_attr_destroy(&attr);
	if (ret != 0)
		goto fail;
	hl->running = true;
	pthread_setname_np(hl->thread, "vsock-listen");
	return 0;

fail:
	host_listen_stop(sw);
	return ret;
}

void
host_listen_stop(struct vsock_switch *sw)
{
	struct host_listen *hl = sw->listen;

	if (hl == NULL)
		return;
	if (hl->running) {
		ask(hl, NULL, NULL);
		pthread_join(hl->thread, NULL);
	}
	if (hl->request_fd >= 0)
		close(hl->request_fd);
	if (hl->epoll_fd >= 0)
		close(hl->epoll_fd);
	pthread_mutex_destroy(&hl->mutex);
	free(hl);
	sw->listen = NULL;
}
