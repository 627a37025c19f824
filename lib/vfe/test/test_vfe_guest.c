/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Two guests of the front end against the loopback device: every shape and feature, every operation
 * of the guest model, and each fault of a device that the guest must name.
 */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "vfe.h"
#include "lo.h"

#define TIMEOUT_S 60
#define PORT      1234u

struct end {
	struct vfe_conn *conn;
	struct vfe_conn *accepted;
	unsigned int nb_closed;
	bool by_rst;
	unsigned int nb_messages;
	uint64_t bad_at; /* offset of the first wrong byte + 1 */
};

static char dir[] = "/tmp/vsock-fe-XXXXXX";
static char paths[2][64], uds[2][64];

static struct end *
end_of(const struct vfe_conn *conn)
{
	return conn->guest->user;
}

static bool
on_request(struct vfe_conn *conn)
{
	if (conn->local_port != PORT)
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
	struct end *end = end_of(conn);

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

struct bed {
	struct lo *lo;
	struct vfe_guest *g[2];
	struct end ends[2];
	time_t deadline;
};

static time_t
now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static void
bed_open(struct bed *bed, struct vfe_guest_conf conf, enum lo_fault fault)
{
	const struct lo_conf lo_conf = {
		.nb_guests = 2,
		.paths = {paths[0], paths[1]},
		.uds = {uds[0], uds[1]},
		.fault = fault,
		.fault_at = 5,
	};
	unsigned int i;

	memset(bed, 0, sizeof(*bed));
	CHECK_EQ(lo_start(&lo_conf, &bed->lo), 0);
	for (i = 0; i < 2; i++) {
		conf.path = paths[i];
		conf.ops = &ops;
		conf.user = &bed->ends[i];
		conf.timeout_ms = TIMEOUT_S * 1000;
		CHECK_EQ(vfe_guest_create(&conf, &bed->g[i]), 0);
		CHECK_EQ(bed->g[i]->cid, 3 + i);
		CHECK(vfe_guest_alive(bed->g[i]));
	}
	bed->deadline = now_s() + TIMEOUT_S;
}

static void
bed_close(struct bed *bed)
{
	vfe_guest_destroy(bed->g[0]);
	vfe_guest_destroy(bed->g[1]);
	lo_stop(bed->lo);
}

/* Handles what there is; or sleeps until a call comes: a lost one ends in the time-out. */
static void
step(struct bed *bed, int also_fd)
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
		CHECK(poll(pfds, 5, TIMEOUT_S * 1000) > 0);
	for (i = 0; i < 2; i++) {
		vfe_guest_disarm(bed->g[i]);
		vfe_guest_take_calls(bed->g[i]);
	}
}

static void
open_pair(struct bed *bed, enum vfe_type type)
{
	CHECK_EQ(vfe_conn_open(bed->g[0], 4, PORT, type, NULL, &bed->ends[0].conn), 0);
	vfe_guest_flush(bed->g[0]);
	while (bed->ends[0].conn->state != VFE_CONN_OPEN)
		step(bed, -1);
	CHECK(bed->ends[1].accepted != NULL);
}

static void
close_pair(struct bed *bed)
{
	CHECK_EQ(vfe_conn_close(bed->ends[0].conn), 0);
	vfe_guest_flush(bed->g[0]);
	while (bed->ends[0].conn != NULL)
		step(bed, -1);
	CHECK_EQ(bed->ends[0].nb_closed, 1);
	CHECK(bed->ends[0].by_rst);
	CHECK_EQ(bed->ends[1].nb_closed, 1);
	CHECK_EQ(bed->g[0]->nb_conns + bed->g[1]->nb_conns, 0);
}

static void
check_clean(const struct bed *bed)
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
static void
transfer(struct bed *bed, uint64_t total)
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
		step(bed, -1);
	}
	CHECK_EQ(conns[0]->rx_len, total);
	CHECK_EQ(conns[1]->rx_len, total);
	if (seqpacket) {
		CHECK_EQ(bed->ends[0].nb_messages, nb_sent[1]);
		CHECK_EQ(bed->ends[1].nb_messages, nb_sent[0]);
	}
}

static void
test_shape(const char *to_guest, const char *from_guest, uint64_t features, uint8_t nb_regions)
{
	struct vfe_guest_conf conf = {
		.features = features | VFE_F_SEQPACKET | VFE_F_STREAM,
		.nb_regions = nb_regions,
		.nb_queues = nb_regions == 1 ? 2 : 3,
		.ring_size = nb_regions == 1 ? 128 : 64,
	};
	struct bed bed;
	unsigned int i;

	CHECK_EQ(vfe_shape_parse(to_guest, &conf.to_guest_shape), 0);
	CHECK_EQ(vfe_shape_parse(from_guest, &conf.from_guest_shape), 0);
	for (i = VFE_TYPE_STREAM; i <= VFE_TYPE_SEQPACKET; i++) {
		bed_open(&bed, conf, LO_FAULT_NONE);
		CHECK_EQ(bed.g[0]->features & conf.features, conf.features);
		open_pair(&bed, i);
		transfer(&bed, 3000000);
		close_pair(&bed);
		check_clean(&bed);
		CHECK_EQ(bed.g[0]->nb_free_slots, bed.g[0]->nb_from_guest_slots);
		CHECK_EQ(bed.g[0]->stats.payload_from_guest_len, 3000000);
		CHECK_EQ(bed.g[0]->stats.payload_to_guest_len, 3000000);
		CHECK(bed.g[0]->vrings[1].stats.nb_kicks > 0);
		bed_close(&bed);
	}
}

/* An armed guest is called for the first buffer, and a disarmed one for none. */
static void
test_calls(uint64_t features)
{
	struct pollfd pfd = {.events = POLLIN};
	struct bed bed;

	bed_open(&bed, (struct vfe_guest_conf){.features = features}, LO_FAULT_NONE);
	open_pair(&bed, VFE_TYPE_STREAM);
	while (vfe_guest_poll(bed.g[1], 32) > 0 || vfe_guest_arm(bed.g[1]))
		;
	vfe_guest_take_calls(bed.g[1]);
	bed.g[1]->stats.nb_calls = 0;
	CHECK_EQ(vfe_conn_send(bed.ends[0].conn, 1, 0), 1);
	vfe_guest_flush(bed.g[0]);
	pfd.fd = vfe_guest_call_fd(bed.g[1], VFE_QUEUE_TO_GUEST);
	CHECK_EQ(poll(&pfd, 1, TIMEOUT_S * 1000), 1);
	vfe_guest_disarm(bed.g[1]);
	vfe_guest_take_calls(bed.g[1]);
	CHECK_EQ(bed.g[1]->stats.nb_calls, 1);
	CHECK_EQ(vfe_conn_send(bed.ends[0].conn, 1, 0), 1);
	vfe_guest_flush(bed.g[0]);
	while (bed.ends[1].accepted->rx_len < 2)
		vfe_guest_poll(bed.g[1], 32);
	vfe_guest_take_calls(bed.g[1]);
	CHECK_EQ(bed.g[1]->stats.nb_calls, 1);
	bed_close(&bed);
}

static void
test_shapes(void)
{
	static const uint64_t features[] = {
		0, VFE_F_EVENT_IDX, VFE_F_INDIRECT_DESC, VFE_F_EVENT_IDX | VFE_F_INDIRECT_DESC};
	unsigned int i;

	for (i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		test_calls(features[i]);
		test_shape("4096", "44+*", features[i], 1);
		test_shape("3776", "*", features[i], 2);
		test_shape("65580", "20+24+*", features[i], 3);
		test_shape("44+4096", "44+4096*", features[i], 4);
		test_shape("7+30+9+1000+3000", "13+31+1+5000*", features[i], 2);
	}
}

static void
test_refused(void)
{
	struct bed bed;

	bed_open(&bed, (struct vfe_guest_conf){0}, LO_FAULT_NONE);
	CHECK_EQ(vfe_conn_open(bed.g[0], 4, PORT + 1, VFE_TYPE_STREAM, NULL, &bed.ends[0].conn), 0);
	vfe_guest_flush(bed.g[0]);
	while (bed.ends[0].conn != NULL)
		step(&bed, -1);
	CHECK(bed.ends[0].by_rst);
	CHECK_EQ(vfe_conn_open(bed.g[0], 99, PORT, VFE_TYPE_STREAM, NULL, &bed.ends[0].conn), 0);
	vfe_guest_flush(bed.g[0]);
	while (bed.ends[0].conn != NULL)
		step(&bed, -1);
	CHECK_EQ(bed.ends[0].nb_closed, 2);
	check_clean(&bed);
	bed_close(&bed);
}

/* A receiver that holds its data stops the sender exactly at the window. */
static void
test_credit_window(void)
{
	const struct vfe_guest_conf conf = {.buf_alloc = 10000};
	struct vfe_conn *from, *to;
	struct bed bed;

	bed_open(&bed, conf, LO_FAULT_NONE);
	open_pair(&bed, VFE_TYPE_STREAM);
	from = bed.ends[0].conn;
	to = bed.ends[1].accepted;
	to->hold_data = true;
	CHECK_EQ(vfe_conn_send(from, 7000, 0), 7000);
	CHECK_EQ(vfe_conn_send(from, 7000, 0), 3000);
	CHECK_EQ(vfe_conn_send(from, 7000, 0), -EAGAIN);
	vfe_guest_flush(bed.g[0]);
	while (to->rx_len < 10000)
		step(&bed, -1);
	/* Less than half the window tells nobody, unless asked. */
	CHECK_EQ(vfe_conn_consume(to, 4000), 0);
	CHECK_EQ(bed.g[1]->stats.nb_credit_from_guest, 0);
	CHECK_EQ(vfe_conn_request_credit(from), 0);
	vfe_guest_flush(bed.g[0]);
	while (vfe_conn_credit(from) != 4000)
		step(&bed, -1);
	CHECK_EQ(vfe_conn_consume(to, 6000), 0);
	vfe_guest_flush(bed.g[1]);
	while (vfe_conn_credit(from) != 10000)
		step(&bed, -1);
	/* A buffer shrunk below what is under way leaves nothing, not a wrap. */
	CHECK_EQ(vfe_conn_send(from, 5000, 0), 5000);
	vfe_guest_flush(bed.g[0]);
	while (to->rx_len < 15000)
		step(&bed, -1);
	CHECK_EQ(vfe_conn_set_buf_alloc(to, 100), 0);
	vfe_guest_flush(bed.g[1]);
	while (vfe_conn_credit(from) != 0)
		step(&bed, -1);
	CHECK_EQ(vfe_conn_send(from, 1, 0), -EAGAIN);
	close_pair(&bed);
	check_clean(&bed);
	bed_close(&bed);
}

static void
test_shutdown(void)
{
	struct vfe_conn *from, *to;
	struct bed bed;

	bed_open(&bed, (struct vfe_guest_conf){0}, LO_FAULT_NONE);
	open_pair(&bed, VFE_TYPE_STREAM);
	from = bed.ends[0].conn;
	to = bed.ends[1].accepted;
	CHECK_EQ(vfe_conn_shutdown(from, VFE_SHUTDOWN_SEND), 0);
	CHECK_EQ(vfe_conn_send(from, 1, 0), -EPIPE);
	vfe_guest_flush(bed.g[0]);
	while (to->shutdown_got != VFE_SHUTDOWN_SEND)
		step(&bed, -1);
	/* The other direction still goes. */
	CHECK_EQ(vfe_conn_send(to, 100, 0), 100);
	vfe_guest_flush(bed.g[1]);
	while (from->rx_len < 100)
		step(&bed, -1);
	CHECK_EQ(vfe_conn_shutdown(from, VFE_SHUTDOWN_RECV), 0);
	vfe_guest_flush(bed.g[0]);
	while (bed.ends[0].nb_closed == 0)
		step(&bed, -1);
	CHECK_EQ(bed.ends[1].nb_closed, 1);
	check_clean(&bed);
	bed_close(&bed);
}

static void
test_host(void)
{
	uint8_t buf[512];
	uint32_t host_port;
	struct bed bed;
	int fd, listen_fd, rc;

	bed_open(&bed, (struct vfe_guest_conf){0}, LO_FAULT_NONE);
	fd = vfe_host_connect(uds[0], PORT + 1, VFE_TYPE_STREAM);
	CHECK(fd >= 0);
	while ((rc = vfe_host_connect_finish(fd, &host_port)) == -EAGAIN)
		step(&bed, fd);
	CHECK_EQ(rc, -ECONNREFUSED);
	close(fd);

	fd = vfe_host_connect(uds[0], PORT, VFE_TYPE_STREAM);
	CHECK(fd >= 0);
	while (bed.ends[0].accepted == NULL)
		step(&bed, -1);
	/* Data right behind the answer is not swallowed with it. */
	CHECK_EQ(vfe_conn_send(bed.ends[0].accepted, 300, 0), 300);
	while ((rc = vfe_host_connect_finish(fd, &host_port)) == -EAGAIN)
		step(&bed, fd);
	CHECK_EQ(rc, 0);
	CHECK_EQ(host_port, bed.ends[0].accepted->peer_port);
	while ((rc = (int)recv(fd, buf, sizeof(buf), MSG_PEEK)) < 300)
		step(&bed, fd);
	CHECK_EQ(vfe_pattern_check(1, 0, buf, 300), 300);
	close(fd);
	while (bed.ends[0].nb_closed == 0)
		step(&bed, -1);

	listen_fd = vfe_host_listen(uds[0], 80, VFE_TYPE_STREAM);
	CHECK(listen_fd >= 0);
	CHECK_EQ(vfe_host_accept(listen_fd), -EAGAIN);
	CHECK_EQ(
		vfe_conn_open(bed.g[0], VFE_CID_HOST, 80, VFE_TYPE_STREAM, NULL, &bed.ends[0].conn),
		0);
	vfe_guest_flush(bed.g[0]);
	while ((fd = vfe_host_accept(listen_fd)) < 0)
		step(&bed, listen_fd);
	close(fd);
	while (bed.ends[0].conn != NULL)
		step(&bed, -1);
	close(listen_fd);
	vfe_host_unlink(uds[0], 80);
	check_clean(&bed);
	bed_close(&bed);
}

/* Memory, call descriptors and whole rings change under traffic; no byte is lost. */
static void
test_live_changes(uint64_t features)
{
	uint16_t bases[VFE_NB_QUEUES];
	struct vfe_conn *from, *to;
	struct bed bed;
	unsigned int i;

	bed_open(&bed, (struct vfe_guest_conf){.features = features}, LO_FAULT_NONE);
	open_pair(&bed, VFE_TYPE_STREAM);
	from = bed.ends[0].conn;
	to = bed.ends[1].accepted;
	for (i = 0; i < 200; i++) {
		vfe_conn_send(from, 50000, 0);
		vfe_guest_flush(bed.g[0]);
		switch (i % 4) {
		case 0:
			CHECK_EQ(vfe_guest_change_memory(bed.g[1], i % 8 ? 0 : 1 << 20), 0);
			break;
		case 1:
			CHECK_EQ(vfe_guest_replace_call(bed.g[1], VFE_QUEUE_TO_GUEST), 0);
			CHECK_EQ(vfe_guest_replace_call(bed.g[0], VFE_QUEUE_FROM_GUEST), 0);
			break;
		case 2:
			CHECK_EQ(vfe_guest_stop(bed.g[1], bases), 0);
			CHECK_EQ(bases[0], vfe_vring_base(&bed.g[1]->vrings[0]));
			CHECK_EQ(vfe_guest_start(bed.g[1]), 0);
			break;
		default:
			break;
		}
		vfe_guest_poll(bed.g[0], 32);
		vfe_guest_poll(bed.g[1], 32);
	}
	while (to->rx_len < from->tx_len)
		step(&bed, -1);
	CHECK(to->rx_len > 1000000);
	/* A driver that binds anew starts from nothing. */
	CHECK_EQ(vfe_guest_stop(bed.g[0], NULL), 0);
	vfe_guest_reset(bed.g[0]);
	CHECK_EQ(bed.g[0]->nb_conns, 0);
	CHECK_EQ(vfe_guest_start(bed.g[0]), 0);
	bed.ends[1].accepted = NULL;
	open_pair(&bed, VFE_TYPE_STREAM);
	bed.ends[1].bad_at = 0;
	transfer(&bed, 100000);
	check_clean(&bed);
	bed_close(&bed);
}

/* A device that does @p fault is caught as @p want, or by the data itself. */
static void
test_fault(enum lo_fault fault, int want)
{
	struct vfe_conn *to;
	struct bed bed;
	unsigned int i;

	bed_open(&bed, (struct vfe_guest_conf){0}, fault);
	open_pair(&bed, VFE_TYPE_STREAM);
	to = bed.ends[1].accepted;
	for (i = 0; i < 10; i++) {
		CHECK_EQ(vfe_conn_send(bed.ends[0].conn, 1000, 0), 1000);
		vfe_guest_flush(bed.g[0]);
	}
	if (fault == LO_FAULT_LOSE_BUF) {
		while (to->rx_len < 10000)
			step(&bed, -1);
		vfe_guest_poll(bed.g[0], 32);
		CHECK_EQ(vfe_vring_nb_held(&bed.g[0]->vrings[1]), 1);
	} else if (want < 0) {
		while (bed.ends[1].bad_at == 0)
			step(&bed, -1);
		CHECK_EQ(bed.ends[1].bad_at, 4001 + (fault == LO_FAULT_REPEAT ? 1000 : 0));
	} else {
		while (bed.g[1]->stats.faults[want] == 0)
			step(&bed, -1);
	}
	bed_close(&bed);
}

static void
test_over_credit(void)
{
	uint8_t buf[1000] = {0};
	struct bed bed;
	int fd;

	bed_open(&bed, (struct vfe_guest_conf){.buf_alloc = 1500}, LO_FAULT_CREDIT);
	fd = vfe_host_connect(uds[0], PORT, VFE_TYPE_STREAM);
	CHECK(fd >= 0);
	while (bed.ends[0].accepted == NULL)
		step(&bed, -1);
	bed.ends[0].accepted->hold_data = true;
	CHECK_EQ(write(fd, buf, sizeof(buf)), 1000);
	CHECK_EQ(write(fd, buf, sizeof(buf)), 1000);
	while (bed.g[0]->stats.faults[VFE_FAULT_OVER_CREDIT] == 0)
		step(&bed, -1);
	close(fd);
	bed_close(&bed);
}

static void
test_gone(void)
{
	const uint64_t wanted = VFE_F_STREAM;
	struct vfe_guest *g = NULL;
	struct bed bed;

	CHECK_EQ(vfe_guest_create(
			 &(struct vfe_guest_conf){.path = "/nonexistent/x", .timeout_ms = 1}, &g),
		-ETIMEDOUT);
	bed_open(&bed, (struct vfe_guest_conf){.features = wanted}, LO_FAULT_NONE);
	CHECK_EQ(bed.g[0]->features & wanted, wanted);
	CHECK_EQ(bed.g[0]->features & VFE_F_EVENT_IDX, 0);
	vfe_guest_destroy(bed.g[0]);
	CHECK_EQ(vfe_guest_create(
			 &(struct vfe_guest_conf){
				 .path = paths[0], .timeout_ms = 5000, .required = VFE_F_IN_ORDER},
			 &g),
		-ENOTSUP);
	bed.g[0] = NULL;
	lo_stop(bed.lo);
	while (vfe_guest_alive(bed.g[1]))
		poll(NULL, 0, 1);
	CHECK(vfe_guest_stop(bed.g[1], NULL) < 0);
	vfe_guest_destroy(bed.g[1]);
}

int
main(void)
{
	unsigned int i;

	CHECK(mkdtemp(dir) != NULL);
	for (i = 0; i < 2; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/%u.sock", dir, i);
		snprintf(uds[i], sizeof(uds[i]), "%s/%u.vsock", dir, i);
	}
	test_shapes();
	test_refused();
	test_credit_window();
	test_shutdown();
	test_host();
	test_live_changes(VFE_F_EVENT_IDX);
	test_live_changes(VFE_F_EVENT_IDX | VFE_F_RING_PACKED);
	test_fault(LO_FAULT_CORRUPT, -1);
	test_fault(LO_FAULT_DROP, -1);
	test_fault(LO_FAULT_REPEAT, -1);
	test_fault(LO_FAULT_USED_LEN, VFE_FAULT_USED_LEN);
	test_fault(LO_FAULT_BAD_USED, VFE_FAULT_BAD_USED);
	test_fault(LO_FAULT_LOSE_BUF, -1);
	test_over_credit();
	test_gone();
	CHECK_EQ(rmdir(dir), 0);
	return 0;
}
