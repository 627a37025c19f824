/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The program against the loopback device: every scenario ends well and counts something, every
 * fault of the device ends with the exit status that names it.
 * Usage: test_pktgen PROGRAM scenarios|faults
 */

#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "lo.h"

#define MAX_ARGS 40

static const char *program;
static char dir[] = "/tmp/vsock-pg-XXXXXX";
static char paths[4][64], uds[4][64];

/* Runs the program with @p options, split at spaces. @return its exit status; its JSON in @p out */
static int
run(const char *options, unsigned int nb_guests, json_t **out)
{
	static char text[65536];
	char guests[4][600], copy[512], *args[MAX_ARGS], *word, *rest;
	int fds[2], status, nb = 0;
	unsigned int i;
	FILE *from;
	pid_t pid;

	snprintf(copy, sizeof(copy), "pktgen --json --quiet --stall 20 %s", options);
	for (word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
		args[nb++] = word;
	for (i = 0; i < nb_guests; i++) {
		snprintf(guests[i], sizeof(guests[i]), "--guest=iface=%s,cid=%u,uds=%s", paths[i],
			3 + i, uds[i]);
		args[nb++] = guests[i];
	}
	args[nb] = NULL;
	CHECK(nb < MAX_ARGS);
	CHECK_EQ(pipe(fds), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		execv(program, args);
		_exit(127);
	}
	close(fds[1]);
	from = fdopen(fds[0], "r");
	text[fread(text, 1, sizeof(text) - 1, from)] = '\0';
	fclose(from);
	*out = json_loads(text, 0, NULL);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static struct lo *
device(unsigned int nb_guests, enum lo_fault fault)
{
	struct lo_conf conf = {.nb_guests = nb_guests, .fault = fault, .fault_at = 50};
	struct lo *lo;
	unsigned int i;

	for (i = 0; i < nb_guests; i++) {
		conf.paths[i] = paths[i];
		conf.uds[i] = uds[i];
	}
	CHECK_EQ(lo_start(&conf, &lo), 0);
	return lo;
}

static json_int_t
count(const json_t *result, const char *name)
{
	return json_integer_value(json_object_get(json_object_get(result, "counts"), name));
}

static json_t *
good(struct lo *lo, const char *options, unsigned int nb_guests)
{
	json_t *result;
	int status;

	(void)lo;
	status = run(options, nb_guests, &result);
	if (status != 0)
		fprintf(stderr, "%s: exit status %d\n", options, status);
	CHECK_EQ(status, 0);
	CHECK(result != NULL);
	CHECK(strcmp(json_string_value(json_object_get(result, "result")), "ok") == 0);
	return result;
}

/* Run a stream, for longer and longer on a busy machine, until a message is complete. */
static void
stream(struct lo *lo, const char *options)
{
	bool complete = false;
	double seconds;

	for (seconds = 0.2; !complete; seconds *= 2) {
		char line[400];
		json_t *result;

		CHECK(seconds < 20);
		snprintf(line, sizeof(line), "%s --verify --seconds %g --warmup 0.05", options,
			seconds);
		result = good(lo, line, 4);
		complete = count(result, "bytes") > 0 && count(result, "messages") > 0 &&
			count(result, "kicks") + count(result, "calls") > 0;
		json_decref(result);
	}
}

static void
test_streams(struct lo *lo)
{
	static const char *const options[] = {
		"--scenario guest-to-host",
		"--scenario guest-to-host --reverse --size 64",
		"--scenario host-to-guest --size 64K --shape 3776 --event-idx off",
		"--scenario guest-to-guest --size 64,4K,200000 --conns 7 --shape header-split",
		"--scenario guest-to-guest --type seqpacket --size 1,100K --shape fragments",
		"--scenario host-to-guest --duplex --conns 20 --wait block --indirect on",
		"--scenario guest-to-host --ring-size 16 --queues 3 --regions 3 --wait poll",
		"--scenario guest-to-guest --buf-alloc 5000 --size 3000,30000",
		"--scenario mixed --conns 20 --ring packed --size 1,64K --shape fragments",
		"--scenario mixed --conns 20 --idle-conns 10 --size 64,1500,64K",
	};
	unsigned int i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		stream(lo, options[i]);
}

static void
test_rate(struct lo *lo)
{
	json_t *result = good(lo,
		"--scenario guest-to-guest --conns 4 --size 1000 --rate 1M --seconds 1 --warmup 0",
		2);

	/* Never faster; how much slower is up to the machine. */
	CHECK(count(result, "bytes") > 0);
	CHECK(json_number_value(json_object_get(result, "bytes_per_s")) < 1.05 * (1 << 20) + 8000);
	json_decref(result);
}

static void
test_round_trips(struct lo *lo)
{
	static const char *const names[] = {"rtt-guest-host", "rtt-host-guest", "rtt-guest-guest",
		"rtt-guest-host --reverse --size 5000", "rtt-guest-guest --conns 3 --load-conns 2",
		"idle --conns 30 --interval 1000"};
	char line[200];
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const json_t *times;
		json_t *result;

		snprintf(line, sizeof(line), "--scenario %s --verify --seconds 0.3 --warmup 0.05",
			names[i]);
		result = good(lo, line, 2);
		times = json_object_get(result, "round_trip_ns");
		CHECK(count(result, "round_trips") > 0);
		CHECK_EQ(json_integer_value(json_object_get(times, "nb")),
			count(result, "round_trips"));
		CHECK(json_integer_value(json_object_get(times, "p50")) > 0);
		CHECK(json_integer_value(json_object_get(times, "p99")) <=
			json_integer_value(json_object_get(times, "max")));
		json_decref(result);
	}
}

static void
test_connects(struct lo *lo)
{
	static const char *const names[] = {
		"connect-guest-host", "connect-host-guest", "connect-guest-guest"};
	char line[200];
	unsigned int i;

	for (i = 0; i < 6; i++) {
		json_t *result;

		snprintf(line, sizeof(line), "--scenario %s --conns %u --seconds 0.3 --warmup 0.05",
			names[i % 3], i < 3 ? 1 : 16);
		result = good(lo, line, 2);
		CHECK(count(result, "connections") > 0);
		CHECK_EQ(json_integer_value(
				 json_object_get(json_object_get(result, "connection_ns"), "nb")),
			count(result, "connections"));
		json_decref(result);
	}
}

static void
test_baselines(struct lo *lo)
{
	static const char *const names[] = {"raw-unix", "raw-unix --reverse --type seqpacket",
		"raw-unix-rtt", "raw-unix-connect", "memcpy", "memcpy-cold", "memcpy-ring",
		"spsc-ring"};
	char line[200];
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		json_t *result;

		snprintf(line, sizeof(line),
			"--scenario %s --verify --size 100,5000 --seconds 0.2 --warmup 0.02",
			names[i]);
		result = good(lo, line, 0);
		if (count(result, "messages") + count(result, "connections") == 0)
			fprintf(stderr, "%s counted nothing\n", names[i]);
		CHECK(count(result, "messages") + count(result, "connections") > 0);
		json_decref(result);
	}
}

static void
test_csv(struct lo *lo)
{
	char path[64], line[300];
	unsigned int nb = 0;
	json_t *result;
	FILE *csv;

	snprintf(path, sizeof(path), "%s/out.csv", dir);
	snprintf(line, sizeof(line),
		"--scenario guest-to-guest --seconds 2.5 --warmup 0 --csv %s --backend-pid %d",
		path, (int)getpid());
	result = good(lo, line, 2);
	/* The device is a thread of this process: it cannot have worked without CPU time. */
	CHECK(json_number_value(
		      json_object_get(json_object_get(result, "backend_cpu"), "seconds")) > 0);
	json_decref(result);
	csv = fopen(path, "r");
	CHECK(csv != NULL);
	while (fgets(line, sizeof(line), csv) != NULL) {
		unsigned int commas = 0;
		const char *at;

		for (at = line; *at != '\0'; at++)
			commas += *at == ',';
		CHECK_EQ(commas, 13);
		nb++;
	}
	fclose(csv);
	CHECK(nb >= 3);
	unlink(path);
}

static void
test_fault(enum lo_fault fault, int want, const char *options)
{
	char line[200];
	json_t *result;
	struct lo *lo;
	int status;

	lo = device(2, fault);
	snprintf(line, sizeof(line), "--stall 1 --seconds 3 %s", options);
	status = run(line, 2, &result);
	if (status != want)
		fprintf(stderr, "fault %d: exit status %d, not %d\n", (int)fault, status, want);
	CHECK_EQ(status, want);
	CHECK(strlen(json_string_value(json_object_get(result, "detail"))) > 0);
	json_decref(result);
	lo_stop(lo);
}

static void
test_usage(void)
{
	static const char *const bad[] = {"", "--scenario nothing", "--scenario guest-to-host",
		"--scenario memcpy --size 0", "--scenario memcpy --conns 2",
		"--scenario memcpy --ring round", "--scenario memcpy --ring-size 100",
		"--scenario memcpy x", "--scenario memcpy --what", "--scenario memcpy --seconds -1",
		"--scenario idle --guest iface=/nonexistent/x,cid=2",
		"--scenario idle --guest cid=3", "--scenario memcpy --to-guest 40",
		"--scenario memcpy --from-guest 44+16*", "--scenario memcpy --shape round"};
	json_t *result;
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const int status = run(bad[i], 0, &result);

		if (status != 1)
			fprintf(stderr, "'%s': exit status %d\n", bad[i], status);
		CHECK_EQ(status, 1);
		CHECK(result == NULL);
	}
	CHECK_EQ(run("--help", 0, &result), 0);
	CHECK_EQ(run("--version", 0, &result), 0);
}

static void
scenarios(void)
{
	struct lo *lo = device(4, LO_FAULT_NONE);

	test_streams(lo);
	test_rate(lo);
	test_round_trips(lo);
	test_connects(lo);
	test_baselines(lo);
	test_csv(lo);
	lo_stop(lo);
}

static void
faults(void)
{
	const char *const stream = "--scenario guest-to-guest --size 1000 --verify";

	/* The loopback device has no seqpacket on the host side: it refuses. */
	test_fault(LO_FAULT_NONE, 3, "--scenario guest-to-host --type seqpacket");
	test_fault(LO_FAULT_CORRUPT, 2, stream);
	test_fault(LO_FAULT_DROP, 2, stream);
	test_fault(LO_FAULT_REPEAT, 2, stream);
	/* Without a look at the bytes only the end can tell. */
	test_fault(LO_FAULT_DROP, 3,
		"--scenario guest-to-guest --size 1000 --buf-alloc 1G --rate 1M --seconds 1");
	test_fault(
		LO_FAULT_LOSE_BUF, 3, "--scenario guest-to-guest --size 1000 --verify --seconds 1");
	test_fault(LO_FAULT_STALL, 4, stream);
	test_fault(LO_FAULT_STALL, 4, "--scenario rtt-guest-guest");
	test_fault(LO_FAULT_USED_LEN, 5, stream);
	test_fault(LO_FAULT_BAD_USED, 5, stream);
}

int
main(int argc, char **argv)
{
	unsigned int i;

	CHECK_EQ(argc, 3);
	program = argv[1];
	CHECK(mkdtemp(dir) != NULL);
	for (i = 0; i < 4; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/%u.sock", dir, i);
		snprintf(uds[i], sizeof(uds[i]), "%s/%u.vsock", dir, i);
	}
	if (strcmp(argv[2], "scenarios") == 0) {
		test_usage();
		scenarios();
	} else {
		faults();
	}
	CHECK_EQ(rmdir(dir), 0);
	return 0;
}
