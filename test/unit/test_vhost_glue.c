/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * vhost.c against the real librte_vhost: the messages of a front end, in any order and on a running
 * device, while a thread accesses the memory of the device.
 */

#include <sys/eventfd.h>
#include <unistd.h>

#include "check.h"
#include "glue.h"
#include "raw_fe.h"

static void
wait_used(struct raw_fe *fe, int idx, uint16_t want)
{
	for (int i = 0; raw_fe_used_idx(fe, idx) != want; i++) {
		CHECK(i < 20000);
		usleep(1000);
	}
}

/* The rings as the front end described them, and where they start and stop. */
static void
start_stop(void)
{
	struct port *port = glue_attach(glue_path, 3, false);
	struct glue_state got;
	struct raw_fe fe;

	raw_fe_init(&fe);
	raw_fe_connect(&fe, glue_path);
	raw_fe_start(&fe);
	GLUE_WAIT(port, st.has_device);
	got = glue_port_state(port);
	for (int q = 0; q < PORT_NB_QUEUES; q++) {
		CHECK_EQ(got.vq[q].size, RAW_FE_RING_SIZE);
		CHECK_EQ(got.vq[q].to_guest, q == PORT_Q_TO_GUEST);
		CHECK(got.vq[q].event_idx && got.vq[q].indirect && !got.vq[q].notify_on_empty);
		CHECK_EQ((uint8_t *)got.vq[q].avail - (uint8_t *)got.vq[q].desc, 0x4000);
		CHECK_EQ((uint8_t *)got.vq[q].used - (uint8_t *)got.vq[q].desc, 0x8000);
		CHECK(got.has_kick[q] && got.has_call[q]);
	}
	CHECK_EQ((uint8_t *)got.vq[1].desc - (uint8_t *)got.vq[0].desc, 0x10000);
	CHECK_EQ(got.start.last_avail[0], 0);

	/* Runs on over the wrap; the base is exact, for both rings and at once. */
	raw_fe_avail_add(&fe, 0, 5);
	raw_fe_avail_add(&fe, 1, 65535);
	wait_used(&fe, 0, 5);
	wait_used(&fe, 1, 65535);
	raw_fe_avail_add(&fe, 1, 8);
	CHECK_EQ(raw_fe_get_base(&fe, 0), 5);
	got = glue_port_state(port);
	CHECK(!got.has_device);
	CHECK_EQ(raw_fe_get_base(&fe, 1), raw_fe_used_idx(&fe, 1));
	CHECK_EQ(got.nb_gone, 0);

	/* And starts there again. */
	for (int step = 7; step < RAW_FE_NB_STEPS; step++)
		CHECK(raw_fe_step(&fe, step));
	GLUE_WAIT(port, st.has_device);
	CHECK_EQ(glue_port_state(port).start.last_avail[0], 5);
	CHECK_EQ(glue_port_state(port).start.used_idx[0], 5);
	wait_used(&fe, 1, 7);

	raw_fe_close(&fe);
	GLUE_WAIT(port, st.nb_gone == 1 && !st.has_device);
	raw_fe_cleanup(&fe);
	glue_detach(port);
}

/* A disabled ring is not served, an enabled one goes on where it was. */
static void
enable_disable(void)
{
	struct port *port = glue_attach(glue_path, 3, false);
	unsigned int nb_up;
	struct raw_fe fe;

	raw_fe_init(&fe);
	raw_fe_connect(&fe, glue_path);
	fe.reply_ack = false;
	for (int step = 0; step < 17; step++)
		CHECK(raw_fe_step(&fe, step));
	CHECK(raw_fe_sync(&fe));
	CHECK(!glue_port_state(port).has_device);
	fe.reply_ack = true;
	for (int i = 0; i < 20; i++) {
		CHECK(raw_fe_ring_state(&fe, 18, 0, 1));
		CHECK(raw_fe_ring_state(&fe, 18, 1, 1));
		/* new_device comes after the reply. */
		CHECK(raw_fe_sync(&fe));
		CHECK(glue_port_state(port).has_device);
		raw_fe_avail_add(&fe, 0, 3);
		wait_used(&fe, 0, (uint16_t)(3 * (i + 1)));
		nb_up = glue_port_state(port).nb_up;
		CHECK(raw_fe_ring_state(&fe, 18, (uint32_t)i % 2, 0));
		CHECK(!glue_port_state(port).has_device);
		CHECK_EQ(glue_port_state(port).nb_up, nb_up);
		raw_fe_avail_add(&fe, 1, 7);
	}
	CHECK_EQ(raw_fe_get_base(&fe, 0), 60);
	CHECK_EQ(raw_fe_get_base(&fe, 1), raw_fe_used_idx(&fe, 1));
	raw_fe_cleanup(&fe);
	glue_detach(port);
}

/* Without PROTOCOL_FEATURES rings are enabled from the start. */
static void
no_protocol_features(void)
{
	struct port *port = glue_attach(glue_path, 3, false);
	struct raw_fe fe;

	raw_fe_init(&fe);
	raw_fe_connect(&fe, glue_path);
	CHECK(raw_fe_set_features(&fe, 1ull << 32));
	for (int step = 6; step < 17; step++)
		CHECK(raw_fe_step(&fe, step));
	CHECK(raw_fe_sync(&fe));
	CHECK(glue_port_state(port).has_device);
	CHECK(!glue_port_state(port).vq[0].event_idx);
	CHECK(!glue_port_state(port).vq[0].indirect);
	raw_fe_cleanup(&fe);
	glue_detach(port);
}

/* Everything that may change on a running device, while both rings run. */
static void
change_while_running(void)
{
	struct port *port = glue_attach(glue_path, 3, false);
	eventfd_t value;
	struct raw_fe fe;

	raw_fe_init(&fe);
	raw_fe_connect(&fe, glue_path);
	raw_fe_start(&fe);
	fe.reply_ack = true;
	for (int i = 0; i < 50; i++) {
		uint32_t q = (uint32_t)i % 2;
		uint16_t used = raw_fe_used_idx(&fe, (int)q);

		raw_fe_avail_add(&fe, (int)q, 11);
		CHECK(raw_fe_set_mem_table(&fe, 1 + (unsigned int)i % 8));
		CHECK(glue_port_state(port).has_device);
		CHECK_EQ(glue_port_state(port).nb_regions, 1 + i % 8);
		CHECK(raw_fe_set_addr(&fe, (int)q));
		CHECK(raw_fe_set_fd(&fe, 13, q, fe.call_fd[q]));
		CHECK(raw_fe_set_fd(&fe, 12, q, i % 4 == 0 ? -1 : fe.kick_fd[q]));
		CHECK(raw_fe_sync(&fe));
		CHECK(glue_port_state(port).has_device);
		CHECK_EQ(glue_port_state(port).has_kick[q], i % 4 != 0);
		wait_used(&fe, (int)q, (uint16_t)(used + 11));
	}

	/* The newest call fd is the one that signals; without one there is no signal. */
	close(fe.call_fd[0]);
	fe.call_fd[0] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CHECK(raw_fe_set_fd(&fe, 13, 0, fe.call_fd[0]));
	CHECK(raw_fe_sync(&fe));
	CHECK(glue_port_call(port, 0));
	CHECK_EQ(eventfd_read(fe.call_fd[0], &value), 0);
	CHECK_EQ(value, 1);
	CHECK(raw_fe_set_fd(&fe, 13, 0, -1));
	CHECK(raw_fe_sync(&fe));
	CHECK(glue_port_state(port).has_device);
	CHECK(!glue_port_call(port, 0));
	CHECK_EQ(raw_fe_get_base(&fe, 0), raw_fe_used_idx(&fe, 0));
	CHECK_EQ(raw_fe_get_base(&fe, 1), raw_fe_used_idx(&fe, 1));
	CHECK_EQ(glue_port_state(port).nb_gone, 0);
	raw_fe_cleanup(&fe);
	glue_detach(port);
}

static void
config_space(void)
{
	static const struct {
		uint32_t offset, size, len;
		int reply_len;
	} cases[] = {
		{0, 8, 20, 20},
		{0, 4, 16, 16},
		{4, 4, 16, 16},
		{7, 1, 13, 13},
		{0, 9, 21, 0},
		{8, 1, 13, 0},
		{4, 8, 20, 0},
		{0, 0, 12, 0},
		{0xffffffff, 8, 20, 0},
		{0, 0xffffffff, 20, 0},
		{0, 256, 268, 0},
		{0, 8, 12, 0},
	};
	struct port *port = glue_attach(glue_path, 0xfedcba98, false);
	const uint8_t want[8] = {0x98, 0xba, 0xdc, 0xfe, 0, 0, 0, 0};
	struct raw_fe fe;

	raw_fe_init(&fe);
	raw_fe_connect(&fe, glue_path);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t msg[268] = {0};
		uint8_t reply[268] = {0};

		memcpy(msg, &cases[i].offset, 4);
		memcpy(msg + 4, &cases[i].size, 4);
		CHECK_EQ(raw_fe_ask(&fe, 24, msg, cases[i].len, reply, sizeof(reply)),
			cases[i].reply_len);
		if (cases[i].reply_len > 0)
			CHECK_MEM(reply + 12, want + cases[i].offset, cases[i].size);
	}
	/* Read-only; an error reply where one is wanted, else the end. */
	fe.reply_ack = true;
	CHECK(!raw_fe_ring_state(&fe, 25, 0, 8));
	raw_fe_close(&fe);
	raw_fe_cleanup(&fe);
	glue_detach(port);
}

static void
offered_features(void)
{
	struct port *port = glue_attach(glue_path, 3, false);
	uint64_t features;
	struct raw_fe fe;

	raw_fe_init(&fe);
	raw_fe_connect(&fe, glue_path);
	CHECK_EQ(raw_fe_ask(&fe, 1, NULL, 0, &features, 8), 8);
	CHECK_EQ(features,
		0x7 | 1ull << 24 | 1ull << 27 | 1ull << 28 | 1ull << 29 | 1ull << 30 | 1ull << 32);
	CHECK_EQ(raw_fe_ask(&fe, 15, NULL, 0, &features, 8), 8);
	CHECK_EQ(features, 1 | 1 << 3 | 1 << 9);
	CHECK_EQ(raw_fe_ask(&fe, 17, NULL, 0, &features, 8), 8);
	CHECK_EQ(features, 3);
	/* Features that are not offered cannot be set. */
	CHECK(raw_fe_set_features(&fe, 1ull << 34 | 1ull << 32));
	CHECK(raw_fe_wait_closed(&fe));
	raw_fe_cleanup(&fe);
	glue_detach(port);
}

/* The port says no; a later message gives it another chance. */
static void
port_refuses(void)
{
	struct port *port = glue_attach(glue_path, 3, false);
	struct raw_fe fe;

	raw_fe_init(&fe);
	glue_port_refuse_next(port);
	raw_fe_connect(&fe, glue_path);
	for (int step = 0; step < 19; step++)
		CHECK(raw_fe_step(&fe, step));
	CHECK(raw_fe_sync(&fe));
	CHECK(!glue_port_state(port).has_device);
	CHECK(raw_fe_set_addr(&fe, 0));
	CHECK(raw_fe_sync(&fe));
	CHECK(glue_port_state(port).has_device);
	raw_fe_cleanup(&fe);
	glue_detach(port);
}

/* Memory that goes away under the running device: the fault flag of the port is set. */
static void
truncated_memory(void)
{
	struct port *port = glue_attach(glue_path, 3, false);
	struct raw_fe fe;

	raw_fe_init(&fe);
	raw_fe_connect(&fe, glue_path);
	raw_fe_start(&fe);
	GLUE_WAIT(port, st.has_device);
	CHECK_EQ(ftruncate(fe.memfd, 0), 0);
	GLUE_WAIT(port, st.fault == 1);
	/* The library reads the rings as well. */
	CHECK(raw_fe_set_addr(&fe, 0));
	CHECK(raw_fe_sync(&fe));
	raw_fe_close(&fe);
	GLUE_WAIT(port, st.nb_gone == 1);
	CHECK_EQ(ftruncate(fe.memfd, RAW_FE_MEM_LEN), 0);
	raw_fe_connect(&fe, glue_path);
	raw_fe_start(&fe);
	GLUE_WAIT(port, st.has_device && st.fault == 0);
	raw_fe_cleanup(&fe);
	glue_detach(port);
}

int
main(void)
{
	glue_init();
	RUN(start_stop);
	RUN(enable_disable);
	RUN(no_protocol_features);
	RUN(change_while_running);
	RUN(config_space);
	RUN(offered_features);
	RUN(port_refuses);
	RUN(truncated_memory);
	glue_fini();
	return 0;
}
