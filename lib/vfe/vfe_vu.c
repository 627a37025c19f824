/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfe_vu.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int
unix_addr(struct sockaddr_un *addr, const char *path)
{
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(addr->sun_path))
		return -ENAMETOOLONG;
	memcpy(addr->sun_path, path, strlen(path));
	return 0;
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int
vfe_vu_connect(struct vfe_vu *vu, const char *path, int timeout_ms)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	const int64_t deadline = now_ms() + timeout_ms;
	struct sockaddr_un addr;
	int rc;

	*vu = (struct vfe_vu){.fd = -1, .timeout_ms = timeout_ms};
	rc = unix_addr(&addr, path);
	if (rc < 0)
		return rc;
	for (;;) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0)
			return -errno;
		if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0) {
			vu->fd = fd;
			return 0;
		}
		rc = -errno;
		close(fd);
		if (rc != -ENOENT && rc != -ECONNREFUSED && rc != -EAGAIN && rc != -EINTR)
			return rc;
		if (now_ms() >= deadline)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
}

int
vfe_vu_listen(const char *path)
{
	struct sockaddr_un addr;
	int fd, rc;

	rc = unix_addr(&addr, path);
	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	unlink(path);
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 8) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

static int
wait_readable(int fd, int timeout_ms)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	const int64_t deadline = now_ms() + timeout_ms;

	for (;;) {
		const int64_t left_ms = deadline - now_ms();
		const int n = poll(&pfd, 1, left_ms > 0 ? (int)left_ms : 0);

		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

int
vfe_vu_accept(struct vfe_vu *vu, int listen_fd, int timeout_ms)
{
	int rc;

	*vu = (struct vfe_vu){.fd = -1, .timeout_ms = timeout_ms};
	rc = wait_readable(listen_fd, timeout_ms);
	if (rc < 0)
		return rc;
	vu->fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	return vu->fd < 0 ? -errno : 0;
}

void
vfe_vu_close(struct vfe_vu *vu)
{
	if (vu->fd >= 0)
		close(vu->fd);
	vu->fd = -1;
}

int
vfe_vu_send(struct vfe_vu *vu, uint32_t request, uint32_t flags, const void *payload, uint32_t len,
	const int *fds, unsigned int nb_fds)
{
	struct vfe_vu_hdr hdr = {.request = request, .flags = flags | VFE_VU_VERSION, .size = len};
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(VFE_VU_MAX_FDS * sizeof(int))];
	} control;
	/* sendmsg() only reads, but struct iovec has no const. */
	struct iovec iov[2] = {
		{.iov_base = &hdr, .iov_len = sizeof(hdr)},
		{.iov_base = (void *)(uintptr_t)payload, .iov_len = len},
	};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t n;

	if (nb_fds > VFE_VU_MAX_FDS)
		return -EINVAL;
	if (nb_fds > 0) {
		struct cmsghdr *cmsg;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(nb_fds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nb_fds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nb_fds * sizeof(int));
	}
	do {
		n = sendmsg(vu->fd, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == sizeof(hdr) + len ? 0 : -EIO;
}

static int
recv_exactly(struct vfe_vu *vu, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		int rc = wait_readable(vu->fd, vu->timeout_ms);
		ssize_t n;

		if (rc < 0)
			return rc;
		n = recv(vu->fd, (char *)buf + done, len - done, 0);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int
vfe_vu_recv_any(struct vfe_vu *vu, struct vfe_vu_hdr *hdr, void *payload, uint32_t max_len)
{
	int rc;

	rc = recv_exactly(vu, hdr, sizeof(*hdr));
	if (rc < 0)
		return rc;
	if (hdr->size > max_len)
		return -EPROTO;
	rc = recv_exactly(vu, payload, hdr->size);
	return rc < 0 ? rc : (int)hdr->size;
}

int
vfe_vu_recv(struct vfe_vu *vu, uint32_t request, void *payload, uint32_t max_len)
{
	struct vfe_vu_hdr hdr;
	int rc;

	rc = vfe_vu_recv_any(vu, &hdr, payload, max_len);
	if (rc >= 0 && (hdr.request != request || !(hdr.flags & VFE_VU_REPLY)))
		return -EPROTO;
	return rc;
}

/* A message without an answer of its own: asks for an acknowledgement with REPLY_ACK. */
static int
vu_set(struct vfe_vu *vu, uint32_t request, const void *payload, uint32_t len, const int *fds,
	unsigned int nb_fds)
{
	const bool ack = vu->proto_features & VFE_VU_PF_REPLY_ACK;
	uint64_t status;
	int rc;

	rc = vfe_vu_send(vu, request, ack ? VFE_VU_NEED_REPLY : 0, payload, len, fds, nb_fds);
	if (rc < 0 || !ack)
		return rc;
	rc = vfe_vu_recv(vu, request, &status, sizeof(status));
	if (rc < 0)
		return rc;
	return rc == (int)sizeof(status) && status == 0 ? 0 : -EPROTO;
}

static int
vu_get_u64(struct vfe_vu *vu, uint32_t request, uint64_t *value)
{
	int rc = vfe_vu_send(vu, request, 0, NULL, 0, NULL, 0);

	if (rc < 0)
		return rc;
	rc = vfe_vu_recv(vu, request, value, sizeof(*value));
	if (rc < 0)
		return rc;
	return rc == (int)sizeof(*value) ? 0 : -EPROTO;
}

int
vfe_vu_get_features(struct vfe_vu *vu, uint64_t *features)
{
	return vu_get_u64(vu, VFE_VU_GET_FEATURES, features);
}

int
vfe_vu_set_features(struct vfe_vu *vu, uint64_t features)
{
	return vu_set(vu, VFE_VU_SET_FEATURES, &features, sizeof(features), NULL, 0);
}

int
vfe_vu_get_protocol_features(struct vfe_vu *vu, uint64_t *features)
{
	return vu_get_u64(vu, VFE_VU_GET_PROTOCOL_FEATURES, features);
}

int
vfe_vu_set_protocol_features(struct vfe_vu *vu, uint64_t features)
{
	/* The specification does not say whether this message can be acknowledged: do not ask. */
	int rc = vfe_vu_send(
		vu, VFE_VU_SET_PROTOCOL_FEATURES, 0, &features, sizeof(features), NULL, 0);

	if (rc == 0)
		vu->proto_features = features;
	return rc;
}

int
vfe_vu_set_owner(struct vfe_vu *vu)
{
	return vu_set(vu, VFE_VU_SET_OWNER, NULL, 0, NULL, 0);
}

int
vfe_vu_get_config(struct vfe_vu *vu, void *config, uint32_t len)
{
	struct vfe_vu_config msg = {.size = len};
	const uint32_t size = (uint32_t)offsetof(struct vfe_vu_config, data) + len;
	int rc;

	if (len > VFE_VU_CONFIG_MAX)
		return -EINVAL;
	rc = vfe_vu_send(vu, VFE_VU_GET_CONFIG, 0, &msg, size, NULL, 0);
	if (rc < 0)
		return rc;
	rc = vfe_vu_recv(vu, VFE_VU_GET_CONFIG, &msg, sizeof(msg));
	if (rc < 0)
		return rc;
	if (rc != (int)size || msg.size != len)
		return -EPROTO;
	memcpy(config, msg.data, len);
	return 0;
}

int
vfe_vu_set_mem_table(struct vfe_vu *vu, const struct vfe_mem *mem)
{
	struct vfe_vu_mem_table table = {.nb_regions = mem->nb_regions};
	int fds[VFE_MEM_MAX_REGIONS];
	unsigned int i;

	for (i = 0; i < mem->nb_regions; i++) {
		const struct vfe_mem_region *region = &mem->regions[i];

		table.regions[i] = (struct vfe_vu_region){
			.gpa = region->gpa,
			.len = region->len,
			.va = (uintptr_t)region->va,
		};
		fds[i] = region->fd;
	}
	return vu_set(vu, VFE_VU_SET_MEM_TABLE, &table,
		(uint32_t)offsetof(struct vfe_vu_mem_table, regions[0]) +
			mem->nb_regions * (uint32_t)sizeof(struct vfe_vu_region),
		fds, mem->nb_regions);
}

int
vfe_vu_set_vring_num(struct vfe_vu *vu, uint32_t queue, uint32_t num)
{
	const struct vfe_vu_state state = {.queue = queue, .num = num};

	return vu_set(vu, VFE_VU_SET_VRING_NUM, &state, sizeof(state), NULL, 0);
}

int
vfe_vu_set_vring_addr(struct vfe_vu *vu, uint32_t queue, const struct vfe_vu_vring_addr *addr)
{
	const struct vfe_vu_addr msg = {
		.queue = queue,
		.desc = (uintptr_t)addr->desc,
		.used = (uintptr_t)addr->used,
		.avail = (uintptr_t)addr->avail,
	};

	return vu_set(vu, VFE_VU_SET_VRING_ADDR, &msg, sizeof(msg), NULL, 0);
}

int
vfe_vu_set_vring_base(struct vfe_vu *vu, uint32_t queue, uint32_t base)
{
	const struct vfe_vu_state state = {.queue = queue, .num = base};

	return vu_set(vu, VFE_VU_SET_VRING_BASE, &state, sizeof(state), NULL, 0);
}

int
vfe_vu_get_vring_base(struct vfe_vu *vu, uint32_t queue, uint32_t *base)
{
	struct vfe_vu_state state = {.queue = queue};
	int rc;

	rc = vfe_vu_send(vu, VFE_VU_GET_VRING_BASE, 0, &state, sizeof(state), NULL, 0);
	if (rc < 0)
		return rc;
	rc = vfe_vu_recv(vu, VFE_VU_GET_VRING_BASE, &state, sizeof(state));
	if (rc < 0)
		return rc;
	if (rc != (int)sizeof(state) || state.queue != queue)
		return -EPROTO;
	*base = state.num;
	return 0;
}

int
vfe_vu_set_vring_fd(struct vfe_vu *vu, enum vfe_vu_request request, uint32_t queue, int fd)
{
	const uint64_t payload = queue | (fd < 0 ? VFE_VU_NO_FD : 0);

	return vu_set(vu, request, &payload, sizeof(payload), &fd, fd < 0 ? 0 : 1);
}

int
vfe_vu_set_vring_enable(struct vfe_vu *vu, uint32_t queue, bool enable)
{
	const struct vfe_vu_state state = {.queue = queue, .num = enable};

	return vu_set(vu, VFE_VU_SET_VRING_ENABLE, &state, sizeof(state), NULL, 0);
}
