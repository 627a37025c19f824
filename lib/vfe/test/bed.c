/* SPDX-License-Identifier: BSD-3-Clause */
#include "bed.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

char bed_paths[2][64], bed_uds[2][64];

static char dir[] = "/tmp/vsock-fe-XXXXXX";

void
bed_init(void)
{
	unsigned int i;

	CHECK(mkdtemp(dir) != NULL);
	for (i = 0; i < 2; i++) {
		snprintf(bed_paths[i], sizeof(bed_paths[i]), "%s/%u.sock", dir, i);
		snprintf(bed_uds[i], sizeof(bed_uds[i]), "%s/%u.vsock", dir, i);
	}
}

void
bed_fini(void)
{
	CHECK_EQ(rmdir(dir), 0);
}

static struct bed_end *
end_of(const struct vfe_conn *conn)
{
	return conn->guest->user;
}

static bool
on_request(struct vfe_conn *conn)
{
	if (conn->local_port != BED_PORT)
		return false;
	end_of(conn)->accepted = conn;
	return true;
}

static void
on_data(struct vfe_conn *conn, const struct vfe_data *data)
{
	uint64_t off = conn->rx_len;
	unsigned int i;

	for (i = 0; i < data->nb_iov; i++) {
		const uint32_t len = (uint32_t)data->iov[i].iov_len;
		const uint32_t good = vfe_pattern_check(1, off, data->iov[i].iov_base, len);

		if (good < len && end_of(conn)->bad_at == 0)
			end_of(conn)->bad_at = off + good + 1;
		off += len;
	}
	end_of(conn)->nb_messages += data->flags & VFE_SEQ_EOM;
}

static void
on_close(struct vfe_conn *conn, bool by_peer_rst)
{
	struct bed_end *end = end_of(conn);

	end->nb_closed++;
	end->by_rst = by_peer_rst;
	if (end->conn == conn)
		end->conn = NULL;
	if (end->accepted == conn)
		end->accepted = NULL;
}

static void
fill(struct vfe_conn *conn, uint64_t off, uint8_t *buf, uint32_t len)
{
	(void)conn;
	vfe_pattern_fill(1, off, buf, len);
}

static const struct vfe_guest_ops ops = {
	.on_request = on_request,
	.on_data = on_data,
	.on_close = on_close,
	.fill = fill,
};

static time_t
now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

void
bed_open(struct bed *bed, struct vfe_guest_conf conf, enum lo_fault fault)
{
	const struct lo_conf lo_conf = {
		.nb_guests = 2,
		.paths = {bed_paths[0], bed_paths[1]},
		.uds = {bed_uds[0], bed_uds[1]},
		.fault = fault,
		.fault_at = 5,
	};
	unsigned int i;

	memset(bed, 0, sizeof(*bed));
	CHECK_EQ(lo_start(&lo_conf, &bed->lo), 0);
	for (i = 0; i < 2; i++) {
		conf.path = bed_paths[i];
		conf.ops = &ops;
		conf.user = &bed->ends[i];
		conf.timeout_ms = BED_TIMEOUT_S * 1000;
		CHECK_EQ(vfe_guest_create(&conf, &bed->g[i]), 0);
		CHECK_EQ(bed->g[i]->cid, 3 + i);
		CHECK(vfe_guest_alive(bed->g[i]));
	}
	bed->deadline = now_s() + BED_TIMEOUT_S;
}

void
bed_close(struct bed *bed)
{
	vfe_guest_destroy(bed->g[0]);
	vfe_guest_destroy(bed->g[1]);
	lo_stop(bed->lo);
}

/* Handles what there is; or sleeps until a call comes: a lost one ends in the time-out. */
void
bed_step(struct bed *bed, int also_fd)
{
	struct pollfd pfds[5];
	bool work = false;
	unsigned int i;

	CHECK(now_s() < bed->deadline);
	if (vfe_guest_poll(bed->g[0], 32) + vfe_guest_poll(bed->g[1], 32) > 0)
		return;
	for (i = 0; i < 2; i++) {
		work |= vfe_guest_arm(bed->g[i]);
		pfds[2 * i] = (struct pollfd){
			.fd = vfe_guest_call_fd(bed->g[i], VFE_QUEUE_TO_GUEST), .events = POLLIN};
		pfds[2 * i + 1] = (struct pollfd){
			.fd = vfe_guest_call_fd(bed->g[i], VFE_QUEUE_FROM_GUEST), .events = POLLIN};
	}
	pfds[4] = (struct pollfd){.fd = also_fd, .events = POLLIN};
	if (!work)
		CHECK(poll(pfds, 5, BED_TIMEOUT_S * 1000) > 0);
	for (i = 0; i < 2; i++) {
		vfe_guest_disarm(bed->g[i]);
		vfe_guest_take_calls(bed->g[i]);
	}
}

void
bed_open_pair(struct bed *bed, enum vfe_type type)
{
	CHECK_EQ(vfe_conn_open(bed->g[0], 4, BED_PORT, type, NULL, &bed->ends[0].conn), 0);
	vfe_guest_flush(bed->g[0]);
	while (bed->ends[0].conn->state != VFE_CONN_OPEN)
		bed_step(bed, -1);
	CHECK(bed->ends[1].accepted != NULL);
}

void
bed_close_pair(struct bed *bed)
{
	CHECK_EQ(vfe_conn_close(bed->ends[0].conn), 0);
	vfe_guest_flush(bed->g[0]);
	while (bed->ends[0].conn != NULL)
		bed_step(bed, -1);
	CHECK_EQ(bed->ends[0].nb_closed, 1);
	CHECK(bed->ends[0].by_rst);
	CHECK_EQ(bed->ends[1].nb_closed, 1);
	CHECK_EQ(bed->g[0]->nb_conns + bed->g[1]->nb_conns, 0);
}

void
bed_check_clean(const struct bed *bed)
{
	unsigned int i, f;

	for (i = 0; i < 2; i++) {
		for (f = 0; f < VFE_NB_FAULTS; f++) {
			if (bed->g[i]->stats.faults[f] > 0)
				fprintf(stderr, "guest %u: fault %s\n", i, vfe_guest_fault_name(f));
		}
		CHECK_EQ(vfe_guest_nb_faults(bed->g[i]), 0);
		CHECK_EQ(bed->ends[i].bad_at, 0);
	}
}

/* Both directions at once, sizes from 1 byte to more than a packet holds. */
void
bed_transfer(struct bed *bed, uint64_t total)
{
	struct vfe_conn *conns[2] = {bed->ends[0].conn, bed->ends[1].accepted};
	const bool seqpacket = conns[0]->type == VFE_TYPE_SEQPACKET;
	unsigned int nb_sent[2] = {0, 0};
	uint32_t size[2] = {1, 65536};
	unsigned int i;

	while (conns[0]->rx_len < total || conns[1]->rx_len < total) {
		for (i = 0; i < 2; i++) {
			uint32_t len = size[i];

			if (conns[i]->tx_len == total)
				continue;
			if (seqpacket && len > bed->g[i]->max_payload)
				len = bed->g[i]->max_payload;
			if (len > total - conns[i]->tx_len)
				len = (uint32_t)(total - conns[i]->tx_len);
			if (vfe_conn_send(conns[i], len, seqpacket ? VFE_SEQ_EOM : 0) < 0)
				continue;
			nb_sent[i]++;
			size[i] = size[i] * 5 % 70001 + 1;
			vfe_guest_flush(bed->g[i]);
		}
		bed_step(bed, -1);
	}
	CHECK_EQ(conns[0]->rx_len, total);
	CHECK_EQ(conns[1]->rx_len, total);
	if (seqpacket) {
		CHECK_EQ(bed->ends[0].nb_messages, nb_sent[1]);
		CHECK_EQ(bed->ends[1].nb_messages, nb_sent[0]);
	}
}
