/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "sim_guest_data.h"
#include "sim_queue.h"

#define GPA        SIM_QUEUE_GPA
#define RINGS_LEN  131072 /* both rings lie in front of the buffers */
#define RX_LEN     70000
#define DESC_NEXT  1
#define DESC_WRITE 2

uint8_t
sim_queue_filler(const struct sim_guest *g, uint32_t off)
{
	return (uint8_t)(0xA0 + g->cid + off % 7);
}

static uint64_t
gpa_of(const struct sim_guest *g, const void *p)
{
	return GPA + (uint64_t)((const uint8_t *)p - g->mem);
}

void
sim_queue_init(
	struct sim_guest *g, unsigned int n, uint8_t **at, unsigned int descs, unsigned int slots)
{
	struct sim_queue *q = &g->q[n];

	memset(q, 0, sizeof(*q));
	q->desc = (void *)*at;
	*at += sizeof(struct sim_desc) * SIM_RING_SIZE;
	q->avail = (void *)*at;
	*at += 4096;
	q->used = (void *)*at;
	*at += 16384;
	memset(q->desc, 0, sizeof(struct sim_desc) * SIM_RING_SIZE);
	memset(q->avail, 0, sizeof(*q->avail));
	memset(q->used, 0, sizeof(*q->used));
	q->descs_per_slot = descs;
	q->nb_slots = slots;
	q->kick_fd = sim_eventfd();
	q->call_fd = sim_eventfd();
}

uint8_t *
sim_queue_slot(struct sim_guest *g, unsigned int n, unsigned int slot)
{
	const uint32_t len = n == PORT_Q_TO_GUEST ? RX_LEN : SIM_QUEUE_TX_LEN;

	return g->mem + (n == PORT_Q_TO_GUEST ? RINGS_LEN : RINGS_LEN + RX_LEN * SIM_NB_RX) +
		(size_t)slot * len;
}

/* Publish the chain of a slot. */
void
sim_queue_publish(struct sim_guest *g, unsigned int n, unsigned int slot, const uint32_t *lens,
	unsigned int nb)
{
	struct sim_queue *q = &g->q[n];
	const unsigned int head = slot * q->descs_per_slot;
	uint8_t *p = sim_queue_slot(g, n, slot);

	for (unsigned int i = 0; i < nb; i++) {
		q->desc[head + i] = (struct sim_desc){
			.addr = gpa_of(g, p),
			.len = lens[i],
			.flags = (uint16_t)((n == PORT_Q_TO_GUEST ? DESC_WRITE : 0) |
				(i + 1 < nb ? DESC_NEXT : 0)),
			.next = (uint16_t)(head + i + 1),
		};
		p += lens[i];
	}
	if (q->with_device[head])
		sim_fault("simulator", "a chain is offered twice");
	q->with_device[head] = true;
	q->avail->ring[q->avail->idx % SIM_RING_SIZE] = (uint16_t)head;
	__atomic_store_n(&q->avail->idx, q->avail->idx + 1, __ATOMIC_RELEASE);
	if ((q->used->flags & 1) == 0)
		sim_eventfd_signal(q->kick_fd);
}

void
sim_queue_post_rx(struct sim_guest *g, unsigned int slot)
{
	uint8_t *p = sim_queue_slot(g, PORT_Q_TO_GUEST, slot);

	for (uint32_t i = 0; i < g->rx_len; i++)
		p[i] = sim_queue_filler(g, i);
	sim_queue_publish(g, PORT_Q_TO_GUEST, slot, &g->rx_len, 1);
}

int
sim_queue_free_slot(const struct sim_queue *q)
{
	for (unsigned int i = 0; i < q->nb_slots; i++) {
		if (!q->with_device[i * q->descs_per_slot])
			return (int)i;
	}
	return -1;
}
