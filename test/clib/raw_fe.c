/* SPDX-License-Identifier: BSD-3-Clause */
#include "raw_fe.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

#define WAIT_MS 20000

void
raw_fe_init(struct raw_fe *fe)
{
	memset(fe, 0, sizeof(*fe));
	fe->vu.fd = -1;
	CHECK_EQ(vfe_mem_add(&fe->guest_mem, RAW_FE_GPA, RAW_FE_MEM_LEN), 0);
	fe->memfd = fe->guest_mem.regions[0].fd;
	fe->mem = fe->guest_mem.regions[0].va;
	for (int i = 0; i < 3; i++) {
		fe->kick_fd[i] = eventfd(0, EFD_CLOEXEC);
		fe->call_fd[i] = eventfd(0, EFD_CLOEXEC);
		CHECK(fe->kick_fd[i] >= 0 && fe->call_fd[i] >= 0);
	}
}

void
raw_fe_close(struct raw_fe *fe)
{
	vfe_vu_close(&fe->vu);
}

void
raw_fe_cleanup(struct raw_fe *fe)
{
	raw_fe_close(fe);
	vfe_mem_free(&fe->guest_mem);
	for (int i = 0; i < 3; i++) {
		close(fe->kick_fd[i]);
		close(fe->call_fd[i]);
	}
}

void
raw_fe_connect(struct raw_fe *fe, const char *path)
{
	CHECK_EQ(vfe_vu_connect(&fe->vu, path, WAIT_MS), 0);
}

bool
raw_fe_send(struct raw_fe *fe, uint32_t request, uint32_t flags, const void *payload, uint32_t len,
	const int *fds, unsigned int nb_fds)
{
	CHECK(nb_fds <= VFE_VU_MAX_FDS);
	return vfe_vu_send(&fe->vu, request, flags, payload, len, fds, nb_fds) == 0;
}

static int
recv_reply(struct raw_fe *fe, uint32_t request, void *reply, uint32_t reply_len)
{
	struct vfe_vu_hdr hdr;
	uint8_t body[2048];
	int len;

	do {
		len = vfe_vu_recv_any(&fe->vu, &hdr, body, sizeof(body));
		CHECK(len != -ETIMEDOUT && len != -EPROTO);
		if (len < 0)
			return -1;
		CHECK_EQ(hdr.flags, VFE_VU_VERSION | VFE_VU_REPLY);
	} while (fe->lenient && hdr.request != request);
	CHECK_EQ(hdr.request, request);
	if (reply != NULL)
		memcpy(reply, body, (uint32_t)len < reply_len ? (uint32_t)len : reply_len);
	return len;
}

int
raw_fe_ask(struct raw_fe *fe, uint32_t request, const void *payload, uint32_t len, void *reply,
	uint32_t reply_len)
{
	if (!raw_fe_send(fe, request, 0, payload, len, NULL, 0))
		return -1;
	return recv_reply(fe, request, reply, reply_len);
}

/* Messages without a reply of their own get one when REPLY_ACK was agreed on. */
static bool
set(struct raw_fe *fe, uint32_t request, const void *payload, uint32_t len, const int *fds,
	unsigned int nb_fds)
{
	const uint32_t flags = fe->reply_ack ? VFE_VU_NEED_REPLY : 0;
	uint64_t error = 1;

	if (!raw_fe_send(fe, request, flags, payload, len, fds, nb_fds))
		return false;
	if (!fe->reply_ack)
		return true;
	return recv_reply(fe, request, &error, sizeof(error)) == (int)sizeof(error) && error == 0;
}

bool
raw_fe_wait_closed(struct raw_fe *fe)
{
	struct pollfd pfd = {.fd = fe->vu.fd, .events = POLLIN};
	char buf[256];
	ssize_t len;

	do {
		if (poll(&pfd, 1, WAIT_MS) != 1)
			return false;
		len = recv(fe->vu.fd, buf, sizeof(buf), 0);
	} while (len > 0);
	return true;
}

static bool
ask_u64(struct raw_fe *fe, uint32_t request)
{
	uint64_t u64;

	return raw_fe_ask(fe, request, NULL, 0, &u64, sizeof(u64)) == (int)sizeof(u64);
}

bool
raw_fe_sync(struct raw_fe *fe)
{
	return ask_u64(fe, VFE_VU_GET_FEATURES);
}

uint32_t
raw_fe_desc_off(int idx)
{
	return 0x10000u * (uint32_t)(idx + 1);
}

uint32_t
raw_fe_avail_off(int idx)
{
	return raw_fe_desc_off(idx) + 0x4000;
}

uint32_t
raw_fe_used_off(int idx)
{
	return raw_fe_desc_off(idx) + 0x8000;
}

void
raw_fe_avail_add(struct raw_fe *fe, int idx, uint16_t nb)
{
	struct vfe_vring_avail *avail = (void *)(fe->mem + raw_fe_avail_off(idx));

	__atomic_fetch_add(&avail->idx, nb, __ATOMIC_RELEASE);
}

uint16_t
raw_fe_used_idx(const struct raw_fe *fe, int idx)
{
	const struct vfe_vring_used *used = (const void *)(fe->mem + raw_fe_used_off(idx));

	return __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE);
}

bool
raw_fe_set_features(struct raw_fe *fe, uint64_t features)
{
	return set(fe, VFE_VU_SET_FEATURES, &features, sizeof(features), NULL, 0);
}

bool
raw_fe_set_protocol_features(struct raw_fe *fe, uint64_t features)
{
	return set(fe, VFE_VU_SET_PROTOCOL_FEATURES, &features, sizeof(features), NULL, 0);
}

bool
raw_fe_set_mem_table(struct raw_fe *fe, unsigned int nb_regions)
{
	const uint64_t part = RAW_FE_MEM_LEN / nb_regions;
	struct vfe_vu_mem_table table = {.nb_regions = nb_regions};
	int fds[VFE_VU_MAX_REGIONS];

	for (unsigned int i = 0; i < nb_regions; i++) {
		table.regions[i] = (struct vfe_vu_region){
			.gpa = RAW_FE_GPA + part * i,
			.len = part,
			.va = RAW_FE_ADDR + part * i,
			.mmap_offset = part * i,
		};
		fds[i] = fe->memfd;
	}
	return set(fe, VFE_VU_SET_MEM_TABLE, &table,
		(uint32_t)(offsetof(struct vfe_vu_mem_table, regions) +
			nb_regions * sizeof(table.regions[0])),
		fds, nb_regions);
}

bool
raw_fe_ring_state(struct raw_fe *fe, uint32_t request, uint32_t idx, uint32_t num)
{
	const struct vfe_vu_state state = {.queue = idx, .num = num};

	return set(fe, request, &state, sizeof(state), NULL, 0);
}

bool
raw_fe_set_addr(struct raw_fe *fe, int idx)
{
	const struct vfe_vu_addr addr = {
		.queue = (uint32_t)idx,
		.desc = RAW_FE_ADDR + raw_fe_desc_off(idx),
		.used = RAW_FE_ADDR + raw_fe_used_off(idx),
		.avail = RAW_FE_ADDR + raw_fe_avail_off(idx),
	};

	return set(fe, VFE_VU_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
}

bool
raw_fe_set_fd(struct raw_fe *fe, uint32_t request, uint32_t idx, int fd)
{
	const uint64_t u64 = fd < 0 ? idx | VFE_VU_NO_FD : idx;

	return set(fe, request, &u64, sizeof(u64), &fd, fd < 0 ? 0 : 1);
}

int
raw_fe_get_base(struct raw_fe *fe, uint32_t idx)
{
	struct vfe_vu_state state = {.queue = idx};
	const int len =
		raw_fe_ask(fe, VFE_VU_GET_VRING_BASE, &state, sizeof(state), &state, sizeof(state));

	if (len != (int)sizeof(state))
		return -1;
	CHECK_EQ(state.queue, idx);
	return (int)state.num;
}

/* Starts a ring where the device left it, which is where the used index stands. */
static bool
ring_step(struct raw_fe *fe, int idx, int step)
{
	const uint32_t queue = (uint32_t)idx;

	switch (step) {
	case 0:
		return raw_fe_ring_state(fe, VFE_VU_SET_VRING_NUM, queue, RAW_FE_RING_SIZE);
	case 1:
		return raw_fe_ring_state(
			fe, VFE_VU_SET_VRING_BASE, queue, raw_fe_used_idx(fe, idx));
	case 2:
		return raw_fe_set_addr(fe, idx);
	case 3:
		return raw_fe_set_fd(fe, VFE_VU_SET_VRING_KICK, queue, fe->kick_fd[idx]);
	default:
		return raw_fe_set_fd(fe, VFE_VU_SET_VRING_CALL, queue, fe->call_fd[idx]);
	}
}

bool
raw_fe_step(struct raw_fe *fe, int step)
{
	uint32_t config[5] = {0, 8, 0, 0, 0};

	switch (step) {
	case 0:
		return ask_u64(fe, VFE_VU_GET_FEATURES);
	case 1:
		return ask_u64(fe, VFE_VU_GET_PROTOCOL_FEATURES);
	case 2:
		return raw_fe_set_protocol_features(fe, VFE_VU_PF_REPLY_ACK | VFE_VU_PF_CONFIG);
	case 3:
		return set(fe, VFE_VU_SET_OWNER, NULL, 0, NULL, 0);
	case 4:
		return raw_fe_ask(fe, VFE_VU_GET_CONFIG, config, sizeof(config), config,
			       sizeof(config)) == (int)sizeof(config);
	case 5:
		return raw_fe_set_features(fe,
			VFE_F_VERSION_1 | VFE_F_PROTOCOL_FEATURES | VFE_F_EVENT_IDX |
				VFE_F_INDIRECT_DESC | VFE_F_SEQPACKET);
	case 6:
		return raw_fe_set_mem_table(fe, 1);
	case 7 ... 11:
		return ring_step(fe, 0, step - 7);
	case 12 ... 16:
		return ring_step(fe, 1, step - 12);
	case 17 ... 18:
		return raw_fe_ring_state(fe, VFE_VU_SET_VRING_ENABLE, (uint32_t)step - 17, 1);
	default:
		/* After the start, on live rings. */
		return raw_fe_set_fd(
			fe, VFE_VU_SET_VRING_CALL, (uint32_t)step - 19, fe->call_fd[step - 19]);
	}
}

void
raw_fe_start(struct raw_fe *fe)
{
	for (int step = 0; step < RAW_FE_NB_STEPS; step++)
		if (!raw_fe_step(fe, step)) {
			fprintf(stderr, "step %d of the start was refused\n", step);
			exit(1);
		}
}
