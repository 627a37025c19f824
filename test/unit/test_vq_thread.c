/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver and a device on threads of their own, each of which sleeps as soon as the ring lets it:
 * a lost kick or a lost notification hangs the test, and a sanitizer sees what is not ordered.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "check.h"
#include "raw_ring.h"

#define SIZE      8u
#define NB_CHAINS 200000u
#define WAIT_MS   30000

struct world {
	struct raw_ring d;
	struct vq vq;
	int kick_fd;
	int call_fd;
};

static void
wake(int fd)
{
	CHECK_EQ(eventfd_write(fd, 1), 0);
}

static void
sleep_on(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	eventfd_t v;

	CHECK_EQ(poll(&p, 1, WAIT_MS), 1); /* else a wake-up was lost */
	CHECK_EQ(eventfd_read(fd, &v), 0);
}

static uint32_t
stamp(uint32_t i)
{
	return i * 2654435761u;
}

/* The device: adds one to the number in each chain. */
static void *
device(void *arg)
{
	static struct vq_seg segs[VQ_CHAIN_MAX_SEGS];
	struct world *w = arg;
	uint32_t nb_done = 0;

	while (nb_done < NB_CHAINS) {
		struct vq_chain c;
		uint32_t nb = 0;
		uint32_t v;

		vq_kick_disable(&w->vq);
		while (nb < 3 && vq_pop(&w->vq, &c, segs) == 1) {
			CHECK_EQ(seg_read(c.segs, c.nb_segs, 0, &v, 4), 4);
			v++;
			CHECK_EQ(seg_write(c.segs, c.nb_segs, 0, &v, 4), 4);
			vq_push(&w->vq, &c, 4);
			nb++;
		}
		nb_done += nb;
		if (vq_flush(&w->vq))
			wake(w->call_fd);
		if (nb == 0 && !vq_kick_enable(&w->vq))
			sleep_on(w->kick_fd);
	}
	return NULL;
}

/* Take what is there and check it. @return how many. */
static uint32_t
take_all(struct world *w, uint32_t nb_taken)
{
	uint32_t nb = 0;
	uint32_t id;
	uint32_t len;
	uint32_t v;

	while (raw_ring_take(&w->d, &id, &len)) {
		CHECK_EQ(id, (nb_taken + nb) % SIZE);
		CHECK_EQ(len, 4);
		memcpy(&v, w->d.mem0 + 64 * id, 4);
		CHECK_EQ(v, stamp(nb_taken + nb) + 1);
		nb++;
	}
	return nb;
}

static void
driver(struct world *w, bool event_idx)
{
	uint32_t nb_offered = 0;
	uint32_t nb_taken = 0;

	while (nb_taken < NB_CHAINS) {
		uint32_t nb = 0;

		while (nb_offered < NB_CHAINS && nb_offered - nb_taken < SIZE) {
			uint32_t v = stamp(nb_offered);

			memcpy(w->d.mem0 + 64 * (nb_offered % SIZE), &v, 4);
			raw_ring_offer(&w->d, (uint16_t)(nb_offered % SIZE));
			nb_offered++;
			nb++;
		}
		if (nb != 0 && raw_ring_publish_kick(&w->d))
			wake(w->kick_fd);
		nb = take_all(w, nb_taken);
		nb_taken += nb;
		if (nb != 0)
			continue;
		/* Ask to be told, look again, sleep. */
		if (event_idx)
			raw_ring_set_used_event(&w->d, w->d.vr.used_idx);
		else
			raw_ring_set_avail_flags(&w->d, 0);
		if (raw_ring_used_idx(&w->d) == w->d.vr.used_idx)
			sleep_on(w->call_fd);
		if (!event_idx)
			raw_ring_set_avail_flags(&w->d, 1);
	}
}

static void
run(bool event_idx)
{
	struct world w;
	struct vq_config cfg;
	pthread_t thread;

	raw_ring_create(&w.d, SIZE, event_idx, 65000);
	cfg = raw_ring_config(&w.d, true);
	CHECK_EQ(vq_init(&w.vq, &cfg), 0);
	for (uint16_t i = 0; i < SIZE; i++)
		raw_ring_put_desc(w.d.desc, i,
			(struct vfe_vring_desc){RAW_RING_GPA0 + 64 * i, 4, VFE_DESC_WRITE, 0});
	w.kick_fd = eventfd(0, EFD_CLOEXEC);
	w.call_fd = eventfd(0, EFD_CLOEXEC);
	CHECK(w.kick_fd >= 0 && w.call_fd >= 0);
	CHECK_EQ(pthread_create(&thread, NULL, device, &w), 0);
	driver(&w, event_idx);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	close(w.kick_fd);
	close(w.call_fd);
	raw_ring_destroy(&w.d);
}

int
main(void)
{
	printf("flags\n");
	run(false);
	printf("event_idx\n");
	run(true);
	return 0;
}
