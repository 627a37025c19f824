/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCKD_TEL_H
#define VSOCKD_TEL_H

/**
 * @file
 * What the handlers of telemetry commands have in common: values of dictionaries, errors, and the
 * parameters of a command. Context of all functions: DPDK's telemetry threads.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_telemetry.h>
#include <rte_version.h>

struct port;
struct vsock_switch;

/** Add an unsigned value to a dictionary. The name of the function differs between releases. */
static inline void
tel_add_u64(struct rte_tel_data *d, const char *name, uint64_t value)
{
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
	rte_tel_data_add_dict_uint(d, name, value);
#else
	rte_tel_data_add_dict_u64(d, name, value);
#endif
}

/** @return an empty dictionary, for tel_add_dict(); NULL: out of memory. */
struct rte_tel_data *tel_dict(void);

/** Add a dictionary to a dictionary. @param sub freed later, also after an error. */
void tel_add_dict(struct rte_tel_data *d, const char *name, struct rte_tel_data *sub);

/**
 * Make the answer {"error": text}, because DPDK answers "null" to a handler that fails.
 * @return 0, so that a handler can return it.
 */
int tel_error(struct rte_tel_data *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Parameters of a command: a port, or nothing, and a number. */
struct tel_params {
	char port[64];   /**< name or CID; empty: none was given */
	uint32_t number; /**< default if none was given */
};

/**
 * Parse "port", "port,number" or, without a port, "number".
 * @param params of the command; may be NULL. @param with_port the command is about a port.
 * @param max of the number. @param d gets an error. @param out filled; its number is not changed
 * if none was given.
 * @return true; false: @p d is the answer.
 */
bool tel_parse(const char *params, bool with_port, uint32_t max, struct rte_tel_data *d,
	struct tel_params *out);

/** @return true if a command got no parameters, as it should; false: @p d is the answer. */
bool tel_no_params(const char *params, struct rte_tel_data *d);

/**
 * Call @p fn for the port that has the name or the CID.
 * @param d gets an error if there is none. @return true if there is such a port.
 */
bool tel_with_port(struct vsock_switch *sw, const struct tel_params *params, struct rte_tel_data *d,
	void (*fn)(struct port *port, void *arg), void *arg);

#endif
