/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * vhost.c against the real librte_vhost: front ends and sockets that come, stall, vanish and
 * return, while a thread accesses all memory that the port has.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "glue.h"
#include "raw_fe.h"
#include "vhost/vhost.h"

static double
now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Gone after any number of messages, and after any part of one. */
static void
vanish(void)
{
	struct port *port = glue_attach(glue_path, 3, false);
	unsigned int nb_gone = 0;
	struct raw_fe fe;
	int fds;

	raw_fe_init(&fe);
	fds = glue_count_fds();
	for (int nb_steps = 0; nb_steps <= RAW_FE_NB_STEPS; nb_steps++) {
		for (uint32_t part = 0; part < 3; part++) {
			raw_fe_connect(&fe, glue_path);
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
	glue_wait_fds(fds);
	raw_fe_connect(&fe, glue_path);
	raw_fe_start(&fe);
	GLUE_WAIT(port, st.has_device);
	raw_fe_cleanup(&fe);
	glue_detach(port);
}

/* One front end per socket; the second does not disturb the first. */
static void
second_front_end(void)
{
	struct port *port = glue_attach(glue_path, 3, false);
	struct raw_fe first, second;

	raw_fe_init(&first);
	raw_fe_init(&second);
	raw_fe_connect(&first, glue_path);
	raw_fe_start(&first);
	GLUE_WAIT(port, st.has_device);
	for (int i = 0; i < 20; i++) {
		raw_fe_connect(&second, glue_path);
		CHECK(raw_fe_wait_closed(&second));
		raw_fe_close(&second);
	}
	CHECK(raw_fe_sync(&first));
	CHECK(glue_port_state(port).has_device);
	CHECK_EQ(glue_port_state(port).nb_gone, 0);
	raw_fe_close(&first);
	GLUE_WAIT(port, st.nb_gone == 1);
	raw_fe_connect(&second, glue_path);
	raw_fe_start(&second);
	GLUE_WAIT(port, st.has_device);
	raw_fe_cleanup(&first);
	raw_fe_cleanup(&second);
	glue_detach(port);
}

/* A front end that stops in the middle of a message is dropped, and others get on. */
static void
stall(void)
{
	struct port *port = glue_attach(glue_path, 3, false);
	struct port *other = glue_attach(glue_other_path, 4, false);
	uint32_t hdr[3] = {9, 1, 40};
	struct raw_fe fe, patient;
	double start;

	raw_fe_init(&fe);
	raw_fe_init(&patient);
	raw_fe_connect(&fe, glue_path);
	raw_fe_start(&fe);
	CHECK_EQ(send(fe.vu.fd, hdr, sizeof(hdr), MSG_NOSIGNAL), sizeof(hdr));
	start = now_s();
	raw_fe_connect(&patient, glue_other_path);
	raw_fe_start(&patient);
	GLUE_WAIT(other, st.has_device);
	GLUE_WAIT(port, st.nb_gone == 1 && !st.has_device);
	/* One time-out, and generous room for a busy machine. */
	CHECK(now_s() - start < 10);
	CHECK(raw_fe_wait_closed(&fe));
	raw_fe_cleanup(&fe);
	raw_fe_cleanup(&patient);
	glue_detach(port);
	glue_detach(other);
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
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", glue_path);
	port = glue_attach(glue_path, 3, true);
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
	glue_detach(port);
	/* The path is the front end's: it stays. */
	CHECK_EQ(unlink(glue_path), 0);
	raw_fe_cleanup(&fe);
}

/* Files at the path when the socket is opened. */
static void
socket_paths(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct port *port = glue_new_port(glue_path, 3, false);
	struct port *lost = glue_new_port("/nowhere/at/all.sock", 4, false);
	struct stat st;
	int fd;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", glue_path);
	/* A file stays. */
	fd = open(glue_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	close(fd);
	CHECK_EQ(vhost_attach(port), -EEXIST);
	CHECK_EQ(stat(glue_path, &st), 0);
	CHECK(S_ISREG(st.st_mode));
	CHECK_EQ(unlink(glue_path), 0);
	/* A dangling link is no socket. */
	CHECK_EQ(symlink("/nowhere", glue_path), 0);
	CHECK_EQ(vhost_attach(port), -EEXIST);
	CHECK_EQ(unlink(glue_path), 0);
	/* The file has a listener: it stays, and is still connected. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	CHECK_EQ(listen(fd, 1), 0);
	CHECK_EQ(vhost_attach(port), -EADDRINUSE);
	CHECK_EQ(vhost_attach(port), -EADDRINUSE);
	CHECK_EQ(vhost_attach(port), -EADDRINUSE);
	CHECK_EQ(stat(glue_path, &st), 0);
	/* The file has no listener any more: it is replaced. */
	close(fd);
	CHECK_EQ(vhost_attach(port), 0);
	CHECK_EQ(vhost_attach(port), -EBUSY);
	vhost_detach(port);
	CHECK_EQ(stat(glue_path, &st), -1);
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

#define NB_DETACHES 10

/* The socket closes under a running device, again and again. */
static void
detach_running(void)
{
	struct raw_fe fe, other_fe;
	struct port *port, *other;

	raw_fe_init(&fe);
	raw_fe_init(&other_fe);
	other = glue_attach(glue_other_path, 4, false);
	for (int i = 0; i < NB_DETACHES; i++) {
		port = glue_attach(glue_path, 3, false);
		raw_fe_connect(&fe, glue_path);
		for (int step = 0; step < RAW_FE_NB_STEPS - 2 * i; step++)
			CHECK(raw_fe_step(&fe, step));
		/* Messages are under way while the socket closes; vids are used again at once. */
		for (uint32_t k = 0; k < 4 && i == 0; k++)
			raw_fe_ring_state(&fe, 18, k % 2, k / 2);
		vhost_detach(port);
		raw_fe_connect(&other_fe, glue_other_path);
		raw_fe_start(&other_fe);
		GLUE_WAIT(other, st.has_device);
		raw_fe_close(&other_fe);
		GLUE_WAIT(other, !st.has_device && st.nb_gone == (unsigned int)i + 1);
		CHECK(!glue_port_state(port).has_device);
		CHECK(raw_fe_wait_closed(&fe));
		raw_fe_close(&fe);
		glue_port_free(port);
	}
	glue_detach(other);
	raw_fe_cleanup(&fe);
	raw_fe_cleanup(&other_fe);
}

int
main(void)
{
	glue_init();
	RUN(vanish);
	RUN(second_front_end);
	RUN(stall);
	RUN(client_mode);
	RUN(socket_paths);
	RUN(detach_running);
	glue_fini();
	return 0;
}
