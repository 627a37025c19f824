/* SPDX-License-Identifier: BSD-3-Clause */
/* The last message of a program that closes behind it, while we look at the socket all the time. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "host/host_peek.h"

#define NB_ROUNDS 100000u
#define MAX_S     10
#define LEN       100

static int program_fd; /* of a round; -1: none, -2: no more */

static void *
program(void *arg)
{
	const uint8_t message[LEN] = {1};
	uint32_t pause = 1;

	(void)arg;
	for (;;) {
		int fd = __atomic_load_n(&program_fd, __ATOMIC_ACQUIRE);

		if (fd == -2)
			return NULL;
		if (fd < 0) {
			sched_yield();
			continue;
		}
		pause = pause * 1103515245u + 12345u;
		for (volatile uint32_t i = 0; i < (pause >> 16 & 0xff); i++)
			;
		CHECK_EQ(send(fd, message, sizeof(message), 0), LEN);
		close(fd);
		__atomic_store_n(&program_fd, -1, __ATOMIC_RELEASE);
	}
}

/* Whether the message was seen before the end. */
static bool
round_once(void)
{
	uint8_t message[LEN];
	bool seen = false;
	int fds[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	__atomic_store_n(&program_fd, fds[1], __ATOMIC_RELEASE);
	for (;;) {
		ssize_t n = host_peek(fds[0]);

		if (n == 0)
			break;
		if (n < 0) {
			CHECK_EQ(errno, EAGAIN);
			continue;
		}
		CHECK_EQ(n, LEN);
		CHECK_EQ(recv(fds[0], message, sizeof(message), 0), LEN);
		seen = true;
	}
	while (__atomic_load_n(&program_fd, __ATOMIC_ACQUIRE) != -1)
		sched_yield();
	close(fds[0]);
	return seen;
}

static void
end_behind_a_message(void)
{
	const time_t until = time(NULL) + MAX_S;
	pthread_t thread;

	program_fd = -1;
	CHECK_EQ(pthread_create(&thread, NULL, program, NULL), 0);
	for (unsigned int i = 0; i < NB_ROUNDS && time(NULL) < until; i++)
		CHECK(round_once());
	__atomic_store_n(&program_fd, -2, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
}

static void
errors(void)
{
	CHECK_EQ(host_peek(-1), -1);
	CHECK_EQ(errno, EBADF);
}

int
main(void)
{
	RUN(end_behind_a_message);
	RUN(errors);
	return 0;
}
