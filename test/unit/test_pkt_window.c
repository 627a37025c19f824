/* SPDX-License-Identifier: BSD-3-Clause */
#include "check.h"
#include "wire/pkt_window.h"

#define KIB 1024u

static void
bounds(void)
{
	struct pkt_window w = {0};

	CHECK_EQ(pkt_window_max(256 * KIB), 256);
	CHECK_EQ(pkt_window_max(0), 1);
	CHECK_EQ(pkt_window_max(100), 1);
	CHECK_EQ(pkt_window_room(&w, 0), 1); /* one packet always moves */
	for (uint32_t i = 1; i <= 256; i++) {
		CHECK_EQ(pkt_window_room(&w, 256 * KIB), 257 - i);
		CHECK_EQ(pkt_window_should_ask(&w, 256 * KIB), i - 1 == 129);
		pkt_window_sent(&w, i, 256 * KIB, 1, 1, false);
	}
	CHECK_EQ(pkt_window_room(&w, 256 * KIB), 0);
	/* A buffer that shrank below what waits. */
	CHECK_EQ(pkt_window_room(&w, 4 * KIB), 0);
	/* All was read. */
	pkt_window_read(&w, 256, 256);
	CHECK_EQ(pkt_window_room(&w, 256 * KIB), 256);
}

/* The count is never lower than the truth, and with all bytes read it is exact. */
static void
against_a_list(uint32_t start)
{
	static uint32_t ends[100000];
	struct pkt_window w = {0};
	uint32_t sent_cnt = start, nb = 0, nb_read = 0, buf_alloc = 64 * KIB;
	unsigned int seed = 7;

	for (int step = 0; step < 100000; step++) {
		uint32_t fwd_cnt;

		if (rand_r(&seed) % 4 != 0 && pkt_window_room(&w, buf_alloc) > 0) {
			sent_cnt += (uint32_t)rand_r(&seed) % 300 + 1;
			ends[nb++] = sent_cnt;
			pkt_window_sent(&w, sent_cnt, buf_alloc, 300, 300, false);
		} else if (nb_read < nb) {
			nb_read += (uint32_t)rand_r(&seed) % (nb - nb_read + 1);
		}
		fwd_cnt = nb_read > 0 ? ends[nb_read - 1] : start;
		pkt_window_read(&w, fwd_cnt, sent_cnt);
		CHECK(w.nb_sent - w.nb_read >= nb - nb_read);
		CHECK(nb - nb_read <= pkt_window_max(buf_alloc));
		if (nb == nb_read)
			CHECK_EQ(w.nb_sent, w.nb_read);
		/* It lags by no more than the distance of two marks. */
		CHECK(w.nb_sent - w.nb_read - (nb - nb_read) <= 2 * 64 / PKT_WINDOW_NB_MARKS);
	}
	CHECK(nb > 10000);
}

static void
counters_wrap(void)
{
	against_a_list(0);
	against_a_list(UINT32_MAX - 100000);
}

/* A guest that claims to have read what was never sent, or takes back what it read. */
static void
lies(void)
{
	struct pkt_window w = {0};

	for (uint32_t i = 1; i <= 64; i++)
		pkt_window_sent(&w, i * 100, 64 * KIB, 100, 100, false);
	pkt_window_read(&w, 1000000, 6400);
	CHECK(w.nb_sent - w.nb_read <= 64);
	pkt_window_read(&w, 0, 6400);
	CHECK(w.nb_sent - w.nb_read <= 64);
	pkt_window_read(&w, 6400, 6400);
	CHECK_EQ(w.nb_sent, w.nb_read);
}

/* Linux stores small packets behind the last one: they cost nothing. */
static void
joined(void)
{
	struct pkt_window w = {0};
	uint32_t sent = 0;

	pkt_window_sent(&w, sent += 1000, 64 * KIB, 1000, 4052, false);
	for (int i = 0; i < 23; i++)
		pkt_window_sent(&w, sent += 128, 64 * KIB, 128, 4052, false);
	CHECK_EQ(w.nb_sent, 1);
	/* 108 bytes are left. A packet that would fill them does not fit for Linux. */
	pkt_window_sent(&w, sent += 108, 64 * KIB, 108, 4052, false);
	CHECK_EQ(w.nb_sent, 2);
	pkt_window_sent(&w, sent += 129, 64 * KIB, 129, 4052, false);
	CHECK_EQ(w.nb_sent, 3);
	/* Nothing is stored behind the end of a message, but the end itself is. */
	pkt_window_sent(&w, sent += 10, 64 * KIB, 10, 4052, true);
	CHECK_EQ(w.nb_sent, 3);
	pkt_window_sent(&w, sent += 10, 64 * KIB, 10, 4052, false);
	CHECK_EQ(w.nb_sent, 4);
	/* What was read has no place behind it. */
	pkt_window_read(&w, sent, sent);
	pkt_window_sent(&w, sent += 10, 64 * KIB, 10, 4052, false);
	CHECK_EQ(w.nb_sent - w.nb_read, 1);
}

int
main(void)
{
	RUN(bounds);
	RUN(counters_wrap);
	RUN(lies);
	RUN(joined);
	return 0;
}
