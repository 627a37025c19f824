/* SPDX-License-Identifier: BSD-3-Clause */
/* Stand-ins of system calls: eventfds, epoll instances, time, semaphores, mutexes, threads. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"
#include "sim_tsc.h"
#include "sim_world.h"

#define FD_FIRST 100000
#define NB_FDS   512
#define NB_WATCH 64

enum kind { FREE, EVENT, EPOLL };

struct watched {
	int fd;
	uint32_t events;
	uint64_t data;
	uint64_t seen; /* changes that an edge-triggered watch has reported */
};

struct fd {
	enum kind kind;
	uint64_t count;   /* EVENT */
	uint64_t changes; /* writes so far */
	unsigned int nb_watched;
	struct watched watched[NB_WATCH]; /* EPOLL */
};

static struct fd fds[NB_FDS];
/* A number is used again late, so that a late use of a closed one shows. */
static unsigned int next_fd;

static int
fd_new(enum kind kind)
{
	for (unsigned int i = 0; i < NB_FDS; i++) {
		const unsigned int n = next_fd++ % NB_FDS;

		if (fds[n].kind != FREE)
			continue;
		memset(&fds[n], 0, sizeof(fds[n]));
		fds[n].kind = kind;
		return FD_FIRST + (int)n;
	}
	errno = EMFILE;
	return -1;
}

static struct fd *
fd_of(int fd, enum kind kind, const char *call)
{
	struct fd *f = fd >= FD_FIRST && fd < FD_FIRST + NB_FDS ? &fds[fd - FD_FIRST] : NULL;

	if (f == NULL || f->kind != kind)
		sim_fault("descriptors", "%s(%d): not open, or of another kind", call, fd);
	return f;
}

unsigned int
sim_nb_fds(void)
{
	unsigned int nb = 0;

	for (unsigned int i = 0; i < NB_FDS; i++)
		nb += fds[i].kind != FREE;
	return nb;
}

/* ---- eventfd ---- */

int
sim_eventfd(void)
{
	return fd_new(EVENT);
}

void
sim_eventfd_signal(int fd)
{
	struct fd *f = &fds[fd - FD_FIRST];

	if (f->kind != EVENT)
		return; /* the device has closed it */
	f->count++;
	f->changes++;
}

uint64_t
sim_eventfd_take(int fd)
{
	struct fd *f = &fds[fd - FD_FIRST];
	const uint64_t count = f->count;

	f->count = 0;
	return count;
}

int __wrap_eventfd(unsigned int count, int flags);
int
__wrap_eventfd(unsigned int count, int flags)
{
	(void)count;
	(void)flags;
	return fd_new(EVENT);
}

ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t
__wrap_write(int fd, const void *data, size_t len)
{
	struct fd *f = fd_of(fd, EVENT, "write");
	uint64_t add;

	if (len != sizeof(add))
		sim_fault("descriptors", "write(%d): %zu bytes to an eventfd", fd, len);
	memcpy(&add, data, sizeof(add));
	f->count += add;
	f->changes++;
	return (ssize_t)len;
}

ssize_t __wrap_read(int fd, void *data, size_t len);
ssize_t
__wrap_read(int fd, void *data, size_t len)
{
	struct fd *f = fd_of(fd, EVENT, "read");

	if (f->count == 0) {
		errno = EAGAIN;
		return -1;
	}
	memcpy(data, &f->count, sizeof(f->count));
	f->count = 0;
	return (ssize_t)len;
}

int __wrap_close(int fd);
int
__wrap_close(int fd)
{
	struct fd *f = &fds[fd - FD_FIRST];

	if (fd < FD_FIRST || fd >= FD_FIRST + NB_FDS || f->kind == FREE)
		sim_fault("descriptors", "close(%d): not open", fd);
	f->kind = FREE;
	return 0;
}

/* ---- epoll ---- */

int __wrap_epoll_create1(int flags);
int
__wrap_epoll_create1(int flags)
{
	(void)flags;
	return fd_new(EPOLL);
}

int __wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev);
int
__wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	struct fd *ep = fd_of(epfd, EPOLL, "epoll_ctl");
	unsigned int i;

	for (i = 0; i < ep->nb_watched && ep->watched[i].fd != fd; i++)
		;
	if (op == EPOLL_CTL_DEL) {
		if (i == ep->nb_watched) {
			errno = ENOENT;
			return -1;
		}
		ep->watched[i] = ep->watched[--ep->nb_watched];
		return 0;
	}
	(void)fd_of(fd, EVENT, "epoll_ctl");
	if (op == EPOLL_CTL_ADD && i == NB_WATCH)
		sim_fault("simulator", "too many descriptors in an epoll instance");
	if (op == EPOLL_CTL_ADD)
		ep->nb_watched++;
	ep->watched[i] = (struct watched){fd, ev->events, ev->data.u64, 0};
	return 0;
}

static bool
is_ready(const struct watched *w)
{
	const struct fd *f = &fds[w->fd - FD_FIRST];

	if (f->kind != EVENT || (w->events & EPOLLIN) == 0 || f->count == 0)
		return false;
	return (w->events & EPOLLET) == 0 || w->seen != f->changes;
}

static bool
any_ready(void *arg)
{
	const struct fd *ep = arg;

	for (unsigned int i = 0; i < ep->nb_watched; i++) {
		if (is_ready(&ep->watched[i]))
			return true;
	}
	return false;
}

int __wrap_epoll_wait(int epfd, struct epoll_event *evs, int nb_max, int timeout_ms);
int
__wrap_epoll_wait(int epfd, struct epoll_event *evs, int nb_max, int timeout_ms)
{
	struct fd *ep = fd_of(epfd, EPOLL, "epoll_wait");
	int n = 0;

	if (timeout_ms != 0 && !any_ready(ep))
		sim_wait(any_ready, ep,
			timeout_ms < 0 ? UINT64_MAX : sim_now_ns + (uint64_t)timeout_ms * 1000000);
	for (unsigned int i = 0; i < ep->nb_watched && n < nb_max; i++) {
		struct watched *w = &ep->watched[i];

		if (!is_ready(w))
			continue;
		w->seen = fds[w->fd - FD_FIRST].changes;
		evs[n].events = EPOLLIN;
		evs[n++].data.u64 = w->data;
	}
	return n;
}

/* ---- time ---- */

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
int
__wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	(void)clock;
	ts->tv_sec = (time_t)(sim_now_ns / 1000000000);
	ts->tv_nsec = (long)(sim_now_ns % 1000000000);
	return 0;
}

uint64_t
sim_tsc(void)
{
	return sim_now_ns;
}

int __wrap_usleep(useconds_t us);
int
__wrap_usleep(useconds_t us)
{
	sim_wait(NULL, NULL, sim_now_ns + (uint64_t)us * 1000);
	return 0;
}

/* ---- waits ---- */

static bool
sem_is_up(void *arg)
{
	int value;

	sem_getvalue(arg, &value);
	return value > 0;
}

int __real_sem_wait(sem_t *sem);
int __wrap_sem_wait(sem_t *sem);
int
__wrap_sem_wait(sem_t *sem)
{
	if (!sem_is_up(sem))
		sim_wait(sem_is_up, sem, UINT64_MAX);
	return __real_sem_wait(sem);
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int
__wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	while (pthread_mutex_trylock(mutex) != 0)
		sim_yield();
	return 0;
}

/* ---- threads ---- */

struct thread {
	void *(*fn)(void *arg);
	void *arg;
	struct sim_co *co;
};

static struct thread threads[8];
static unsigned int nb_threads;

static void
run_thread(void *arg)
{
	struct thread *t = arg;

	t->fn(t->arg);
}

int __wrap_pthread_create(
	pthread_t *out, const pthread_attr_t *attr, void *(*fn)(void *arg), void *arg);
int
__wrap_pthread_create(pthread_t *out, const pthread_attr_t *attr, void *(*fn)(void *arg), void *arg)
{
	struct thread *t = &threads[nb_threads++ % 8];

	(void)attr;
	*t = (struct thread){.fn = fn, .arg = arg};
	t->co = sim_co_start("thread", run_thread, t);
	*out = (pthread_t)(uintptr_t)t;
	return 0;
}

static bool
thread_ended(void *arg)
{
	return sim_co_ended(((struct thread *)arg)->co);
}

int __wrap_pthread_join(pthread_t thread, void **result);
int
__wrap_pthread_join(pthread_t thread, void **result)
{
	struct thread *t = (struct thread *)(uintptr_t)thread;

	(void)result;
	sim_wait(thread_ended, t, UINT64_MAX);
	sim_co_free(t->co);
	return 0;
}

int __wrap_pthread_setname_np(pthread_t thread, const char *name);
int
__wrap_pthread_setname_np(pthread_t thread, const char *name)
{
	(void)thread;
	(void)name;
	return 0;
}
