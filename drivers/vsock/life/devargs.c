/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "life/devargs.h"

#define KEY_MAX_LEN 15

/* Paths "<uds>_<port>" and "<uds>_seqpacket" are derived; the longest one must fit. */
#define UDS_SUFFIX_LEN (sizeof("_4294967295") - 1)

struct arg {
	const char *dev; /* name of the vdev, for the error line */
	const char *key;
	const char *value;
	size_t value_len;
	char *err;
	size_t err_len;
};

struct arg_key {
	const char *name;
	int (*parse)(const struct arg *arg, struct port_conf *conf);
	bool required;
};

/* Replace control characters of values, so that an error stays one line. */
static void
make_printable(char *line)
{
	for (; *line != '\0'; line++)
		if (!isprint((unsigned char)*line))
			*line = '?';
}

__attribute__((format(printf, 3, 4))) static int
refuse(const struct arg *arg, int error, const char *fmt, ...)
{
	va_list ap;
	int len;

	if (arg->err_len == 0)
		return error;
	len = snprintf(arg->err, arg->err_len, "%s: %s=%.*s: ", arg->dev, arg->key,
		(int)(arg->value_len < 120 ? arg->value_len : 120), arg->value);
	if (len >= 0 && (size_t)len < arg->err_len) {
		va_start(ap, fmt);
		vsnprintf(arg->err + len, arg->err_len - (size_t)len, fmt, ap);
		va_end(ap);
	}
	make_printable(arg->err);
	return error;
}

/* Decimal only: no sign, no space, no suffix. */
static int
parse_number(const char *str, size_t len, uint64_t *out)
{
	uint64_t val = 0;
	size_t i;

	if (len == 0 || len > 18)
		return -EINVAL;
	for (i = 0; i < len; i++) {
		if (str[i] < '0' || str[i] > '9')
			return -EINVAL;
		val = val * 10 + (uint64_t)(str[i] - '0');
	}
	*out = val;
	return 0;
}

static int
parse_path(const struct arg *arg, char path[PORT_PATH_LEN], size_t max_len)
{
	if (arg->value_len > max_len)
		return refuse(arg, -ENAMETOOLONG, "the path has %zu bytes, at most %zu fit",
			arg->value_len, max_len);
	memcpy(path, arg->value, arg->value_len);
	path[arg->value_len] = '\0';
	return 0;
}

static int
parse_iface(const struct arg *arg, struct port_conf *conf)
{
	return parse_path(arg, conf->iface, PORT_PATH_LEN - 1);
}

static int
parse_uds(const struct arg *arg, struct port_conf *conf)
{
	return parse_path(arg, conf->uds, PORT_PATH_LEN - 1 - UDS_SUFFIX_LEN);
}

static int
parse_cid(const struct arg *arg, struct port_conf *conf)
{
	uint64_t cid;

	/* 0 to 2 and 2^32-1 are reserved, the upper half is always zero (virtio 1.2, 5.10.4). */
	if (parse_number(arg->value, arg->value_len, &cid) != 0 || cid < 3 || cid >= UINT32_MAX)
		return refuse(arg, -EINVAL, "must be a number from 3 to 4294967294");
	conf->cid = (uint32_t)cid;
	return 0;
}

static int
parse_client(const struct arg *arg, struct port_conf *conf)
{
	if (arg->value_len != 1 || (arg->value[0] != '0' && arg->value[0] != '1'))
		return refuse(arg, -EINVAL, "must be 0 or 1");
	conf->client = arg->value[0] == '1';
	return 0;
}

static int
parse_lcore(const struct arg *arg, struct port_conf *conf)
{
	uint64_t lcore;

	/* The switch checks that the lcore polls. */
	if (parse_number(arg->value, arg->value_len, &lcore) != 0 || lcore > INT16_MAX)
		return refuse(arg, -EINVAL, "must be the number of an lcore");
	conf->lcore = (int)lcore;
	return 0;
}

static int
parse_buf_alloc(const struct arg *arg, struct port_conf *conf)
{
	size_t len = arg->value_len;
	unsigned int shift = 0;
	uint64_t val;

	switch (arg->value[len - 1]) {
	case 'k':
	case 'K':
		shift = 10;
		len--;
		break;
	case 'm':
	case 'M':
		shift = 20;
		len--;
		break;
	default:
		break;
	}
	if (parse_number(arg->value, len, &val) != 0 || val > DEVARGS_BUF_ALLOC_MAX >> shift ||
		val << shift < DEVARGS_BUF_ALLOC_MIN)
		return refuse(arg, -EINVAL, "must be 4K to 16M bytes (suffixes: K and M)");
	conf->buf_alloc = (uint32_t)(val << shift);
	return 0;
}

static int
parse_max_conns(const struct arg *arg, struct port_conf *conf)
{
	uint64_t val;

	if (parse_number(arg->value, arg->value_len, &val) != 0 || val < 1 ||
		val > DEVARGS_MAX_CONNS_MAX)
		return refuse(arg, -EINVAL, "must be a number from 1 to %u", DEVARGS_MAX_CONNS_MAX);
	conf->max_conns = (uint32_t)val;
	return 0;
}

static bool
group_char_ok(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

static int
add_group(const struct arg *arg, struct port_conf *conf, const char *str, size_t len)
{
	char *group;
	size_t i;

	if (len == 0)
		return refuse(arg, -EINVAL, "a group has no name");
	if (len >= sizeof(conf->groups[0]))
		return refuse(arg, -EINVAL, "a group's name has at most %zu bytes",
			sizeof(conf->groups[0]) - 1);
	for (i = 0; i < len; i++)
		if (!group_char_ok(str[i]))
			return refuse(
				arg, -EINVAL, "a group's name consists of letters, digits and _-.");
	if (conf->nb_groups == PORT_MAX_GROUPS)
		return refuse(arg, -EINVAL, "at most %d groups", PORT_MAX_GROUPS);
	group = conf->groups[conf->nb_groups];
	memcpy(group, str, len);
	group[len] = '\0';
	for (i = 0; i < conf->nb_groups; i++)
		if (strcmp(conf->groups[i], group) == 0)
			return refuse(arg, -EINVAL, "group %s is given twice", group);
	conf->nb_groups++;
	return 0;
}

static int
parse_groups(const struct arg *arg, struct port_conf *conf)
{
	const char *start = arg->value;
	const char *end = arg->value + arg->value_len;
	const char *plus;
	int rc;

	for (;;) {
		plus = memchr(start, '+', (size_t)(end - start));
		rc = add_group(arg, conf, start, (size_t)((plus != NULL ? plus : end) - start));
		if (rc != 0 || plus == NULL)
			return rc;
		start = plus + 1;
	}
}

static const struct arg_key arg_keys[] = {
	{"iface", parse_iface, true},
	{"cid", parse_cid, true},
	{"uds", parse_uds, false},
	{"client", parse_client, false},
	{"groups", parse_groups, false},
	{"lcore", parse_lcore, false},
	{"buf_alloc", parse_buf_alloc, false},
	{"max_conns", parse_max_conns, false},
};

#define NB_KEYS (sizeof(arg_keys) / sizeof(arg_keys[0]))

/* One "key=value" of len bytes. Sets the key's bit in @seen. */
static int
parse_pair(
	struct arg *arg, const char *pair, size_t len, struct port_conf *conf, unsigned int *seen)
{
	const char *equals = memchr(pair, '=', len);
	size_t key_len = equals != NULL ? (size_t)(equals - pair) : len;
	char key[KEY_MAX_LEN + 1];
	unsigned int i;

	snprintf(key, sizeof(key), "%.*s", (int)(key_len < sizeof(key) ? key_len : sizeof(key)),
		pair);
	arg->key = key;
	arg->value = equals != NULL ? equals + 1 : "";
	arg->value_len = equals != NULL ? len - key_len - 1 : 0;

	for (i = 0; i < NB_KEYS; i++)
		if (strlen(arg_keys[i].name) == key_len &&
			memcmp(arg_keys[i].name, pair, key_len) == 0)
			break;
	if (i == NB_KEYS)
		return refuse(arg, -EINVAL, "unknown key");
	if ((*seen & 1u << i) != 0)
		return refuse(arg, -EINVAL, "the key is given twice");
	*seen |= 1u << i;
	if (arg->value_len == 0)
		return refuse(arg, -EINVAL, "the value is empty");
	return arg_keys[i].parse(arg, conf);
}

bool
devargs_is_derived(const char *path, const char *uds)
{
	size_t uds_len = strlen(uds);

	if (uds_len == 0 || strncmp(path, uds, uds_len) != 0)
		return false;
	path += uds_len;
	if (*path == '\0' || strcmp(path, "_seqpacket") == 0)
		return true;
	if (*path != '_')
		return false;
	return path[1] != '\0' && path[1 + strspn(path + 1, "0123456789")] == '\0';
}

static int
check_whole(struct arg *arg, const struct port_conf *conf, unsigned int seen)
{
	unsigned int i;

	for (i = 0; i < NB_KEYS; i++) {
		if (!arg_keys[i].required || (seen & 1u << i) != 0)
			continue;
		arg->key = arg_keys[i].name;
		arg->value = "";
		arg->value_len = 0;
		return refuse(arg, -EINVAL, "the key is required");
	}
	if (devargs_is_derived(conf->iface, conf->uds)) {
		arg->key = "uds";
		arg->value = conf->uds;
		arg->value_len = strlen(conf->uds);
		return refuse(arg, -EINVAL, "iface is this path or one that is derived from it");
	}
	return 0;
}

int
devargs_parse(const char *name, const char *args, struct port_conf *conf, char *err, size_t err_len)
{
	struct arg arg = {.dev = name, .err = err, .err_len = err_len};
	unsigned int seen = 0;
	const char *comma;
	size_t len;
	int rc;

	if (err_len > 0)
		err[0] = '\0';
	memset(conf, 0, sizeof(*conf));
	conf->lcore = -1;
	conf->buf_alloc = DEVARGS_BUF_ALLOC_DEFAULT;
	conf->max_conns = DEVARGS_MAX_CONNS_DEFAULT;
	if ((size_t)snprintf(conf->name, sizeof(conf->name), "%s", name) >= sizeof(conf->name)) {
		snprintf(err, err_len, "%.40s...: the name is too long, at most %zu bytes fit",
			name, sizeof(conf->name) - 1);
		if (err_len > 0)
			make_printable(err);
		return -ENAMETOOLONG;
	}

	while (args != NULL && *args != '\0') {
		comma = strchr(args, ',');
		len = comma != NULL ? (size_t)(comma - args) : strlen(args);
		rc = parse_pair(&arg, args, len, conf, &seen);
		if (rc != 0)
			return rc;
		args = comma != NULL ? comma + 1 : NULL;
	}
	rc = check_whole(&arg, conf, seen);
	if (rc != 0)
		return rc;
	if (conf->nb_groups == 0)
		strcpy(conf->groups[conf->nb_groups++], "default");
	return 0;
}
