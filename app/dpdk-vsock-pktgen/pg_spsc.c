/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Baseline: objects through a ring with one producer and one consumer, on two CPUs: what passing
 * work from core to core costs at the least. The ring is written out here so that it owes nothing
 * to the library that the back end uses.
 */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pg_clock.h"
#include "pg_cpu.h"
#include "pg_spsc.h"

#define RING_SIZE 1024u
#define LINE      64

struct ring {
	/* Written by the producer; the release of each burst. */
	_Alignas(LINE) uint32_t tail;
	/* Written by the consumer; it gives the slots back. */
	_Alignas(LINE) uint32_t head;
	_Alignas(LINE) uint64_t slots[RING_SIZE];
	/* Written by the consumer here, read by the producer. */
	_Alignas(LINE) bool stop;
	_Alignas(LINE) const struct pg_conf *conf;
};

static void *
produce(void *arg)
{
	struct ring *ring = arg;
	const uint32_t burst = ring->conf->burst < RING_SIZE ? ring->conf->burst : RING_SIZE;
	uint32_t tail = 0, head = 0, i;
	uint64_t value = 0;

	pg_cpu_pin(ring->conf->peer_cpu);
	while (!__atomic_load_n(&ring->stop, __ATOMIC_RELAXED)) {
		if (tail - head > RING_SIZE - burst) {
			head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
			continue;
		}
		for (i = 0; i < burst; i++)
			ring->slots[(tail + i) % RING_SIZE] = value++;
		tail += burst;
		__atomic_store_n(&ring->tail, tail, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void
consume(struct ring *ring, struct pg_result *result)
{
	const struct pg_conf *conf = ring->conf;
	const uint64_t start_ns = pg_clock_now_ns();
	uint64_t now_ns = start_ns, measure_ns = 0, want = 0, before = 0;
	uint32_t head = 0, round = 0;

	for (;;) {
		const uint32_t tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
		const bool some = head != tail;

		while (head != tail) {
			if (ring->slots[head++ % RING_SIZE] != want++) {
				pg_result_fail(result, PG_CORRUPTION, "object %llu is wrong",
					(unsigned long long)want - 1);
				return;
			}
		}
		/* The line is the producer's too: written only when there is news. */
		if (some)
			__atomic_store_n(&ring->head, head, __ATOMIC_RELEASE);
		if (++round % 64 != 0)
			continue;
		now_ns = pg_clock_now_ns();
		if (measure_ns == 0 && (double)(now_ns - start_ns) >= conf->warmup_s * 1e9) {
			measure_ns = now_ns;
			before = want;
		}
		if (measure_ns != 0 && (double)(now_ns - measure_ns) >= conf->seconds * 1e9)
			break;
	}
	result->seconds = (double)(now_ns - measure_ns) / 1e9;
	result->counts.messages = want - before;
}

enum pg_status
pg_spsc(const struct pg_conf *conf, struct pg_result *result)
{
	struct ring *ring = aligned_alloc(LINE, sizeof(*ring));
	pthread_t thread;

	if (ring == NULL) {
		pg_result_fail(result, PG_ERROR, "out of memory");
		return result->status;
	}
	memset(ring, 0, sizeof(*ring));
	ring->conf = conf;
	if (pthread_create(&thread, NULL, produce, ring) != 0) {
		pg_result_fail(result, PG_ERROR, "no thread");
	} else {
		consume(ring, result);
		__atomic_store_n(&ring->stop, true, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
	}
	free(ring);
	return result->status;
}
