/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_common.h>

#include "base/clock.h"
#include "base/unix_sock.h"
#include "base/vsock_log.h"
#include "control/host_accept.h"
#include "control/host_line.h"
#include "data/lcore.h"
#include "lcore/lcore_msg.h"

/* A connection without a complete CONNECT line. */
struct handshake {
	enum host_source source; /* must be first */
	int fd;
	int type;
	struct host_listener *listener;
	uint64_t deadline_ms; /* 0: not in the list and not watched by epoll */
	TAILQ_ENTRY(handshake) entry;
	struct host_line line;
};

void
host_accept_init(struct host_accept *a, int epoll_fd)
{
	TAILQ_INIT(&a->handshakes);
	TAILQ_INIT(&a->paused);
	a->epoll_fd = epoll_fd;
}

static int
watch(const struct host_accept *a, int op, int fd, uint32_t events, void *source)
{
	struct epoll_event ev = {.events = events, .data.ptr = source};

	return epoll_ctl(a->epoll_fd, op, fd, &ev) == 0 ? 0 : -errno;
}

/* ---- CONNECT ---- */

static void
hand_over(struct host_listener *l, int fd, int type, uint32_t guest_port)
{
	struct port *port = l->port;
	struct inbox_msg msg = {
		.type = INBOX_HOST_CONNECT,
		.port_id = port->id,
		.port_gen = port->gen,
		.local_port = guest_port,
		.fd = fd,
		.conn_type = type == SOCK_SEQPACKET ? WIRE_TYPE_SEQPACKET : WIRE_TYPE_STREAM,
	};

	if (type == SOCK_SEQPACKET)
		msg.buf_alloc = unix_sock_set_send_buffer(fd, port->conf.buf_alloc);
	unix_sock_peer(fd, &msg.pid, &msg.uid);
	lcore_msg_post(port->lcore, &msg);
}

/* Refuse a host program's connection. The lcore owns the counters. */
static void
refuse(const struct host_listener *l, int fd, enum drop_reason reason)
{
	const struct inbox_msg msg = {
		.type = INBOX_DROP,
		.port_id = l->port->id,
		.port_gen = l->port->gen,
		.reason = reason,
	};

	/* In this order, so that a program that sees the end finds itself counted. */
	lcore_msg_post(l->port->lcore, &msg);
	close(fd);
}

/* @return true if the connection was handed to the lcore or closed; false: more has to come. */
static bool
try_line(struct handshake *h)
{
	uint32_t guest_port;
	int ret = host_line_read(&h->line, h->fd, h->type == SOCK_SEQPACKET, &guest_port);

	if (ret == -EAGAIN)
		return false;
	if (h->deadline_ms != 0)
		watch(h->listener->accept, EPOLL_CTL_DEL, h->fd, 0, NULL);
	if (ret == 0)
		hand_over(h->listener, h->fd, h->type, guest_port);
	else
		refuse(h->listener, h->fd,
			ret == -EBADMSG || ret == -EMSGSIZE ? DROP_BAD_LINE : DROP_LINE_TIMEOUT);
	return true;
}

static void
free_handshake(struct handshake *h)
{
	TAILQ_REMOVE(&h->listener->accept->handshakes, h, entry);
	h->listener->nb_handshakes--;
	free(h);
}

/* Wait for the rest of the line. */
static void
keep_handshake(const struct handshake *from)
{
	struct handshake *h = malloc(sizeof(*h));

	if (h == NULL) {
		refuse(from->listener, from->fd, DROP_NO_RESOURCES);
		return;
	}
	*h = *from;
	h->deadline_ms = clock_ms() + LIMIT_HANDSHAKE_MS;
	TAILQ_INSERT_TAIL(&h->listener->accept->handshakes, h, entry);
	h->listener->nb_handshakes++;
	if (watch(h->listener->accept, EPOLL_CTL_ADD, h->fd, EPOLLIN | EPOLLRDHUP, h) != 0) {
		close(h->fd);
		free_handshake(h);
	}
}

static void
expire_handshakes(struct host_accept *a)
{
	struct handshake *h = TAILQ_FIRST(&a->handshakes);
	uint64_t now;

	if (h == NULL)
		return;
	for (now = clock_ms(); h != NULL && h->deadline_ms <= now;
		h = TAILQ_FIRST(&a->handshakes)) {
		refuse(h->listener, h->fd, DROP_LINE_TIMEOUT);
		free_handshake(h);
	}
}

/* ---- accept ---- */

static void
pause_socket(struct listen_socket *s)
{
	if (watch(s->listener->accept, EPOLL_CTL_MOD, s->fd, 0, s) != 0)
		return; /* epoll reports it again, and this function is called again */
	s->paused = true;
	s->resume_ms = clock_ms() + LIMIT_ACCEPT_RETRY_MS;
	TAILQ_INSERT_TAIL(&s->listener->accept->paused, s, entry);
}

static void
resume_sockets(struct host_accept *a)
{
	struct listen_socket *s = TAILQ_FIRST(&a->paused);
	uint64_t now;

	if (s == NULL)
		return;
	for (now = clock_ms(); s != NULL && s->resume_ms <= now; s = TAILQ_FIRST(&a->paused)) {
		TAILQ_REMOVE(&a->paused, s, entry);
		s->paused = false;
		if (watch(a, EPOLL_CTL_MOD, s->fd, EPOLLIN, s) != 0)
			pause_socket(s);
	}
}

static void
report_accept(struct listen_socket *s, int error)
{
	const struct port_conf *conf = &s->listener->port->conf;

	if (!log_limit_take(&s->report))
		return;
	VSOCK_LOG(WARNING,
		"%s: uds=%s: accept failed: %s; new connections are delayed (raise RLIMIT_NOFILE)",
		conf->name, conf->uds, strerror(error));
}

/* Accept at most nb_max connections. @return number accepted. */
static unsigned int
accept_some(struct listen_socket *s, struct handshake *out, unsigned int nb_max)
{
	unsigned int nb = 0;

	for (unsigned int i = 0; i < LIMIT_ACCEPT_BURST_NB_CONNS && nb < nb_max; i++) {
		int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			out[nb++] = (struct handshake){
				.source = HOST_SOURCE_HANDSHAKE,
				.fd = fd,
				.type = s->type,
				.listener = s->listener,
			};
			continue;
		}
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			break;
		if (errno != EINTR && errno != ECONNABORTED) {
			report_accept(s, errno);
			pause_socket(s);
			break;
		}
	}
	return nb;
}

static void
accept_burst(struct listen_socket *s)
{
	struct handshake new[LIMIT_ACCEPT_BURST_NB_CONNS];
	unsigned int room = LIMIT_NB_HANDSHAKES_PER_PORT - s->listener->nb_handshakes, nb, left = 0;

	if (room == 0) {
		pause_socket(s);
		return;
	}
	nb = accept_some(s, new, RTE_MIN(room, (unsigned int)LIMIT_ACCEPT_BURST_NB_CONNS));
	for (unsigned int i = 0; i < nb; i++) {
		if (!try_line(&new[i]))
			new[left++] = new[i];
	}
	if (left == 0)
		return;
	/* A program on this CPU may be preempted between connect() and write(): let it run. */
	sched_yield();
	for (unsigned int i = 0; i < left; i++) {
		if (!try_line(&new[i]))
			keep_handshake(&new[i]);
	}
}

/* ---- for the thread ---- */

void
host_accept_event(void *source)
{
	if (*(enum host_source *)source == HOST_SOURCE_SOCKET)
		accept_burst(source);
	else if (try_line(source))
		free_handshake(source);
}

void
host_accept_tick(struct host_accept *a)
{
	expire_handshakes(a);
	resume_sockets(a);
}

int
host_accept_timeout_ms(const struct host_accept *a)
{
	const struct listen_socket *s = TAILQ_FIRST(&a->paused);
	const struct handshake *h = TAILQ_FIRST(&a->handshakes);
	uint64_t now, next = UINT64_MAX;

	if (s == NULL && h == NULL)
		return -1;
	now = clock_ms();
	if (s != NULL)
		next = s->resume_ms;
	if (h != NULL)
		next = RTE_MIN(next, h->deadline_ms);
	return next > now ? (int)(next - now) : 0;
}

int
host_accept_remove(struct host_listener *l)
{
	struct host_accept *a = l->accept;
	struct handshake *h, *next;

	for (unsigned int i = 0; i < HOST_NB_LISTEN_SOCKETS; i++) {
		struct listen_socket *s = &l->sockets[i];

		watch(a, EPOLL_CTL_DEL, s->fd, 0, NULL);
		if (s->paused)
			TAILQ_REMOVE(&a->paused, s, entry);
		s->paused = false;
	}
	for (h = TAILQ_FIRST(&a->handshakes); h != NULL; h = next) {
		next = TAILQ_NEXT(h, entry);
		if (h->listener != l)
			continue;
		close(h->fd);
		free_handshake(h);
	}
	return 0;
}

int
host_accept_add(struct host_listener *l)
{
	for (unsigned int i = 0; i < HOST_NB_LISTEN_SOCKETS; i++) {
		int ret =
			watch(l->accept, EPOLL_CTL_ADD, l->sockets[i].fd, EPOLLIN, &l->sockets[i]);

		if (ret != 0) {
			host_accept_remove(l);
			return ret;
		}
	}
	return 0;
}
