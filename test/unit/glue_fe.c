/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "glue_fe.h"

#define WAIT_MS 20000

/* Where the front end claims to have its memory. */
#define FE_ADDR 0x7f0000000000ull

void
fe_init(struct fe *fe)
{
	memset(fe, 0, sizeof(*fe));
	fe->fd = -1;
	fe->memfd = memfd_create("glue", MFD_CLOEXEC);
	CHECK(fe->memfd >= 0);
	CHECK_EQ(ftruncate(fe->memfd, FE_MEM_LEN), 0);
	fe->mem = mmap(NULL, FE_MEM_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fe->memfd, 0);
	CHECK(fe->mem != MAP_FAILED);
	for (int i = 0; i < 3; i++) {
		fe->kick_fd[i] = eventfd(0, EFD_CLOEXEC);
		fe->call_fd[i] = eventfd(0, EFD_CLOEXEC);
		CHECK(fe->kick_fd[i] >= 0 && fe->call_fd[i] >= 0);
	}
}

void
fe_close(struct fe *fe)
{
	if (fe->fd >= 0)
		close(fe->fd);
	fe->fd = -1;
}

void
fe_cleanup(struct fe *fe)
{
	fe_close(fe);
	munmap(fe->mem, FE_MEM_LEN);
	close(fe->memfd);
	for (int i = 0; i < 3; i++) {
		close(fe->kick_fd[i]);
		close(fe->call_fd[i]);
	}
}

bool
fe_try_connect(struct fe *fe, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	fe->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(fe->fd >= 0);
	if (connect(fe->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return true;
	fe_close(fe);
	return false;
}

void
fe_connect(struct fe *fe, const char *path)
{
	for (int i = 0; !fe_try_connect(fe, path); i++) {
		CHECK(i < WAIT_MS);
		usleep(1000);
	}
}

bool
fe_send(struct fe *fe, uint32_t request, uint32_t flags, const void *payload, uint32_t len,
	const int *fds, int nb_fds)
{
	uint32_t hdr[3] = {request, 1 | flags, len};
	struct iovec iov[2] = {{hdr, sizeof(hdr)}, {NULL, len}};
	char control[CMSG_SPACE(8 * sizeof(int))];
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = len > 0 ? 2 : 1};
	uint8_t copy[2048];

	CHECK(len <= sizeof(copy) && nb_fds <= 8);
	if (len > 0)
		memcpy(copy, payload, len);
	iov[1].iov_base = copy;
	if (nb_fds > 0) {
		struct cmsghdr *cmsg;

		memset(control, 0, sizeof(control));
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE((size_t)nb_fds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN((size_t)nb_fds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, (size_t)nb_fds * sizeof(int));
	}
	return sendmsg(fe->fd, &msg, MSG_NOSIGNAL) == (ssize_t)(sizeof(hdr) + len);
}

static int
recv_reply(struct fe *fe, uint32_t request, void *reply, uint32_t reply_len)
{
	struct pollfd pfd = {.fd = fe->fd, .events = POLLIN};
	uint8_t body[2048];
	uint32_t hdr[3];

	do {
		CHECK_EQ(poll(&pfd, 1, WAIT_MS), 1);
		if (recv(fe->fd, hdr, sizeof(hdr), MSG_WAITALL) != sizeof(hdr))
			return -1;
		CHECK_EQ(hdr[1], 1 | 4);
		CHECK(hdr[2] <= sizeof(body));
		if (hdr[2] > 0 && recv(fe->fd, body, hdr[2], MSG_WAITALL) != (ssize_t)hdr[2])
			return -1;
	} while (fe->lenient && hdr[0] != request);
	CHECK_EQ(hdr[0], request);
	if (reply != NULL)
		memcpy(reply, body, hdr[2] < reply_len ? hdr[2] : reply_len);
	return (int)hdr[2];
}

int
fe_ask(struct fe *fe, uint32_t request, const void *payload, uint32_t len, void *reply,
	uint32_t reply_len)
{
	if (!fe_send(fe, request, 0, payload, len, NULL, 0))
		return -1;
	return recv_reply(fe, request, reply, reply_len);
}

/* Requests without a reply of their own get one when REPLY_ACK was agreed on. */
static bool
tell(struct fe *fe, uint32_t request, const void *payload, uint32_t len, const int *fds, int nb_fds)
{
	uint64_t error = 1;

	if (!fe_send(fe, request, fe->reply_ack ? 8 : 0, payload, len, fds, nb_fds))
		return false;
	if (!fe->reply_ack)
		return true;
	return recv_reply(fe, request, &error, sizeof(error)) == 8 && error == 0;
}

bool
fe_wait_closed(struct fe *fe)
{
	struct pollfd pfd = {.fd = fe->fd, .events = POLLIN};
	char buf[256];
	ssize_t len;

	do {
		if (poll(&pfd, 1, WAIT_MS) != 1)
			return false;
		len = recv(fe->fd, buf, sizeof(buf), 0);
	} while (len > 0);
	return true;
}

bool
fe_sync(struct fe *fe)
{
	uint64_t features;

	return fe_ask(fe, 1, NULL, 0, &features, sizeof(features)) == 8;
}

uint32_t
fe_desc_off(int idx)
{
	return 0x10000u * (uint32_t)(idx + 1);
}

uint32_t
fe_avail_off(int idx)
{
	return fe_desc_off(idx) + 0x4000;
}

uint32_t
fe_used_off(int idx)
{
	return fe_desc_off(idx) + 0x8000;
}

void
fe_avail_add(struct fe *fe, int idx, uint16_t nb)
{
	uint16_t *p = (void *)(fe->mem + fe_avail_off(idx) + 2);

	__atomic_fetch_add(p, nb, __ATOMIC_RELEASE);
}

uint16_t
fe_used_idx(const struct fe *fe, int idx)
{
	const uint16_t *p = (const void *)(fe->mem + fe_used_off(idx) + 2);

	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

bool
fe_set_features(struct fe *fe, uint64_t features)
{
	return tell(fe, 2, &features, sizeof(features), NULL, 0);
}

bool
fe_set_protocol_features(struct fe *fe, uint64_t features)
{
	return tell(fe, 16, &features, sizeof(features), NULL, 0);
}

/* The memory in one piece, or in pieces of equal size (the rings are in the first). */
bool
fe_set_mem_table(struct fe *fe, int nb_regions)
{
	uint64_t part = FE_MEM_LEN / (uint32_t)nb_regions;
	uint64_t table[1 + 8 * 4] = {(uint64_t)nb_regions};
	int fds[8];

	for (int i = 0; i < nb_regions; i++) {
		table[1 + i * 4] = FE_GPA + part * (uint64_t)i;
		table[2 + i * 4] = part;
		table[3 + i * 4] = FE_ADDR + part * (uint64_t)i;
		table[4 + i * 4] = part * (uint64_t)i;
		fds[i] = fe->memfd;
	}
	return tell(fe, 5, table, 8 + (uint32_t)nb_regions * 32, fds, nb_regions);
}

bool
fe_ring_state(struct fe *fe, uint32_t request, uint32_t idx, uint32_t num)
{
	uint32_t state[2] = {idx, num};

	return tell(fe, request, state, sizeof(state), NULL, 0);
}

bool
fe_set_addr(struct fe *fe, int idx)
{
	uint64_t addr[5] = {(uint64_t)idx, FE_ADDR + fe_desc_off(idx), FE_ADDR + fe_used_off(idx),
		FE_ADDR + fe_avail_off(idx), 0};

	return tell(fe, 9, addr, sizeof(addr), NULL, 0);
}

bool
fe_set_fd(struct fe *fe, uint32_t request, uint32_t idx, int fd)
{
	uint64_t u64 = fd < 0 ? idx | 0x100u : idx;

	return tell(fe, request, &u64, sizeof(u64), &fd, fd < 0 ? 0 : 1);
}

int
fe_get_base(struct fe *fe, uint32_t idx)
{
	uint32_t state[2] = {idx, 0};

	if (fe_ask(fe, 11, state, sizeof(state), state, sizeof(state)) != 8)
		return -1;
	CHECK_EQ(state[0], idx);
	return (int)state[1];
}

/* Start a ring where the device left it, which is where the used index stands. */
static bool
ring_step(struct fe *fe, int idx, int step)
{
	switch (step) {
	case 0:
		return fe_ring_state(fe, 8, (uint32_t)idx, FE_RING_SIZE);
	case 1:
		return fe_ring_state(fe, 10, (uint32_t)idx, fe_used_idx(fe, idx));
	case 2:
		return fe_set_addr(fe, idx);
	case 3:
		return fe_set_fd(fe, 12, (uint32_t)idx, fe->kick_fd[idx]);
	default:
		return fe_set_fd(fe, 13, (uint32_t)idx, fe->call_fd[idx]);
	}
}

bool
fe_step(struct fe *fe, int step)
{
	uint32_t config[5] = {0, 8, 0, 0, 0};
	uint64_t u64;

	switch (step) {
	case 0:
		return fe_ask(fe, 1, NULL, 0, &u64, sizeof(u64)) == 8;
	case 1:
		return fe_ask(fe, 15, NULL, 0, &u64, sizeof(u64)) == 8;
	case 2:
		return fe_set_protocol_features(fe, 1u << 3 | 1u << 9);
	case 3:
		return tell(fe, 3, NULL, 0, NULL, 0);
	case 4:
		return fe_ask(fe, 24, config, sizeof(config), config, sizeof(config)) == 20;
	case 5:
		return fe_set_features(fe, 1ull << 32 | 1ull << 30 | 1ull << 29 | 1ull << 28 | 2);
	case 6:
		return fe_set_mem_table(fe, 1);
	case 7 ... 11:
		return ring_step(fe, 0, step - 7);
	case 12 ... 16:
		return ring_step(fe, 1, step - 12);
	case 17 ... 18:
		return fe_ring_state(fe, 18, (uint32_t)step - 17, 1);
	default:
		/* After the start, on live rings. */
		return fe_set_fd(fe, 13, (uint32_t)step - 19, fe->call_fd[step - 19]);
	}
}

void
fe_start(struct fe *fe)
{
	for (int step = 0; step < FE_NB_STEPS; step++)
		if (!fe_step(fe, step)) {
			fprintf(stderr, "step %d of the start was refused\n", step);
			exit(1);
		}
}
