/* SPDX-License-Identifier: BSD-3-Clause */

/* The life of a run: guests, phases, the loop, and waiting when there is nothing to do. */

#include "pg_run.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "fe_host.h"

#define TICK_NS      UINT64_C(100000000)
#define POLL_BURST   128u
#define NB_EVENTS    64
#define READ_BUDGET  4u
#define READY_BUDGET 64u
#define SPIN_ROUNDS  200u /* without work before a wait, adaptive */
#define EPOLL_ROUNDS 8u   /* busy rounds between looks at epoll */
#define QUIET_ROUNDS 16u  /* rounds between looks at guests that do nothing */
#define MAX_WAIT_NS  UINT64_C(20000000)

static volatile sig_atomic_t signalled;

static void
on_signal(int number)
{
	(void)number;
	signalled = 1;
}

uint64_t
pg_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t
thread_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void
pg_run_counts(const struct pg_run *run, struct pg_counts *counts)
{
	unsigned int i;

	*counts = run->counts;
	for (i = 0; i < run->conf->nb_guests; i++) {
		const struct fe_guest *fe = run->guests[i].fe;

		counts->packets_from_guest += fe->stats.nb_packets_from_guest;
		counts->packets_to_guest += fe->stats.nb_packets_to_guest;
		counts->data_from_guest += fe->stats.nb_data_from_guest;
		counts->data_to_guest += fe->stats.nb_data_to_guest;
		counts->credit_from_guest += fe->stats.nb_credit_from_guest;
		counts->credit_to_guest += fe->stats.nb_credit_to_guest;
		counts->calls += fe->stats.nb_calls;
		counts->kicks += fe->vrings[FE_QUEUE_TO_GUEST].stats.nb_kicks +
			fe->vrings[FE_QUEUE_FROM_GUEST].stats.nb_kicks;
	}
}

static int
guest_watch(struct pg_guest *guest)
{
	const int epoll_fd = guest->run->epoll_fd;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &guest->call};
	unsigned int q;

	guest->call.source = PG_SOURCE_CALL;
	for (q = 0; q < guest->run->conf->nb_queues; q++) {
		if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fe_guest_call_fd(guest->fe, q), &event) < 0)
			return -errno;
	}
	return 0;
}

/* For devices that connect: the listening socket lives until the device came. */
static int
guest_create(struct pg_guest *guest, struct fe_guest_conf *fe_conf)
{
	int rc;

	if (!guest->conf->listen) {
		fe_conf->path = guest->conf->iface;
		return fe_guest_create(fe_conf, &guest->fe);
	}
	fe_conf->listen_fd = fe_vu_listen(guest->conf->iface);
	if (fe_conf->listen_fd < 0)
		return fe_conf->listen_fd;
	fe_conf->path = NULL;
	rc = fe_guest_create(fe_conf, &guest->fe);
	close(fe_conf->listen_fd);
	unlink(guest->conf->iface);
	return rc;
}

static int
guest_start(struct pg_guest *guest)
{
	const struct pg_run *run = guest->run;
	const struct pg_conf *conf = run->conf;
	struct fe_guest_conf fe_conf = {
		.ring_size = conf->ring_size,
		.nb_queues = conf->nb_queues,
		.nb_regions = conf->nb_regions,
		.to_guest_shape = conf->to_guest,
		.from_guest_shape = conf->from_guest,
		.buf_alloc = conf->buf_alloc,
		.features = FE_F_STREAM | (conf->event_idx ? FE_F_EVENT_IDX : 0) |
			(conf->indirect ? FE_F_INDIRECT_DESC : 0),
		.required = conf->type == FE_TYPE_SEQPACKET ? FE_F_SEQPACKET : 0,
		.ops = &pg_end_ops,
		.user = guest,
	};
	const char *what = guest->conf->iface;
	int rc;

	rc = guest_create(guest, &fe_conf);
	if (rc == 0)
		rc = guest_watch(guest);
	if (rc == 0 && guest->conf->uds != NULL) {
		what = guest->conf->uds;
		rc = pg_open_listen(guest);
	}
	if (rc < 0) {
		pg_result_fail(run->result, PG_ERROR, "%s: %s", what, strerror(-rc));
		return rc;
	}
	if (guest->conf->cid != 0 && guest->conf->cid != guest->fe->cid) {
		pg_result_fail(run->result, PG_ERROR, "%s: the device says CID %llu, not %llu",
			guest->conf->iface, (unsigned long long)guest->fe->cid,
			(unsigned long long)guest->conf->cid);
		return -EINVAL;
	}
	return 0;
}

static bool
path_possible(const struct pg_run *run, enum pg_path path)
{
	unsigned int i;

	if (path == PG_PATH_GUEST_GUEST)
		return run->conf->nb_guests > 1;
	for (i = 0; i < run->conf->nb_guests; i++) {
		if (run->conf->guests[i].uds == NULL)
			return false;
	}
	return true;
}

/* Who the connection is between. */
static void
plan_conn(struct pg_run *run, struct pg_conn *conn)
{
	const unsigned int nb_guests = run->conf->nb_guests;
	enum pg_path path = run->conf->scenario->path;
	unsigned int turn = conn->idx;

	if (path == PG_PATH_ANY) {
		path = turn % PG_NB_PATHS;
		turn /= PG_NB_PATHS;
		while (!path_possible(run, path))
			path = (path + 1) % PG_NB_PATHS;
	}
	conn->path = (uint8_t)path;
	if (path == PG_PATH_GUEST_GUEST) {
		conn->from = &run->guests[turn % (nb_guests / 2) * 2];
		conn->to = conn->from + 1;
	} else {
		conn->from = conn->to = &run->guests[turn % nb_guests];
	}
}

static int
plan(struct pg_run *run)
{
	const struct pg_conf *conf = run->conf;
	uint32_t i;

	run->nb_conns = conf->nb_conns + conf->nb_load_conns + conf->nb_idle_conns;
	run->conns = calloc(run->nb_conns, sizeof(*run->conns));
	run->active = calloc(run->nb_conns, sizeof(*run->active));
	run->opening = calloc(conf->nb_opening, sizeof(*run->opening));
	if (run->conns == NULL || run->active == NULL || run->opening == NULL)
		return -ENOMEM;
	for (i = 0; i < run->nb_conns; i++) {
		struct pg_conn *conn = &run->conns[i];

		conn->idx = i;
		conn->role = (uint8_t)conf->scenario->role;
		if (i >= conf->nb_conns)
			conn->role = PG_ROLE_STREAM;
		if (i >= conf->nb_conns + conf->nb_load_conns)
			conn->role = PG_ROLE_IDLE;
		plan_conn(run, conn);
		if (conn->role == PG_ROLE_CONNECT)
			pg_role_opened(conn);
	}
	return 0;
}

static int
set_up(struct pg_run *run)
{
	const struct pg_conf *conf = run->conf;
	unsigned int i;
	int rc = -ENOMEM;

	run->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	run->guests = calloc(conf->nb_guests, sizeof(*run->guests));
	run->io = calloc(1, PG_IO_LEN);
	run->io_in = malloc(PG_IO_LEN);
	if (run->epoll_fd < 0 || run->guests == NULL || run->io == NULL || run->io_in == NULL)
		goto fail;
	for (i = 0; i < conf->nb_guests; i++) {
		run->guests[i] = (struct pg_guest){
			.run = run, .conf = &conf->guests[i], .idx = i, .listen_fd = -1};
	}
	rc = plan(run);
	if (rc < 0)
		goto fail;
	for (i = 0; i < conf->nb_guests; i++) {
		rc = guest_start(&run->guests[i]);
		if (rc < 0)
			goto fail;
	}
	run->result->backend_features = run->guests[0].fe->features;
	return 0;

fail:
	pg_result_fail(run->result, PG_ERROR, "%s", strerror(-rc));
	return rc;
}

static void
tear_down(struct pg_run *run)
{
	unsigned int i, s;

	for (i = 0; run->guests != NULL && i < run->conf->nb_guests; i++) {
		struct pg_guest *guest = &run->guests[i];

		fe_guest_destroy(guest->fe);
		if (guest->listen_fd >= 0) {
			close(guest->listen_fd);
			fe_host_unlink(guest->conf->uds, run->conf->port);
		}
	}
	for (i = 0; run->conns != NULL && i < run->nb_conns; i++) {
		for (s = 0; s < 2; s++) {
			struct pg_end *end = run->conns[i].ends[s];

			if (end != NULL && end->fd >= 0)
				close(end->fd);
		}
	}
	for (i = 0; i < run->nb_slabs; i++)
		free(run->slabs[i]);
	if (run->epoll_fd >= 0)
		close(run->epoll_fd);
	free(run->slabs);
	free(run->guests);
	free(run->conns);
	free(run->active);
	free(run->opening);
	free(run->io);
	free(run->io_in);
}

static unsigned int
poll_guests(struct pg_run *run, unsigned int round)
{
	const bool all = round % QUIET_ROUNDS == 0 || run->phase == PG_PHASE_OPEN ||
		run->phase == PG_PHASE_CLOSE;
	unsigned int i, work = 0;

	for (i = 0; i < run->conf->nb_guests; i++) {
		struct pg_guest *guest = &run->guests[i];

		if (all || guest->busy || guest->due) {
			guest->due = false;
			work += fe_guest_poll(guest->fe, POLL_BURST);
		}
	}
	return work;
}

static void
handle_event(const struct epoll_event *event)
{
	struct pg_watch *watch = event->data.ptr;

	if (watch->source == PG_SOURCE_END) {
		struct pg_end *end = (struct pg_end *)(void *)watch;

		if (event->events & EPOLLOUT)
			end->writable = true;
		if (event->events & ~(uint32_t)EPOLLOUT && end->fd >= 0) {
			end->readable = true;
			pg_end_ready(end);
		}
	} else if (watch->source == PG_SOURCE_LISTEN) {
		pg_open_accept((struct pg_guest *)(void *)((char *)watch -
			offsetof(struct pg_guest, listen)));
	} else {
		struct pg_guest *guest = (struct pg_guest *)(void *)watch;

		fe_guest_take_calls(guest->fe);
		guest->due = true;
	}
}

static unsigned int
take_events(struct pg_run *run, uint64_t timeout_ns)
{
	const struct timespec timeout = {
		.tv_sec = (time_t)(timeout_ns / 1000000000u),
		.tv_nsec = (long)(timeout_ns % 1000000000u),
	};
	struct epoll_event events[NB_EVENTS];
	int i, nb;

	nb = epoll_pwait2(run->epoll_fd, events, NB_EVENTS, &timeout, NULL);
	if (nb < 0 && errno == ENOSYS)
		nb = epoll_wait(run->epoll_fd, events, NB_EVENTS, (int)(timeout_ns / 1000000u));
	for (i = 0; i < nb; i++)
		handle_event(&events[i]);
	return nb > 0 ? (unsigned int)nb : 0;
}

static unsigned int
read_ready(struct pg_run *run)
{
	unsigned int i, work = 0;

	for (i = 0; i < run->nb_hot; i++) {
		struct pg_end *end = run->hot_ends[i];

		work += pg_end_read(end, READ_BUDGET);
	}
	for (i = 0; i < READY_BUDGET && run->ready != NULL; i++) {
		struct pg_end *end = run->ready;

		run->ready = end->next;
		if (run->ready == NULL)
			run->ready_last = &run->ready;
		end->queued = false;
		if (end->fd < 0) {
			pg_end_free(end);
			continue;
		}
		work += pg_end_read(end, READ_BUDGET);
		if (end->fd >= 0 && end->readable)
			pg_end_ready(end);
	}
	return work;
}

/* Until when the loop may sleep at the most. */
static uint64_t
wait_ns(const struct pg_run *run)
{
	uint64_t until_ns = run->now_ns + MAX_WAIT_NS;
	uint32_t i;

	if (run->conf->scenario->role == PG_ROLE_IDLE && run->probe == NULL &&
		run->probe_ns < until_ns)
		until_ns = run->probe_ns;
	if (run->conf->rate > 0 && until_ns > run->now_ns + 100000)
		until_ns = run->now_ns + 100000;
	for (i = 0; i < run->nb_active; i++) {
		const uint64_t next_ns = run->conns[run->active[i]].next_ns;

		if (next_ns > run->now_ns && next_ns < until_ns)
			until_ns = next_ns;
	}
	return until_ns > run->now_ns ? until_ns - run->now_ns : 0;
}

static void
wait_for_work(struct pg_run *run, unsigned int idle_rounds)
{
	const enum pg_wait mode = run->conf->wait;
	bool work = false;
	unsigned int i;

	if (mode == PG_WAIT_POLL || (mode == PG_WAIT_ADAPTIVE && idle_rounds < SPIN_ROUNDS)) {
		sched_yield();
		take_events(run, 0);
		return;
	}
	for (i = 0; i < run->conf->nb_guests; i++) {
		if (fe_guest_arm(run->guests[i].fe)) {
			run->guests[i].due = true;
			work = true;
		}
	}
	take_events(run, work ? 0 : wait_ns(run));
	for (i = 0; i < run->conf->nb_guests; i++)
		fe_guest_disarm(run->guests[i].fe);
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
		pg_run_counts(run, &run->before);
		if (run->conf->backend_pid != 0)
			result->has_cpu =
				pg_cpu_read(run->conf->backend_pid, &result->cpu_before) == 0;
		result->self_cpu_ns = thread_cpu_ns();
		run->now_ns = pg_now_ns();
	}
	if (run->phase == PG_PHASE_MEASURE) {
		result->seconds = (double)(run->now_ns - run->phase_ns) / 1e9;
		result->nb_open = run->nb_open;
		pg_run_counts(run, &result->counts);
		pg_counts_since(&result->counts, &run->before);
		result->self_cpu_ns = thread_cpu_ns() - result->self_cpu_ns;
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

/* After the last connection: every buffer is back, no connection is left. */
static bool
guests_clean(const struct pg_run *run)
{
	unsigned int i;

	for (i = 0; i < run->conf->nb_guests; i++) {
		const struct fe_guest *fe = run->guests[i].fe;

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
		const struct fe_guest *fe = run->guests[i].fe;

		for (f = 0; f < FE_NB_FAULTS; f++) {
			if (fe->stats.faults[f] == 0)
				continue;
			run->result->faults[f] += fe->stats.faults[f];
			pg_result_fail(run->result, PG_FAULT, "guest %u: %llu times %s", i,
				(unsigned long long)fe->stats.faults[f], fe_fault_name(f));
		}
		if (!fe_guest_alive(fe))
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
	pg_run_counts(run, &counts);
	pg_live_line(run->live, seconds, phases[run->phase], &counts, &run->result->hist,
		run->nb_open - run->nb_closed);
}

static void
loop(struct pg_run *run)
{
	unsigned int round = 0, idle_rounds = 0;

	while (run->phase != PG_PHASE_DONE && run->result->status == PG_OK) {
		unsigned int work;

		run->now_ns = pg_now_ns();
		work = poll_guests(run, round++);
		if (round % EPOLL_ROUNDS == 0)
			work += take_events(run, 0);
		work += read_ready(run);
		if (run->phase == PG_PHASE_OPEN)
			work += pg_open_some(run);
		else if (run->phase < PG_PHASE_CLOSE)
			work += pg_role_step(run);
		else
			work += close_some(run);
		advance(run, work);
		if (run->now_ns >= run->tick_ns)
			tick(run);
		if (work > 0) {
			idle_rounds = 0;
			continue;
		}
		wait_for_work(run, idle_rounds++);
	}
	check_faults(run);
}

/* Each connection of a host program is a descriptor. */
static void
raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
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
	run.now_ns = run.start_ns = run.phase_ns = run.progress_ns = pg_now_ns();
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	raise_limits();
	if (conf->scenario->role == PG_ROLE_PING || conf->scenario->role == PG_ROLE_IDLE)
		result->hist_of = "round_trip";
	else if (conf->scenario->role == PG_ROLE_CONNECT)
		result->hist_of = "connection";
	if (pg_live_open(conf, &run.live) < 0) {
		result->status = PG_ERROR;
		return result->status;
	}
	if (set_up(&run) == 0)
		loop(&run);
	pg_live_close(run.live);
	tear_down(&run);
	return result->status;
}
