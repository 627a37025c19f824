/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Two switches in one process, each with an lcore and two guests that have the same CIDs in both.
 * Their traffic does not mix, and one of them stops and starts while the other carries data.
 */

#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>

#include <wq.h>

#include "check.h"
#include "control/heartbeat.h"
#include "control/port.h"
#include "control/snapshot.h"
#include "lcore/lcore_msg.h"
#include "life/vsock.h"
#include "vfe.h"
#include "vhost/vhost.h"

#define NB_SWITCHES  2u
#define NB_GUESTS    2u
#define FIRST_CID    3u
#define SERVICE_PORT 1234u
#define TRANSFER_LEN (2u << 20)
#define LIMIT_S      60

/* A guest of a switch, and its end of the connection between the two guests. */
struct player {
	char iface[PORT_PATH_LEN];
	char uds[PORT_PATH_LEN];
	struct port *port;
	struct vfe_guest *guest;
	struct vfe_conn *conn;
	uint64_t seed; /* of all bytes in its switch */
	uint64_t nb_wrong;
	unsigned int nb_closed;
};

struct instance {
	struct vsock_switch *sw;
	struct player players[NB_GUESTS];
};

static struct instance instances[NB_SWITCHES];
static char dir[] = "/tmp/switch_XXXXXX";
static time_t deadline;

/* ---- guests ---- */

static bool
on_request(struct vfe_conn *conn)
{
	struct player *p = conn->guest->user;

	if (conn->peer_cid != 2)
		p->conn = conn;
	return conn->local_port == SERVICE_PORT;
}

static void
on_data(struct vfe_conn *conn, const struct vfe_data *data)
{
	struct player *p = conn->guest->user;
	uint64_t off = conn->rx_len;

	for (unsigned int i = 0; i < data->nb_iov; i++) {
		const uint32_t len = (uint32_t)data->iov[i].iov_len;

		p->nb_wrong += len - vfe_pattern_check(p->seed, off, data->iov[i].iov_base, len);
		off += len;
	}
}

static void
on_close(struct vfe_conn *conn, bool by_peer_rst)
{
	struct player *p = conn->guest->user;

	(void)by_peer_rst;
	p->nb_closed++;
	if (p->conn == conn)
		p->conn = NULL;
}

static void
fill(struct vfe_conn *conn, uint64_t off, uint8_t *buf, uint32_t len)
{
	const struct player *p = conn->guest->user;

	vfe_pattern_fill(p->seed, off, buf, len);
}

static const struct vfe_guest_ops ops = {
	.on_request = on_request,
	.on_data = on_data,
	.on_close = on_close,
	.fill = fill,
};

static time_t
now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* Poll the guests of all switches. */
static void
step(void)
{
	unsigned int nb = 0;

	CHECK(now_s() < deadline);
	for (unsigned int s = 0; s < NB_SWITCHES; s++) {
		for (unsigned int i = 0; i < NB_GUESTS; i++) {
			struct player *p = &instances[s].players[i];

			if (p->guest == NULL)
				continue;
			nb += vfe_guest_poll(p->guest, 32);
			CHECK_EQ(vfe_guest_nb_faults(p->guest), 0);
			CHECK_EQ(p->nb_wrong, 0);
		}
	}
	if (nb == 0)
		sched_yield();
}

/* ---- switches ---- */

static void
plug(struct instance *in, unsigned int s, unsigned int i)
{
	struct player *p = &in->players[i];
	struct port_conf conf = {
		.cid = FIRST_CID + i,
		.lcore = -1,
		.buf_alloc = 64 << 10,
		.max_conns = 16,
		.groups = {"default"},
		.nb_groups = 1,
	};

	p->seed = s + 1;
	snprintf(p->iface, sizeof(p->iface), "%s/%u-%u.sock", dir, s, i);
	snprintf(p->uds, sizeof(p->uds), "%s/%u-%u.vsock", dir, s, i);
	snprintf(conf.name, sizeof(conf.name), "vsock_vhost%u", i);
	strcpy(conf.iface, p->iface);
	strcpy(conf.uds, p->uds);
	CHECK_EQ(port_create(in->sw, &conf, &p->port), 0);
	CHECK_EQ(port_start(p->port), 0);
	CHECK_EQ(vhost_attach(p->port), 0);
}

static void
start(unsigned int s)
{
	struct vsock_conf conf = {.spin_us = 50, .nb_lcores = 1, .lcore_ids = {s + 1}};
	struct instance *in = &instances[s];

	CHECK_EQ(sched_getaffinity(0, sizeof(conf.slow_cpus), &conf.slow_cpus), 0);
	CHECK_EQ(vsock_create(s, &in->sw), 0);
	CHECK_EQ(vsock_start(in->sw, &conf), 0);
	for (unsigned int i = 0; i < NB_GUESTS; i++)
		plug(in, s, i);
	for (unsigned int i = 0; i < NB_GUESTS; i++) {
		struct player *p = &in->players[i];
		const struct vfe_guest_conf guest_conf = {
			.path = p->iface,
			.timeout_ms = LIMIT_S * 1000,
			.ops = &ops,
			.user = p,
		};

		p->nb_closed = 0;
		CHECK_EQ(vfe_guest_create(&guest_conf, &p->guest), 0);
		CHECK_EQ(p->guest->cid, FIRST_CID + i);
		/* librte_vhost answers the last message before it tells of the device. */
		while (!port_has_device(p->port))
			step();
	}
}

static void
stop(unsigned int s)
{
	struct instance *in = &instances[s];

	for (unsigned int i = 0; i < NB_GUESTS; i++) {
		struct player *p = &in->players[i];

		vfe_guest_destroy(p->guest);
		p->guest = NULL;
		p->conn = NULL;
		vhost_detach(p->port);
		port_destroy(p->port);
		p->port = NULL;
	}
	vsock_stop(in->sw);
	vsock_free(in->sw);
	in->sw = NULL;
}

/* ---- traffic ---- */

static void
connect_guests(unsigned int s)
{
	struct player *a = &instances[s].players[0], *b = &instances[s].players[1];

	CHECK_EQ(vfe_conn_open(
			 a->guest, FIRST_CID + 1, SERVICE_PORT, VFE_TYPE_STREAM, NULL, &a->conn),
		0);
	vfe_guest_flush(a->guest);
	while (a->conn != NULL && a->conn->state != VFE_CONN_OPEN)
		step();
	CHECK(a->conn != NULL && b->conn != NULL);
}

/* Move bytes from the first guest to the second in the switches of the mask at the same time. */
static void
transfer(unsigned int switches)
{
	uint64_t want[NB_SWITCHES] = {0};
	bool done;

	for (unsigned int s = 0; s < NB_SWITCHES; s++) {
		if ((switches & 1u << s) != 0)
			want[s] = instances[s].players[1].conn->rx_len + TRANSFER_LEN;
	}
	do {
		done = true;
		for (unsigned int s = 0; s < NB_SWITCHES; s++) {
			struct vfe_conn *from = instances[s].players[0].conn;

			if (want[s] == 0)
				continue;
			if (from->tx_len < want[s]) {
				const uint64_t left = want[s] - from->tx_len;

				vfe_conn_send(from, left < 5000 ? (uint32_t)left : 5000, 0);
				vfe_guest_flush(from->guest);
			}
			done = done && instances[s].players[1].conn->rx_len == want[s];
		}
		step();
	} while (!done);
}

/* A host program connects to the second guest of a switch. */
static void
connect_host(unsigned int s)
{
	static const char line[] = "CONNECT 1234\n";
	const struct player *p = &instances[s].players[1];
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	const unsigned int nb_closed = p->nb_closed;
	char answer[32] = {0};

	strcpy(addr.sun_path, p->uds);
	CHECK_EQ(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	CHECK_EQ(write(fd, line, sizeof(line) - 1), sizeof(line) - 1);
	while (recv(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT) < 0)
		step();
	CHECK_MEM(answer, "OK ", 3);
	close(fd);
	while (p->nb_closed == nb_closed)
		step();
}

static uint64_t
bytes_to_guest(unsigned int s)
{
	struct snapshot_port *snap = malloc(sizeof(*snap));
	uint64_t len = 0;

	CHECK(snap != NULL);
	snapshot_port(instances[s].players[1].port, snap);
	for (unsigned int i = 0; i < SNAPSHOT_NB_COUNTERS; i++) {
		if (strcmp(snapshot_counter_name(i), "to_guest_bytes") == 0)
			len = snap->counters[i];
	}
	free(snap);
	return len;
}

/* ---- tests ---- */

static void
same_cids_in_both(void)
{
	start(0);
	start(1);
	CHECK(instances[0].sw->lcores[0] != instances[1].sw->lcores[0]);
	connect_guests(0);
	transfer(1 << 0);
	CHECK_EQ(bytes_to_guest(0), TRANSFER_LEN);
	CHECK_EQ(bytes_to_guest(1), 0);
	connect_guests(1);
	transfer(1 << 0 | 1 << 1);
	CHECK_EQ(bytes_to_guest(0), 2 * TRANSFER_LEN);
	CHECK_EQ(bytes_to_guest(1), TRANSFER_LEN);
}

static void
each_has_host_programs(void)
{
	connect_host(0);
	connect_host(1);
}

static void
one_stops_and_the_other_goes_on(void)
{
	stop(0);
	transfer(1 << 1);
	connect_host(1);
	start(0);
	connect_guests(0);
	transfer(1 << 0 | 1 << 1);
	CHECK_EQ(bytes_to_guest(0), TRANSFER_LEN);
	CHECK_EQ(bytes_to_guest(1), 3 * TRANSFER_LEN);
	CHECK_EQ(instances[1].players[0].nb_closed, 0);
	connect_host(0);
}

static bool stuck; /* atomic */

/* Context: the lcore, as a request. */
static bool
hang(struct lcore *lc, struct ctl_request *req)
{
	(void)lc;
	(void)req;
	while (__atomic_load_n(&stuck, __ATOMIC_ACQUIRE))
		sched_yield();
	return false;
}

/* The check that follows the one that sends names an lcore that has not answered. */
static void
stuck_lcore_is_named(void)
{
	struct ctl_request req = {.fn = hang};
	const struct inbox_msg msg = {.type = INBOX_CALL, .request = &req};
	struct vsock_switch *sw = instances[0].sw;
	struct heartbeat *hb;
	char culprit[64];

	CHECK_EQ(heartbeat_start(sw, &hb), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(heartbeat_check(hb, culprit, sizeof(culprit)), 0);
		usleep(50000);
	}
	stuck = true;
	lcore_msg_post(sw->lcores[0], &msg);
	while (heartbeat_check(hb, culprit, sizeof(culprit)) == 0)
		usleep(50000);
	CHECK_MEM(culprit, "lcore 1", 8);
	__atomic_store_n(&stuck, false, __ATOMIC_RELEASE);
	while (heartbeat_check(hb, culprit, sizeof(culprit)) != 0)
		usleep(10000);
	/* Behind this call the lcore has answered all messages. */
	CHECK_EQ(bytes_to_guest(0), TRANSFER_LEN);
	heartbeat_free(hb);
}

static void
both_stop(void)
{
	stop(1);
	stop(0);
}

/* The lcores share the CPUs that there are. */
static void
init_eal(void)
{
	char prefix[40], lcores[64], program[] = "test", no_huge[] = "--no-huge", mem[] = "-m";
	char mem_len[] = "512", no_pci[] = "--no-pci", list[] = "--lcores";
	char no_tel[] = "--no-telemetry";
	char *eal[] = {program, no_huge, mem, mem_len, no_pci, list, lcores, no_tel, prefix, NULL};
	int cpus[2], nb = 0;
	cpu_set_t set;

	CHECK_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE && nb < 2; cpu++) {
		if (CPU_ISSET(cpu, &set))
			cpus[nb++] = cpu;
	}
	snprintf(lcores, sizeof(lcores), "0@%d,1@%d,2@%d", cpus[0], cpus[nb - 1], cpus[0]);
	snprintf(prefix, sizeof(prefix), "--file-prefix=switch%d", (int)getpid());
	CHECK(rte_eal_init(9, eal) >= 0);
}

int
main(void)
{
	const struct wq_config wq_conf = {0};

	init_eal();
	CHECK_EQ(wq_init(&wq_conf), 0);
	CHECK(mkdtemp(dir) != NULL);
	deadline = now_s() + LIMIT_S;
	RUN(same_cids_in_both);
	RUN(each_has_host_programs);
	RUN(one_stops_and_the_other_goes_on);
	RUN(stuck_lcore_is_named);
	RUN(both_stop);
	CHECK_EQ(rmdir(dir), 0);
	wq_exit();
	rte_eal_cleanup();
	return 0;
}
