/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random chains, good and bad, offered, popped, rewound, handed back in any order and flushed,
 * against a model that knows what each head must give.
 */
#include <errno.h>

#include "check.h"
#include "raw_ring.h"
#include "rnd.h"

#define MAX_SIZE     1024u
#define MAX_ENTRIES  24u /* data descriptors of a chain */
#define TABLE_STRIDE (MAX_ENTRIES * 16u + 9u)
#define BAD_PERCENT  8u

struct spec {
	bool good;
	bool in_use;
	uint16_t nb_segs;
	uint16_t nb_descs;
	uint32_t len;
	uint16_t descs[MAX_ENTRIES + 1]; /* entries of the ring that it occupies */
	uint64_t gpa[MAX_ENTRIES];
	uint32_t seg_len[MAX_ENTRIES];
};

struct popped {
	uint16_t head;
	bool refused;
	uint32_t len;
};

struct model {
	struct raw_ring d;
	struct vq vq;
	uint64_t rnd;
	bool to_guest;
	bool event_idx;
	bool notify_on_empty;
	uint16_t used_event;
	uint16_t avail_flags;
	uint16_t flushed_idx;
	bool decided;

	struct spec specs[MAX_SIZE]; /* by head */
	uint16_t free_descs[MAX_SIZE];
	uint32_t nb_free;
	uint16_t offered[MAX_SIZE]; /* a FIFO: visible first */
	uint32_t nb_offered;
	uint32_t nb_visible;
	struct popped in_flight[MAX_SIZE]; /* in the order of pops */
	uint32_t nb_in_flight;
	uint32_t nb_tail; /* of these, popped last and since then nothing before them returned */
	struct popped staged[MAX_SIZE];
	uint32_t written[MAX_SIZE];
	uint32_t nb_staged;
	uint32_t nb_popped; /* in all */
};

static struct vq_seg segs[VQ_CHAIN_MAX_SEGS];

static uint32_t
below(struct model *m, uint32_t bound)
{
	return rnd_below(&m->rnd, bound);
}

/* Make a good descriptor of data; sometimes empty, and then with any address. */
static struct vfe_vring_desc
random_data(struct model *m, struct spec *s)
{
	struct vfe_vring_desc d = {.flags = m->to_guest ? VFE_DESC_WRITE : 0};

	d.len = below(m, 5) == 0 ? 0 : 1 + below(m, below(m, 2) ? 64 : 70000);
	d.next = (uint16_t)rnd_next(&m->rnd);
	if (d.len == 0) {
		d.gpa = rnd_next(&m->rnd);
		return d;
	}
	d.gpa = below(m, 2) ? RAW_RING_GPA0 + below(m, RAW_RING_MEM0_LEN - d.len + 1)
			    : RAW_RING_GPA1 + below(m, RAW_RING_MEM1_LEN - d.len + 1);
	s->gpa[s->nb_segs] = d.gpa;
	s->seg_len[s->nb_segs] = d.len;
	s->nb_segs++;
	s->len += d.len;
	return d;
}

/* Break one of nb linked descriptors (entries of a table of nb_entries; at[] says which). */
static void
spoil(struct model *m, struct vfe_vring_desc *descs, uint32_t nb, uint16_t first,
	uint32_t nb_entries)
{
	struct vfe_vring_desc *d = &descs[below(m, nb)];
	struct vfe_vring_desc *last = &descs[nb - 1];

	switch (below(m, 6)) {
	case 0:
		d->flags ^= VFE_DESC_WRITE;
		break;
	case 1:
		d->gpa = RAW_RING_GPA1 + RAW_RING_MEM1_LEN - 3;
		d->len = 4 + below(m, 1000);
		break;
	case 2:
		d->gpa = UINT64_MAX - below(m, 100);
		d->len = 102 + below(m, 0xfffff000u);
		break;
	case 3:
		last->flags |= VFE_DESC_NEXT;
		last->next = first;
		break;
	case 4:
		last->flags |= VFE_DESC_NEXT;
		last->next = (uint16_t)(nb_entries + below(m, 65536 - nb_entries));
		break;
	case 5:
		last->flags |= VFE_DESC_NEXT | VFE_DESC_INDIRECT;
		break;
	}
}

static void
link_descs(struct vfe_vring_desc *descs, const uint16_t *at, uint32_t nb)
{
	for (uint32_t i = 0; i + 1 < nb; i++) {
		descs[i].flags |= VFE_DESC_NEXT;
		descs[i].next = at[i + 1];
	}
}

/* Build a table behind the ring's descriptor ring_desc: entries in a random order. */
static void
build_table(
	struct model *m, struct spec *s, struct vfe_vring_desc *ring_desc, uint16_t slot, bool bad)
{
	uint64_t gpa = RAW_RING_GPA0 + (uint64_t)slot * TABLE_STRIDE;
	uint32_t nb_entries = 1 + below(m, MAX_ENTRIES - s->nb_segs);
	uint32_t nb = 1 + below(m, nb_entries);
	struct vfe_vring_desc descs[MAX_ENTRIES];
	uint16_t at[MAX_ENTRIES];

	for (uint32_t i = 0; i < nb_entries; i++)
		at[i] = (uint16_t)i;
	for (uint32_t i = 1; i + 1 < nb_entries; i++) { /* the first stays: it is the head */
		uint32_t k = i + below(m, nb_entries - i);
		uint16_t x = at[i];

		at[i] = at[k];
		at[k] = x;
	}
	for (uint32_t i = 0; i < nb; i++)
		descs[i] = random_data(m, s);
	link_descs(descs, at, nb);
	*ring_desc = (struct vfe_vring_desc){.gpa = gpa,
		.len = nb_entries * 16,
		.flags = (uint16_t)(VFE_DESC_INDIRECT | (below(m, 2) ? VFE_DESC_WRITE : 0))};
	if (bad && below(m, 4) != 0)
		spoil(m, descs, nb, 0, nb_entries);
	else if (bad && below(m, 2))
		ring_desc->flags |= VFE_DESC_NEXT;
	else if (bad)
		ring_desc->len -= 1 + below(m, 15);
	for (uint32_t i = 0; i < nb; i++)
		raw_ring_put_desc(raw_ring_at(&m->d, gpa), at[i], descs[i]);
}

/* Put a random chain into the descriptor table. @return false when too few entries are free. */
static bool
build_chain(struct model *m, uint16_t *head)
{
	uint32_t nb_plain = below(m, 5);
	bool table = below(m, 2) != 0;
	bool bad = below(m, 100) < BAD_PERCENT;
	uint32_t nb = nb_plain + table;
	struct vfe_vring_desc descs[MAX_ENTRIES];
	struct spec *s;

	if (nb == 0 || nb > m->nb_free)
		return false;
	m->nb_free -= nb;
	*head = m->free_descs[m->nb_free];
	s = &m->specs[*head];
	CHECK(!s->in_use);
	*s = (struct spec){.in_use = true, .nb_descs = (uint16_t)nb};
	memcpy(s->descs, &m->free_descs[m->nb_free], nb * sizeof(s->descs[0]));
	*head = s->descs[0];
	for (uint32_t i = 0; i < nb_plain; i++)
		descs[i] = random_data(m, s);
	if (table)
		build_table(m, s, &descs[nb_plain], *head, bad);
	link_descs(descs, s->descs, nb);
	if (bad && !table)
		spoil(m, descs, nb, *head, m->d.size);
	for (uint32_t i = 0; i < nb; i++)
		raw_ring_put_desc(m->d.desc, s->descs[i], descs[i]);
	s->good = !bad && s->nb_segs != 0;
	return true;
}

static void
op_offer(struct model *m)
{
	uint16_t head;

	if (!build_chain(m, &head))
		return;
	raw_ring_offer(&m->d, head);
	m->offered[m->nb_offered++] = head;
	if (below(m, 3) != 0) {
		raw_ring_publish(&m->d);
		m->nb_visible = m->nb_offered;
	}
}

static void
op_pop(struct model *m)
{
	struct vq_chain c;
	struct spec *s;
	int rc;

	CHECK_EQ(vq_nb_avail(&m->vq, 1) != 0, m->nb_visible != 0);
	if (below(m, 4) == 0)
		CHECK_EQ(vq_nb_avail(&m->vq, UINT16_MAX), m->nb_visible);
	rc = vq_pop(&m->vq, &c, segs);
	if (m->nb_visible == 0) {
		CHECK_EQ(rc, 0);
		return;
	}
	CHECK_EQ(c.id, m->offered[0]);
	s = &m->specs[c.id];
	CHECK_EQ(rc, s->good ? 1 : -EBADMSG);
	if (s->good) {
		CHECK_EQ(c.nb_descs, s->nb_descs);
		CHECK_EQ(c.nb_segs, s->nb_segs);
		CHECK_EQ(c.len, s->len);
		for (uint16_t i = 0; i < c.nb_segs; i++) {
			CHECK_EQ(segs[i].gpa, s->gpa[i]);
			CHECK_EQ(segs[i].len, s->seg_len[i]);
			CHECK(segs[i].va == raw_ring_at(&m->d, s->gpa[i]));
		}
	} else {
		CHECK_EQ(c.nb_segs, 0);
	}
	m->nb_popped++;
	m->nb_offered--;
	m->nb_visible--;
	memmove(m->offered, m->offered + 1, m->nb_offered * sizeof(m->offered[0]));
	m->in_flight[m->nb_in_flight++] =
		(struct popped){.head = c.id, .refused = rc < 0, .len = c.len};
	m->nb_tail++;
}

static void
op_rewind(struct model *m)
{
	uint32_t nb = below(m, m->nb_tail + 1);

	vq_rewind(&m->vq, (uint16_t)nb);
	memmove(m->offered + nb, m->offered, m->nb_offered * sizeof(m->offered[0]));
	for (uint32_t i = 0; i < nb; i++)
		m->offered[i] = m->in_flight[m->nb_in_flight - nb + i].head;
	m->nb_offered += nb;
	m->nb_visible += nb;
	m->nb_in_flight -= nb;
	m->nb_tail -= nb;
}

static void
op_hand_back(struct model *m)
{
	uint32_t which;
	struct popped p;
	uint32_t written = 0;

	if (m->nb_in_flight == 0)
		return;
	which = below(m, m->nb_in_flight);
	p = m->in_flight[which];
	if (p.refused || below(m, 4) == 0) {
		vq_return(&m->vq, p.head);
	} else {
		struct vq_chain c = {.id = p.head, .len = p.len};

		written = m->to_guest ? below(m, p.len) + below(m, 2) : 0;
		vq_push(&m->vq, &c, written);
	}
	m->nb_in_flight--;
	memmove(&m->in_flight[which], &m->in_flight[which + 1],
		(m->nb_in_flight - which) * sizeof(p));
	/* Chains popped before a returned chain cannot be rewound any more. */
	if (m->nb_tail > m->nb_in_flight - which)
		m->nb_tail = m->nb_in_flight - which;
	m->staged[m->nb_staged] = p;
	m->written[m->nb_staged++] = written;
}

static bool
notification_due(const struct model *m)
{
	uint16_t new_idx = (uint16_t)(m->flushed_idx + m->nb_staged);

	if (m->nb_staged == 0)
		return false;
	if (m->notify_on_empty && m->nb_visible == 0)
		return true;
	if (!m->event_idx)
		return !(m->avail_flags & 1);
	if (!m->decided)
		return true;
	for (uint16_t idx = m->flushed_idx; idx != new_idx; idx++) {
		if (idx == m->used_event)
			return true;
	}
	return false;
}

static void
op_flush(struct model *m)
{
	uint32_t id;
	uint32_t len;
	bool due;

	CHECK(!raw_ring_take(&m->d, &id, &len));
	m->avail_flags = (uint16_t)below(m, 2);
	m->used_event = (uint16_t)(m->flushed_idx + below(m, 12) - 4);
	raw_ring_set_avail_flags(&m->d, m->avail_flags);
	raw_ring_set_used_event(&m->d, m->used_event);
	due = notification_due(m);
	CHECK_EQ(vq_flush(&m->vq), due);
	if (m->nb_staged != 0)
		m->decided = true;
	for (uint32_t i = 0; i < m->nb_staged; i++) {
		struct spec *s = &m->specs[m->staged[i].head];

		CHECK(raw_ring_take(&m->d, &id, &len));
		CHECK_EQ(id, m->staged[i].head);
		CHECK_EQ(len, m->written[i]);
		s->in_use = false;
		for (uint16_t k = 0; k < s->nb_descs; k++)
			m->free_descs[m->nb_free++] = s->descs[k];
	}
	CHECK(!raw_ring_take(&m->d, &id, &len));
	m->flushed_idx = (uint16_t)(m->flushed_idx + m->nb_staged);
	m->nb_staged = 0;
}

static uint32_t
play(uint64_t *rnd, uint32_t size, uint32_t nb_ops)
{
	struct model *m = calloc(1, sizeof(*m));
	struct vq_config cfg;
	uint32_t nb_popped;
	uint16_t start;

	CHECK(m != NULL);
	m->rnd = *rnd;
	m->to_guest = below(m, 2);
	m->event_idx = below(m, 2);
	m->notify_on_empty = below(m, 4) == 0;
	start = (uint16_t)below(m, 65536);
	m->flushed_idx = start;
	raw_ring_create(&m->d, size, m->event_idx, start);
	cfg = raw_ring_config(&m->d, m->to_guest);
	cfg.notify_on_empty = m->notify_on_empty;
	CHECK_EQ(vq_init(&m->vq, &cfg), 0);
	m->nb_free = size;
	for (uint32_t i = 0; i < size; i++)
		m->free_descs[i] = (uint16_t)i;

	for (uint32_t i = 0; i < nb_ops; i++) {
		switch (below(m, 12)) {
		case 0:
			op_flush(m);
			break;
		case 1:
			op_rewind(m);
			break;
		case 2:
		case 3:
		case 4:
		case 5:
			op_hand_back(m);
			break;
		case 6:
		case 7:
		case 8:
			op_pop(m);
			break;
		default:
			op_offer(m);
			break;
		}
		CHECK_EQ(m->vq.nb_in_flight, m->nb_in_flight);
	}
	*rnd = m->rnd;
	nb_popped = m->nb_popped;
	raw_ring_destroy(&m->d);
	free(m);
	return nb_popped;
}

int
main(void)
{
	uint64_t rnd = rnd_seed();

	/* Enough for the indices to wrap several times in one game. */
	CHECK(play(&rnd, 128, 2000000) > 4 * 65536);
	for (uint32_t i = 0; i < 300; i++)
		play(&rnd, 1u << rnd_below(&rnd, 11), 3000);
	return 0;
}
