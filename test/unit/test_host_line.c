/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "control/host_line.h"

struct pair {
	struct host_line line;
	int ours;
	int program;
	bool seqpacket;
};

static struct pair
open_pair(bool seqpacket)
{
	struct pair p = {.seqpacket = seqpacket};
	int fds[2];

	CHECK(socketpair(AF_UNIX, seqpacket ? SOCK_SEQPACKET : SOCK_STREAM, 0, fds) == 0);
	p.ours = fds[0];
	p.program = fds[1];
	return p;
}

static void
close_pair(struct pair *p)
{
	close(p->ours);
	if (p->program >= 0)
		close(p->program);
}

static void
say(struct pair *p, const void *text, size_t len)
{
	CHECK(send(p->program, text, len, MSG_NOSIGNAL) == (ssize_t)len);
}

static int
take(struct pair *p, uint32_t *port)
{
	return host_line_read(&p->line, p->ours, p->seqpacket, port);
}

/* Result of a line that comes in one piece. */
static int
answer(bool seqpacket, const char *text, size_t len, uint32_t *port)
{
	struct pair p = open_pair(seqpacket);
	int ret;

	say(&p, text, len);
	ret = take(&p, port);
	close_pair(&p);
	return ret;
}

static void
check_good(const char *text, uint32_t want)
{
	for (int seqpacket = 0; seqpacket < 2; seqpacket++) {
		uint32_t port = ~want;

		CHECK(answer(seqpacket, text, strlen(text), &port) == 0);
		CHECK(port == want);
	}
}

static void
test_good(void)
{
	uint32_t port = 0;

	check_good("CONNECT 1024\n", 1024);
	check_good("connect 1024\r\n", 1024);
	check_good("cOnNeCt 0\n", 0);
	check_good("CONNECT 4294967294\n", UINT32_MAX - 1);
	check_good("CONNECT 00000000000000000000001\n", 1); /* 32 bytes: the longest */
	/* Clients of other back ends write these. */
	check_good("CONNECT  1024\n", 1024);
	check_good("CONNECT\t1024\n", 1024);
	check_good("CONNECT 1024 \n", 1024);
	check_good(" connect \t 1024 \r\n", 1024);
	/* A message ends with its end. */
	CHECK(answer(true, "CONNECT 7", 9, &port) == 0);
	CHECK(port == 7);
	CHECK(answer(true, "CONNECT 8\n", 10, &port) == 0);
	CHECK(port == 8);
	/* Nothing of it is lost. */
	CHECK(answer(true, "CONNECT 8\nmore", 14, &port) == -EBADMSG);
	CHECK(answer(true, "CONNECT 000000000000000000000008\n", 33, &port) == -EMSGSIZE);
}

static void
test_bad(void)
{
	static const char *const bad[] = {"\n", "CONNECT\n", "CONNECT \n", "CONNECT x\n",
		"CONNECT -1\n", "CONNECT +1\n", "CONNECT 5x\n", "CONNECT 1 2\n",
		"CONNECT 4294967295\n", "CONNECT 4294967296\n", "CONNECT 9999999999999999999999\n",
		"HELLO 1024\n", "CONNECT1024\n", "CONNECT 1 WAIT\n"};
	uint32_t port = 99;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK(answer(false, bad[i], strlen(bad[i]), &port) == -EBADMSG);
		CHECK(answer(true, bad[i], strlen(bad[i]), &port) == -EBADMSG);
	}
	CHECK(answer(false, "CONNECT 1\0\n", 11, &port) == -EBADMSG);
	CHECK(answer(false, "CONNECT \0001\n", 11, &port) == -EBADMSG);
	CHECK(answer(false, "CONNECT 000000000000000000000001\n", 33, &port) == -EMSGSIZE);
}

/* Byte by byte, and what follows stays where it is. */
static void
test_pieces(void)
{
	static const char text[] = "CONNECT 31337\n";
	struct pair p = open_pair(false);
	uint32_t port = 0;
	char rest[16];

	CHECK(take(&p, &port) == -EAGAIN);
	for (size_t i = 0; i < sizeof(text) - 2; i++) {
		say(&p, &text[i], 1);
		CHECK(take(&p, &port) == -EAGAIN);
		CHECK(take(&p, &port) == -EAGAIN);
	}
	say(&p, "\nearly", 6);
	CHECK(take(&p, &port) == 0);
	CHECK(port == 31337);
	CHECK(recv(p.ours, rest, sizeof(rest), MSG_DONTWAIT) == 5);
	CHECK(memcmp(rest, "early", 5) == 0);
	close_pair(&p);
}

/* Nothing of it, or a part, and then the end: there is no line. */
static void
test_end(void)
{
	uint32_t port;

	for (int seqpacket = 0; seqpacket < 2; seqpacket++) {
		struct pair p = open_pair(seqpacket);

		if (!seqpacket) {
			say(&p, "CONNECT 1", 9);
			CHECK(take(&p, &port) == -EAGAIN);
		}
		close(p.program);
		p.program = -1;
		CHECK(take(&p, &port) == -ECONNRESET);
		close_pair(&p);
	}
}

/* A line without an end is refused when it cannot become one any more, not later. */
static void
test_endless(void)
{
	struct pair p = open_pair(false);
	uint32_t port;

	for (int i = 0; i < LIMIT_CONNECT_LINE_LEN - 1; i++) {
		say(&p, "C", 1);
		CHECK(take(&p, &port) == -EAGAIN);
	}
	say(&p, "C", 1);
	CHECK(take(&p, &port) == -EMSGSIZE);
	close_pair(&p);
}

int
main(void)
{
	test_good();
	test_bad();
	test_pieces();
	test_end();
	test_endless();
	return 0;
}
