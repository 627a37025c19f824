/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_OS_H
#define WQ_OS_H

/*
 * What the library takes from the machine and the system: futexes, a lock, clocks, lists. Shared
 * words are plain integers under __atomic builtins, so that wq.h needs no _Atomic.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wq.h"

#define WQ_LINE 64

#define wq_likely(x)   __builtin_expect(!!(x), 1)
#define wq_unlikely(x) __builtin_expect(!!(x), 0)

#define wq_container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define WQ_NS_PER_US  UINT64_C(1000)
#define WQ_NS_PER_MS  UINT64_C(1000000)
#define WQ_NS_PER_SEC UINT64_C(1000000000)
#define WQ_FOREVER    UINT64_MAX

/* Our own bug, or one of the caller's that cannot be survived: says where and aborts. */
_Noreturn void wq_bug(const char *file, int line, const char *what);
#define WQ_ASSERT(cond)                                                                            \
	do {                                                                                       \
		if (wq_unlikely(!(cond)))                                                          \
			wq_bug(__FILE__, __LINE__, #cond);                                         \
	} while (0)

void wq_futex_wait(uint32_t *word, uint32_t value);
/* Until the absolute CLOCK_MONOTONIC time; WQ_FOREVER: without limit. */
void wq_futex_wait_until(uint32_t *word, uint32_t value, uint64_t until_ns);
void wq_futex_wake(uint32_t *word, int nb);

uint64_t wq_now_ns(void);
pid_t wq_gettid(void);
void wq_sleep_ns(uint64_t ns);
void wq_yield(void);

static inline void
wq_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#endif
}

/* A cheap counter for sampling; its rate is measured by wq_tsc_init(). */
static inline uint64_t
wq_tsc(void)
{
#if defined(__x86_64__) || defined(__i386__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t v;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(v));
	return v;
#else
	return wq_now_ns();
#endif
}

void wq_tsc_init(void);
uint64_t wq_tsc_to_ns(uint64_t ticks);

/* A lock of one word: 0 free, 1 held, 2 held and somebody may sleep. Never taken by a lcore. */
struct wq_lock {
	uint32_t word;
};

void wq_lock_slow(struct wq_lock *lock);

static inline bool
wq_trylock(struct wq_lock *lock)
{
	uint32_t free = 0;

	return __atomic_compare_exchange_n(
		&lock->word, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void
wq_lock(struct wq_lock *lock)
{
	if (wq_unlikely(!wq_trylock(lock)))
		wq_lock_slow(lock);
}

static inline void
wq_unlock(struct wq_lock *lock)
{
	if (wq_unlikely(__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) == 2))
		wq_futex_wake(&lock->word, 1);
}

/* Something that happens once and that others wait for. May live on the waiter's stack. */
struct wq_completion {
	uint32_t done;
};

void wq_complete(struct wq_completion *c);
/* Announces blocking when a work calls it. */
void wq_wait_for(struct wq_completion *c);

/*
 * Where one thread sleeps. WQ_WAKER_ASLEEP is set by the sleeper alone, so that a waker who comes
 * before it sleeps saves the system call.
 */
enum {
	WQ_WAKER_AWAKE,
	WQ_WAKER_SIGNALLED,
	WQ_WAKER_ASLEEP,
};

struct wq_waker {
	uint32_t word;
};

static inline void
wq_waker_wake(struct wq_waker *w)
{
	/* Release: the woken thread sees what the waker did. Pairs with wq_waker_sleep(). */
	if (__atomic_exchange_n(&w->word, WQ_WAKER_SIGNALLED, __ATOMIC_ACQ_REL) == WQ_WAKER_ASLEEP)
		wq_futex_wake(&w->word, 1);
}

/* Sleeps until woken since the last sleep, or until the time; consumes the signal. */
void wq_waker_sleep(struct wq_waker *w, uint64_t until_ns);

/* Doubly linked circular lists. */
static inline void
wq_link_init(struct wq_link *l)
{
	l->next = l;
	l->prev = l;
}

static inline bool
wq_link_empty(const struct wq_link *l)
{
	return l->next == l;
}

static inline void
wq_link_add_before(struct wq_link *l, struct wq_link *pos)
{
	l->prev = pos->prev;
	l->next = pos;
	pos->prev->next = l;
	pos->prev = l;
}

/* At the head of @list. */
static inline void
wq_link_push(struct wq_link *l, struct wq_link *list)
{
	wq_link_add_before(l, list->next);
}

/* At the tail of @list. */
static inline void
wq_link_append(struct wq_link *l, struct wq_link *list)
{
	wq_link_add_before(l, list);
}

static inline void
wq_link_del(struct wq_link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	wq_link_init(l);
}

/* Moves all of @from to the tail of @to. */
static inline void
wq_link_splice_tail(struct wq_link *from, struct wq_link *to)
{
	if (wq_link_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	wq_link_init(from);
}

#define wq_link_foreach(pos, list) for (pos = (list)->next; pos != (list); pos = pos->next)
#define wq_link_foreach_safe(pos, tmp, list)                                                       \
	for (pos = (list)->next, tmp = pos->next; pos != (list); pos = tmp, tmp = pos->next)

#endif
