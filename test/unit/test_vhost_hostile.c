/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * vhost.c and the real librte_vhost with hostile front ends: after each of their messages the
 * process lives, no fd is lost, no memory that was taken away is touched, and the next front end is
 * served.
 */

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "glue.h"
#include "raw_fe.h"

#define NEED_REPLY VFE_VU_NEED_REPLY
#define ADDR       RAW_FE_ADDR

static struct port *port;
static struct raw_fe fe;
static unsigned int nb_gone;

/* The end of a front end, and everything of it with it. */
static void
wait_gone(int nb_fds)
{
	raw_fe_close(&fe);
	nb_gone++;
	GLUE_WAIT(port, st.nb_gone == nb_gone && !st.has_device);
	glue_wait_fds(nb_fds);
}

/* A correct front end is served. */
static void
serve_once(int nb_fds)
{
	raw_fe_connect(&fe, glue_path);
	raw_fe_start(&fe);
	GLUE_WAIT(port, st.has_device);
	wait_gone(nb_fds);
}

/* Messages that end the connection, even when an error reply is asked for. */
static void
malformed(void)
{
	static const struct {
		uint32_t request;
		uint32_t len;
		unsigned int nb_fds;
		uint64_t payload[8];
	} msgs[] = {
		/* Too short. */
		{2, 4, 0, {0}},
		{5, 4, 1, {0}},
		{8, 4, 0, {0}},
		{9, 32, 0, {0}},
		{10, 0, 0, {0}},
		{12, 0, 0, {0}},
		{13, 4, 1, {0}},
		{16, 0, 0, {0}},
		{18, 4, 0, {0}},
		{24, 8, 0, {0}},
		{25, 8, 0, {0}},
		{5, 8, 1, {1}},
		{5, 39, 1, {1, 0, 4096, ADDR, 0}},
		/* fds where none belong, none where one belongs, too many. */
		{1, 0, 1, {0}},
		{2, 8, 3, {1ull << 32}},
		{3, 0, 1, {0}},
		{4, 0, 1, {0}},
		{8, 8, 1, {128ull << 32}},
		{24, 20, 8, {8ull << 32}},
		{12, 8, 0, {0}},
		{13, 8, 0, {1}},
		{12, 8, 2, {0}},
		{13, 8, 8, {0}},
		{12, 8, 1, {0x100}},
		{14, 8, 1, {0x101}},
		{14, 8, 0, {0}},
		/* The fds of rings are eventfds, not memory. */
		{12, 8, 1, {0}},
		{13, 8, 1, {1}},
		/* Rings that do not exist. */
		{8, 8, 0, {128ull << 32 | 3}},
		{8, 8, 0, {128ull << 32 | 255}},
		{8, 8, 0, {128ull << 32 | 256}},
		{8, 8, 0, {128ull << 32 | 0xffffffff}},
		{9, 40, 0, {200}},
		{10, 8, 0, {77}},
		{12, 8, 0, {0x1fe}},
		{13, 8, 0, {0x103}},
		{14, 8, 0, {0x1ff}},
		{18, 8, 0, {1ull << 32 | 3}},
		/* Sizes and bases that are none. */
		{8, 8, 0, {0}},
		{8, 8, 0, {3ull << 32}},
		{8, 8, 0, {65536ull << 32}},
		{8, 8, 0, {0xffffffffull << 32}},
		{8, 8, 0, {32769ull << 32}},
		{10, 8, 0, {65536ull << 32}},
		/* Memory tables: how many. */
		{5, 8, 0, {0}},
		{5, 8, 8, {9}},
		{5, 8, 0, {0xffffffff}},
		{5, 40, 0, {1, 0, 4096, ADDR, 0}},
		{5, 40, 2, {1, 0, 4096, ADDR, 0}},
		/* Empty, beyond the file, wrapping. */
		{5, 40, 1, {1, 0, 0, ADDR, 0}},
		{5, 40, 1, {1, 0, RAW_FE_MEM_LEN + 1, ADDR, 0}},
		{5, 40, 1, {1, 0, RAW_FE_MEM_LEN, ADDR, 4096}},
		{5, 40, 1, {1, 0, 4096, ADDR, RAW_FE_MEM_LEN}},
		{5, 40, 1, {1, 0, 4096, ADDR, UINT64_MAX - 4095}},
		{5, 40, 1, {1, 0, UINT64_MAX, ADDR, 0}},
		{5, 40, 1, {1, 0, 1ull << 63, ADDR, 1ull << 63}},
		{5, 40, 1, {1, UINT64_MAX - 4095, 8192, ADDR, 0}},
		{5, 40, 1, {1, UINT64_MAX, 4096, ADDR, 0}},
		{5, 40, 1, {1, 0, 4096, UINT64_MAX - 4094, 0}},
	};
	int nb_fds = glue_count_fds();

	for (size_t i = 0; i < sizeof(msgs) / sizeof(msgs[0]); i++) {
		for (uint32_t flags = 0; flags <= NEED_REPLY; flags += NEED_REPLY) {
			int fds[8];

			for (int k = 0; k < 8; k++)
				fds[k] = fe.memfd;
			raw_fe_connect(&fe, glue_path);
			for (int step = 0; step < RAW_FE_NB_STEPS && i % 2 == 0; step++)
				CHECK(raw_fe_step(&fe, step));
			CHECK(raw_fe_send(&fe, msgs[i].request, flags, msgs[i].payload, msgs[i].len,
				fds, msgs[i].nb_fds));
			if (!raw_fe_wait_closed(&fe)) {
				fprintf(stderr, "message %zu was not refused\n", i);
				exit(1);
			}
			wait_gone(nb_fds);
		}
	}
	serve_once(nb_fds);
}

/* Requests that are not offered: an error where one is wanted, and the device goes on. */
static void
not_offered(void)
{
	static const uint32_t requests[] = {0, 6, 7, 19, 20, 21, 22, 23, 25, 26, 27, 28, 29, 30, 31,
		32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 100, 0xffffffff};
	int nb_fds = glue_count_fds();
	uint8_t payload[64] = {0};

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		int fds[2] = {fe.memfd, fe.call_fd[0]};
		uint32_t reply[5];

		raw_fe_connect(&fe, glue_path);
		raw_fe_start(&fe);
		/* The library itself loses the fds of an inflight message without rings. */
		CHECK(raw_fe_send(&fe, requests[i], NEED_REPLY, payload, sizeof(payload), fds,
			requests[i] == 32 ? 0 : 2));
		if (requests[i] == 25 || requests[i] == 32) {
			/* fds with SET_CONFIG; rings by the hundred: these end at once. */
			CHECK(raw_fe_wait_closed(&fe));
		} else {
			CHECK_EQ(recv(fe.vu.fd, reply, 20, MSG_WAITALL), 20);
			CHECK_EQ(reply[0], requests[i]);
			CHECK_EQ(reply[3], 1);
			CHECK(raw_fe_sync(&fe));
			CHECK(glue_port_state(port).has_device);
			CHECK(raw_fe_send(&fe, requests[i], 0, payload, sizeof(payload), fds, 2));
			CHECK(raw_fe_wait_closed(&fe));
		}
		wait_gone(nb_fds);
	}
	/* RESET_OWNER is to be ignored. */
	raw_fe_connect(&fe, glue_path);
	raw_fe_start(&fe);
	CHECK(raw_fe_send(&fe, 4, 0, NULL, 0, NULL, 0));
	CHECK(raw_fe_sync(&fe));
	CHECK(glue_port_state(port).has_device);
	wait_gone(nb_fds);
	/* Longer than any message, or cut off by the end of the stream. */
	for (uint32_t len = 633; len != 0; len = len == 633 ? 0xffffffff : 0) {
		uint32_t hdr[3] = {1, 1, len};

		raw_fe_connect(&fe, glue_path);
		CHECK_EQ(send(fe.vu.fd, hdr, sizeof(hdr), 0), sizeof(hdr));
		CHECK(raw_fe_wait_closed(&fe));
		wait_gone(nb_fds);
	}
}

/* Memory that cannot be mapped as guest memory. */
static void
bad_memory_fds(void)
{
	const uint64_t table[5] = {1, 0, 4096, ADDR, 0};
	int nb_fds = glue_count_fds();
	int fds[6] = {-1};
	int p[2];

	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
	fds[0] = p[0];
	fds[1] = eventfd(0, EFD_CLOEXEC);
	fds[2] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	fds[3] = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	fds[4] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	fds[5] = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	nb_fds = glue_count_fds();
	for (int i = 0; i < 6; i++) {
		CHECK(fds[i] >= 0);
		raw_fe_connect(&fe, glue_path);
		raw_fe_start(&fe);
		CHECK(raw_fe_send(&fe, 5, NEED_REPLY, table, sizeof(table), &fds[i], 1));
		CHECK(raw_fe_wait_closed(&fe));
		wait_gone(nb_fds);
	}
	for (int i = 0; i < 6; i++)
		close(fds[i]);
	close(p[1]);
}

/* Overlaps: refused where guest addresses overlap, harmless in the front end's addresses. */
static void
overlaps(void)
{
	uint64_t table[9] = {2, 0, 8192, ADDR, 0, 4096, 8192, ADDR + 8192, 0};
	int fds[2] = {fe.memfd, fe.memfd};
	int nb_fds = glue_count_fds();

	raw_fe_connect(&fe, glue_path);
	CHECK(raw_fe_send(&fe, 5, NEED_REPLY, table, sizeof(table), fds, 2));
	CHECK(raw_fe_wait_closed(&fe));
	wait_gone(nb_fds);
	table[5] = 8192;
	table[7] = ADDR;
	raw_fe_connect(&fe, glue_path);
	CHECK(raw_fe_send(&fe, 5, 0, table, sizeof(table), fds, 2));
	CHECK(raw_fe_sync(&fe));
	wait_gone(nb_fds);
}

/*
 * Rings outside of memory, across its end, misaligned, at nothing; and sizes that grow after the
 * addresses were accepted. None of these is given to the port.
 */
static void
rings_outside(void)
{
	const uint64_t end = ADDR + RAW_FE_MEM_LEN;
	const uint64_t good[3] = {
		ADDR + raw_fe_desc_off(0), ADDR + raw_fe_used_off(0), ADDR + raw_fe_avail_off(0)};
	const uint64_t bad[] = {0, 1, ADDR - 1, end - 1, end - 4, end - 200, end, end + 4096,
		UINT64_MAX, UINT64_MAX - 4095, 1ull << 63};
	int nb_fds = glue_count_fds();

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (int part = 0; part < 3; part++) {
			uint64_t addr[5] = {0, good[0], good[1], good[2], 0};

			addr[1 + part] = bad[i];
			raw_fe_connect(&fe, glue_path);
			/* First with a good ring, then on the live one. */
			raw_fe_start(&fe);
			CHECK(raw_fe_send(&fe, 9, 0, addr, sizeof(addr), NULL, 0));
			CHECK(raw_fe_sync(&fe));
			CHECK(!glue_port_state(port).has_device);
			CHECK(raw_fe_set_mem_table(&fe, 2));
			CHECK(raw_fe_sync(&fe));
			CHECK(!glue_port_state(port).has_device);
			/* And put right. */
			CHECK(raw_fe_set_addr(&fe, 0));
			CHECK(raw_fe_sync(&fe));
			CHECK(glue_port_state(port).has_device);
			wait_gone(nb_fds);
		}
	}
	for (uint32_t size = 256; size <= 32768; size *= 2) {
		/* The used ring's last entry ends with the memory: any larger size is outside. */
		uint64_t addr[5] = {0, good[0], end - 4 - 8 * 128 - 2, good[2], 0};

		addr[2] &= ~3ull;
		raw_fe_connect(&fe, glue_path);
		raw_fe_start(&fe);
		CHECK(raw_fe_send(&fe, 9, 0, addr, sizeof(addr), NULL, 0));
		CHECK(raw_fe_sync(&fe));
		CHECK(glue_port_state(port).has_device);
		CHECK(raw_fe_ring_state(&fe, 8, 0, size));
		CHECK(raw_fe_sync(&fe));
		CHECK(!glue_port_state(port).has_device);
		wait_gone(nb_fds);
	}
}

/* Rings that were never given a size. */
static void
no_size(void)
{
	int nb_fds = glue_count_fds();

	raw_fe_connect(&fe, glue_path);
	for (int step = 0; step < RAW_FE_NB_STEPS; step++)
		if (step != 7)
			CHECK(raw_fe_step(&fe, step));
	CHECK(raw_fe_sync(&fe));
	CHECK(!glue_port_state(port).has_device);
	CHECK(raw_fe_ring_state(&fe, 8, 0, RAW_FE_RING_SIZE));
	CHECK(raw_fe_sync(&fe));
	CHECK(glue_port_state(port).has_device);
	wait_gone(nb_fds);
}

/* A front end that fills the counter of a call fd does not block the lcore. */
static void
full_call_fd(void)
{
	int nb_fds = glue_count_fds();

	raw_fe_connect(&fe, glue_path);
	raw_fe_start(&fe);
	GLUE_WAIT(port, st.has_device);
	CHECK_EQ(eventfd_write(fe.call_fd[0], UINT64_MAX - 1), 0);
	CHECK(!glue_port_call(port, 0));
	wait_gone(nb_fds);
	close(fe.call_fd[0]);
	fe.call_fd[0] = eventfd(0, EFD_CLOEXEC);
}

static uint32_t
next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/*
 * Any request with any payload and fds. None with requests whose bad ring index makes the library
 * end the connection before it calls a handler: it loses the fds.
 */
static bool
random_bytes(uint32_t *seed)
{
	uint32_t request = next_random(seed) % 45;
	uint32_t payload[10];
	unsigned int nb_fds;
	int fds[8];

	for (int i = 0; i < 8; i++)
		fds[i] = i % 2 == 0 ? fe.memfd : fe.kick_fd[0];
	for (int i = 0; i < 10; i++)
		payload[i] = next_random(seed);
	nb_fds = next_random(seed) % 9;
	if ((request >= 8 && request <= 11) || request == 18 || request == 32)
		nb_fds = 0;
	return raw_fe_send(
		&fe, request, next_random(seed) & 8, payload, next_random(seed) % 41, fds, nb_fds);
}

/* One message, sensible or nearly so. */
static bool
random_message(uint32_t *seed)
{
	static const uint32_t values[] = {0, 1, 2, 128, 64, 32768, 255, 3, 65535};
	uint32_t q = next_random(seed) % 8 == 0 ? 2 : next_random(seed) % 2;
	uint32_t value = values[next_random(seed) % 9];
	uint64_t addr[5] = {q};

	switch (next_random(seed) % 16) {
	case 0:
		return raw_fe_set_mem_table(&fe, 1 + next_random(seed) % 8);
	case 1:
		return raw_fe_set_addr(&fe, (int)q);
	case 2:
		for (int i = 1; i < 4; i++)
			addr[i] = ADDR + next_random(seed) % (RAW_FE_MEM_LEN + 8192);
		return raw_fe_send(&fe, 9, NEED_REPLY, addr, sizeof(addr), NULL, 0);
	case 3:
		return raw_fe_set_fd(&fe, 12, q, value == 1 ? -1 : fe.kick_fd[q]);
	case 4:
		return raw_fe_set_fd(&fe, 13, q, value == 1 ? -1 : fe.call_fd[q]);
	case 5:
		return raw_fe_ring_state(&fe, 8, q, value % 5 == 0 ? RAW_FE_RING_SIZE : value);
	case 6:
		return raw_fe_ring_state(&fe, 10, q, value);
	case 7:
		return raw_fe_ring_state(&fe, 18, q, value % 4 != 0);
	case 8:
		return raw_fe_get_base(&fe, q) >= 0;
	case 9:
		return raw_fe_set_features(&fe, 1ull << 32 | (uint64_t)(value % 8) << 28);
	case 10:
		return next_random(seed) % 4 != 0 || random_bytes(seed);
	default:
		return raw_fe_step(&fe, (int)(next_random(seed) % RAW_FE_NB_STEPS));
	}
}

/* Everything in any order; the thread behind the port finds out what is not there any more. */
static void
random_orders(void)
{
	int nb_fds = glue_count_fds();
	uint32_t seed = 0x2545f491;
	unsigned int nb_up = glue_port_state(port).nb_up;

	fe.lenient = true;
	for (int round = 0; round < 400; round++) {
		raw_fe_connect(&fe, glue_path);
		for (int step = 0; round % 4 != 0 && step < RAW_FE_NB_STEPS; step++)
			CHECK(raw_fe_step(&fe, step));
		for (int i = 0; i < 40; i++)
			if (!random_message(&seed))
				break;
		wait_gone(nb_fds);
	}
	fe.lenient = false;
	printf("%u devices\n", glue_port_state(port).nb_up - nb_up);
	CHECK(glue_port_state(port).nb_up > nb_up + 1000);
	serve_once(nb_fds);
}

int
main(void)
{
	glue_init();
	port = glue_attach(glue_path, 3, false);
	raw_fe_init(&fe);

	serve_once(glue_count_fds());
	RUN(malformed);
	RUN(not_offered);
	RUN(bad_memory_fds);
	RUN(overlaps);
	RUN(rings_outside);
	RUN(no_size);
	RUN(full_call_fd);
	RUN(random_orders);

	raw_fe_cleanup(&fe);
	glue_detach(port);
	glue_fini();
	return 0;
}
