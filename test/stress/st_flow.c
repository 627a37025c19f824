/* SPDX-License-Identifier: BSD-3-Clause */
#include "st_flow.h"

#include <inttypes.h>
#include <string.h>

#include "vfe.h"

#define MAGIC       UINT32_C(0x76734331)
#define FLAG_ECHO   0x100u
#define REPLY_SALT  UINT64_C(0x7265706c79)
#define MAX_MSG_LEN 20000u

struct preamble {
	uint32_t magic;
	uint32_t flags;
	uint64_t seed;
	uint64_t len;
};

static bool
is_early(uint8_t plan)
{
	return plan != ST_PLAN_FULL && plan != ST_PLAN_HALF;
}

static void
make_plan(struct st_flow *f, struct st_rng *rng)
{
	const struct st_policy *p = f->policy;
	const uint32_t dice = st_below(rng, 100);

	f->plan = ST_PLAN_FULL;
	if (dice < p->half)
		f->plan = ST_PLAN_HALF;
	else if (dice < p->half + p->close)
		f->plan = ST_PLAN_CLOSE;
	else if (dice < p->half + p->close + p->reset)
		f->plan = ST_PLAN_RESET;
	else if (f->initiator && dice < p->half + p->close + p->reset + p->give_up)
		f->plan = ST_PLAN_GIVE_UP;
	if (f->plan == ST_PLAN_CLOSE || f->plan == ST_PLAN_RESET)
		f->turn_at = st_chance(rng, 30) ? 0 : st_below(rng, p->max_len + 1);
	/* Short ones as often as long ones. */
	f->tx_len = ST_PREAMBLE_LEN +
		st_below(rng, 1 + (st_chance(rng, 50) ? p->max_len : p->max_len / 64));
	f->tx_limit = f->tx_len;
	f->moved_us = st_now_us();
}

void
st_flow_initiate(struct st_flow *f, const struct st_policy *policy, struct st_rng *rng)
{
	*f = (struct st_flow){.policy = policy, .initiator = true};
	f->seqpacket = st_chance(rng, policy->seqpacket);
	f->tx_seed = st_random(rng);
	f->rx_seed = st_mix(f->tx_seed, REPLY_SALT);
	make_plan(f, rng);
}

void
st_flow_accept(
	struct st_flow *f, const struct st_policy *policy, bool seqpacket, struct st_rng *rng)
{
	*f = (struct st_flow){.policy = policy, .opened = true, .seqpacket = seqpacket};
	make_plan(f, rng);
	f->tx_limit = 0;
}

/* The message that begins at an offset: the preamble alone, then as the seed has it. */
static uint64_t
msg_end(uint64_t seed, uint64_t off, uint64_t len)
{
	uint64_t end;

	if (off < ST_PREAMBLE_LEN)
		return ST_PREAMBLE_LEN;
	end = off + 1 + st_mix(seed, off) % MAX_MSG_LEN;
	return end < len ? end : len;
}

uint32_t
st_flow_next(const struct st_flow *f, uint32_t want, bool *eom)
{
	const uint64_t end = f->tx_limit < f->tx_len ? f->tx_limit : f->tx_len;

	*eom = f->seqpacket;
	if (f->tx_off >= end)
		return 0;
	if (f->seqpacket)
		return (uint32_t)(msg_end(f->tx_seed, f->tx_off, f->tx_len) - f->tx_off);
	return end - f->tx_off < want ? (uint32_t)(end - f->tx_off) : want;
}

void
st_flow_fill(const struct st_flow *f, uint64_t off, void *buf, uint32_t len)
{
	uint8_t *to = buf;

	if (off < ST_PREAMBLE_LEN) {
		const struct preamble pre = {
			.magic = MAGIC,
			.flags = f->plan | (f->echo ? FLAG_ECHO : 0),
			.seed = f->tx_seed,
			.len = f->tx_len,
		};
		uint8_t raw[ST_PREAMBLE_LEN];
		uint32_t n = ST_PREAMBLE_LEN - (uint32_t)off;

		n = n < len ? n : len;
		memcpy(raw, &pre, sizeof(raw));
		memcpy(to, raw + off, n);
		to += n;
		off += n;
		len -= n;
	}
	vfe_pattern_fill(f->tx_seed, off, to, len);
}

void
st_flow_sent(struct st_flow *f, uint32_t len)
{
	f->tx_off += len;
	f->moved_us = st_now_us();
}

static void
take_preamble(struct st_flow *f)
{
	struct preamble pre;

	memcpy(&pre, f->preamble, sizeof(pre));
	if (pre.magic != MAGIC || pre.len < ST_PREAMBLE_LEN)
		ST_FAIL("a connection begins with something else: %#" PRIx32 ", %" PRIu64,
			pre.magic, pre.len);
	if (f->initiator && pre.seed != f->rx_seed)
		ST_FAIL("the answer is another connection's");
	f->peer_plan = (uint8_t)pre.flags;
	f->rx_len = pre.len;
	if (f->initiator)
		return;
	f->rx_seed = pre.seed;
	f->tx_seed = st_mix(pre.seed, REPLY_SALT);
	f->echo = pre.flags & FLAG_ECHO;
	if (f->echo) {
		f->tx_len = pre.len;
		f->plan = ST_PLAN_FULL;
	}
	f->tx_limit = f->tx_len;
}

void
st_flow_receive(struct st_flow *f, const void *buf, uint32_t len)
{
	const uint8_t *from = buf;
	uint32_t good;

	f->moved_us = st_now_us();
	while (len > 0 && f->rx_off < ST_PREAMBLE_LEN) {
		f->preamble[f->rx_off++] = *from++;
		len--;
		if (f->rx_off == ST_PREAMBLE_LEN)
			take_preamble(f);
	}
	good = vfe_pattern_check(f->rx_seed, f->rx_off, from, len);
	if (good != len)
		ST_FAIL("byte %" PRIu64 " of %" PRIu64 " is not what was sent", f->rx_off + good,
			f->rx_len);
	f->rx_off += len;
	if (f->rx_len != 0 && f->rx_off > f->rx_len)
		ST_FAIL("%" PRIu64 " bytes of %" PRIu64, f->rx_off, f->rx_len);
	if (f->echo && !f->initiator)
		f->tx_limit = f->rx_off;
}

void
st_flow_border(struct st_flow *f)
{
	const uint64_t want = f->rx_msg_end == 0 ? ST_PREAMBLE_LEN
						 : msg_end(f->rx_seed, f->rx_msg_end, f->rx_len);

	if (f->rx_off != want)
		ST_FAIL("a message ends at byte %" PRIu64 ", not %" PRIu64, f->rx_off, want);
	f->rx_msg_end = want;
}

bool
st_flow_all_sent(const struct st_flow *f)
{
	return f->tx_limit >= f->tx_len && f->tx_off == f->tx_len;
}

static bool
all_received(const struct st_flow *f)
{
	return f->rx_len != 0 && f->rx_off == f->rx_len &&
		(!f->seqpacket || f->rx_msg_end == f->rx_len);
}

bool
st_flow_complete(const struct st_flow *f)
{
	return st_flow_all_sent(f) && all_received(f);
}

bool
st_flow_turns(const struct st_flow *f)
{
	return (f->plan == ST_PLAN_CLOSE || f->plan == ST_PLAN_RESET) &&
		(f->tx_off + f->rx_off >= f->turn_at || st_flow_complete(f));
}

static void
describe(const struct st_flow *f, const char *what, const char *where)
{
	ST_FAIL("%s: %s: %s %s%s, plan %u (peer's %u), sent %" PRIu64 " of %" PRIu64
		", received %" PRIu64 " of %" PRIu64,
		where, what, f->initiator ? "initiator" : "acceptor",
		f->seqpacket ? "seqpacket" : "stream", f->opened ? "" : " not open", f->plan,
		f->peer_plan, f->tx_off, f->tx_len, f->rx_off, f->rx_len);
}

void
st_flow_check_stall(const struct st_flow *f, uint64_t now_us, const char *where)
{
	if (now_us > f->moved_us && now_us - f->moved_us > st_stall_us())
		describe(f, "nothing has moved for too long", where);
}

void
st_flow_over(const struct st_flow *f, struct st_flow_stats *stats, const char *how)
{
	stats->nb_bytes += f->rx_off;
	if (f->opened && f->refused_expected)
		describe(f, "was accepted without a listener", how);
	if (st_flow_complete(f)) {
		stats->nb_complete++;
		return;
	}
	if (!f->opened && f->refused_expected) {
		stats->nb_refused++;
		return;
	}
	/* A peer that goes before its first byte has not told its plan. */
	if ((f->firm || !f->policy->lenient) && !is_early(f->plan) &&
		(f->rx_len != 0 ? !is_early(f->peer_plan)
				: f->policy->close + f->policy->reset + f->policy->give_up == 0))
		describe(f, "was cut", how);
	stats->nb_cut++;
}
