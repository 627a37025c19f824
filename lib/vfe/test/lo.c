/* SPDX-License-Identifier: BSD-3-Clause */
#include "lo.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lo_vhost.h"
#include "lo_ring.h"
#include "lo_host.h"

#define MAX_QUEUED 256u
#define IDLE_MS    1

static void
gather(const struct lo_chain *chain, uint8_t *to)
{
	unsigned int i;

	for (i = 0; i < chain->nb_out; i++) {
		memcpy(to, chain->out[i].iov_base, chain->out[i].iov_len);
		to += chain->out[i].iov_len;
	}
}

static void
scatter(const struct lo_chain *chain, uint32_t off, const uint8_t *from, uint32_t len)
{
	unsigned int i;

	for (i = 0; i < chain->nb_in && len > 0; i++) {
		const uint32_t cap = (uint32_t)chain->in[i].iov_len;
		uint32_t n;

		if (off >= cap) {
			off -= cap;
			continue;
		}
		n = cap - off < len ? cap - off : len;
		memcpy((uint8_t *)chain->in[i].iov_base + off, from, n);
		from += n;
		len -= n;
		off = 0;
	}
}

void
lo_send(struct lo_guest *guest, const struct vfe_hdr *hdr, const void *payload)
{
	struct lo_packet *packet = malloc(sizeof(*packet) + hdr->len);

	if (packet == NULL)
		abort();
	packet->next = NULL;
	packet->hdr = *hdr;
	packet->off = 0;
	if (hdr->len > 0)
		memcpy(packet->payload, payload, hdr->len);
	*guest->last = packet;
	guest->last = &packet->next;
	guest->nb_queued++;
}

static void
drop_queue(struct lo_guest *guest)
{
	while (guest->first != NULL) {
		struct lo_packet *packet = guest->first;

		guest->first = packet->next;
		free(packet);
	}
	guest->last = &guest->first;
	guest->nb_queued = 0;
}

static bool
deliver(struct lo_guest *guest)
{
	struct lo_ring *ring = &guest->rings[0];
	struct lo_chain chain;
	bool work = false;

	while (guest->first != NULL && lo_ring_pop(guest, ring, &chain)) {
		struct lo_packet *packet = guest->first;
		const uint32_t left = packet->hdr.len - packet->off;
		const uint32_t room = chain.in_len - VFE_HDR_LEN;
		const uint32_t n = left < room ? left : room;
		struct vfe_hdr hdr = packet->hdr;
		const bool fault = guest->lo->nb_data >= guest->lo->conf.fault_at && n > 0;

		hdr.len = n;
		if (n < left)
			hdr.flags &= ~(VFE_SEQ_EOM | VFE_SEQ_EOR);
		hdr = vfe_hdr_swap(hdr);
		scatter(&chain, 0, (const uint8_t *)&hdr, VFE_HDR_LEN);
		scatter(&chain, VFE_HDR_LEN, packet->payload + packet->off, n);
		lo_ring_push(ring, chain.head,
			VFE_HDR_LEN + n +
				(fault && guest->lo->conf.fault == LO_FAULT_USED_LEN ? 1 : 0));
		if (fault && guest->lo->conf.fault == LO_FAULT_BAD_USED) {
			lo_ring_push(ring, (uint16_t)(ring->size + 7), VFE_HDR_LEN);
			guest->lo->conf.fault = LO_FAULT_NONE;
		}
		work = true;
		packet->off += n;
		if (packet->off < packet->hdr.len)
			continue;
		guest->first = packet->next;
		if (guest->first == NULL)
			guest->last = &guest->first;
		guest->nb_queued--;
		free(packet);
	}
	lo_ring_call(guest, ring);
	return work;
}

static void
forward(struct lo_guest *from, const struct vfe_hdr *hdr, const uint8_t *payload)
{
	struct lo *lo = from->lo;
	unsigned int i;

	if (hdr->dst_cid == VFE_CID_HOST) {
		lo_host_packet(from, hdr, payload);
		return;
	}
	for (i = 0; i < lo->conf.nb_guests; i++) {
		if (lo->guests[i].cid == hdr->dst_cid && lo->guests[i].fd >= 0) {
			lo_send(&lo->guests[i], hdr, payload);
			return;
		}
	}
	if (hdr->op != VFE_OP_RST) {
		const struct vfe_hdr rst = {
			.src_cid = hdr->dst_cid,
			.dst_cid = hdr->src_cid,
			.src_port = hdr->dst_port,
			.dst_port = hdr->src_port,
			.type = hdr->type,
			.op = VFE_OP_RST,
		};

		lo_send(from, &rst, NULL);
	}
}

static bool
can_take(const struct lo *lo)
{
	unsigned int i;

	for (i = 0; i < lo->conf.nb_guests; i++) {
		if (lo->guests[i].nb_queued > MAX_QUEUED)
			return false;
	}
	return !lo->stalled;
}

/* @return times that the packet goes on: 0, 1 or 2 */
static unsigned int
misbehave(struct lo *lo, uint8_t *payload)
{
	if (lo->nb_data != lo->conf.fault_at)
		return 1;
	switch (lo->conf.fault) {
	case LO_FAULT_CORRUPT:
		payload[0] ^= 0x10;
		return 1;
	case LO_FAULT_DROP:
		return 0;
	case LO_FAULT_REPEAT:
		return 2;
	case LO_FAULT_STALL:
		lo->stalled = true;
		return 1;
	default:
		return 1;
	}
}

static bool
take(struct lo_guest *guest)
{
	static uint8_t buf[VFE_HDR_LEN + VFE_PAYLOAD_MAX];
	struct lo_ring *ring = &guest->rings[1];
	struct lo *lo = guest->lo;
	struct lo_chain chain;
	bool work = false;

	while (can_take(lo) && lo_ring_pop(guest, ring, &chain)) {
		unsigned int times = 1;
		struct vfe_hdr hdr;

		assert(chain.out_len >= VFE_HDR_LEN && chain.out_len <= sizeof(buf));
		gather(&chain, buf);
		hdr = vfe_hdr_decode(buf);
		assert(hdr.src_cid == guest->cid && hdr.len == chain.out_len - VFE_HDR_LEN);
		if (hdr.len > 0) {
			lo->nb_data++;
			times = misbehave(lo, buf + VFE_HDR_LEN);
		}
		while (times-- > 0)
			forward(guest, &hdr, buf + VFE_HDR_LEN);
		if (lo->conf.fault != LO_FAULT_LOSE_BUF || lo->nb_data != lo->conf.fault_at)
			lo_ring_push(ring, chain.head, 0);
		work = true;
	}
	lo_ring_call(guest, ring);
	return work;
}

static void
idle(struct lo *lo)
{
	struct pollfd pfds[1 + 5 * LO_MAX_GUESTS] = {{.fd = lo->wake_fd, .events = POLLIN}};
	bool work = false;
	nfds_t nb = 1;
	unsigned int i, q;

	for (i = 0; i < lo->conf.nb_guests; i++) {
		struct lo_guest *guest = &lo->guests[i];

		for (q = 0; q < 2; q++) {
			const bool more = lo_ring_arm(guest, &guest->rings[q]);

			work |= more && (q == 0 ? guest->first != NULL : can_take(lo));
			pfds[nb++] =
				(struct pollfd){.fd = guest->rings[q].kick_fd, .events = POLLIN};
		}
		pfds[nb++] = (struct pollfd){.fd = guest->fd, .events = POLLIN};
		pfds[nb++] = (struct pollfd){.fd = guest->listen_fd, .events = POLLIN};
		pfds[nb++] = (struct pollfd){.fd = guest->uds_fd, .events = POLLIN};
	}
	/* Host connections are looked at every millisecond while there are any. */
	poll(pfds, nb, work ? 0 : lo->conns != NULL || lo->stalled ? IDLE_MS : 1000);
	for (i = 0; i < lo->conf.nb_guests; i++) {
		lo_ring_disarm(&lo->guests[i], &lo->guests[i].rings[0]);
		lo_ring_disarm(&lo->guests[i], &lo->guests[i].rings[1]);
	}
}

static bool
control(struct lo_guest *guest)
{
	struct pollfd pfd = {.fd = guest->fd < 0 ? guest->listen_fd : guest->fd, .events = POLLIN};

	if (poll(&pfd, 1, 0) <= 0)
		return false;
	if (guest->fd < 0) {
		guest->fd = accept4(guest->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	} else if (lo_vhost_message(guest) < 0) {
		lo_vhost_gone(guest);
		drop_queue(guest);
		lo_host_drop(guest->lo, guest);
		drop_queue(guest);
	}
	return true;
}

static void *
run(void *arg)
{
	struct lo *lo = arg;
	unsigned int i;

	while (!__atomic_load_n(&lo->stop, __ATOMIC_ACQUIRE)) {
		bool work = lo_host_poll(lo);

		for (i = 0; i < lo->conf.nb_guests; i++) {
			work |= control(&lo->guests[i]);
			work |= take(&lo->guests[i]);
			work |= deliver(&lo->guests[i]);
		}
		if (!work)
			idle(lo);
	}
	return NULL;
}

static int
listen_on(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	unlink(path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
		listen(fd, 1024) < 0)
		abort();
	return fd;
}

int
lo_start(const struct lo_conf *conf, struct lo **out)
{
	struct lo *lo = calloc(1, sizeof(*lo));
	unsigned int i, q;

	if (lo == NULL)
		return -ENOMEM;
	lo->conf = *conf;
	lo->next_port = 1u << 30;
	lo->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	for (i = 0; i < conf->nb_guests; i++) {
		struct lo_guest *guest = &lo->guests[i];

		guest->lo = lo;
		guest->path = conf->paths[i];
		guest->uds = conf->uds[i];
		guest->cid = 3 + i;
		guest->fd = -1;
		guest->uds_fd = conf->uds[i] != NULL ? listen_on(conf->uds[i]) : -1;
		guest->listen_fd = listen_on(conf->paths[i]);
		guest->last = &guest->first;
		for (q = 0; q < LO_NB_QUEUES; q++)
			guest->rings[q].kick_fd = guest->rings[q].call_fd = -1;
	}
	if (pthread_create(&lo->thread, NULL, run, lo) != 0)
		abort();
	*out = lo;
	return 0;
}

void
lo_stop(struct lo *lo)
{
	const uint64_t one = 1;
	unsigned int i;

	__atomic_store_n(&lo->stop, true, __ATOMIC_RELEASE);
	if (write(lo->wake_fd, &one, sizeof(one)) < 0)
		abort();
	pthread_join(lo->thread, NULL);
	lo_host_drop(lo, NULL);
	for (i = 0; i < lo->conf.nb_guests; i++) {
		struct lo_guest *guest = &lo->guests[i];

		lo_vhost_gone(guest);
		drop_queue(guest);
		close(guest->listen_fd);
		unlink(guest->path);
		if (guest->uds_fd >= 0) {
			close(guest->uds_fd);
			unlink(guest->uds);
		}
	}
	close(lo->wake_fd);
	free(lo);
}
