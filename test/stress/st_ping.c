/* SPDX-License-Identifier: BSD-3-Clause */
#include "st_ping.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#define PING_LEN       (UINT64_C(1) << 40)
#define MAX_PING       200u
#define LARGE_PING     20000u
#define FIRST_AIM_NS   5000u
#define MIN_AIM_NS     200u
#define MAX_AIM_NS     100000u
#define ARM_PERCENT    50
#define TURNS_PER_LOOK 4096u /* at the clock's end and for stalls */

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* ---- the flow ---- */

void
st_ping_begin(struct st_flow *f)
{
	f->plan = ST_PLAN_RESET;
	f->turn_at = UINT64_MAX;
	f->echo = true;
	f->tx_len = PING_LEN;
	f->tx_limit = ST_PREAMBLE_LEN;
}

bool
st_ping_is_back(const struct st_flow *f)
{
	return f->opened && f->rx_off >= f->tx_limit;
}

void
st_ping_next(struct st_flow *f, struct st_rng *rng)
{
	f->tx_limit += 1 + st_below(rng, st_chance(rng, 5) ? LARGE_PING : MAX_PING);
}

/* ---- what has come ---- */

/* Something is to be sent and had no room. */
static bool
guest_has_more(const struct st_guest *g)
{
	const struct st_guest_end *end = TAILQ_FIRST(&g->ends);
	bool eom;

	return g->fe->ctrl_head != g->fe->ctrl_tail ||
		(end != NULL && st_flow_next(&end->flow, 1, &eom) > 0);
}

static bool
guest_has_work(const struct st_guest *g)
{
	return vfe_vring_nb_used(&g->fe->vrings[VFE_QUEUE_TO_GUEST]) > 0 ||
		(guest_has_more(g) && vfe_vring_nb_used(&g->fe->vrings[VFE_QUEUE_FROM_GUEST]) > 0);
}

static bool
came_to_guest(struct st_pinger *p)
{
	struct vfe_vring *vr = &p->guest->fe->vrings[VFE_QUEUE_TO_GUEST];

	if (p->armed) {
		if (vfe_vring_drain_calls(vr) == 0)
			return false;
		vfe_vring_disable_calls(vr);
		p->armed = false;
		p->nb_armed++;
	}
	return guest_has_work(p->guest);
}

static bool
came_to_host(struct st_host *h)
{
	const struct st_host_end *end = TAILQ_FIRST(&h->ends);
	uint8_t byte;
	bool eom;

	if (end == NULL || !end->flow.opened || st_flow_next(&end->flow, 1, &eom) > 0)
		return true;
	return recv(end->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* ---- pauses ---- */

/*
 * Mostly just about when the port goes to sleep, which the kicks tell; for the rest anything from
 * at once to long after it.
 */
static uint64_t
pause_ns(struct st_pinger *p)
{
	const uint32_t aim = (uint32_t)p->aim_ns;

	if (st_chance(p->rng, 75))
		return aim - aim / 8 + st_below(p->rng, 1 + aim / 4);
	return st_below(p->rng, 1 + 4 * aim);
}

static uint64_t
bounded_aim(uint64_t ns)
{
	if (ns < MIN_AIM_NS)
		return MIN_AIM_NS;
	return ns < MAX_AIM_NS ? ns : MAX_AIM_NS;
}

/* A kick was wanted: the port slept. Two of three should find it so, for the sake of the rate. */
static void
correct_aim(struct st_pinger *p, bool kicked)
{
	p->aim_ns = bounded_aim(kicked ? p->aim_ns - p->aim_ns / 64 : p->aim_ns + p->aim_ns / 32);
}

/* ---- calls ---- */

static void
correct_arm_aim(struct st_pinger *p, bool late)
{
	const uint64_t aim = p->arm_aim_ns;

	p->arm_aim_ns = bounded_aim(late ? aim - aim / 16 : aim + aim / 16);
}

/* The peer has moved: the answer is to come at just about the time when a call is asked for. */
static void
arm_soon(struct st_pinger *p)
{
	const uint32_t aim = (uint32_t)p->arm_aim_ns;

	if (p->guest == NULL || p->armed || p->due_ns != 0 || !st_chance(p->rng, ARM_PERCENT))
		return;
	p->arm_ns = now_ns() + aim - aim / 4 + st_below(p->rng, 1 + aim / 2);
}

static void
arm_in_time(struct st_pinger *p)
{
	if (p->arm_ns == 0 || now_ns() < p->arm_ns)
		return;
	p->arm_ns = 0;
	if (guest_has_more(p->guest))
		return;
	p->armed = !vfe_vring_enable_calls(&p->guest->fe->vrings[VFE_QUEUE_TO_GUEST]);
	if (!p->armed)
		vfe_vring_disable_calls(&p->guest->fe->vrings[VFE_QUEUE_TO_GUEST]);
	correct_arm_aim(p, !p->armed);
}

/* ---- one end ---- */

static void
step_guest(struct st_pinger *p)
{
	const struct vfe_vring_stats *stats = &p->guest->fe->vrings[VFE_QUEUE_FROM_GUEST].stats;
	const uint64_t nb_kicks = stats->nb_kicks, nb_sends = nb_kicks + stats->nb_no_kicks;

	st_guest_step(p->guest);
	if (stats->nb_kicks + stats->nb_no_kicks == nb_sends)
		return;
	p->nb_sends += stats->nb_kicks + stats->nb_no_kicks - nb_sends;
	p->nb_kicks += stats->nb_kicks - nb_kicks;
	correct_aim(p, stats->nb_kicks != nb_kicks);
}

static void
step(struct st_pinger *p)
{
	if (p->guest != NULL)
		step_guest(p);
	else
		st_host_turn(p->host);
}

/* The initiator: the ping came back, or is not there yet. */
static void
ping(struct st_pinger *p, uint64_t now, bool time_is_up)
{
	if (!st_ping_is_back(p->flow))
		return;
	if (p->pinged_ns != 0) {
		p->nb_pings++;
		if (now - p->pinged_ns > p->longest_ns)
			p->longest_ns = now - p->pinged_ns;
	}
	p->resting = time_is_up;
	p->pinged_ns = time_is_up ? 0 : now;
	if (time_is_up)
		return;
	st_ping_next(p->flow, p->rng);
	step(p);
}

/* @return whether anything was done */
static bool
turn(struct st_pinger *p, bool time_is_up)
{
	uint64_t now;

	if (p->resting)
		return false;
	if (p->due_ns == 0) {
		if (p->guest != NULL ? !came_to_guest(p) : !came_to_host(p->host)) {
			arm_in_time(p);
			return false;
		}
		if (p->arm_ns != 0)
			correct_arm_aim(p, true);
		p->arm_ns = 0;
		p->due_ns = now_ns() + pause_ns(p);
		return true;
	}
	now = now_ns();
	if (now < p->due_ns)
		return false;
	p->due_ns = 0;
	step(p);
	if (p->flow != NULL)
		ping(p, now, time_is_up);
	arm_soon(p->peer);
	return true;
}

/* ---- all of them ---- */

static void
disarm(struct st_pinger *p)
{
	if (p->armed)
		vfe_vring_disable_calls(&p->guest->fe->vrings[VFE_QUEUE_TO_GUEST]);
	p->armed = false;
	p->arm_ns = 0;
}

static void
check_stalls(const struct st_pinger *pingers, unsigned int nb)
{
	const uint64_t now_us = st_now_us();
	const struct st_pinger *p;
	char where[128];
	unsigned int i, len = 0;

	/* The pinger that the device has left without a call. */
	where[0] = '\0';
	for (p = pingers; p < pingers + nb; p++) {
		if (p->armed && guest_has_work(p->guest) && len + 40 < sizeof(where))
			len += (unsigned int)snprintf(where + len, sizeof(where) - len,
				"%s waits for a call, ", p->guest->name);
	}
	for (i = 0; i < nb; i++) {
		p = &pingers[i];
		if (p->flow == NULL || p->resting)
			continue;
		snprintf(where + len, sizeof(where) - len, "%s",
			p->guest != NULL ? p->guest->name : p->host->name);
		st_flow_check_stall(p->flow, now_us, where);
	}
}

static bool
all_rest(const struct st_pinger *pingers, unsigned int nb)
{
	unsigned int i;

	for (i = 0; i < nb; i++) {
		if (pingers[i].flow != NULL && !pingers[i].resting)
			return false;
	}
	return true;
}

void
st_pinger_init(struct st_pinger *p, struct st_guest *guest, struct st_host *host)
{
	*p = (struct st_pinger){
		.guest = guest, .host = host, .aim_ns = FIRST_AIM_NS, .arm_aim_ns = FIRST_AIM_NS};
	p->rng = guest != NULL ? &guest->rng : &host->rng;
}

void
st_pingers_play(struct st_pinger *pingers, unsigned int nb, uint64_t until_us, bool yield)
{
	unsigned int i, turns = 0;
	bool time_is_up = false;

	for (i = 0; i < nb; i++) {
		if (pingers[i].flow == NULL)
			continue;
		/* The first move is theirs: nothing is under way. */
		disarm(&pingers[i]);
		pingers[i].due_ns = 1;
		pingers[i].flow->moved_us = st_now_us();
		pingers[i].resting = false;
	}
	while (!all_rest(pingers, nb)) {
		bool busy = false;

		for (i = 0; i < nb; i++)
			busy |= turn(&pingers[i], time_is_up);
		if (!busy && yield)
			sched_yield();
		if (++turns % TURNS_PER_LOOK != 0)
			continue;
		time_is_up = st_now_us() >= until_us;
		check_stalls(pingers, nb);
	}
}

void
st_pingers_finish(struct st_pinger *pingers, unsigned int nb)
{
	unsigned int i, nb_ends = 1;

	for (i = 0; i < nb; i++) {
		if (pingers[i].flow != NULL)
			pingers[i].flow->turn_at = 0;
		pingers[i].flow = NULL;
		disarm(&pingers[i]);
	}
	while (nb_ends > 0) {
		nb_ends = 0;
		for (i = 0; i < nb; i++) {
			if (pingers[i].guest != NULL) {
				st_guest_turn(pingers[i].guest);
				nb_ends += pingers[i].guest->nb_ends;
			} else {
				st_host_turn(pingers[i].host);
				nb_ends += pingers[i].host->nb_ends;
			}
		}
	}
}
