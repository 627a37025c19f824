/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * vhost.c against the real librte_vhost: a front end that does things in every order, stalls,
 * vanishes and lies, while a thread keeps touching whatever the port was given.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>

#include "check.h"
#include "glue_port.h"
#include "raw_fe.h"
#include "ring/gmem_guard.h"
#include "vhost/vhost.h"

static char dir[] = "/tmp/vhost_glue_XXXXXX";
static char socket_path[PORT_PATH_LEN];
static char other_path[PORT_PATH_LEN];

static struct port *
new_port(const char *path, uint32_t cid, bool client)
{
	struct port_conf conf = {.cid = cid, .client = client};

	snprintf(conf.name, sizeof(conf.name), "vsock_vhost%u", cid);
	snprintf(conf.iface, sizeof(conf.iface), "%s", path);
	return glue_port_new(&conf);
}

static struct port *
attach(const char *path, uint32_t cid, bool client)
{
	struct port *port = new_port(path, cid, client);

	CHECK_EQ(vhost_attach(port), 0);
	return port;
}

static void
detach(struct port *port)
{
	vhost_detach(port);
	glue_port_free(port);
}

static int
count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int nb = 0;

	CHECK(d != NULL);
	while (readdir(d) != NULL)
		nb++;
	closedir(d);
	return nb;
}

static void
wait_fds(int want)
{
	for (int i = 0; count_fds() != want; i++) {
		if (i == 5000) {
			CHECK_EQ(count_fds(), want);
		}
		usleep(1000);
	}
}

static double
now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

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
	struct port *port = attach(socket_path, 3, false);
	struct glue_state got;
	struct raw_fe fe;

	raw_fe_init(&fe);
	raw_fe_connect(&fe, socket_path);
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
	detach(port);
}

/* A disabled ring is not served, an enabled one goes on where it was. */
static void
enable_disable(void)
{
	struct port *port = attach(socket_path, 3, false);
	unsigned int nb_up;
	struct raw_fe fe;

	raw_fe_init(&fe);
	raw_fe_connect(&fe, socket_path);
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
	detach(port);
}

/* Without PROTOCOL_FEATURES rings are enabled from the start. */
static void
no_protocol_features(void)
{
	struct port *port = attach(socket_path, 3, false);
	struct raw_fe fe;

	raw_fe_init(&fe);
	raw_fe_connect(&fe, socket_path);
	CHECK(raw_fe_set_features(&fe, 1ull << 32));
	for (int step = 6; step < 17; step++)
		CHECK(raw_fe_step(&fe, step));
	CHECK(raw_fe_sync(&fe));
	CHECK(glue_port_state(port).has_device);
	CHECK(!glue_port_state(port).vq[0].event_idx);
	CHECK(!glue_port_state(port).vq[0].indirect);
	raw_fe_cleanup(&fe);
	detach(port);
}

/* Everything that may change on a running device, while both rings run. */
static void
change_while_running(void)
{
	struct port *port = attach(socket_path, 3, false);
	eventfd_t value;
	struct raw_fe fe;

	raw_fe_init(&fe);
	raw_fe_connect(&fe, socket_path);
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
	detach(port);
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
	struct port *port = attach(socket_path, 0xfedcba98, false);
	const uint8_t want[8] = {0x98, 0xba, 0xdc, 0xfe, 0, 0, 0, 0};
	struct raw_fe fe;

	raw_fe_init(&fe);
	raw_fe_connect(&fe, socket_path);
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
	detach(port);
}

static void
offered_features(void)
{
	struct port *port = attach(socket_path, 3, false);
	uint64_t features;
	struct raw_fe fe;

	raw_fe_init(&fe);
	raw_fe_connect(&fe, socket_path);
	CHECK_EQ(raw_fe_ask(&fe, 1, NULL, 0, &features, 8), 8);
	CHECK_EQ(features,
		0x7 | 1ull << 24 | 1ull << 27 | 1ull << 28 | 1ull << 29 | 1ull << 30 | 1ull << 32);
	CHECK_EQ(raw_fe_ask(&fe, 15, NULL, 0, &features, 8), 8);
	CHECK_EQ(features, 1 | 1 << 3 | 1 << 9);
	CHECK_EQ(raw_fe_ask(&fe, 17, NULL, 0, &features, 8), 8);
	CHECK_EQ(features, 3);
	/* What is not offered cannot be set. */
	CHECK(raw_fe_set_features(&fe, 1ull << 34 | 1ull << 32));
	CHECK(raw_fe_wait_closed(&fe));
	raw_fe_cleanup(&fe);
	detach(port);
}

/* Gone after any number of messages, and after any part of one. */
static void
vanish(void)
{
	struct port *port = attach(socket_path, 3, false);
	unsigned int nb_gone = 0;
	struct raw_fe fe;
	int fds;

	raw_fe_init(&fe);
	fds = count_fds();
	for (int nb_steps = 0; nb_steps <= RAW_FE_NB_STEPS; nb_steps++) {
		for (uint32_t part = 0; part < 3; part++) {
			raw_fe_connect(&fe, socket_path);
			for (int step = 0; step < nb_steps; step++)
				CHECK(raw_fe_step(&fe, step));
			if (part > 0) {
				uint32_t hdr[3] = {9, 1, 40};
				size_t len = part == 1 ? 7 : 12;

				CHECK_EQ(send(fe.vu.fd, hdr, len, MSG_NOSIGNAL), len);
			}
			raw_fe_close(&fe);
			nb_gone++;
			GLUE_WAIT(port, st.nb_gone == nb_gone && !st.has_device);
		}
	}
	wait_fds(fds);
	raw_fe_connect(&fe, socket_path);
	raw_fe_start(&fe);
	GLUE_WAIT(port, st.has_device);
	raw_fe_cleanup(&fe);
	detach(port);
}

/* One front end per socket; the second does not disturb the first. */
static void
second_front_end(void)
{
	struct port *port = attach(socket_path, 3, false);
	struct raw_fe first, second;

	raw_fe_init(&first);
	raw_fe_init(&second);
	raw_fe_connect(&first, socket_path);
	raw_fe_start(&first);
	GLUE_WAIT(port, st.has_device);
	for (int i = 0; i < 20; i++) {
		raw_fe_connect(&second, socket_path);
		CHECK(raw_fe_wait_closed(&second));
		raw_fe_close(&second);
	}
	CHECK(raw_fe_sync(&first));
	CHECK(glue_port_state(port).has_device);
	CHECK_EQ(glue_port_state(port).nb_gone, 0);
	raw_fe_close(&first);
	GLUE_WAIT(port, st.nb_gone == 1);
	raw_fe_connect(&second, socket_path);
	raw_fe_start(&second);
	GLUE_WAIT(port, st.has_device);
	raw_fe_cleanup(&first);
	raw_fe_cleanup(&second);
	detach(port);
}

/* A front end that stops in the middle of a message is dropped, and others get on. */
static void
stall(void)
{
	struct port *port = attach(socket_path, 3, false);
	struct port *other = attach(other_path, 4, false);
	uint32_t hdr[3] = {9, 1, 40};
	struct raw_fe fe, patient;
	double start;

	raw_fe_init(&fe);
	raw_fe_init(&patient);
	raw_fe_connect(&fe, socket_path);
	raw_fe_start(&fe);
	CHECK_EQ(send(fe.vu.fd, hdr, sizeof(hdr), MSG_NOSIGNAL), sizeof(hdr));
	start = now_s();
	raw_fe_connect(&patient, other_path);
	raw_fe_start(&patient);
	GLUE_WAIT(other, st.has_device);
	GLUE_WAIT(port, st.nb_gone == 1 && !st.has_device);
	/* One time-out, and generous room for a busy machine. */
	CHECK(now_s() - start < 10);
	CHECK(raw_fe_wait_closed(&fe));
	raw_fe_cleanup(&fe);
	raw_fe_cleanup(&patient);
	detach(port);
	detach(other);
}

/* The daemon is the client: it waits for a front end, and comes back for the next. */
static void
client_mode(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct port *port;
	struct raw_fe fe;
	int listener;

	raw_fe_init(&fe);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", socket_path);
	port = attach(socket_path, 3, true);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	CHECK_EQ(listen(listener, 1), 0);
	for (unsigned int i = 0; i < 3; i++) {
		CHECK_EQ(vfe_vu_accept(&fe.vu, listener, 20000), 0);
		raw_fe_start(&fe);
		GLUE_WAIT(port, st.has_device);
		if (i == 2) {
			/* A stalled message ends here as well. */
			uint32_t hdr[3] = {9, 1, 40};

			CHECK_EQ(send(fe.vu.fd, hdr, sizeof(hdr), MSG_NOSIGNAL), sizeof(hdr));
			CHECK(raw_fe_wait_closed(&fe));
		}
		raw_fe_close(&fe);
		GLUE_WAIT(port, st.nb_gone == i + 1 && !st.has_device);
	}
	close(listener);
	detach(port);
	/* The path is the front end's: it stays. */
	CHECK_EQ(unlink(socket_path), 0);
	raw_fe_cleanup(&fe);
}

/* What may lie at the path when the socket is opened. */
static void
socket_paths(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct port *port = new_port(socket_path, 3, false);
	struct port *lost = new_port("/nowhere/at/all.sock", 4, false);
	struct stat st;
	int fd;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", socket_path);
	/* A file stays. */
	fd = open(socket_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	close(fd);
	CHECK_EQ(vhost_attach(port), -EEXIST);
	CHECK_EQ(stat(socket_path, &st), 0);
	CHECK(S_ISREG(st.st_mode));
	CHECK_EQ(unlink(socket_path), 0);
	/* A dangling link is no socket. */
	CHECK_EQ(symlink("/nowhere", socket_path), 0);
	CHECK_EQ(vhost_attach(port), -EEXIST);
	CHECK_EQ(unlink(socket_path), 0);
	/* Somebody listens: stays, and is still connected to the file. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	CHECK_EQ(listen(fd, 1), 0);
	CHECK_EQ(vhost_attach(port), -EADDRINUSE);
	CHECK_EQ(vhost_attach(port), -EADDRINUSE);
	CHECK_EQ(vhost_attach(port), -EADDRINUSE);
	CHECK_EQ(stat(socket_path, &st), 0);
	/* Nobody does any more: replaced. */
	close(fd);
	CHECK_EQ(vhost_attach(port), 0);
	CHECK_EQ(vhost_attach(port), -EBUSY);
	vhost_detach(port);
	CHECK_EQ(stat(socket_path, &st), -1);
	/* A live datagram socket. */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	CHECK_EQ(vhost_attach(port), -EADDRINUSE);
	close(fd);
	CHECK_EQ(vhost_attach(port), 0);
	vhost_detach(port);
	vhost_detach(port);
	CHECK_EQ(vhost_attach(lost), -ENOENT);
	glue_port_free(port);
	glue_port_free(lost);
}

/* A new listener is noticed within a second: that is what a round takes. */
#define NB_DETACHES 10

/* The socket closes under a running device, again and again. */
static void
detach_running(void)
{
	struct raw_fe fe, other_fe;
	struct port *port, *other;

	raw_fe_init(&fe);
	raw_fe_init(&other_fe);
	other = attach(other_path, 4, false);
	for (int i = 0; i < NB_DETACHES; i++) {
		port = attach(socket_path, 3, false);
		raw_fe_connect(&fe, socket_path);
		for (int step = 0; step < RAW_FE_NB_STEPS - 2 * i; step++)
			CHECK(raw_fe_step(&fe, step));
		/* Messages are under way while the socket closes; vids are used again at once. */
		for (uint32_t k = 0; k < 4 && i == 0; k++)
			raw_fe_ring_state(&fe, 18, k % 2, k / 2);
		vhost_detach(port);
		raw_fe_connect(&other_fe, other_path);
		raw_fe_start(&other_fe);
		GLUE_WAIT(other, st.has_device);
		raw_fe_close(&other_fe);
		GLUE_WAIT(other, !st.has_device && st.nb_gone == (unsigned int)i + 1);
		CHECK(!glue_port_state(port).has_device);
		CHECK(raw_fe_wait_closed(&fe));
		raw_fe_close(&fe);
		glue_port_free(port);
	}
	detach(other);
	raw_fe_cleanup(&fe);
	raw_fe_cleanup(&other_fe);
}

/* The port says no; a later message gives it another chance. */
static void
port_refuses(void)
{
	struct port *port = attach(socket_path, 3, false);
	struct raw_fe fe;

	raw_fe_init(&fe);
	glue_port_refuse_next(port);
	raw_fe_connect(&fe, socket_path);
	for (int step = 0; step < 19; step++)
		CHECK(raw_fe_step(&fe, step));
	CHECK(raw_fe_sync(&fe));
	CHECK(!glue_port_state(port).has_device);
	CHECK(raw_fe_set_addr(&fe, 0));
	CHECK(raw_fe_sync(&fe));
	CHECK(glue_port_state(port).has_device);
	raw_fe_cleanup(&fe);
	detach(port);
}

/* Memory that goes away under the running device: the port learns of it, nobody dies. */
static void
truncated_memory(void)
{
	struct port *port = attach(socket_path, 3, false);
	struct raw_fe fe;

	raw_fe_init(&fe);
	raw_fe_connect(&fe, socket_path);
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
	raw_fe_connect(&fe, socket_path);
	raw_fe_start(&fe);
	GLUE_WAIT(port, st.has_device && st.fault == 0);
	raw_fe_cleanup(&fe);
	detach(port);
}

int
main(int argc, char **argv)
{
	char prefix[40], program[] = "test", no_huge[] = "--no-huge", mem[] = "-m";
	char mem_len[] = "64", no_pci[] = "--no-pci", list[] = "-l", cpus[] = "0";
	char no_tel[] = "--no-telemetry";
	char *eal[] = {program, no_huge, mem, mem_len, no_pci, list, cpus, no_tel, prefix, NULL};

	(void)argc;
	(void)argv;
	snprintf(prefix, sizeof(prefix), "--file-prefix=glue%d", (int)getpid());
	CHECK(rte_eal_init(9, eal) >= 0);
	CHECK(mkdtemp(dir) != NULL);
	snprintf(socket_path, sizeof(socket_path), "%s/a.sock", dir);
	snprintf(other_path, sizeof(other_path), "%s/b.sock", dir);
	CHECK_EQ(gmem_guard_init(), 0);
	glue_port_init();
	RUN(start_stop);
	RUN(enable_disable);
	RUN(no_protocol_features);
	RUN(change_while_running);
	RUN(config_space);
	RUN(offered_features);
	RUN(vanish);
	RUN(second_front_end);
	RUN(stall);
	RUN(client_mode);
	RUN(socket_paths);
	RUN(detach_running);
	RUN(port_refuses);
	RUN(truncated_memory);
	CHECK_EQ(rmdir(dir), 0);
	rte_eal_cleanup();
	return 0;
}
