/* SPDX-License-Identifier: BSD-3-Clause */

/* The life of a run: the phases, the loop, and what the watch over both finds. */

#include "pg_run.h"

#include <signal.h>
#include <string.h>

#include "pg_clock.h"
#include "pg_data.h"
#include "pg_end.h"
#include "pg_open.h"
#include "pg_role.h"
#include "pg_setup.h"
#include "pg_wait.h"

#define TICK_NS      UINT64_C(100000000)
#define POLL_BURST   128u
#define EPOLL_ROUNDS 8u  /* busy rounds between looks at epoll */
#define QUIET_ROUNDS 16u /* rounds between looks at guests that do nothing */

static volatile sig_atomic_t signalled;

static void
on_signal(int number)
{
	(void)number;
	signalled = 1;
}

static void
sum_counts(const struct pg_run *run, struct pg_counts *counts)
{
	unsigned int i;

	*counts = run->counts;
	for (i = 0; i < run->conf->nb_guests; i++) {
		const struct vfe_guest *fe = run->guests[i].fe;

		counts->packets_from_guest += fe->stats.nb_packets_from_guest;
		counts->packets_to_guest += fe->stats.nb_packets_to_guest;
		counts->data_from_guest += fe->stats.nb_data_from_guest;
		counts->data_to_guest += fe->stats.nb_data_to_guest;
		counts->credit_from_guest += fe->stats.nb_credit_from_guest;
		counts->credit_to_guest += fe->stats.nb_credit_to_guest;
		counts->calls += fe->stats.nb_calls;
		counts->kicks += fe->vrings[VFE_QUEUE_TO_GUEST].stats.nb_kicks +
			fe->vrings[VFE_QUEUE_FROM_GUEST].stats.nb_kicks;
	}
}

static unsigned int
poll_guests(struct pg_run *run, unsigned int round)
{
	const bool all = round % QUIET_ROUNDS == 0 || run->phase == PG_PHASE_OPEN ||
		run->phase == PG_PHASE_CLOSE;
	unsigned int i, work = 0;

	if (run->armed && !run->called)
		return 0;
	if (run->armed)
		pg_wait_over(run);
	run->called = false;
	for (i = 0; i < run->conf->nb_guests; i++) {
		struct pg_guest *guest = &run->guests[i];

		if (all || guest->busy || guest->due) {
			guest->due = false;
			work += vfe_guest_poll(guest->fe, POLL_BURST);
		}
	}
	return work;
}

static void
enter(struct pg_run *run, enum pg_phase phase)
{
	struct pg_result *result = run->result;

	if (phase == PG_PHASE_WARMUP) {
		result->setup_s = (double)(run->now_ns - run->start_ns) / 1e9;
		run->start_ns = run->now_ns;
	}
	if (phase == PG_PHASE_MEASURE) {
		pg_hist_clear(&result->hist);
		sum_counts(run, &run->before);
		if (run->conf->backend_pid != 0)
			result->has_cpu =
				pg_cpu_read(run->conf->backend_pid, &result->cpu_before) == 0;
		result->self_cpu_ns = pg_clock_thread_cpu_ns();
		run->now_ns = pg_clock_now_ns();
	}
	if (run->phase == PG_PHASE_MEASURE) {
		result->seconds = (double)(run->now_ns - run->phase_ns) / 1e9;
		result->nb_open = run->nb_open;
		sum_counts(run, &result->counts);
		pg_result_counts_since(&result->counts, &run->before);
		result->self_cpu_ns = pg_clock_thread_cpu_ns() - result->self_cpu_ns;
		if (result->has_cpu)
			result->has_cpu =
				pg_cpu_read(run->conf->backend_pid, &result->cpu_after) == 0;
	}
	run->phase = phase;
	run->phase_ns = run->progress_ns = run->now_ns;
}

/* Closes connection after connection, by turns from either side. */
static unsigned int
close_some(struct pg_run *run)
{
	unsigned int work = 0;

	while (run->next_to_open < run->nb_conns &&
		run->next_to_open - run->nb_closed < run->conf->nb_opening) {
		struct pg_conn *conn = &run->conns[run->next_to_open];
		struct pg_end *end = conn->ends[conn->idx & 1];

		if (conn->role == PG_ROLE_CONNECT) {
			run->nb_closed++;
		} else if (end != NULL) {
			conn->state = PG_CONN_CLOSING;
			pg_end_close(end);
			if (conn->ends[conn->idx & 1] == end && !end->closing)
				break;
		}
		run->next_to_open++;
		work++;
	}
	return work;
}

static void
flush_guests(struct pg_run *run)
{
	unsigned int i;

	for (i = 0; i < run->conf->nb_guests; i++)
		vfe_guest_flush(run->guests[i].fe);
}

/* After the last connection: every buffer is back, no connection is left. */
static bool
guests_clean(const struct pg_run *run)
{
	unsigned int i;

	for (i = 0; i < run->conf->nb_guests; i++) {
		const struct vfe_guest *fe = run->guests[i].fe;

		if (fe->nb_conns > 0 || fe->ctrl_head != fe->ctrl_tail ||
			fe->nb_free_slots != fe->nb_from_guest_slots)
			return false;
	}
	return true;
}

static void
advance(struct pg_run *run, unsigned int work)
{
	const uint64_t in_phase_ns = run->now_ns - run->phase_ns;

	if (signalled && run->phase <= PG_PHASE_MEASURE) {
		if (run->phase != PG_PHASE_OPEN)
			enter(run, PG_PHASE_DRAIN);
		else
			pg_result_fail(run->result, PG_ERROR, "interrupted");
	}
	switch (run->phase) {
	case PG_PHASE_OPEN:
		if (run->nb_open == run->nb_conns || run->conf->scenario->role == PG_ROLE_CONNECT)
			enter(run, PG_PHASE_WARMUP);
		break;
	case PG_PHASE_WARMUP:
		if ((double)in_phase_ns >= run->conf->warmup_s * 1e9)
			enter(run, PG_PHASE_MEASURE);
		break;
	case PG_PHASE_MEASURE:
		if ((double)in_phase_ns >= run->conf->seconds * 1e9)
			enter(run, PG_PHASE_DRAIN);
		break;
	case PG_PHASE_DRAIN:
		if (work == 0 && pg_role_drained(run)) {
			run->next_to_open = 0;
			enter(run, PG_PHASE_CLOSE);
		}
		break;
	case PG_PHASE_CLOSE:
		if (run->nb_closed == run->nb_conns && guests_clean(run))
			enter(run, PG_PHASE_DONE);
		break;
	default:
		break;
	}
}

static void
check_phase_stall(struct pg_run *run)
{
	if ((double)(run->now_ns - run->progress_ns) < run->conf->stall_s * 1e9)
		return;
	if (run->phase == PG_PHASE_OPEN)
		pg_result_fail(run->result, run->nb_refused > 0 ? PG_LOSS : PG_STALL,
			"only %u of %u connections were opened, %llu times one was refused",
			run->nb_open, run->nb_conns, (unsigned long long)run->nb_refused);
	else if (run->phase == PG_PHASE_CLOSE)
		pg_result_fail(run->result, PG_LOSS,
			run->nb_closed < run->nb_conns
				? "only %u of %u connections were closed"
				: "%u of %u connections are closed, but the device keeps buffers",
			run->nb_closed, run->nb_conns);
}

static void
check_faults(struct pg_run *run)
{
	unsigned int i, f;

	memset(run->result->faults, 0, sizeof(run->result->faults));
	for (i = 0; i < run->conf->nb_guests; i++) {
		const struct vfe_guest *fe = run->guests[i].fe;

		for (f = 0; f < VFE_NB_FAULTS; f++) {
			if (fe->stats.faults[f] == 0)
				continue;
			run->result->faults[f] += fe->stats.faults[f];
			pg_result_fail(run->result, PG_FAULT, "guest %u: %llu times %s", i,
				(unsigned long long)fe->stats.faults[f], vfe_guest_fault_name(f));
		}
		if (!vfe_guest_alive(fe))
			pg_result_fail(run->result, PG_STALL, "%s: the back end is gone",
				run->conf->guests[i].iface);
	}
}

static void
tick(struct pg_run *run)
{
	static const char *const phases[] = {"open", "warmup", "measure", "drain", "close", "done"};
	const double seconds = (double)(run->now_ns - run->start_ns) / 1e9;
	struct pg_counts counts;

	run->tick_ns = run->now_ns + TICK_NS;
	if (run->phase > PG_PHASE_OPEN && run->phase < PG_PHASE_CLOSE)
		pg_role_check_stalls(run);
	check_phase_stall(run);
	check_faults(run);
	if (seconds < (double)(run->seconds_told + 1))
		return;
	run->seconds_told = (uint64_t)seconds;
	sum_counts(run, &counts);
	pg_live_line(run->live, seconds, phases[run->phase], &counts, &run->result->hist,
		run->nb_open - run->nb_closed);
}

static void
loop(struct pg_run *run)
{
	unsigned int round = 0, idle_rounds = 0;

	while (run->phase != PG_PHASE_DONE && run->result->status == PG_OK) {
		unsigned int work;

		run->now_ns = pg_clock_now_ns();
		work = poll_guests(run, round++);
		if (round % EPOLL_ROUNDS == 0)
			work += pg_wait_events(run, 0);
		work += pg_wait_read(run);
		if (run->phase == PG_PHASE_OPEN)
			work += pg_open_some(run);
		else if (run->phase < PG_PHASE_CLOSE)
			work += pg_role_step(run);
		else
			work += close_some(run);
		if (work > 0 && (run->phase == PG_PHASE_OPEN || run->phase >= PG_PHASE_CLOSE))
			flush_guests(run);
		advance(run, work);
		if (run->now_ns >= run->tick_ns)
			tick(run);
		if (work > 0) {
			idle_rounds = 0;
			continue;
		}
		pg_wait(run, idle_rounds++);
	}
	check_faults(run);
}

enum pg_status
pg_run(const struct pg_conf *conf, struct pg_result *result)
{
	const struct sigaction action = {.sa_handler = on_signal};
	struct pg_run run = {
		.conf = conf,
		.result = result,
		.epoll_fd = -1,
		.rng = {conf->seed},
	};

	run.ready_last = &run.ready;
	run.now_ns = run.start_ns = run.phase_ns = run.progress_ns = pg_clock_now_ns();
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (conf->scenario->role == PG_ROLE_PING || conf->scenario->role == PG_ROLE_IDLE)
		result->hist_of = "round_trip";
	else if (conf->scenario->role == PG_ROLE_CONNECT)
		result->hist_of = "connection";
	if (pg_live_open(conf, &run.live) < 0) {
		result->status = PG_ERROR;
		return result->status;
	}
	if (pg_setup(&run) == 0)
		loop(&run);
	pg_live_close(run.live);
	pg_setup_undo(&run);
	return result->status;
}
