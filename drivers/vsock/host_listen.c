/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_common.h>

#include "host_listen.h"
#include "lcore.h"
#include "slow.h"
#include "vhost_sock.h"
#include "vsock_log.h"

#define ACCEPT_BURST      32
#define ACCEPT_RETRY_US   20000
#define FDS_REPORT_MS     10000
#define LISTEN_BACKLOG    1024
#define NB_LISTEN_SOCKETS 2

/**
 * Something that waits for its fd: a listening socket, or a program that owes its CONNECT line.
 * Known to the waiting thread by id, so that an event that comes late finds nothing.
 * Legend: [M] under mutex; [W] its work, one at a time; else constant.
 */
struct waiter {
	struct wq_delayed_work work; /* first */
	TAILQ_ENTRY(waiter) entry;   /* [M] */
	bool listed;                 /* [M] its closer takes it off the list, then owns it */
	uint64_t id;
	struct host_listener *listener;
	int fd;
	int type; /* SOCK_STREAM or SOCK_SEQPACKET */
	bool is_listener;
	uint64_t deadline_ms;
	uint64_t reported_ms;                  /* [W] */
	uint32_t line_len;                     /* [W] */
	char line[LIMIT_CONNECT_LINE_LEN + 1]; /* [W] */
};

TAILQ_HEAD(waiter_list, waiter);

struct host_listener {
	struct port *port;
	struct waiter sockets[NB_LISTEN_SOCKETS];
	char paths[NB_LISTEN_SOCKETS][PORT_PATH_LEN];
	unsigned int nb_handshakes; /* [M] */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct waiter_list waiters = TAILQ_HEAD_INITIALIZER(waiters); /* [M] */
static uint64_t next_id = 1;                                         /* [M]; 0 stops the thread */
static int epoll_fd = -1;
static int stop_fd = -1;
static pthread_t thread;

/* ---- the waiting thread ---- */

static void
wake_waiter(uint64_t id)
{
	struct waiter *w;

	pthread_mutex_lock(&mutex);
	TAILQ_FOREACH (w, &waiters, entry) {
		if (w->id == id) {
			wq_mod_delayed(slow_wq(), &w->work, 0);
			break;
		}
	}
	pthread_mutex_unlock(&mutex);
}

static void *
wait_for_events(void *arg)
{
	struct epoll_event evs[32];

	(void)arg;
	for (;;) {
		int n = epoll_wait(epoll_fd, evs, RTE_DIM(evs), -1);

		for (int i = 0; i < n; i++) {
			if (evs[i].data.u64 == 0)
				return NULL;
			wake_waiter(evs[i].data.u64);
		}
	}
}

/* Wait for the fd once. */
static void
arm(struct waiter *w, int op)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = w->id};

	if (epoll_ctl(epoll_fd, op, w->fd, &ev) != 0)
		wq_queue_delayed(slow_wq(), &w->work, ACCEPT_RETRY_US);
}

static void
enlist(struct waiter *w)
{
	pthread_mutex_lock(&mutex);
	w->id = next_id++;
	w->listed = true;
	TAILQ_INSERT_HEAD(&waiters, w, entry);
	if (!w->is_listener)
		w->listener->nb_handshakes++;
	pthread_mutex_unlock(&mutex);
}

/* True for the one that takes it off: it owns the waiter from then on. */
static bool
delist(struct waiter *w)
{
	bool was;

	pthread_mutex_lock(&mutex);
	was = w->listed;
	if (was) {
		TAILQ_REMOVE(&waiters, w, entry);
		w->listed = false;
		if (!w->is_listener)
			w->listener->nb_handshakes--;
	}
	pthread_mutex_unlock(&mutex);
	return was;
}

/* ---- CONNECT ---- */

/* "CONNECT <port>", any case, decimal. */
static bool
parse_connect(const char *line, uint32_t *port)
{
	static const char verb[] = "CONNECT ";
	unsigned long long value;
	const char *p = line + sizeof(verb) - 1;
	char *end;

	if (strncasecmp(line, verb, sizeof(verb) - 1) != 0 || *p < '0' || *p > '9')
		return false;
	value = strtoull(p, &end, 10);
	if (*end == '\r')
		end++;
	if (*end != '\0' || value >= UINT32_MAX)
		return false;
	*port = value;
	return true;
}

/* Take the line, and not a byte behind it: that is the guest's. */
static int
read_line(struct waiter *w)
{
	size_t room = LIMIT_CONNECT_LINE_LEN - w->line_len;
	char *at = w->line + w->line_len, *newline;
	ssize_t n = recv(w->fd, at, room, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : -errno;
	if (n == 0)
		return -ECONNRESET;
	newline = memchr(at, '\n', n);
	if (newline != NULL)
		n = newline + 1 - at;
	/* Of a message all is taken; one without a newline ends with it. */
	if (recv(w->fd, at, w->type == SOCK_SEQPACKET ? room : (size_t)n, MSG_DONTWAIT) < n)
		return -EIO;
	w->line_len += n;
	if (newline == NULL && w->type == SOCK_SEQPACKET)
		newline = w->line + w->line_len;
	if (newline == NULL)
		return w->line_len == LIMIT_CONNECT_LINE_LEN ? -EMSGSIZE : -EAGAIN;
	*newline = '\0';
	return 0;
}

static void
hand_over(struct waiter *w, uint32_t guest_port)
{
	struct port *port = w->listener->port;
	struct inbox_msg msg = {
		.type = INBOX_HOST_CONNECT,
		.port_id = port->id,
		.port_gen = port->gen,
		.local_port = guest_port,
		.fd = w->fd,
		.conn_type = w->type == SOCK_SEQPACKET ? WIRE_TYPE_SEQPACKET : WIRE_TYPE_STREAM,
	};

	if (w->type == SOCK_SEQPACKET)
		msg.buf_alloc = slow_socket_prepare(w->fd, port->conf.buf_alloc);
	lcore_post(port->lcore, &msg);
}

static void
handshake_work(struct wq_work *work)
{
	struct waiter *w = (struct waiter *)(void *)wq_to_delayed(work);
	uint64_t now = slow_now_ms();
	uint32_t guest_port;
	int ret = read_line(w);

	if (ret == -EAGAIN && now < w->deadline_ms) {
		/* The time-out first: the event moves it to now. */
		wq_queue_delayed(slow_wq(), &w->work, (w->deadline_ms - now) * 1000);
		arm(w, EPOLL_CTL_MOD);
		return;
	}
	if (!delist(w))
		return; /* its listener is being closed, and takes it along */
	/* An event may have queued it once more; none can from now on. */
	wq_cancel_delayed(&w->work);
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	if (ret == 0 && parse_connect(w->line, &guest_port))
		hand_over(w, guest_port);
	else
		close(w->fd);
	free(w);
}

/* ---- accept ---- */

static void
start_handshake(struct waiter *from, int fd)
{
	struct waiter *w = calloc(1, sizeof(*w));

	if (w == NULL) {
		close(fd);
		return;
	}
	wq_delayed_init(&w->work, handshake_work);
	w->listener = from->listener;
	w->type = from->type;
	w->fd = fd;
	w->deadline_ms = slow_now_ms() + LIMIT_HANDSHAKE_MS;
	enlist(w);
	/* Most programs have written their line by now. */
	wq_queue_delayed(slow_wq(), &w->work, LIMIT_HANDSHAKE_MS * 1000);
	arm(w, EPOLL_CTL_ADD);
}

static bool
too_many_handshakes(const struct waiter *w)
{
	bool too_many;

	pthread_mutex_lock(&mutex);
	too_many = w->listener->nb_handshakes >= LIMIT_NB_HANDSHAKES_PER_PORT;
	pthread_mutex_unlock(&mutex);
	return too_many;
}

static void
report_accept(struct waiter *w, int error)
{
	uint64_t now = slow_now_ms();

	if (w->reported_ms != 0 && now - w->reported_ms < FDS_REPORT_MS)
		return;
	w->reported_ms = now;
	VSOCK_LOG(WARNING,
		"%s: uds=%s: cannot accept: %s; programs wait (raise the limit of open files)",
		w->listener->port->conf.name, w->listener->port->conf.uds, strerror(error));
}

static void
accept_work(struct wq_work *work)
{
	struct waiter *w = (struct waiter *)(void *)wq_to_delayed(work);

	for (int i = 0; i < ACCEPT_BURST; i++) {
		int fd;

		if (too_many_handshakes(w)) {
			wq_queue_delayed(slow_wq(), &w->work, ACCEPT_RETRY_US);
			return;
		}
		fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			start_handshake(w, fd);
			continue;
		}
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			break;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			report_accept(w, errno);
			wq_queue_delayed(slow_wq(), &w->work, ACCEPT_RETRY_US);
			return;
		}
	}
	arm(w, EPOLL_CTL_MOD);
}

/* ---- open and close ---- */

static int
bind_listener(const char *path, int type)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), ret;

	if (fd < 0)
		return -errno;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
		listen(fd, LISTEN_BACKLOG) != 0) {
		ret = -errno;
		close(fd);
		return ret;
	}
	return fd;
}

static int
open_socket(struct host_listener *l, unsigned int i, int type, const char *suffix)
{
	struct waiter *w = &l->sockets[i];
	const struct port_conf *conf = &l->port->conf;
	const char *reason;
	int ret;

	w->fd = -1;
	if ((size_t)snprintf(l->paths[i], sizeof(l->paths[i]), "%s%s", conf->uds, suffix) >=
		sizeof(l->paths[i])) {
		VSOCK_LOG(ERR, "%s: uds=%s: too long with %s behind it", conf->name, conf->uds,
			suffix);
		return -ENAMETOOLONG;
	}
	ret = vhost_sock_prepare(l->paths[i], &reason);
	if (ret == 0) {
		ret = bind_listener(l->paths[i], type);
		reason = strerror(-ret);
	}
	if (ret < 0) {
		VSOCK_LOG(ERR, "%s: uds=%s: cannot listen at %s: %s", conf->name, conf->uds,
			l->paths[i], reason);
		return ret;
	}
	w->fd = ret;
	w->type = type;
	w->listener = l;
	w->is_listener = true;
	wq_delayed_init(&w->work, accept_work);
	enlist(w);
	arm(w, EPOLL_CTL_ADD);
	return 0;
}

static void
close_socket(struct host_listener *l, unsigned int i)
{
	struct waiter *w = &l->sockets[i];

	if (w->fd < 0)
		return;
	delist(w);
	wq_cancel_delayed_sync(&w->work);
	close(w->fd);
	unlink(l->paths[i]);
}

static void
close_handshakes(struct host_listener *l)
{
	for (;;) {
		struct waiter *w;

		pthread_mutex_lock(&mutex);
		TAILQ_FOREACH (w, &waiters, entry) {
			if (w->listener == l && !w->is_listener)
				break;
		}
		if (w != NULL) {
			TAILQ_REMOVE(&waiters, w, entry);
			w->listed = false;
		}
		pthread_mutex_unlock(&mutex);
		if (w == NULL)
			return;
		wq_cancel_delayed_sync(&w->work);
		close(w->fd);
		free(w);
	}
}

int
host_listen_open(struct port *port, struct host_listener **out)
{
	struct host_listener *l = calloc(1, sizeof(*l));
	int ret;

	if (l == NULL)
		return -ENOMEM;
	l->port = port;
	l->sockets[1].fd = -1;
	ret = open_socket(l, 0, SOCK_STREAM, "");
	if (ret == 0)
		ret = open_socket(l, 1, SOCK_SEQPACKET, "_seqpacket");
	if (ret != 0) {
		host_listen_close(l);
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
	for (unsigned int i = 0; i < NB_LISTEN_SOCKETS; i++)
		close_socket(l, i);
	close_handshakes(l);
	/* A handshake that is just being handed over still looks at the port. */
	slow_flush();
	free(l);
}

int
host_listen_init(const cpu_set_t *cpus)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 0};
	pthread_attr_t attr;
	int ret;

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	stop_fd = eventfd(0, EFD_CLOEXEC);
	if (epoll_fd < 0 || stop_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, stop_fd, &ev) != 0)
		return -errno;
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(*cpus), cpus);
	ret = pthread_create(&thread, &attr, wait_for_events, NULL);
	pthread_attr_destroy(&attr);
	if (ret == 0)
		pthread_setname_np(thread, "vsock-listen");
	return -ret;
}

void
host_listen_exit(void)
{
	const uint64_t one = 1;

	if (epoll_fd < 0)
		return;
	(void)!write(stop_fd, &one, sizeof(one));
	pthread_join(thread, NULL);
	close(stop_fd);
	close(epoll_fd);
	epoll_fd = -1;
}
