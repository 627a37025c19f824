/* SPDX-License-Identifier: BSD-3-Clause */
#include "pg_options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg_scenario.h"

#define PROGRAM "dpdk-vsock-pktgen"

/* How the value of an option is read into its field. */
enum kind {
	KIND_FLAG,    /* bool, no value */
	KIND_BYTES,   /* uint64_t with suffixes */
	KIND_BYTES32, /* uint32_t with suffixes */
	KIND_U32,
	KIND_U16,
	KIND_U8,
	KIND_INT,
	KIND_SECONDS, /* double */
	KIND_US,      /* microseconds into nanoseconds, uint64_t */
	KIND_STRING,
	KIND_CUSTOM,
};

struct option_def {
	const char *name;
	const char *arg; /* NULL: none */
	enum kind kind;
	size_t offset;
	double min;
	double max;
	int (*set)(struct pg_conf *conf, const char *value);
	const char *help;
};

static int
set_type(struct pg_conf *conf, const char *value)
{
	if (strcmp(value, "stream") == 0)
		conf->type = VFE_TYPE_STREAM;
	else if (strcmp(value, "seqpacket") == 0)
		conf->type = VFE_TYPE_SEQPACKET;
	else
		return -EINVAL;
	return 0;
}

static int
set_sizes(struct pg_conf *conf, const char *value)
{
	return pg_sizes_parse(value, &conf->sizes);
}

static int
set_to_guest(struct pg_conf *conf, const char *value)
{
	struct vfe_layout layout;

	conf->to_guest_text = value;
	if (vfe_shape_parse(value, &conf->to_guest) < 0 || conf->to_guest.rest != 0)
		return -EINVAL;
	return vfe_layout_make(&layout, &conf->to_guest, 0);
}

static int
set_from_guest(struct pg_conf *conf, const char *value)
{
	struct vfe_layout layout;

	conf->from_guest_text = value;
	if (vfe_shape_parse(value, &conf->from_guest) < 0)
		return -EINVAL;
	return vfe_layout_make(&layout, &conf->from_guest, VFE_HDR_LEN + VFE_PAYLOAD_MAX);
}

static int
set_shape(struct pg_conf *conf, const char *value)
{
	static const char *const shapes[][3] = {
		{"linux", "4096", "44+*"},
		{"3776", "3776", "44+*"},
		{"64k", "65580", "*"},
		{"header-split", "20+24+4052", "20+24+*"},
		{"fragments", "44+1000+1000+2052", "44+4096*"},
	};
	unsigned int i;

	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		if (strcmp(shapes[i][0], value) != 0)
			continue;
		set_to_guest(conf, shapes[i][1]);
		return set_from_guest(conf, shapes[i][2]);
	}
	return -EINVAL;
}

static int
set_event_idx(struct pg_conf *conf, const char *value)
{
	if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
		return -EINVAL;
	conf->event_idx = strcmp(value, "on") == 0;
	return 0;
}

static int
set_indirect(struct pg_conf *conf, const char *value)
{
	if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
		return -EINVAL;
	conf->indirect = strcmp(value, "on") == 0;
	return 0;
}

static int
set_wait(struct pg_conf *conf, const char *value)
{
	if (strcmp(value, "poll") == 0)
		conf->wait = PG_WAIT_POLL;
	else if (strcmp(value, "adaptive") == 0)
		conf->wait = PG_WAIT_ADAPTIVE;
	else if (strcmp(value, "block") == 0)
		conf->wait = PG_WAIT_BLOCK;
	else
		return -EINVAL;
	return 0;
}

static int
set_ring(struct pg_conf *conf, const char *value)
{
	if (strcmp(value, "split") != 0 && strcmp(value, "packed") != 0)
		return -EINVAL;
	conf->packed = strcmp(value, "packed") == 0;
	return 0;
}

static int
set_guest_key(struct pg_guest_conf *guest, const char *key, const char *value)
{
	if (strcmp(key, "iface") == 0) {
		guest->iface = value;
	} else if (strcmp(key, "uds") == 0) {
		guest->uds = value;
	} else if (strcmp(key, "cid") == 0) {
		char *end;

		guest->cid = strtoull(value, &end, 10);
		if (*value == '\0' || *end != '\0' || guest->cid < 3 || guest->cid >= UINT32_MAX)
			return -EINVAL;
	} else if (strcmp(key, "listen") == 0) {
		if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
			return -EINVAL;
		guest->listen = *value == '1';
	} else {
		return -EINVAL;
	}
	return 0;
}

static int
set_guest(struct pg_conf *conf, const char *value)
{
	struct pg_guest_conf *guest = &conf->guests[conf->nb_guests];
	char *copy, *pair, *rest;

	if (conf->nb_guests == PG_MAX_GUESTS)
		return -EINVAL;
	copy = strdup(value);
	if (copy == NULL)
		return -EINVAL;
	*guest = (struct pg_guest_conf){.keys = copy};
	for (pair = strtok_r(copy, ",", &rest); pair != NULL; pair = strtok_r(NULL, ",", &rest)) {
		char *equals = strchr(pair, '=');

		if (equals == NULL)
			goto bad;
		*equals = '\0';
		if (set_guest_key(guest, pair, equals + 1) < 0)
			goto bad;
	}
	if (guest->iface == NULL)
		goto bad;
	conf->nb_guests++;
	return 0;

bad:
	free(copy);
	return -EINVAL;
}

static int
set_scenario(struct pg_conf *conf, const char *value)
{
	conf->scenario = pg_scenario_find(value);
	return conf->scenario == NULL ? -EINVAL : 0;
}

#define FIELD(name) offsetof(struct pg_conf, name)

static const struct option_def options[] = {
	{"scenario", "NAME", KIND_CUSTOM, .set = set_scenario, .help = "what to do, see below"},
	{"guest", "KEYS", KIND_CUSTOM, .set = set_guest,
		.help = "iface=PATH[,uds=PATH][,cid=N][,listen=1]; again for each further guest.\n"
			"iface: vhost-user socket; listen=1: the back end connects to it;\n"
			"uds: base path of the host side; cid: what the device has to answer"},
	{"seconds", "S", KIND_SECONDS, FIELD(seconds), 0.01, 864000, NULL, "measure for (5)"},
	{"warmup", "S", KIND_SECONDS, FIELD(warmup_s), 0, 3600, NULL, "run before that (0.2)"},
	{"stall", "S", KIND_SECONDS, FIELD(stall_s), 0.1, 3600, NULL,
		"nothing moved for so long is a failure (5)"},
	{"verify", NULL, KIND_FLAG, FIELD(verify), 0, 0, NULL, "check every byte"},
	{"seed", "N", KIND_BYTES, FIELD(seed), 0, 1e19, NULL, "of contents and sizes (1)"},
	{"size", "LIST", KIND_CUSTOM, .set = set_sizes,
		.help = "bytes of a message, or a mix by weight: 64:10,1500,64K:2 (4096)"},
	{"type", "TYPE", KIND_CUSTOM, .set = set_type, .help = "stream or seqpacket (stream)"},
	{"conns", "N", KIND_U32, FIELD(nb_conns), 1, PG_MAX_CONNS, NULL,
		"connections, or how many are opened at once in connect-* (1)"},
	{"idle-conns", "N", KIND_U32, FIELD(nb_idle_conns), 0, PG_MAX_CONNS, NULL,
		"further ones that stay silent (0)"},
	{"load-conns", "N", KIND_U32, FIELD(nb_load_conns), 0, PG_MAX_CONNS, NULL,
		"further ones that stream 64 KiB messages meanwhile (0)"},
	{"opening", "N", KIND_U32, FIELD(nb_opening), 1, PG_MAX_CONNS, NULL,
		"connections that are being opened at a time at the start (32)"},
	{"port", "N", KIND_U32, FIELD(port), 1, UINT32_MAX - 1, NULL, "port to ask for (5201)"},
	{"reverse", NULL, KIND_FLAG, FIELD(reverse), 0, 0, NULL,
		"data goes from the one who accepts"},
	{"duplex", NULL, KIND_FLAG, FIELD(duplex), 0, 0, NULL, "data goes both ways at once"},
	{"rate", "BYTES", KIND_BYTES, FIELD(rate), 0, 1e15, NULL,
		"of all senders together, per second (0: no limit)"},
	{"interval", "US", KIND_US, FIELD(interval_ns), 0, 1e10, NULL,
		"pause between round trips; between the probes of idle (0; idle 10000)"},
	{"burst", "N", KIND_U32, FIELD(burst), 1, 32768, NULL,
		"packets of a connection before the next one's turn (32)"},
	{"ring-size", "N", KIND_U16, FIELD(ring_size), 2, 32768, NULL, "entries of a ring (128)"},
	{"ring", "KIND", KIND_CUSTOM, .set = set_ring, .help = "split or packed (split)"},
	{"shape", "NAME", KIND_CUSTOM, .set = set_shape,
		.help = "buffers of both rings: linux, 3776, 64k, header-split, fragments (linux)"},
	{"to-guest", "SHAPE", KIND_CUSTOM, .set = set_to_guest,
		.help = "buffers to receive in, lengths of the descriptors: 4096 or 44+1000+3052"},
	{"from-guest", "SHAPE", KIND_CUSTOM, .set = set_from_guest,
		.help = "how packets are sent: 44+* (header, rest), * (all in one),\n"
			"20+24+* (header split), 44+4096* (rest in pieces of 4096)"},
	{"event-idx", "on|off", KIND_CUSTOM, .set = set_event_idx, .help = "EVENT_IDX (on)"},
	{"indirect", "on|off", KIND_CUSTOM, .set = set_indirect,
		.help = "INDIRECT_DESC for buffers of several descriptors (off)"},
	{"queues", "N", KIND_U8, FIELD(nb_queues), 2, 3, NULL, "3: with the event queue (2)"},
	{"regions", "N", KIND_U8, FIELD(nb_regions), 1, 4, NULL, "of guest memory (1)"},
	{"buf-alloc", "BYTES", KIND_BYTES32, FIELD(buf_alloc), 1, 1 << 30, NULL,
		"credit window that guests give (256K)"},
	{"wait", "MODE", KIND_CUSTOM, .set = set_wait,
		.help = "with nothing to do: poll (yield), adaptive (poll, then wait for a call),\n"
			"block (wait at once) (adaptive)"},
	{"cpu", "N", KIND_INT, FIELD(cpu), 0, 4095, NULL, "run on this CPU"},
	{"peer-cpu", "N", KIND_INT, FIELD(peer_cpu), 0, 4095, NULL,
		"raw-unix*, spsc-ring: the other end runs on this CPU"},
	{"backend-pid", "PID", KIND_INT, FIELD(backend_pid), 1, 1 << 30, NULL,
		"print this process's CPU time, by thread and per packet"},
	{"json", NULL, KIND_FLAG, FIELD(json), 0, 0, NULL, "print one JSON object instead"},
	{"csv", "FILE", KIND_STRING, FIELD(csv), 0, 0, NULL, "write a line per second"},
	{"live", NULL, KIND_FLAG, FIELD(live), 0, 0, NULL,
		"a line per second on stderr (default on a terminal)"},
	{"quiet", NULL, KIND_FLAG, FIELD(quiet), 0, 0, NULL, "no line per second"},
	{"help", NULL, KIND_FLAG, 0, 0, 0, NULL, "print this"},
	{"version", NULL, KIND_FLAG, 0, 0, 0, NULL, "print the version"},
};

#define NB_OPTIONS (sizeof(options) / sizeof(options[0]))

static void
print_help(void)
{
	const struct pg_scenario *scenario;
	size_t i;

	printf("Usage: " PROGRAM " --scenario NAME [--guest KEYS]... [OPTION]...\n"
	       "Drives a vhost-user-vsock back end as its front end, guest and host programs.\n\n");
	for (i = 0; i < NB_OPTIONS; i++) {
		const struct option_def *def = &options[i];
		const char *line = def->help;
		char left[40];

		snprintf(left, sizeof(left), "--%s%s%s", def->name, def->arg != NULL ? " " : "",
			def->arg != NULL ? def->arg : "");
		for (; line != NULL; left[0] = '\0') {
			const int len = (int)strcspn(line, "\n");

			printf("  %-21s %.*s\n", left, len, line);
			line = line[len] == '\n' ? line + len + 1 : NULL;
		}
	}
	printf("\nScenarios:\n");
	for (scenario = pg_scenario_list; scenario->name != NULL; scenario++)
		printf("  %-21s %s\n", scenario->name, scenario->help);
	printf("\nExit status: 0 all well, 1 could not run, 2 corrupted bytes, 3 lost bytes or\n"
	       "connections, 4 a stall, 5 the device broke the protocol's rules.\n\n"
	       "Example, with a daemon that serves two guests:\n"
	       "  " PROGRAM " --scenario guest-to-guest --verify --size 64,4K,64K \\\n"
	       "    --guest iface=/run/vsockd/a.sock,uds=/run/vsockd/a.vsock \\\n"
	       "    --guest iface=/run/vsockd/b.sock,uds=/run/vsockd/b.vsock\n");
}

static int
read_number(const char *value, double *number)
{
	char *end;

	*number = strtod(value, &end);
	return *value == '\0' || *end != '\0' ? -EINVAL : 0;
}

static int
store(struct pg_conf *conf, const struct option_def *def, const char *value)
{
	void *field = (char *)conf + def->offset;
	uint64_t bytes = 0;
	double number = 0;
	const char *end;

	if (def->kind == KIND_BYTES || def->kind == KIND_BYTES32) {
		if (pg_sizes_parse_bytes(value, &bytes, &end) < 0 || *end != '\0')
			return -EINVAL;
		number = (double)bytes;
	} else if (def->kind >= KIND_U32 && def->kind <= KIND_US) {
		if (read_number(value, &number) < 0)
			return -EINVAL;
		if (def->kind != KIND_SECONDS && def->kind != KIND_US && number != (uint32_t)number)
			return -EINVAL;
	}
	if (!(number >= def->min && number <= def->max) && def->kind != KIND_CUSTOM)
		return -EINVAL;
	switch (def->kind) {
	case KIND_FLAG:
		*(bool *)field = true;
		return 0;
	case KIND_BYTES:
		*(uint64_t *)field = bytes;
		return 0;
	case KIND_BYTES32:
		*(uint32_t *)field = (uint32_t)bytes;
		return 0;
	case KIND_U32:
		*(uint32_t *)field = (uint32_t)number;
		return 0;
	case KIND_U16:
		*(uint16_t *)field = (uint16_t)number;
		return 0;
	case KIND_U8:
		*(uint8_t *)field = (uint8_t)number;
		return 0;
	case KIND_INT:
		*(int *)field = (int)number;
		return 0;
	case KIND_SECONDS:
		*(double *)field = number;
		return 0;
	case KIND_US:
		*(uint64_t *)field = (uint64_t)(number * 1000);
		return 0;
	case KIND_STRING:
		*(const char **)field = value;
		return 0;
	default:
		return def->set(conf, value);
	}
}

static int
complain(const char *format, const char *what)
{
	fprintf(stderr, PROGRAM ": ");
	fprintf(stderr, format, what);
	fprintf(stderr, " (--help)\n");
	return -EINVAL;
}

/* Check the options that depend on each other. */
static int
check(struct pg_conf *conf)
{
	const struct pg_scenario *scenario = conf->scenario;
	unsigned int i;

	if (scenario == NULL)
		return complain("%s is missing", "--scenario");
	if (conf->ring_size & (conf->ring_size - 1))
		return complain("%s is not a power of two", "--ring-size");
	if (!scenario->needs_guests) {
		/* One stream, one direction: better no figure than that of something else. */
		if (conf->nb_conns > 1 || conf->duplex || conf->nb_load_conns > 0 ||
			conf->nb_idle_conns > 0 || conf->rate > 0)
			return complain("%s knows one connection only, without --rate or --duplex",
				scenario->name);
		return 0;
	}
	if (conf->nb_guests == 0)
		return complain("%s is missing", "--guest");
	if (scenario->path == PG_PATH_GUEST_GUEST && conf->nb_guests < 2)
		return complain("%s needs two guests", scenario->name);
	for (i = 0; i < conf->nb_guests; i++) {
		if (conf->guests[i].uds == NULL && scenario->path < PG_PATH_GUEST_GUEST)
			return complain("%s needs uds= for each guest", scenario->name);
	}
	if (scenario->path == PG_PATH_ANY && conf->nb_guests == 1 && conf->guests[0].uds == NULL)
		return complain("%s needs uds= or two guests", scenario->name);
	if (conf->type == VFE_TYPE_SEQPACKET && conf->sizes.max_len > conf->buf_alloc)
		return complain("a message of %s is larger than the credit window", "--size");
	return 0;
}

static void
set_defaults(struct pg_conf *conf)
{
	*conf = (struct pg_conf){
		.type = VFE_TYPE_STREAM,
		.nb_conns = 1,
		.nb_opening = 32,
		.port = 5201,
		.interval_ns = UINT64_MAX,
		.burst = 32,
		.ring_size = 128,
		.nb_regions = 1,
		.nb_queues = 2,
		.event_idx = true,
		.buf_alloc = 256u << 10,
		.seed = 1,
		.seconds = 5,
		.warmup_s = 0.2,
		.stall_s = 5,
		.wait = PG_WAIT_ADAPTIVE,
		.cpu = -1,
		.peer_cpu = -1,
	};
	set_sizes(conf, "4096");
	set_shape(conf, "linux");
}

int
pg_options_parse(struct pg_conf *conf, int argc, char **argv, bool *done)
{
	struct option longs[NB_OPTIONS + 1] = {0};
	size_t i;
	int opt;

	for (i = 0; i < NB_OPTIONS; i++) {
		longs[i] = (struct option){.name = options[i].name,
			.has_arg = options[i].arg != NULL ? required_argument : no_argument,
			.val = (int)(256 + i)};
	}
	*done = false;
	set_defaults(conf);
	while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		const struct option_def *def;

		if (opt < 256)
			return -EINVAL; /* getopt said what is wrong */
		def = &options[opt - 256];
		if (strcmp(def->name, "help") == 0) {
			print_help();
			*done = true;
			return 0;
		}
		if (strcmp(def->name, "version") == 0) {
			printf(PROGRAM " %s\n", PG_VERSION);
			*done = true;
			return 0;
		}
		if (store(conf, def, optarg) < 0) {
			fprintf(stderr, PROGRAM ": --%s: bad value '%s' (--help)\n", def->name,
				optarg);
			return -EINVAL;
		}
	}
	if (optind < argc)
		return complain("unexpected argument '%s'", argv[optind]);
	if (conf->interval_ns == UINT64_MAX)
		conf->interval_ns = conf->scenario != NULL && conf->scenario->role == PG_ROLE_IDLE
			? 10000000
			: 0;
	return check(conf);
}

void
pg_options_free(struct pg_conf *conf)
{
	while (conf->nb_guests > 0)
		free(conf->guests[--conf->nb_guests].keys);
}
