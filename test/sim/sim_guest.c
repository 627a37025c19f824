/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/port.h"
#include "data/lcore.h"
#include "data/port_data.h"
#include "data/vsock_switch.h"
#include "ring/gmem.h"
#include "sim_guest.h"
#include "sim_world.h"
#include "wire/credit.h"
#include "wire/wire.h"

#define RING_SIZE  256
#define TX_DESCS   32 /* of a slot at most: more than a packet object has room for */
#define NB_RX      64
#define NB_CONNS   8
#define TX_LEN     (WIRE_HDR_LEN + 65536)
#define MEM_LEN    (16u << 20)
#define GPA        0x100000
#define NB_OWED    256
#define MAX_ALLOC  (1u << 18)
#define RINGS_LEN  131072 /* both rings lie in front of the buffers */
#define NB_PORTS   500
#define DESC_NEXT  1
#define DESC_WRITE 2

uint64_t sim_nb_packets, sim_nb_bytes;
bool sim_long_chains;
static bool finishing;
static uint32_t next_serial;

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct avail {
	uint16_t flags, idx, ring[RING_SIZE];
};

struct used {
	uint16_t flags, idx;
	struct {
		uint32_t id, len;
	} ring[RING_SIZE];
};

/* One ring of the guest. A chain has at most MAX_DESCS descriptors, at fixed places. */
struct queue {
	struct desc *desc;
	struct avail *avail;
	struct used *used;
	uint16_t last_used;
	unsigned int nb_slots, descs_per_slot;
	bool with_device[RING_SIZE]; /* by head */
	int kick_fd, call_fd;
};

enum conn_state_ { CLOSED, ASKED, OPENED };

/* One guest's end. Bytes are a function of the pair's serial, the direction and the offset. */
struct end {
	enum conn_state_ state;
	uint32_t port, peer_cid, peer_port;
	uint32_t serial; /* of the pair, given by the one who asks */
	bool asked;      /* this end asked */
	uint32_t tx_cnt, rx_cnt, fwd_cnt, told;
	uint32_t peer_alloc, peer_fwd;
	bool shut; /* SHUTDOWN was sent */
	bool owes_response;
};

struct guest {
	bool exists, up;
	uint32_t cid;
	uint8_t *mem;
	uint32_t buf_alloc, rx_len;
	struct queue q[PORT_NB_QUEUES];
	struct port *port;
	struct end ends[NB_CONNS];
	struct sim_rand rand;
	uint64_t paused_until;
	struct wire_hdr owed[NB_OWED]; /* RSTs that wait for room in the ring */
	unsigned int nb_owed;
	uint32_t next_port;
};

static struct guest guests[SIM_NB_GUESTS];

/* ---- pairs: what the one who is asked has to know ---- */

struct asked {
	uint32_t from_cid, from_port, to_cid, to_port, serial;
};

static struct asked pairs[SIM_NB_GUESTS * NB_CONNS * 4];
static unsigned int next_pair;

static uint8_t
byte_at(uint32_t serial, bool from_asker, uint32_t off)
{
	uint32_t x = serial * 2654435761u + from_asker * 40503u + (off >> 3) * 2246822519u;

	x ^= x >> 15;
	return (uint8_t)(x + off * 31);
}

/* ---- memory and rings ---- */

static uint8_t
filler(const struct guest *g, uint32_t off)
{
	return (uint8_t)(0xA0 + g->cid + off % 7);
}

static uint64_t
gpa_of(const struct guest *g, const void *p)
{
	return GPA + (uint64_t)((const uint8_t *)p - g->mem);
}

static void
queue_init(struct guest *g, unsigned int n, uint8_t **at, unsigned int descs, unsigned int slots)
{
	struct queue *q = &g->q[n];

	memset(q, 0, sizeof(*q));
	q->desc = (void *)*at;
	*at += sizeof(struct desc) * RING_SIZE;
	q->avail = (void *)*at;
	*at += 4096;
	q->used = (void *)*at;
	*at += 16384;
	memset(q->desc, 0, sizeof(struct desc) * RING_SIZE);
	memset(q->avail, 0, sizeof(*q->avail));
	memset(q->used, 0, sizeof(*q->used));
	q->descs_per_slot = descs;
	q->nb_slots = slots;
	q->kick_fd = sim_eventfd();
	q->call_fd = sim_eventfd();
}

static uint8_t *
slot_memory(struct guest *g, unsigned int n, unsigned int slot)
{
	const uint32_t len = n == PORT_Q_TO_GUEST ? 70000 : TX_LEN + 60;

	return g->mem + (n == PORT_Q_TO_GUEST ? RINGS_LEN : RINGS_LEN + 70000u * NB_RX) +
		(size_t)slot * len;
}

/* Publish the chain of a slot. */
static void
publish(struct guest *g, unsigned int n, unsigned int slot, const uint32_t *lens, unsigned int nb)
{
	struct queue *q = &g->q[n];
	const unsigned int head = slot * q->descs_per_slot;
	uint8_t *p = slot_memory(g, n, slot);

	for (unsigned int i = 0; i < nb; i++) {
		q->desc[head + i] = (struct desc){
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
	q->avail->ring[q->avail->idx % RING_SIZE] = (uint16_t)head;
	__atomic_store_n(&q->avail->idx, q->avail->idx + 1, __ATOMIC_RELEASE);
	if ((q->used->flags & 1) == 0)
		sim_eventfd_signal(q->kick_fd);
}

static void
post_rx(struct guest *g, unsigned int slot)
{
	uint8_t *p = slot_memory(g, PORT_Q_TO_GUEST, slot);

	for (uint32_t i = 0; i < g->rx_len; i++)
		p[i] = filler(g, i);
	publish(g, PORT_Q_TO_GUEST, slot, &g->rx_len, 1);
}

static int
free_slot(const struct queue *q)
{
	for (unsigned int i = 0; i < q->nb_slots; i++) {
		if (!q->with_device[i * q->descs_per_slot])
			return (int)i;
	}
	return -1;
}

/* ---- sending ---- */

static struct end *
find(struct guest *g, uint32_t port, uint32_t peer_cid, uint32_t peer_port)
{
	for (unsigned int i = 0; i < NB_CONNS; i++) {
		struct end *e = &g->ends[i];

		if (e->state != CLOSED && e->port == port && e->peer_cid == peer_cid &&
			e->peer_port == peer_port)
			return e;
	}
	return NULL;
}

/* Send a packet. @return false if the ring is full. */
static bool
send_raw(struct guest *g, struct wire_hdr *hdr, const struct end *e)
{
	struct queue *q = &g->q[PORT_Q_FROM_GUEST];
	const int slot = free_slot(q);
	const uint32_t pieces = sim_chance(&g->rand, 4) ? 100 : 2; /* mostly few */
	uint32_t lens[TX_DESCS], left = hdr->len, nb = 0;
	uint8_t *p;

	if (slot < 0)
		return false;
	p = slot_memory(g, PORT_Q_FROM_GUEST, (unsigned int)slot);
	wire_encode(hdr, p);
	for (uint32_t i = 0; e != NULL && i < hdr->len; i++)
		p[WIRE_HDR_LEN + i] = byte_at(e->serial, e->asked, e->tx_cnt + i);
	lens[nb++] = WIRE_HDR_LEN;
	while (left > 0) {
		uint32_t n = left;

		if (nb < q->descs_per_slot - 1 && !sim_chance(&g->rand, pieces))
			n = 1 + sim_rand(&g->rand, left < 3000 ? left : 3000);

		lens[nb++] = n;
		left -= n;
	}
	publish(g, PORT_Q_FROM_GUEST, (unsigned int)slot, lens, nb);
	sim_nb_packets++;
	sim_trace("%u -> op %u %u:%u -> %u:%u len %u fwd %u", g->cid, hdr->op, g->cid,
		hdr->src_port, (unsigned int)hdr->dst_cid, hdr->dst_port, hdr->len, hdr->fwd_cnt);
	return true;
}

static bool
send_op(struct guest *g, struct end *e, uint16_t op, uint32_t flags, uint32_t len)
{
	struct wire_hdr hdr = {
		.src_cid = g->cid,
		.dst_cid = e->peer_cid,
		.src_port = e->port,
		.dst_port = e->peer_port,
		.len = len,
		.type = WIRE_TYPE_STREAM,
		.op = op,
		.flags = flags,
		.buf_alloc = g->buf_alloc,
		.fwd_cnt = e->fwd_cnt,
	};

	if (!send_raw(g, &hdr, e))
		return false;
	e->told = e->fwd_cnt;
	e->tx_cnt += len;
	return true;
}

static void
close_end(struct end *e)
{
	e->state = CLOSED;
}

static bool
owes_rst(const struct guest *g, uint32_t port, uint32_t peer_cid, uint32_t peer_port)
{
	for (unsigned int i = 0; i < g->nb_owed; i++) {
		if (g->owed[i].src_port == port && g->owed[i].dst_cid == peer_cid &&
			g->owed[i].dst_port == peer_port)
			return true;
	}
	return false;
}

static bool
ask(struct guest *g)
{
	struct guest *to = &guests[sim_rand(&g->rand, SIM_NB_GUESTS)];
	struct end *e = NULL;
	/* A pair is used again late: data of its last connection may be on its way. */
	const uint32_t port = 1000 + g->next_port++ % NB_PORTS;
	const uint32_t peer_port = 2000 + sim_rand(&g->rand, 6);

	if (!to->exists || to == g || find(g, port, to->cid, peer_port) != NULL ||
		owes_rst(g, port, to->cid, peer_port))
		return false;
	for (unsigned int i = 0; i < NB_CONNS && e == NULL; i++) {
		if (g->ends[i].state == CLOSED)
			e = &g->ends[i];
	}
	if (e == NULL)
		return false;
	*e = (struct end){
		.state = ASKED,
		.port = port,
		.peer_cid = to->cid,
		.peer_port = peer_port,
		.serial = ++next_serial,
		.asked = true,
	};
	if (!send_op(g, e, WIRE_OP_REQUEST, 0, 0)) {
		e->state = CLOSED;
		return false;
	}
	pairs[next_pair++ % (sizeof(pairs) / sizeof(pairs[0]))] =
		(struct asked){g->cid, port, to->cid, peer_port, e->serial};
	return true;
}

static bool
send_data(struct guest *g, struct end *e)
{
	const uint32_t room = credit_free(e->peer_alloc, e->tx_cnt, e->peer_fwd);
	uint32_t len = 1 + sim_rand(&g->rand, sim_chance(&g->rand, 8) ? 65536 : 300);

	if (room == 0 || e->shut || e->owes_response)
		return false;
	if (len > room)
		len = room;
	return send_op(g, e, WIRE_OP_RW, 0, len);
}

/* ---- receiving ---- */

static void
reply_rst(struct guest *g, const struct wire_hdr *hdr)
{
	struct wire_hdr rst = {
		.src_cid = g->cid,
		.dst_cid = hdr->src_cid,
		.src_port = hdr->dst_port,
		.dst_port = hdr->src_port,
		.type = hdr->type,
		.op = WIRE_OP_RST,
	};

	if (g->nb_owed == NB_OWED)
		sim_fault("simulator", "guest %u owes too many RSTs", g->cid);
	g->owed[g->nb_owed++] = rst;
}

static void
on_request(struct guest *g, const struct wire_hdr *hdr)
{
	struct end *e = NULL;
	uint32_t serial = 0;

	if (find(g, hdr->dst_port, (uint32_t)hdr->src_cid, hdr->src_port) != NULL)
		sim_fault("protocol", "guest %u: REQUEST for a connection that exists", g->cid);
	for (unsigned int i = 0; i < NB_CONNS; i++) {
		if (g->ends[i].state == CLOSED)
			e = &g->ends[i];
	}
	for (unsigned int i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const struct asked *p = &pairs[i];

		if (p->from_cid == hdr->src_cid && p->from_port == hdr->src_port &&
			p->to_cid == g->cid && p->to_port == hdr->dst_port && p->serial > serial)
			serial = p->serial;
	}
	if (serial == 0)
		sim_fault("protocol", "guest %u: REQUEST that nobody sent", g->cid);
	if (e == NULL || finishing || sim_chance(&g->rand, 10)) {
		reply_rst(g, hdr);
		return;
	}
	*e = (struct end){
		.state = OPENED,
		.port = hdr->dst_port,
		.peer_cid = (uint32_t)hdr->src_cid,
		.peer_port = hdr->src_port,
		.serial = serial,
		.peer_alloc = hdr->buf_alloc,
		.peer_fwd = hdr->fwd_cnt,
	};
	e->owes_response = !send_op(g, e, WIRE_OP_RESPONSE, 0, 0);
}

/* Where in the stream the bytes come from: the distance from where they should be; 0: unknown. */
static int32_t
distance(const struct end *e, uint32_t at, const uint8_t *data, uint32_t len)
{
	for (int32_t d = -200000; len >= 8 && d < 200000; d++) {
		uint32_t i = 0;

		while (i < 8 && data[i] == byte_at(e->serial, !e->asked, at + (uint32_t)d + i))
			i++;
		if (i == 8)
			return d;
	}
	return 0;
}

static void
on_data(struct guest *g, struct end *e, const struct wire_hdr *hdr, const uint8_t *data)
{
	if (e->state != OPENED) {
		if (!sim_ignores("order"))
			sim_fault(
				"order", "guest %u port %u: data before RESPONSE", g->cid, e->port);
		(void)send_op(g, e, WIRE_OP_RST, 0, 0);
		close_end(e);
		return;
	}
	for (uint32_t i = 0; i < hdr->len; i++) {
		const uint8_t want = byte_at(e->serial, !e->asked, e->rx_cnt + i);

		if (data[i] != want)
			sim_fault("bytes",
				"guest %u port %u from %u:%u: byte %u of the stream is %02x, not "
				"%02x; it belongs %d bytes further",
				g->cid, e->port, e->peer_cid, e->peer_port, e->rx_cnt + i, data[i],
				want, distance(e, e->rx_cnt + i, &data[i], hdr->len - i));
	}
	e->rx_cnt += hdr->len;
	sim_nb_bytes += hdr->len;
	if (e->rx_cnt - e->told > MAX_ALLOC)
		sim_fault("credit", "guest %u port %u: %u bytes", g->cid, e->port,
			e->rx_cnt - e->told);
	e->fwd_cnt = e->rx_cnt; /* its program reads at once */
}

static void
on_packet(struct guest *g, const uint8_t *raw, uint32_t len)
{
	struct wire_hdr hdr;
	struct end *e;

	if (len < WIRE_HDR_LEN)
		sim_fault("protocol", "guest %u: a packet of %u bytes", g->cid, len);
	wire_decode(raw, &hdr);
	sim_nb_packets++;
	sim_hash(hdr.op * 31 + hdr.len + hdr.dst_port);
	sim_trace("%u <- op %u %u:%u <- %u:%u len %u fwd %u", g->cid, hdr.op, g->cid, hdr.dst_port,
		(unsigned int)hdr.src_cid, hdr.src_port, hdr.len, hdr.fwd_cnt);
	if (hdr.dst_cid != g->cid || WIRE_HDR_LEN + hdr.len != len)
		sim_fault("protocol", "guest %u: length %u in a buffer of %u, CID %u", g->cid,
			hdr.len, len, (unsigned int)hdr.dst_cid);
	e = find(g, hdr.dst_port, (uint32_t)hdr.src_cid, hdr.src_port);
	if (hdr.op == WIRE_OP_REQUEST) {
		on_request(g, &hdr);
		return;
	}
	if (e == NULL) {
		if (hdr.op != WIRE_OP_RST)
			reply_rst(g, &hdr);
		return;
	}
	e->peer_alloc = hdr.buf_alloc;
	e->peer_fwd = hdr.fwd_cnt;
	switch (hdr.op) {
	case WIRE_OP_RESPONSE:
		if (e->state != ASKED)
			sim_fault("protocol", "guest %u: RESPONSE twice", g->cid);
		e->state = OPENED;
		break;
	case WIRE_OP_RW:
		on_data(g, e, &hdr, raw + WIRE_HDR_LEN);
		break;
	case WIRE_OP_RST:
		close_end(e);
		break;
	case WIRE_OP_SHUTDOWN:
		if (hdr.flags == WIRE_SHUTDOWN_BOTH) {
			reply_rst(g, &hdr);
			close_end(e);
		}
		break;
	case WIRE_OP_CREDIT_REQUEST:
		(void)send_op(g, e, WIRE_OP_CREDIT_UPDATE, 0, 0);
		break;
	case WIRE_OP_CREDIT_UPDATE:
		break;
	default:
		sim_fault("protocol", "guest %u: operation %u", g->cid, hdr.op);
	}
}

/* Take chains back. @return true if there was one. */
static bool
reap(struct guest *g, unsigned int n)
{
	struct queue *q = &g->q[n];
	const uint16_t idx = __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE);
	uint32_t id, len;

	(void)sim_eventfd_take(q->call_fd);
	if (q->last_used == idx)
		return false;
	id = q->used->ring[q->last_used % RING_SIZE].id;
	len = q->used->ring[q->last_used % RING_SIZE].len;
	q->last_used++;
	if (id >= RING_SIZE || !q->with_device[id])
		sim_fault("custody", "guest %u queue %u: chain %u came back, but it was not there",
			g->cid, n, id);
	q->with_device[id] = false;
	if (n == PORT_Q_TO_GUEST) {
		const unsigned int slot = id / q->descs_per_slot;
		uint8_t *p = slot_memory(g, n, slot);

		if (len > g->rx_len)
			sim_fault(
				"bytes", "guest %u: used length %u of %u", g->cid, len, g->rx_len);
		for (uint32_t i = len; i < g->rx_len; i++) {
			if (p[i] != filler(g, i))
				sim_fault("bytes",
					"guest %u: byte %u written behind used length %u", g->cid,
					i, len);
		}
		if (len > 0)
			on_packet(g, p, len);
	} else {
		uint8_t *p = slot_memory(g, n, id / q->descs_per_slot);

		/* From now on the bytes are the guest's own: a late reader gets these. */
		for (uint32_t i = 0; i < WIRE_HDR_LEN + 64; i++)
			p[i] = filler(g, i);
	}
	return true;
}

/* ---- one step ---- */

bool
sim_guest_runnable(unsigned int i)
{
	const struct guest *g = &guests[i];

	return g->up && g->paused_until <= sim_now_ns;
}

static bool
credit_due(const struct guest *g, const struct end *e)
{
	return e->state == OPENED && e->fwd_cnt - e->told >= g->buf_alloc / 4;
}

void
sim_guest_step(unsigned int i)
{
	struct guest *g = &guests[i];
	struct queue *rx = &g->q[PORT_Q_TO_GUEST];
	struct end *e = &g->ends[sim_rand(&g->rand, NB_CONNS)];
	const uint32_t what = sim_rand(&g->rand, 100);
	int slot;

	if (g->nb_owed > 0 && sim_chance(&g->rand, 3)) {
		if (send_raw(g, &g->owed[0], NULL))
			memmove(&g->owed[0], &g->owed[1], --g->nb_owed * sizeof(g->owed[0]));
		return;
	}
	if (sim_chance(&g->rand, 400)) {
		g->paused_until = sim_now_ns + sim_rand(&g->rand, 2000000);
		return;
	}
	if (what < 35) {
		reap(g, PORT_Q_TO_GUEST);
	} else if (what < 55) {
		reap(g, PORT_Q_FROM_GUEST);
	} else if (what < 75) {
		slot = free_slot(rx);
		if (slot >= 0)
			post_rx(g, (unsigned int)slot);
	} else if (e->state == OPENED && e->owes_response) {
		e->owes_response = !send_op(g, e, WIRE_OP_RESPONSE, 0, 0);
	} else if (credit_due(g, e)) {
		(void)send_op(g, e, WIRE_OP_CREDIT_UPDATE, 0, 0);
	} else if (finishing) {
		return;
	} else if (what == 75 && e->state == OPENED && sim_chance(&g->rand, 20)) {
		g->buf_alloc = 1u << (12 + sim_rand(&g->rand, 7));
		(void)send_op(g, e, WIRE_OP_CREDIT_UPDATE, 0, 0);
	} else if (what < 78) {
		(void)ask(g);
	} else if (e->state != OPENED) {
		return;
	} else if (what < 98) {
		(void)send_data(g, e);
	} else if (sim_chance(&g->rand, 6)) {
		if (send_op(g, e, WIRE_OP_RST, 0, 0))
			close_end(e);
	} else if (!e->shut && sim_chance(&g->rand, 4)) {
		e->shut = send_op(g, e, WIRE_OP_SHUTDOWN, WIRE_SHUTDOWN_BOTH, 0);
	}
}

/* ---- life ---- */

void
sim_guest_create(unsigned int i)
{
	struct guest *g = &guests[i];
	struct port_conf conf = {.nb_groups = 1, .lcore = -1, .buf_alloc = 262144, .max_conns = 64};
	static const uint32_t rx_lens[] = {3776, 4096 + 44, 300, 44 + 65536, 44 + 65000};

	memset(g, 0, sizeof(*g));
	sim_rand_init(&g->rand, sim_world.seed, 100 + i);
	g->cid = 3 + i;
	g->exists = true;
	g->mem = aligned_alloc(4096, MEM_LEN);
	memset(g->mem, 0, MEM_LEN);
	g->buf_alloc = 1u << (12 + sim_rand(&g->rand, 7));
	g->rx_len = rx_lens[sim_rand(&g->rand, 5)];
	snprintf(conf.name, sizeof(conf.name), "vsock_vhost%u", i);
	snprintf(conf.iface, sizeof(conf.iface), "/sim/%u", i);
	strcpy(conf.groups[0], "default");
	conf.cid = g->cid;
	if (port_create(sim_world.sw, &conf, &g->port) != 0 || port_start(g->port) != 0)
		sim_fault("simulator", "port %u was not created", i);
}

void
sim_guest_up(unsigned int i)
{
	struct guest *g = &guests[i];
	uint8_t *at = g->mem;
	struct port_device dev;

	port_device_init(&dev);
	queue_init(g, PORT_Q_TO_GUEST, &at, 1, NB_RX);
	queue_init(g, PORT_Q_FROM_GUEST, &at, sim_long_chains ? TX_DESCS : 8,
		RING_SIZE / (sim_long_chains ? TX_DESCS : 8));
	memset(g->ends, 0, sizeof(g->ends));
	g->nb_owed = 0;
	dev.mem = malloc(sizeof(*dev.mem) + sizeof(dev.mem->regions[0]));
	dev.mem->nb_regions = 1;
	dev.mem->regions[0] = (struct gmem_region){GPA, MEM_LEN, g->mem};
	for (unsigned int n = 0; n < PORT_NB_QUEUES; n++) {
		struct queue *q = &g->q[n];

		dev.vq[n] = (struct vq_config){
			.desc = q->desc,
			.avail = q->avail,
			.used = q->used,
			.size = RING_SIZE,
			.to_guest = n == PORT_Q_TO_GUEST,
		};
		dev.kick_fd[n] = q->kick_fd;
		dev.call_fd[n] = q->call_fd;
	}
	if (port_device_up(g->port, &dev) != 0)
		sim_fault("simulator", "device %u was refused", i);
	g->up = true;
}

void
sim_guest_down(unsigned int i)
{
	struct guest *g = &guests[i];

	g->up = false;
	(void)port_device_down(g->port, NULL);
	port_front_end_gone(g->port);
	/* Whoever reads its memory now reads this. */
	for (uint32_t off = 0; off < MEM_LEN; off++)
		g->mem[off] = 0xEE;
}

void
sim_guest_destroy(unsigned int i)
{
	struct guest *g = &guests[i];

	port_destroy(g->port);
	free(g->mem);
	g->exists = false;
}

/* ---- the end ---- */

void
sim_guests_finish(void)
{
	finishing = true;
}

static struct end *
other_end(const struct guest *g, const struct end *e)
{
	for (unsigned int i = 0; i < SIM_NB_GUESTS; i++) {
		if (guests[i].exists && guests[i].cid == e->peer_cid)
			return find(&guests[i], e->peer_port, g->cid, e->port);
	}
	return NULL;
}

bool
sim_guests_at_rest(void)
{
	for (unsigned int i = 0; i < SIM_NB_GUESTS; i++) {
		struct guest *g = &guests[i];

		if (!g->up)
			continue;
		if (g->nb_owed > 0)
			return false;
		for (unsigned int s = 0; s < g->q[PORT_Q_FROM_GUEST].nb_slots; s++) {
			if (g->q[PORT_Q_FROM_GUEST]
					.with_device[s * g->q[PORT_Q_FROM_GUEST].descs_per_slot])
				return false;
		}
		for (unsigned int n = 0; n < NB_CONNS; n++) {
			const struct end *e = &g->ends[n], *o;

			if (e->state == ASKED)
				return false;
			if (e->state == CLOSED)
				continue;
			o = other_end(g, e);
			if (o == NULL || o->state != OPENED || o->rx_cnt != e->tx_cnt)
				return false;
		}
	}
	return true;
}

void
sim_guests_check_end(void)
{
	for (unsigned int i = 0; i < SIM_NB_GUESTS; i++) {
		struct guest *g = &guests[i];

		for (unsigned int n = 0; g->up && n < NB_CONNS; n++) {
			const struct end *e = &g->ends[n], *o;

			if (e->state == CLOSED)
				continue;
			o = other_end(g, e);
			if (e->state == ASKED)
				sim_fault("told", "guest %u port %u: connect() is not answered",
					g->cid, e->port);
			if (o == NULL)
				sim_fault("told", "guest %u port %u: the end of %u:%u is not told",
					g->cid, e->port, e->peer_cid, e->peer_port);
			if (o->rx_cnt != e->tx_cnt)
				sim_fault("progress",
					"guest %u port %u: %u bytes were accepted, %u arrived at "
					"%u",
					g->cid, e->port, e->tx_cnt, o->rx_cnt, e->peer_cid);
		}
		for (unsigned int s = 0; g->up && s < g->q[PORT_Q_FROM_GUEST].nb_slots; s++) {
			if (g->q[PORT_Q_FROM_GUEST]
					.with_device[s * g->q[PORT_Q_FROM_GUEST].descs_per_slot])
				sim_fault("progress", "guest %u: chain %u does not come back",
					g->cid, s * g->q[PORT_Q_FROM_GUEST].descs_per_slot);
		}
	}
}

/* The device has given the chain back, whether the guest has looked or not. */
static bool
is_back(const struct queue *q, uint16_t head)
{
	if (!q->with_device[head])
		return true;
	for (uint16_t i = q->last_used; i != q->used->idx; i++) {
		if (q->used->ring[i % RING_SIZE].id == head)
			return true;
	}
	return false;
}

void
sim_check_custody(void)
{
	for (unsigned int l = 0; l < sim_world.sw->nb_lcores; l++) {
		struct lcore *lc = sim_world.sw->lcores[l];

		for (unsigned int i = 0; i < SIM_NB_GUESTS; i++) {
			const struct pkt *p;

			if (!guests[i].exists)
				continue;
			TAILQ_FOREACH (p, &lc->held[guests[i].port->id], held) {
				const struct queue *q = &guests[i].q[PORT_Q_FROM_GUEST];

				if (guests[i].up && is_back(q, p->chain_id) &&
					!sim_ignores("custody"))
					sim_fault("custody",
						"lcore %u holds a loan of chain %u of guest %u, "
						"which "
						"has it back",
						l, p->chain_id, guests[i].cid);
			}
		}
	}
}
