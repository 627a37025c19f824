/* SPDX-License-Identifier: BSD-3-Clause */

/* Roles of open connections: stream, stream on and off, round trips, repeated connects. */

#include <string.h>

#include "pg_clock.h"
#include "pg_end.h"
#include "pg_open.h"
#include "pg_role.h"

#define LOAD_LEN    65536u
#define ON_MIN_NS   UINT64_C(5000000)
#define ON_SPAN_NS  UINT64_C(95000000)
#define OFF_MIN_NS  UINT64_C(5000000)
#define OFF_SPAN_NS UINT64_C(195000000)

static bool
is_load(const struct pg_run *run, const struct pg_conn *conn)
{
	return conn->role == PG_ROLE_STREAM && run->conf->scenario->role != PG_ROLE_STREAM;
}

/* Whether the given side sends of itself. */
static bool
sends(const struct pg_run *run, const struct pg_conn *conn, unsigned int side)
{
	if (conn->role == PG_ROLE_PING || conn->role == PG_ROLE_IDLE)
		return side == run->conf->reverse;
	return run->conf->duplex || side == run->conf->reverse;
}

/* The next length of a direction; its sender and its receiver draw the same ones. */
static uint32_t
next_len(const struct pg_run *run, const struct pg_conn *conn, struct pg_rng *rng)
{
	return is_load(run, conn) ? LOAD_LEN : pg_sizes_next(&run->conf->sizes, rng);
}

void
pg_role_opened(struct pg_conn *conn)
{
	struct pg_run *run = conn->from->run;
	unsigned int side;

	conn->on = true;
	conn->next_ns = 0;
	if (conn->role == PG_ROLE_IDLE)
		return;
	run->active[run->nb_active++] = conn->idx;
	conn->from->busy = true;
	conn->to->busy = true;
	for (side = 0; side < 2; side++)
		run->nb_senders += sends(run, conn, side);
}

static bool
stopping(const struct pg_run *run)
{
	return run->phase >= PG_PHASE_DRAIN;
}

static void
ping_start(struct pg_run *run, struct pg_conn *conn)
{
	struct pg_end *end = conn->ends[run->conf->reverse];

	conn->ping_len = next_len(run, conn, &end->tx_sizes);
	conn->started_ns = pg_clock_now_ns();
	pg_end_message(end, conn->ping_len);
	pg_end_push(end, UINT32_MAX);
}

static void
ping_received(struct pg_end *end)
{
	struct pg_conn *conn = end->conn;
	struct pg_run *run = end->run;

	if (end->rx_msg_len > conn->ping_len || conn->started_ns == 0) {
		pg_result_fail(run->result, PG_CORRUPTION,
			"connection %u: %u bytes came where %u were sent", conn->idx,
			end->rx_msg_len, conn->started_ns == 0 ? 0 : conn->ping_len);
		return;
	}
	if (end->rx_msg_len < conn->ping_len)
		return;
	end->rx_msg_len = 0;
	if (end->side != run->conf->reverse) {
		pg_end_message(end, conn->ping_len);
		pg_end_push(end, UINT32_MAX);
		return;
	}
	if (!stopping(run))
		pg_hist_add(&run->result->hist, pg_clock_now_ns() - conn->started_ns);
	run->counts.round_trips++;
	conn->started_ns = 0;
	conn->next_ns = run->now_ns + run->conf->interval_ns;
	if (conn->role == PG_ROLE_PING && run->conf->interval_ns == 0 && !stopping(run))
		ping_start(run, conn);
}

void
pg_role_received(struct pg_end *end, bool end_of_message)
{
	struct pg_conn *conn = end->conn;
	struct pg_run *run = end->run;
	uint32_t want;

	if (conn->role == PG_ROLE_PING || conn->role == PG_ROLE_IDLE) {
		if (end_of_message || run->conf->type == VFE_TYPE_STREAM)
			ping_received(end);
		return;
	}
	if (!end_of_message || run->conf->type != VFE_TYPE_SEQPACKET)
		return;
	want = next_len(run, conn, &end->rx_sizes);
	if (end->rx_msg_len != want)
		pg_result_fail(run->result, PG_CORRUPTION,
			"connection %u: a message of %u bytes came as %u", conn->idx, want,
			end->rx_msg_len);
	end->rx_msg_len = 0;
}

/* Whether the sender's share of the rate is used up. */
static bool
over_rate(const struct pg_run *run, const struct pg_end *end)
{
	const double seconds = (double)(run->now_ns - run->start_ns) / 1e9;

	if (run->conf->rate == 0)
		return false;
	return (double)end->tx_len > seconds * (double)run->conf->rate / run->nb_senders;
}

static unsigned int
stream_step(struct pg_run *run, struct pg_conn *conn, unsigned int side)
{
	struct pg_end *end = conn->ends[side];
	unsigned int budget = run->conf->burst;
	unsigned int nb = 0;

	if (end == NULL)
		return 0;
	while (nb < budget) {
		unsigned int n;

		if (end->msg_left == 0) {
			if (stopping(run) || !conn->on || over_rate(run, end))
				break;
			pg_end_message(end, next_len(run, conn, &end->tx_sizes));
		}
		n = pg_end_push(end, budget - nb);
		nb += n;
		if (n == 0)
			break;
	}
	if (nb > 0 && end->fe != NULL)
		vfe_guest_flush(end->guest->fe);
	return nb;
}

static void
on_off_step(struct pg_run *run, struct pg_conn *conn)
{
	uint64_t draw;
	unsigned int side;

	if (run->now_ns < conn->next_ns)
		return;
	draw = pg_sizes_random(&run->rng);
	/* The first state is a matter of chance as well. */
	conn->on = conn->next_ns == 0 ? draw & 1 : !conn->on;
	draw >>= 1;
	conn->next_ns = run->now_ns +
		(conn->on ? ON_MIN_NS + draw % ON_SPAN_NS : OFF_MIN_NS + draw % OFF_SPAN_NS);
	for (side = 0; side < 2; side++) {
		if (conn->ends[side] != NULL)
			conn->ends[side]->progress_ns = run->now_ns;
	}
}

static unsigned int
ping_step(struct pg_run *run, struct pg_conn *conn)
{
	unsigned int side, nb = 0;

	if (conn->role == PG_ROLE_PING && conn->started_ns == 0 && !stopping(run) &&
		run->now_ns >= conn->next_ns) {
		ping_start(run, conn);
		nb++;
	}
	for (side = 0; side < 2; side++) {
		struct pg_end *end = conn->ends[side];

		if (end != NULL && end->msg_left > 0)
			nb += pg_end_push(end, UINT32_MAX);
		if (nb > 0 && end != NULL && end->fe != NULL)
			vfe_guest_flush(end->guest->fe);
	}
	return nb;
}

static unsigned int
connect_step(struct pg_run *run, struct pg_conn *conn)
{
	/* As many at once as there are slots, the side that accepts included. */
	if (conn->state == PG_CONN_OPENING && conn->ends[0]->open && !conn->ends[0]->closing)
		pg_end_close(conn->ends[0]);
	if (conn->state != PG_CONN_NONE || stopping(run) || run->now_ns < conn->next_ns ||
		run->nb_accepted - run->nb_accepted_gone >= run->nb_conns)
		return 0;
	if (pg_open_start(conn) < 0)
		return 0;
	if (conn->ends[0]->fe != NULL)
		vfe_guest_flush(conn->from->fe);
	return 1;
}

static unsigned int
probe_step(struct pg_run *run)
{
	const struct pg_end *end;
	unsigned int nb = 0;

	if (run->probe != NULL && run->probe->started_ns == 0) {
		run->probe = NULL;
		run->probe_ns = run->now_ns + run->conf->interval_ns;
	}
	if (run->probe == NULL && !stopping(run) && run->now_ns >= run->probe_ns) {
		run->probe = &run->conns[pg_sizes_random(&run->rng) % run->nb_conns];
		ping_start(run, run->probe);
		/* Its guest is not polled in each round, so flush now. */
		end = run->probe->ends[run->conf->reverse];
		if (end->fe != NULL)
			vfe_guest_flush(end->guest->fe);
		nb = 1;
	}
	return run->probe != NULL ? nb + ping_step(run, run->probe) : nb;
}

unsigned int
pg_role_step(struct pg_run *run)
{
	unsigned int nb = 0;
	uint32_t i;

	if (run->conf->scenario->role == PG_ROLE_IDLE)
		nb += probe_step(run);
	for (i = 0; i < run->nb_active; i++) {
		struct pg_conn *conn = &run->conns[run->active[i]];
		unsigned int side;

		switch ((enum pg_role)conn->role) {
		case PG_ROLE_ON_OFF:
			on_off_step(run, conn);
			/* fall through */
		case PG_ROLE_STREAM:
			for (side = 0; side < 2; side++) {
				if (sends(run, conn, side))
					nb += stream_step(run, conn, side);
			}
			break;
		case PG_ROLE_PING:
			nb += ping_step(run, conn);
			break;
		case PG_ROLE_CONNECT:
			nb += connect_step(run, conn);
			break;
		default:
			break;
		}
	}
	return nb;
}

/* Whether all that a side sent has arrived. */
static bool
arrived(const struct pg_conn *conn, unsigned int side)
{
	const struct pg_end *from = conn->ends[side], *to = conn->ends[!side];

	return from == NULL || to == NULL || (from->msg_left == 0 && from->tx_len == to->rx_len);
}

bool
pg_role_drained(struct pg_run *run)
{
	uint32_t i;

	if (run->probe != NULL && run->probe->started_ns != 0)
		return false;
	for (i = 0; i < run->nb_active; i++) {
		const struct pg_conn *conn = &run->conns[run->active[i]];

		if (conn->role == PG_ROLE_CONNECT) {
			if (conn->state != PG_CONN_NONE)
				return false;
		} else if (!arrived(conn, 0) || !arrived(conn, 1) ||
			(conn->role == PG_ROLE_PING && conn->started_ns != 0)) {
			return false;
		}
	}
	return run->conf->scenario->role != PG_ROLE_CONNECT ||
		run->nb_accepted == run->nb_accepted_gone;
}

static bool
too_old(const struct pg_run *run, uint64_t since_ns)
{
	return run->now_ns > since_ns &&
		(double)(run->now_ns - since_ns) > run->conf->stall_s * 1e9;
}

static const char *
why_stuck(const struct pg_end *from)
{
	if (from->msg_left == 0)
		return "all was taken";
	if (from->fe == NULL)
		return "the socket takes no more";
	return vfe_conn_credit(from->fe) == 0 ? "no credit" : "the ring takes no more";
}

static void
check_direction(struct pg_run *run, const struct pg_conn *conn, unsigned int side)
{
	const struct pg_end *from = conn->ends[side], *to = conn->ends[!side];
	uint64_t since_ns;

	if (from == NULL || to == NULL)
		return;
	if (arrived(conn, side) && !sends(run, conn, side))
		return;
	/* A sender that may send has to get on; one that may not, only with what is under way. */
	if (arrived(conn, side) && (stopping(run) || !conn->on || run->conf->rate > 0))
		return;
	since_ns = to->progress_ns > run->start_ns ? to->progress_ns : run->start_ns;
	if (!too_old(run, since_ns))
		return;
	pg_result_fail(run->result, run->phase == PG_PHASE_DRAIN ? PG_LOSS : PG_STALL,
		"connection %u: nothing came %s for %.1f s; %llu bytes sent, %llu received, %s",
		conn->idx, to->fd < 0 ? "to the guest" : "to the host",
		(double)(run->now_ns - since_ns) / 1e9, (unsigned long long)from->tx_len,
		(unsigned long long)to->rx_len, why_stuck(from));
}

void
pg_role_check_stalls(struct pg_run *run)
{
	uint32_t i;

	if (run->probe != NULL && run->probe->started_ns != 0 &&
		too_old(run, run->probe->started_ns))
		pg_result_fail(run->result, PG_STALL, "connection %u: the probe was not answered",
			run->probe->idx);
	for (i = 0; i < run->nb_active && run->result->status == PG_OK; i++) {
		const struct pg_conn *conn = &run->conns[run->active[i]];

		if (conn->role == PG_ROLE_STREAM || conn->role == PG_ROLE_ON_OFF) {
			check_direction(run, conn, 0);
			check_direction(run, conn, 1);
		} else if (conn->started_ns != 0 && too_old(run, conn->started_ns)) {
			pg_result_fail(run->result, PG_STALL, "connection %u: %s", conn->idx,
				conn->role == PG_ROLE_PING ? "the round trip has no end"
					: conn->ends[0] != NULL && conn->ends[0]->open
					? "it was closed, and its end does not come"
					: "it is neither accepted nor refused");
		}
	}
	if (run->result->status == PG_OK && run->conf->scenario->role == PG_ROLE_CONNECT &&
		too_old(run, run->progress_ns))
		pg_result_fail(run->result, PG_STALL,
			"nothing is accepted; %llu of %llu accepted connections do not see their "
			"end, %llu were refused",
			(unsigned long long)(run->nb_accepted - run->nb_accepted_gone),
			(unsigned long long)run->nb_accepted, (unsigned long long)run->nb_refused);
}
