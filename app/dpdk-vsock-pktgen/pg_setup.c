/* SPDX-License-Identifier: BSD-3-Clause */

/* Setup of a run: the guests, and the plan of the connections. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pg_end.h"
#include "pg_open.h"
#include "pg_role.h"
#include "pg_setup.h"

static int
guest_watch(struct pg_guest *guest)
{
	const int epoll_fd = guest->run->epoll_fd;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &guest->call};
	unsigned int q;

	guest->call.source = PG_SOURCE_CALL;
	for (q = 0; q < guest->run->conf->nb_queues; q++) {
		if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, vfe_guest_call_fd(guest->fe, q), &event) < 0)
			return -errno;
	}
	return 0;
}

/* For devices that connect: the listening socket lives until the device came. */
static int
guest_create(struct pg_guest *guest, struct vfe_guest_conf *vfe_conf)
{
	int rc;

	if (!guest->conf->listen) {
		vfe_conf->path = guest->conf->iface;
		return vfe_guest_create(vfe_conf, &guest->fe);
	}
	vfe_conf->listen_fd = vfe_vu_listen(guest->conf->iface);
	if (vfe_conf->listen_fd < 0)
		return vfe_conf->listen_fd;
	vfe_conf->path = NULL;
	rc = vfe_guest_create(vfe_conf, &guest->fe);
	close(vfe_conf->listen_fd);
	unlink(guest->conf->iface);
	return rc;
}

static int
guest_start(struct pg_guest *guest)
{
	const struct pg_run *run = guest->run;
	const struct pg_conf *conf = run->conf;
	struct vfe_guest_conf vfe_conf = {
		.ring_size = conf->ring_size,
		.nb_queues = conf->nb_queues,
		.nb_regions = conf->nb_regions,
		.to_guest_shape = conf->to_guest,
		.from_guest_shape = conf->from_guest,
		.buf_alloc = conf->buf_alloc,
		.features = VFE_F_STREAM | (conf->event_idx ? VFE_F_EVENT_IDX : 0) |
			(conf->indirect ? VFE_F_INDIRECT_DESC : 0),
		.required = (conf->type == VFE_TYPE_SEQPACKET ? VFE_F_SEQPACKET : 0) |
			(conf->packed ? VFE_F_RING_PACKED : 0),
		.ops = &pg_end_ops,
		.user = guest,
	};
	const char *what = guest->conf->iface;
	int rc;

	rc = guest_create(guest, &vfe_conf);
	if (rc == 0)
		rc = guest_watch(guest);
	if (rc == 0 && guest->conf->uds != NULL) {
		what = guest->conf->uds;
		rc = pg_open_listen(guest);
	}
	if (rc == -ENOTSUP && (conf->packed || conf->type == VFE_TYPE_SEQPACKET)) {
		pg_result_fail(run->result, PG_ERROR, "%s: the device does not offer %s%s%s", what,
			conf->packed ? "the packed ring" : "",
			conf->packed && conf->type == VFE_TYPE_SEQPACKET ? " or " : "",
			conf->type == VFE_TYPE_SEQPACKET ? "seqpacket" : "");
		return rc;
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

/* The two ends of the connection. */
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

int
pg_setup(struct pg_run *run)
{
	const struct pg_conf *conf = run->conf;
	unsigned int i;
	int rc = -ENOMEM;

	run->events = (struct pg_events){
		.answer = pg_open_answer,
		.identified = pg_open_identified,
		.ended = pg_open_ended,
		.received = pg_role_received,
		.opened = pg_role_opened,
	};
	raise_limits();
	run->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	run->guests = calloc(conf->nb_guests, sizeof(*run->guests));
	run->io = calloc(1, PG_IO_LEN);
	run->io_in = malloc(PG_IO_LEN);
	if (run->epoll_fd < 0 || run->guests == NULL || run->io == NULL || run->io_in == NULL)
		goto fail;
	for (i = 0; i < conf->nb_guests; i++) {
		run->guests[i] =
			(struct pg_guest){.run = run, .conf = &conf->guests[i], .listen_fd = -1};
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

void
pg_setup_undo(struct pg_run *run)
{
	unsigned int i, s;

	for (i = 0; run->guests != NULL && i < run->conf->nb_guests; i++) {
		struct pg_guest *guest = &run->guests[i];

		vfe_guest_destroy(guest->fe);
		if (guest->listen_fd >= 0) {
			close(guest->listen_fd);
			vfe_host_unlink(guest->conf->uds, run->conf->port);
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
