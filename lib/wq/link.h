/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_LINK_H
#define WQ_LINK_H

/*
 * Doubly linked circular lists. A list is a struct wq_link of its own, its head. A link that is in
 * no list points to itself. The lock of the list is held by the caller of every function here.
 */

#include <stdbool.h>
#include <stddef.h>

#include "wq.h"

/** The struct of @p type whose @p member is at @p ptr. */
#define wq_container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/** Initialise a head or a link: an empty list, or a link in no list. */
static inline void
wq_link_init(struct wq_link *l)
{
	l->next = l;
	l->prev = l;
}

/** @return true if a list has no links, or a link is in no list. */
static inline bool
wq_link_empty(const struct wq_link *l)
{
	return l->next == l;
}

/** Insert @p l, which is in no list, before @p pos. */
static inline void
wq_link_add_before(struct wq_link *l, struct wq_link *pos)
{
	l->prev = pos->prev;
	l->next = pos;
	pos->prev->next = l;
	pos->prev = l;
}

/** Insert @p l at the head of @p list. */
static inline void
wq_link_push(struct wq_link *l, struct wq_link *list)
{
	wq_link_add_before(l, list->next);
}

/** Insert @p l at the tail of @p list. */
static inline void
wq_link_append(struct wq_link *l, struct wq_link *list)
{
	wq_link_add_before(l, list);
}

/** Remove @p l from its list. Does nothing if it is in none. */
static inline void
wq_link_del(struct wq_link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	wq_link_init(l);
}

/** Move all links of @p from to the tail of @p to. */
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

/** For each link of a list. The body must not remove @p pos. */
#define wq_link_foreach(pos, list) for (pos = (list)->next; pos != (list); pos = pos->next)
/** For each link of a list. The body may remove @p pos. */
#define wq_link_foreach_safe(pos, tmp, list)                                                       \
	for (pos = (list)->next, tmp = pos->next; pos != (list); pos = tmp, tmp = pos->next)

#endif
