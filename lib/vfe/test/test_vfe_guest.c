/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Two guests of the front end against the loopback device: every shape and feature, every operation
 * of the guest.
 */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bed.h"
#include "check.h"

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
		bed_open_pair(&bed, i);
		bed_transfer(&bed, 3000000);
		bed_close_pair(&bed);
		bed_check_clean(&bed);
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
	bed_open_pair(&bed, VFE_TYPE_STREAM);
	while (vfe_guest_poll(bed.g[1], 32) > 0 || vfe_guest_arm(bed.g[1]))
		;
	vfe_guest_take_calls(bed.g[1]);
	bed.g[1]->stats.nb_calls = 0;
	CHECK_EQ(vfe_conn_send(bed.ends[0].conn, 1, 0), 1);
	vfe_guest_flush(bed.g[0]);
	pfd.fd = vfe_guest_call_fd(bed.g[1], VFE_QUEUE_TO_GUEST);
	CHECK_EQ(poll(&pfd, 1, BED_TIMEOUT_S * 1000), 1);
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
	CHECK_EQ(vfe_conn_open(bed.g[0], 4, BED_PORT + 1, VFE_TYPE_STREAM, NULL, &bed.ends[0].conn),
		0);
	vfe_guest_flush(bed.g[0]);
	while (bed.ends[0].conn != NULL)
		bed_step(&bed, -1);
	CHECK(bed.ends[0].by_rst);
	CHECK_EQ(
		vfe_conn_open(bed.g[0], 99, BED_PORT, VFE_TYPE_STREAM, NULL, &bed.ends[0].conn), 0);
	vfe_guest_flush(bed.g[0]);
	while (bed.ends[0].conn != NULL)
		bed_step(&bed, -1);
	CHECK_EQ(bed.ends[0].nb_closed, 2);
	bed_check_clean(&bed);
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
	bed_open_pair(&bed, VFE_TYPE_STREAM);
	from = bed.ends[0].conn;
	to = bed.ends[1].accepted;
	to->hold_data = true;
	CHECK_EQ(vfe_conn_send(from, 7000, 0), 7000);
	CHECK_EQ(vfe_conn_send(from, 7000, 0), 3000);
	CHECK_EQ(vfe_conn_send(from, 7000, 0), -EAGAIN);
	vfe_guest_flush(bed.g[0]);
	while (to->rx_len < 10000)
		bed_step(&bed, -1);
	/* Less than half the window sends no update without a CREDIT_REQUEST. */
	CHECK_EQ(vfe_conn_consume(to, 4000), 0);
	CHECK_EQ(bed.g[1]->stats.nb_credit_from_guest, 0);
	CHECK_EQ(vfe_conn_request_credit(from), 0);
	vfe_guest_flush(bed.g[0]);
	while (vfe_conn_credit(from) != 4000)
		bed_step(&bed, -1);
	CHECK_EQ(vfe_conn_consume(to, 6000), 0);
	vfe_guest_flush(bed.g[1]);
	while (vfe_conn_credit(from) != 10000)
		bed_step(&bed, -1);
	/* A buffer shrunk below what is under way leaves nothing, not a wrap. */
	CHECK_EQ(vfe_conn_send(from, 5000, 0), 5000);
	vfe_guest_flush(bed.g[0]);
	while (to->rx_len < 15000)
		bed_step(&bed, -1);
	CHECK_EQ(vfe_conn_set_buf_alloc(to, 100), 0);
	vfe_guest_flush(bed.g[1]);
	while (vfe_conn_credit(from) != 0)
		bed_step(&bed, -1);
	CHECK_EQ(vfe_conn_send(from, 1, 0), -EAGAIN);
	bed_close_pair(&bed);
	bed_check_clean(&bed);
	bed_close(&bed);
}

static void
test_shutdown(void)
{
	struct vfe_conn *from, *to;
	struct bed bed;

	bed_open(&bed, (struct vfe_guest_conf){0}, LO_FAULT_NONE);
	bed_open_pair(&bed, VFE_TYPE_STREAM);
	from = bed.ends[0].conn;
	to = bed.ends[1].accepted;
	CHECK_EQ(vfe_conn_shutdown(from, VFE_SHUTDOWN_SEND), 0);
	CHECK_EQ(vfe_conn_send(from, 1, 0), -EPIPE);
	vfe_guest_flush(bed.g[0]);
	while (to->shutdown_got != VFE_SHUTDOWN_SEND)
		bed_step(&bed, -1);
	/* The other direction still goes. */
	CHECK_EQ(vfe_conn_send(to, 100, 0), 100);
	vfe_guest_flush(bed.g[1]);
	while (from->rx_len < 100)
		bed_step(&bed, -1);
	CHECK_EQ(vfe_conn_shutdown(from, VFE_SHUTDOWN_RECV), 0);
	vfe_guest_flush(bed.g[0]);
	while (bed.ends[0].nb_closed == 0)
		bed_step(&bed, -1);
	CHECK_EQ(bed.ends[1].nb_closed, 1);
	bed_check_clean(&bed);
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
	fd = vfe_host_connect(bed_uds[0], BED_PORT + 1, VFE_TYPE_STREAM);
	CHECK(fd >= 0);
	while ((rc = vfe_host_connect_finish(fd, &host_port)) == -EAGAIN)
		bed_step(&bed, fd);
	CHECK_EQ(rc, -ECONNREFUSED);
	close(fd);

	fd = vfe_host_connect(bed_uds[0], BED_PORT, VFE_TYPE_STREAM);
	CHECK(fd >= 0);
	while (bed.ends[0].accepted == NULL)
		bed_step(&bed, -1);
	/* Data right behind the answer is not swallowed with it. */
	CHECK_EQ(vfe_conn_send(bed.ends[0].accepted, 300, 0), 300);
	while ((rc = vfe_host_connect_finish(fd, &host_port)) == -EAGAIN)
		bed_step(&bed, fd);
	CHECK_EQ(rc, 0);
	CHECK_EQ(host_port, bed.ends[0].accepted->peer_port);
	while ((rc = (int)recv(fd, buf, sizeof(buf), MSG_PEEK)) < 300)
		bed_step(&bed, fd);
	CHECK_EQ(vfe_pattern_check(1, 0, buf, 300), 300);
	close(fd);
	while (bed.ends[0].nb_closed == 0)
		bed_step(&bed, -1);

	listen_fd = vfe_host_listen(bed_uds[0], 80, VFE_TYPE_STREAM);
	CHECK(listen_fd >= 0);
	CHECK_EQ(vfe_host_accept(listen_fd), -EAGAIN);
	CHECK_EQ(
		vfe_conn_open(bed.g[0], VFE_CID_HOST, 80, VFE_TYPE_STREAM, NULL, &bed.ends[0].conn),
		0);
	vfe_guest_flush(bed.g[0]);
	while ((fd = vfe_host_accept(listen_fd)) < 0)
		bed_step(&bed, listen_fd);
	close(fd);
	while (bed.ends[0].conn != NULL)
		bed_step(&bed, -1);
	close(listen_fd);
	vfe_host_unlink(bed_uds[0], 80);
	bed_check_clean(&bed);
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
	bed_open_pair(&bed, VFE_TYPE_STREAM);
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
		bed_step(&bed, -1);
	CHECK(to->rx_len > 1000000);
	/* A driver that binds anew starts from nothing. */
	CHECK_EQ(vfe_guest_stop(bed.g[0], NULL), 0);
	vfe_guest_reset(bed.g[0]);
	CHECK_EQ(bed.g[0]->nb_conns, 0);
	CHECK_EQ(vfe_guest_start(bed.g[0]), 0);
	bed.ends[1].accepted = NULL;
	bed_open_pair(&bed, VFE_TYPE_STREAM);
	bed.ends[1].bad_at = 0;
	bed_transfer(&bed, 100000);
	bed_check_clean(&bed);
	bed_close(&bed);
}

int
main(void)
{
	bed_init();
	test_shapes();
	test_refused();
	test_credit_window();
	test_shutdown();
	test_host();
	test_live_changes(VFE_F_EVENT_IDX);
	test_live_changes(VFE_F_EVENT_IDX | VFE_F_RING_PACKED);
	bed_fini();
	return 0;
}
