/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/port.h"
#include "number.h"
#include "tel.h"

struct rte_tel_data *
tel_dict(void)
{
	struct rte_tel_data *d = rte_tel_data_alloc();

	if (d != NULL)
		rte_tel_data_start_dict(d);
	return d;
}

void
tel_add_dict(struct rte_tel_data *d, const char *name, struct rte_tel_data *sub)
{
	/* The answer owns it after success. */
	if (rte_tel_data_add_dict_container(d, name, sub, 0) != 0)
		rte_tel_data_free(sub);
}

int
tel_error(struct rte_tel_data *d, const char *fmt, ...)
{
	char text[RTE_TEL_MAX_STRING_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* DPDK 22.11 does not escape strings. */
	for (char *p = text; *p != '\0'; p++) {
		if (*p < ' ' || *p > '~' || *p == '"' || *p == '\\')
			*p = '?';
	}
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "error", text);
	return 0;
}

static bool
parse_number(const char *text, uint32_t max, struct rte_tel_data *d, struct tel_params *out)
{
	if (number_parse(text, max, &out->number) != 0) {
		tel_error(d, "%.32s: must be a number from 0 to %u", text, max);
		return false;
	}
	return true;
}

bool
tel_parse(const char *params, bool with_port, uint32_t max, struct rte_tel_data *d,
	struct tel_params *out)
{
	const char *comma;

	out->port[0] = '\0';
	if (!with_port)
		return params == NULL || parse_number(params, max, d, out);
	if (params == NULL || params[0] == '\0') {
		tel_error(d, "the name or the CID of a port is missing");
		return false;
	}
	comma = strchrnul(params, ',');
	snprintf(out->port, sizeof(out->port), "%.*s", (int)(comma - params), params);
	return *comma == '\0' || parse_number(comma + 1, max, d, out);
}

bool
tel_no_params(const char *params, struct rte_tel_data *d)
{
	if (params != NULL)
		tel_error(d, "%.32s: the command takes no parameter", params);
	return params == NULL;
}

struct find {
	const char *text;
	void (*fn)(struct port *port, void *arg);
	void *arg;
	uint64_t cid; /* UINT64_MAX: the text is no number */
	bool found;
};

static void
try_port(struct port *port, void *arg)
{
	const struct port_conf *conf = port_conf_of(port);
	struct find *f = arg;

	if (f->found || (f->cid != conf->cid && strcmp(f->text, conf->name) != 0))
		return;
	f->found = true;
	f->fn(port, f->arg);
}

bool
tel_with_port(struct vsock_switch *sw, const struct tel_params *params, struct rte_tel_data *d,
	void (*fn)(struct port *port, void *arg), void *arg)
{
	struct find f = {.text = params->port, .fn = fn, .arg = arg};
	char *end;

	f.cid = strtoull(params->port, &end, 10);
	if (*end != '\0' || end == params->port)
		f.cid = UINT64_MAX;
	port_foreach(sw, try_port, &f);
	if (!f.found)
		tel_error(d, "%s: no such port (see /vsock/ports)", params->port);
	return f.found;
}
