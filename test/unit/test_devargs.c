/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "check.h"
#include "life/devargs.h"

#define S8   "12345678"
#define S96  S8 S8 S8 S8 S8 S8 S8 S8 S8 S8 S8 S8
#define S107 S96 "12345678901"

/* Refused arguments, and their error lines with key and value. */
static const struct {
	const char *args;
	int error;
	const char *line;
} refused[] = {
	{NULL, -EINVAL, "iface=: the key is required"},
	{"", -EINVAL, "iface=: the key is required"},
	{"cid=3", -EINVAL, "iface=: the key is required"},
	{"iface=/a", -EINVAL, "cid=: the key is required"},
	{"iface=/a,uds=/b", -EINVAL, "cid=: the key is required"},
	{"iface=,cid=3", -EINVAL, "iface=: the value is empty"},
	{"iface,cid=3", -EINVAL, "iface=: the value is empty"},
	{"iface=/a,cid=", -EINVAL, "cid=: the value is empty"},
	{"iface=/a,cid=3,uds=", -EINVAL, "uds=: the value is empty"},
	{"iface=/a,cid=3,buf_alloc=", -EINVAL, "buf_alloc=: the value is empty"},
	{"iface=/a,cid=3,groups=", -EINVAL, "groups=: the value is empty"},
	{"iface=/a,,cid=3", -EINVAL, "=: unknown key"},
	{"=x", -EINVAL, "=x: unknown key"},
	{"iface=/a,cid=3,rate=1000", -EINVAL, "rate=1000: unknown key"},
	{"iface=/a,cid=3,conn_rate=5", -EINVAL, "conn_rate=5: unknown key"},
	{"iface=/a,cid=3,cids=4", -EINVAL, "cids=4: unknown key"},
	{"iface=/a,cid=3,ci=4", -EINVAL, "ci=4: unknown key"},
	{"iface=/a,cid=3,IFACE=4", -EINVAL, "IFACE=4: unknown key"},
	{"iface=/a,cid=3,a_key_longer_than_all=4", -EINVAL, "a_key_longer_th=4: unknown key"},
	{"iface=/a,cid=3,x=\n", -EINVAL, "x=?: unknown key"},
	{"iface=/a,iface=/a,cid=3", -EINVAL, "iface=/a: the key is given twice"},
	{"iface=/a,cid=3,cid=4", -EINVAL, "cid=4: the key is given twice"},
	{"iface=/a,cid=0", -EINVAL, "cid=0: must be a number from 3 to 4294967294"},
	{"iface=/a,cid=1", -EINVAL, "cid=1: must be a number from 3 to 4294967294"},
	{"iface=/a,cid=2", -EINVAL, "cid=2: must be a number from 3 to 4294967294"},
	{"iface=/a,cid=4294967295", -EINVAL,
		"cid=4294967295: must be a number from 3 to 4294967294"},
	{"iface=/a,cid=4294967299", -EINVAL,
		"cid=4294967299: must be a number from 3 to 4294967294"},
	{"iface=/a,cid=18446744073709551619", -EINVAL,
		"cid=18446744073709551619: must be a number from 3 to 4294967294"},
	{"iface=/a,cid=-3", -EINVAL, "cid=-3: must be a number from 3 to 4294967294"},
	{"iface=/a,cid=+3", -EINVAL, "cid=+3: must be a number from 3 to 4294967294"},
	{"iface=/a,cid= 3", -EINVAL, "cid= 3: must be a number from 3 to 4294967294"},
	{"iface=/a,cid=3x", -EINVAL, "cid=3x: must be a number from 3 to 4294967294"},
	{"iface=/a,cid=0x3", -EINVAL, "cid=0x3: must be a number from 3 to 4294967294"},
	{"iface=/a,cid=3=4", -EINVAL, "cid=3=4: must be a number from 3 to 4294967294"},
	{"iface=/a,cid=3,client=2", -EINVAL, "client=2: must be 0 or 1"},
	{"iface=/a,cid=3,client=yes", -EINVAL, "client=yes: must be 0 or 1"},
	{"iface=/a,cid=3,client=01", -EINVAL, "client=01: must be 0 or 1"},
	{"iface=/a,cid=3,lcore=-1", -EINVAL, "lcore=-1: must be the number of an lcore"},
	{"iface=/a,cid=3,lcore=32768", -EINVAL, "lcore=32768: must be the number of an lcore"},
	{"iface=/a,cid=3,buf_alloc=4095", -EINVAL,
		"buf_alloc=4095: must be 4K to 16M bytes (suffixes: K and M)"},
	{"iface=/a,cid=3,buf_alloc=3K", -EINVAL,
		"buf_alloc=3K: must be 4K to 16M bytes (suffixes: K and M)"},
	{"iface=/a,cid=3,buf_alloc=16777217", -EINVAL,
		"buf_alloc=16777217: must be 4K to 16M bytes (suffixes: K and M)"},
	{"iface=/a,cid=3,buf_alloc=17M", -EINVAL,
		"buf_alloc=17M: must be 4K to 16M bytes (suffixes: K and M)"},
	{"iface=/a,cid=3,buf_alloc=17592186044416M", -EINVAL,
		"buf_alloc=17592186044416M: must be 4K to 16M bytes (suffixes: K and M)"},
	{"iface=/a,cid=3,buf_alloc=1G", -EINVAL,
		"buf_alloc=1G: must be 4K to 16M bytes (suffixes: K and M)"},
	{"iface=/a,cid=3,buf_alloc=K", -EINVAL,
		"buf_alloc=K: must be 4K to 16M bytes (suffixes: K and M)"},
	{"iface=/a,cid=3,max_conns=0", -EINVAL, "max_conns=0: must be a number from 1 to 65536"},
	{"iface=/a,cid=3,max_conns=65537", -EINVAL,
		"max_conns=65537: must be a number from 1 to 65536"},
	{"iface=/a,cid=3,groups=a+", -EINVAL, "groups=a+: a group has no name"},
	{"iface=/a,cid=3,groups=+a", -EINVAL, "groups=+a: a group has no name"},
	{"iface=/a,cid=3,groups=a++b", -EINVAL, "groups=a++b: a group has no name"},
	{"iface=/a,cid=3,groups=a+b+a", -EINVAL, "groups=a+b+a: group a is given twice"},
	{"iface=/a,cid=3,groups=a b", -EINVAL,
		"groups=a b: a group's name consists of letters, digits and _-."},
	{"iface=/a,cid=3,groups=a1234567890123456789012345678901", -EINVAL,
		"groups=a1234567890123456789012345678901: a group's name has at most 31 bytes"},
	{"iface=/a,cid=3,groups=a+b+c+d+e+f+g+h+i+j+k+l+m+n+o+p+q", -EINVAL,
		"groups=a+b+c+d+e+f+g+h+i+j+k+l+m+n+o+p+q: at most 16 groups"},
	{"iface=" S107 "x,cid=3", -ENAMETOOLONG,
		"iface=" S107 "x: the path has 108 bytes, at most 107 fit"},
	{"iface=/a,cid=3,uds=" S96 "x", -ENAMETOOLONG,
		"uds=" S96 "x: the path has 97 bytes, at most 96 fit"},
	{"iface=/a,cid=3,uds=/a", -EINVAL,
		"uds=/a: iface is this path or one that is derived from it"},
	{"iface=/a_1024,cid=3,uds=/a", -EINVAL,
		"uds=/a: iface is this path or one that is derived from it"},
	{"iface=/a_seqpacket,cid=3,uds=/a", -EINVAL,
		"uds=/a: iface is this path or one that is derived from it"},
};

static void
bad_values(void)
{
	struct port_conf conf;
	char err[DEVARGS_ERR_LEN];
	char want[DEVARGS_ERR_LEN];

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		int rc = devargs_parse("vsock_vhost0", refused[i].args, &conf, err, sizeof(err));

		snprintf(want, sizeof(want), "vsock_vhost0: %s", refused[i].line);
		if (rc == refused[i].error && strcmp(err, want) == 0)
			continue;
		fprintf(stderr, "%s: returns %d with \"%s\", expected %d with \"%s\"\n",
			refused[i].args != NULL ? refused[i].args : "(none)", rc, err,
			refused[i].error, want);
		exit(1);
	}
}

static void
parse_ok(const char *args, struct port_conf *conf)
{
	char err[DEVARGS_ERR_LEN];

	if (devargs_parse("vsock_vhost7", args, conf, err, sizeof(err)) == 0 && err[0] == '\0')
		return;
	fprintf(stderr, "%s: refused with \"%s\"\n", args, err);
	exit(1);
}

static void
defaults(void)
{
	struct port_conf conf;

	parse_ok("iface=/run/vm3.sock,cid=3", &conf);
	CHECK(strcmp(conf.name, "vsock_vhost7") == 0);
	CHECK(strcmp(conf.iface, "/run/vm3.sock") == 0);
	CHECK(strcmp(conf.uds, "") == 0);
	CHECK_EQ(conf.cid, 3);
	CHECK_EQ(conf.nb_groups, 1);
	CHECK(strcmp(conf.groups[0], "default") == 0);
	CHECK(!conf.client);
	CHECK_EQ(conf.lcore, -1);
	CHECK_EQ(conf.buf_alloc, 256 * 1024);
	CHECK_EQ(conf.max_conns, 4096);
}

static void
all_keys(void)
{
	struct port_conf conf;

	parse_ok("max_conns=1,buf_alloc=16M,lcore=0,groups=web+db-1.x+_,client=1,uds=/u,"
		 "cid=4294967294,iface=/i=1",
		&conf);
	CHECK(strcmp(conf.iface, "/i=1") == 0);
	CHECK(strcmp(conf.uds, "/u") == 0);
	CHECK_EQ(conf.cid, 4294967294u);
	CHECK_EQ(conf.nb_groups, 3);
	CHECK(strcmp(conf.groups[0], "web") == 0);
	CHECK(strcmp(conf.groups[1], "db-1.x") == 0);
	CHECK(strcmp(conf.groups[2], "_") == 0);
	CHECK(conf.client);
	CHECK_EQ(conf.lcore, 0);
	CHECK_EQ(conf.buf_alloc, 16 * 1024 * 1024);
	CHECK_EQ(conf.max_conns, 1);
}

static void
bounds(void)
{
	struct port_conf conf;

	parse_ok("iface=" S107 ",cid=3,uds=" S96 ",client=0,max_conns=65536", &conf);
	CHECK_EQ(strlen(conf.iface), 107);
	CHECK_EQ(strlen(conf.uds), 96);
	CHECK(!conf.client);
	CHECK_EQ(conf.max_conns, 65536);
	parse_ok("iface=/a,cid=3,buf_alloc=4K", &conf);
	CHECK_EQ(conf.buf_alloc, 4096);
	parse_ok("iface=/a,cid=3,buf_alloc=4096", &conf);
	CHECK_EQ(conf.buf_alloc, 4096);
	parse_ok("iface=/a,cid=3,buf_alloc=16384k", &conf);
	CHECK_EQ(conf.buf_alloc, 16777216);
	parse_ok("iface=/a,cid=3,buf_alloc=1m", &conf);
	CHECK_EQ(conf.buf_alloc, 1048576);
	parse_ok("iface=/a,cid=3,groups=a+b+c+d+e+f+g+h+i+j+k+l+m+n+o+p", &conf);
	CHECK_EQ(conf.nb_groups, 16);
	parse_ok("iface=/ab,cid=3,uds=/a", &conf);
	parse_ok("iface=/a_,cid=3,uds=/a", &conf);
	parse_ok("iface=/a_3.sock,cid=3,uds=/a", &conf);
	parse_ok("iface=/a,cid=3,", &conf);
}

/* A line that does not fit is shortened; a buffer of no bytes is left alone. */
static void
small_buffers(void)
{
	struct port_conf conf;
	char err[16] = "untouched";
	char name[80];

	CHECK_EQ(devargs_parse("vsock_vhost0", "cid=2", &conf, err, 0), -EINVAL);
	CHECK(strcmp(err, "untouched") == 0);
	CHECK_EQ(devargs_parse("vsock_vhost0", "cid=2", &conf, err, sizeof(err)), -EINVAL);
	CHECK(strcmp(err, "vsock_vhost0: c") == 0);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	CHECK_EQ(devargs_parse(name, "iface=/a,cid=3", &conf, err, sizeof(err)), -ENAMETOOLONG);
	CHECK(strcmp(err, "nnnnnnnnnnnnnnn") == 0);
}

int
main(void)
{
	RUN(bad_values);
	RUN(defaults);
	RUN(all_keys);
	RUN(bounds);
	RUN(small_buffers);
	return 0;
}
