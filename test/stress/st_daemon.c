/* SPDX-License-Identifier: BSD-3-Clause */
#include "st_daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "st.h"

#define MAX_ARGS   40
#define DEFAULT_MB 256u
#define POLL_US    20000
#define BANNER_LEN 1024u
#define ANSWER_LEN 65536u

static char dir[32];
static struct {
	char stderr_path[64];
	char telemetry_path[ST_PATH_LEN];
	char iface[ST_NB_PORTS][ST_PATH_LEN];
	char uds[ST_NB_PORTS][ST_PATH_LEN];
	unsigned int nb_ports;
	pid_t pid; /* 0: none */
	unsigned int nb_fds;
	int64_t free_pkts;
} d;

/* ---- the process ---- */

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void
print_stderr(void)
{
	char buf[4096];
	size_t n;
	FILE *file = fopen(d.stderr_path, "re");

	if (file == NULL)
		return;
	fprintf(stderr, "--- the daemon said:\n");
	while ((n = fread(buf, 1, sizeof(buf), file)) > 0)
		fwrite(buf, 1, n, stderr);
	fprintf(stderr, "---\n");
	fclose(file);
}

static void
print_telemetry(const char *command)
{
	json_t *answer = st_daemon_ask(command);
	char *text = answer != NULL ? json_dumps(answer, JSON_COMPACT) : NULL;

	fprintf(stderr, "%s: %s\n", command, text != NULL ? text : "no answer");
	free(text);
	json_decref(answer);
}

static void
print_state(void)
{
	char command[64];
	unsigned int i;

	print_telemetry("/vsock/lcores");
	for (i = 0; i < d.nb_ports; i++) {
		snprintf(command, sizeof(command), "/vsock/port,vsock_vhost%u", i);
		print_telemetry(command);
	}
}

static void
discard(void)
{
	int status = 0;

	if (d.pid > 0) {
		print_state();
		/* One that is about to die of something else does so. */
		kill(d.pid, SIGKILL);
		waitpid(d.pid, &status, 0);
		if (WIFEXITED(status))
			fprintf(stderr, "the daemon ended: status %d\n", WEXITSTATUS(status));
		else if (WTERMSIG(status) != SIGKILL)
			fprintf(stderr, "the daemon died: signal %d\n", WTERMSIG(status));
	}
	d.pid = 0;
	print_stderr();
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void
exec_daemon(const struct st_daemon_conf *conf)
{
	static char vdevs[ST_NB_PORTS][3 * ST_PATH_LEN];
	char mem[16];
	const char *argv[MAX_ARGS] = {st_daemon_path(), "--no-pci", "--no-huge", "-m", mem,
		"--file-prefix", strrchr(dir, '/') + 1, "--lcores", conf->lcores};
	unsigned int n = 9, i;
	int fd;

	snprintf(mem, sizeof(mem), "%u", conf->mem_mb != 0 ? conf->mem_mb : DEFAULT_MB);
	for (i = 0; i < conf->nb_ports; i++) {
		int len = snprintf(vdevs[i], sizeof(vdevs[i]),
			"vsock_vhost%u,iface=%s,cid=%u,uds=%s%s", i, d.iface[i], ST_FIRST_CID + i,
			d.uds[i], conf->port_args != NULL ? conf->port_args : "");

		if (conf->lcore[i] != 0)
			snprintf(vdevs[i] + len, sizeof(vdevs[i]) - (size_t)len, ",lcore=%u",
				conf->lcore[i]);
		argv[n++] = "--vdev";
		argv[n++] = vdevs[i];
	}
	argv[n++] = "--";
	for (i = 0; i < 8 && conf->app_args[i] != NULL; i++)
		argv[n++] = conf->app_args[i];
	argv[n] = NULL;
	fd = open(d.stderr_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	setenv("RUNTIME_DIRECTORY", dir, 1);
	/* The daemon ends with the test. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execv(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

static unsigned int
nb_fds(void)
{
	char path[64];
	unsigned int nb = 0;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)d.pid);
	fds = opendir(path);
	if (fds == NULL)
		return 0;
	while (readdir(fds) != NULL)
		nb++;
	closedir(fds);
	return nb;
}

static bool
is_ready(void)
{
	json_t *list;
	bool ready;
	unsigned int i;

	for (i = 0; i < d.nb_ports; i++) {
		if (access(d.iface[i], F_OK) != 0 || access(d.uds[i], F_OK) != 0)
			return false;
	}
	list = st_daemon_ask("/vsock/list");
	ready = json_array_size(list) == d.nb_ports;
	json_decref(list);
	return ready;
}

void
st_daemon_start(const struct st_daemon_conf *conf)
{
	const uint64_t deadline = st_now_us() + 2 * st_stall_us();
	unsigned int i;

	ST_CHECK(conf->nb_ports <= ST_NB_PORTS);
	strcpy(dir, "/tmp/vsXXXXXX"); /* paths of sockets have 107 bytes */
	ST_CHECK(mkdtemp(dir) != NULL);
	d.nb_ports = conf->nb_ports;
	snprintf(d.stderr_path, sizeof(d.stderr_path), "%s/stderr", dir);
	snprintf(d.telemetry_path, sizeof(d.telemetry_path), "%s/dpdk/%s/dpdk_telemetry.v2", dir,
		strrchr(dir, '/') + 1);
	for (i = 0; i < conf->nb_ports; i++) {
		snprintf(d.iface[i], sizeof(d.iface[i]), "%s/%u.sock", dir, ST_FIRST_CID + i);
		snprintf(d.uds[i], sizeof(d.uds[i]), "%s/%u.vsock", dir, ST_FIRST_CID + i);
	}
	st_on_failure(discard);
	d.pid = fork();
	ST_CHECK(d.pid >= 0);
	if (d.pid == 0)
		exec_daemon(conf);
	while (!is_ready()) {
		st_daemon_check_alive();
		if (st_now_us() > deadline)
			ST_FAIL("the daemon is not ready");
		st_sleep_us(POLL_US);
	}
	d.nb_fds = nb_fds();
	d.free_pkts = st_daemon_lcores("free_pkts");
	ST_CHECK(d.free_pkts > 0);
}

void
st_daemon_check_alive(void)
{
	int status;

	if (waitpid(d.pid, &status, WNOHANG) == 0)
		return;
	d.pid = 0;
	if (WIFSIGNALED(status))
		ST_FAIL("the daemon died of signal %d", WTERMSIG(status));
	ST_FAIL("the daemon ended with status %d", WEXITSTATUS(status));
}

static void
check_reports(void)
{
	static const char *const words[] = {
		"AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:"};
	char line[1024];
	FILE *file = fopen(d.stderr_path, "re");
	size_t i;

	ST_CHECK(file != NULL);
	while (fgets(line, sizeof(line), file) != NULL) {
		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			if (strstr(line, words[i]) != NULL)
				ST_FAIL("a sanitizer's report: %s", line);
		}
	}
	fclose(file);
}

void
st_daemon_stop(void)
{
	const uint64_t start = st_now_us(), limit = (st_sanitized() ? 60 : 10) * UINT64_C(1000000);
	int status = 0;

	st_daemon_check_alive();
	kill(d.pid, SIGTERM);
	while (waitpid(d.pid, &status, WNOHANG) == 0) {
		if (st_now_us() - start > limit)
			ST_FAIL("still running after SIGTERM");
		st_sleep_us(POLL_US);
	}
	d.pid = 0;
	if (WIFSIGNALED(status))
		ST_FAIL("the daemon died of signal %d after SIGTERM", WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		ST_FAIL("exit status %d after SIGTERM", WEXITSTATUS(status));
	check_reports();
	ST_CHECK(access(d.iface[0], F_OK) != 0);
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *
st_daemon_iface(unsigned int port)
{
	return d.iface[port];
}

const char *
st_daemon_uds(unsigned int port)
{
	return d.uds[port];
}

/* ---- telemetry ---- */

static json_t *
ask(int fd, const char *command)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = 30};
	char *answer = NULL;
	json_t *all = NULL, *one = NULL;
	size_t name_len = strcspn(command, ",");
	char name[64];
	ssize_t n;

	strcpy(addr.sun_path, d.telemetry_path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	answer = malloc(ANSWER_LEN);
	if (answer == NULL || connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
		recv(fd, answer, BANNER_LEN, 0) <= 0 ||
		send(fd, command, strlen(command), MSG_NOSIGNAL) < 0)
		goto out;
	n = recv(fd, answer, ANSWER_LEN, 0);
	if (n > 0)
		all = json_loadb(answer, (size_t)n, 0, NULL);
	snprintf(name, sizeof(name), "%.*s", (int)name_len, command);
	one = json_incref(json_object_get(all, name));
out:
	json_decref(all);
	free(answer);
	return one;
}

json_t *
st_daemon_ask(const char *command)
{
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	json_t *answer;

	ST_CHECK(fd >= 0);
	answer = ask(fd, command);
	close(fd);
	return answer;
}

int64_t
st_daemon_port(unsigned int port, const char *key)
{
	char command[64];
	json_t *answer;
	int64_t value;

	snprintf(command, sizeof(command), "/vsock/port,vsock_vhost%u", port);
	answer = st_daemon_ask(command);
	if (!json_is_integer(json_object_get(answer, key)))
		ST_FAIL("%s does not tell %s", command, key);
	value = json_integer_value(json_object_get(answer, key));
	json_decref(answer);
	return value;
}

void
st_daemon_await_port(unsigned int port, const char *key, int64_t value)
{
	const uint64_t deadline = st_now_us() + st_stall_us();

	while (st_daemon_port(port, key) != value) {
		st_daemon_check_alive();
		if (st_now_us() > deadline)
			ST_FAIL("vsock_vhost%u: %s is %" PRId64 ", not %" PRId64, port, key,
				st_daemon_port(port, key), value);
		st_sleep_us(POLL_US);
	}
}

static int64_t
drops_of(const char *command, const char *reason)
{
	json_t *answer = st_daemon_ask(command);
	json_t *drop = json_object_get(json_object_get(answer, "drops"), reason);
	int64_t value;

	if (!json_is_integer(drop))
		ST_FAIL("%s does not tell %s", command, reason);
	value = json_integer_value(drop);
	json_decref(answer);
	return value;
}

int64_t
st_daemon_drops(const char *reason)
{
	return drops_of("/vsock/stats", reason);
}

int64_t
st_daemon_port_drops(unsigned int port, const char *reason)
{
	char command[64];

	snprintf(command, sizeof(command), "/vsock/port,vsock_vhost%u", port);
	return drops_of(command, reason);
}

int64_t
st_daemon_lcores(const char *key)
{
	json_t *answer = st_daemon_ask("/vsock/lcores"), *row;
	const char *name;
	int64_t sum = 0;

	ST_CHECK(json_object_size(answer) > 0);
	json_object_foreach(answer, name, row) sum += json_integer_value(json_object_get(row, key));
	json_decref(answer);
	return sum;
}

void
st_daemon_check_quiet(void)
{
	static const char *const keys[] = {
		"connected", "conns", "pool_chunks", "from_guest_in_flight"};
	const uint64_t deadline = st_now_us() + st_stall_us();
	char left[2048];

	for (;;) {
		size_t len = 0, i;
		unsigned int port;

		left[0] = '\0';
		for (port = 0; port < d.nb_ports; port++) {
			for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
				const int64_t value = st_daemon_port(port, keys[i]);

				if (value != 0)
					len += (size_t)snprintf(left + len, sizeof(left) - len,
						" vsock_vhost%u %s %" PRId64, port, keys[i], value);
			}
		}
		if (st_daemon_lcores("free_pkts") != d.free_pkts)
			len += (size_t)snprintf(left + len, sizeof(left) - len,
				" free_pkts %" PRId64 " of %" PRId64, st_daemon_lcores("free_pkts"),
				d.free_pkts);
		if (st_daemon_lcores("deadlines") != 0)
			len += (size_t)snprintf(left + len, sizeof(left) - len, " deadlines");
		if (nb_fds() != d.nb_fds)
			len += (size_t)snprintf(left + len, sizeof(left) - len,
				" %u descriptors instead of %u", nb_fds(), d.nb_fds);
		if (len == 0)
			return;
		st_daemon_check_alive();
		if (st_now_us() > deadline)
			ST_FAIL("the daemon still holds:%s", left);
		st_sleep_us(POLL_US);
	}
}
