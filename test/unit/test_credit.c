/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdbool.h>

#include "check.h"
#include "wire/credit.h"

#define KIB 1024u
#define MIB (1024u * KIB)

/* Where counters start: zero, around 2^31, and just below the wrap. */
static const uint32_t bases[] = {0, 1, 0x7ffffff0u, 0x80000000u, 0xfffffff0u, 0xffffffffu};

#define NB_BASES (sizeof(bases) / sizeof(bases[0]))

static void
free_space(void)
{
	for (size_t i = 0; i < NB_BASES; i++) {
		uint32_t b = bases[i];

		CHECK_EQ(credit_free(1000, b, b), 1000);
		CHECK_EQ(credit_free(1000, b + 400, b), 600);
		CHECK_EQ(credit_free(1000, b + 999, b), 1);
		CHECK_EQ(credit_free(1000, b + 1000, b), 0);
		/* The peer shrank its buffer below what is on its way. */
		CHECK_EQ(credit_free(1000, b + 1001, b), 0);
		CHECK_EQ(credit_free(0, b + 5000, b), 0);
		CHECK_EQ(credit_free(0, b, b), 0);
		/* The peer says that it took more than was sent. */
		CHECK_EQ(credit_free(1000, b, b + 1), 0);
		CHECK_EQ(credit_free(1000, b, b + 0x80000000u), 0);
		CHECK_EQ(credit_free(UINT32_MAX, b, b), UINT32_MAX);
		CHECK_EQ(credit_free(UINT32_MAX, b + UINT32_MAX, b), 0);
	}
}

static void
respected(void)
{
	for (size_t i = 0; i < NB_BASES; i++) {
		uint32_t b = bases[i];

		CHECK(credit_respected(1000, b, b));
		CHECK(credit_respected(1000, b + 1000, b));
		CHECK(!credit_respected(1000, b + 1001, b));
		CHECK(credit_respected(0, b, b));
		CHECK(!credit_respected(0, b + 1, b));
		CHECK(!credit_respected(1000, b, b + 1));
	}
}

static void
windows(void)
{
	CHECK_EQ(credit_window(256 * KIB, 64 * KIB), 64 * KIB);
	CHECK_EQ(credit_window(4 * KIB, 64 * KIB), 4 * KIB);
	CHECK_EQ(credit_window(256 * KIB, 0), 256 * KIB); /* it receives nothing */
}

/* The decision when the peer knows of known bytes of a window, all of which was forwarded. */
static enum credit_action
decide(uint32_t base, uint32_t window, uint32_t known)
{
	uint32_t told = base;
	uint32_t rx_cnt = told + (window - known);

	return credit_decide(window, rx_cnt, rx_cnt, told, 0);
}

static void
updates(void)
{
	for (size_t i = 0; i < NB_BASES; i++) {
		uint32_t b = bases[i];

		/* 256 KiB: half at 128, urgent below 64 KiB, which is the quarter as well. */
		CHECK_EQ(decide(b, 256 * KIB, 256 * KIB), CREDIT_KEEP);
		CHECK_EQ(decide(b, 256 * KIB, 128 * KIB + 1), CREDIT_KEEP);
		CHECK_EQ(decide(b, 256 * KIB, 128 * KIB), CREDIT_DEFER);
		CHECK_EQ(decide(b, 256 * KIB, 64 * KIB), CREDIT_DEFER);
		CHECK_EQ(decide(b, 256 * KIB, 64 * KIB - 1), CREDIT_NOW);
		CHECK_EQ(decide(b, 256 * KIB, 0), CREDIT_NOW);
		/* 16 MiB: a quarter is more than 64 KiB. */
		CHECK_EQ(decide(b, 16 * MIB, 8 * MIB + 1), CREDIT_KEEP);
		CHECK_EQ(decide(b, 16 * MIB, 4 * MIB), CREDIT_DEFER);
		CHECK_EQ(decide(b, 16 * MIB, 4 * MIB - 1), CREDIT_NOW);
		/* Windows below 128 KiB are told at the half, not after every packet. */
		CHECK_EQ(decide(b, 128 * KIB, 64 * KIB), CREDIT_DEFER);
		CHECK_EQ(decide(b, 128 * KIB, 64 * KIB - 1), CREDIT_NOW);
		CHECK_EQ(decide(b, 64 * KIB, 32 * KIB + 1), CREDIT_KEEP);
		CHECK_EQ(decide(b, 64 * KIB, 32 * KIB), CREDIT_NOW);
		CHECK_EQ(decide(b, 4 * KIB, 2 * KIB), CREDIT_NOW);
	}
}

/* A sender that would use up the window in less than three steps is told at the half. */
static void
steps(void)
{
	for (size_t i = 0; i < NB_BASES; i++) {
		uint32_t told = bases[i], rx = told + 128 * KIB;

		CHECK_EQ(credit_decide(256 * KIB, rx, rx, told, 32 * KIB), CREDIT_DEFER);
		CHECK_EQ(credit_decide(256 * KIB, rx, rx, told, 64 * KIB), CREDIT_NOW);
		CHECK_EQ(credit_decide(256 * KIB, rx, rx, told, 256 * KIB), CREDIT_NOW);
		/* Not before the half. */
		CHECK_EQ(credit_decide(256 * KIB, rx - 1, rx - 1, told, 64 * KIB), CREDIT_KEEP);
	}
}

static void
nothing_new_to_say(void)
{
	for (size_t i = 0; i < NB_BASES; i++) {
		uint32_t b = bases[i];

		/* All of the window is used and nothing was forwarded since: no update. */
		CHECK_EQ(credit_decide(256 * KIB, b + 256 * KIB, b, b, 0), CREDIT_KEEP);
		/* One byte was: the peer waits for it. */
		CHECK_EQ(credit_decide(256 * KIB, b + 256 * KIB, b + 1, b, 0), CREDIT_NOW);
		/* A window that shrank below what is on its way. */
		CHECK_EQ(credit_decide(4 * KIB, b + 256 * KIB, b + 1, b, 0), CREDIT_NOW);
	}
}

/* A sender that sends whenever credit_free() lets it never deadlocks and never breaks the rule. */
static void
sender_never_starves(void)
{
	static const uint32_t windows[] = {4 * KIB, 64 * KIB, 100000, 256 * KIB};

	for (size_t i = 0; i < 4 * NB_BASES; i++) {
		uint32_t window = windows[i % 4];
		uint32_t tx = bases[i / 4];
		uint32_t told = tx;
		uint32_t fwd = tx;
		uint64_t nb_sent = 0;

		while (nb_sent < 8 * MIB) {
			uint32_t n = credit_free(window, tx, told);

			CHECK(n > 0);
			if (n > 64 * KIB)
				n = 64 * KIB;
			tx += n;
			nb_sent += n;
			CHECK(credit_respected(window, tx, fwd));
			fwd = tx;
			if (credit_decide(window, tx, fwd, told, 0) != CREDIT_KEEP)
				told = fwd;
		}
	}
}

int
main(void)
{
	RUN(free_space);
	RUN(respected);
	RUN(windows);
	RUN(windows);
	RUN(updates);
	RUN(steps);
	RUN(nothing_new_to_say);
	RUN(sender_never_starves);
	return 0;
}
