/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ST_DAEMON_H
#define ST_DAEMON_H

/**
 * @file
 * The daemon as a child process: start, telemetry, what it holds, orderly end.
 *
 * Context: main, unless something else is said.
 */

#include <jansson.h>
#include <stdint.h>

#define ST_NB_PORTS  8u
#define ST_PATH_LEN  100u
#define ST_FIRST_CID 3u

struct st_daemon_conf {
	const char *lcores;              /**< --lcores */
	unsigned int nb_ports;           /**< CIDs from ST_FIRST_CID on. */
	unsigned int lcore[ST_NB_PORTS]; /**< devarg lcore of each; 0: none. */
	unsigned int mem_mb;             /**< EAL's memory; 0: 256. */
	const char *port_args;           /**< More devargs of all, with a leading comma; or NULL. */
	const char *app_args[8];         /**< Behind "--", up to a NULL. */
};

/**
 * Starts the daemon and waits until it serves. There is one at a time; a failing test ends it.
 */
void st_daemon_start(const struct st_daemon_conf *conf);

/** Ends it by SIGTERM; its status must be 0, in time, without a sanitizer's report. */
void st_daemon_stop(void);

/** @return path of the vhost-user socket of port @p port. Context: any. */
const char *st_daemon_iface(unsigned int port);

/** @return base path of the host side of port @p port. Context: any. */
const char *st_daemon_uds(unsigned int port);

/** Asks telemetry. @return a new reference, or NULL. Context: any thread. */
json_t *st_daemon_ask(const char *command);

/** @return an integer of /vsock/port of port @p port. Context: any thread. */
int64_t st_daemon_port(unsigned int port, const char *key);

/** Waits until /vsock/port of port @p port says @p value. */
void st_daemon_await_port(unsigned int port, const char *key, int64_t value);

/** @return a drop counter of port @p port. Context: any thread. */
int64_t st_daemon_port_drops(unsigned int port, const char *reason);

/** @return a drop counter of all ports together. Context: any thread. */
int64_t st_daemon_drops(const char *reason);

/** @return an integer of /vsock/lcores, summed up. Context: any thread. */
int64_t st_daemon_lcores(const char *key);

/**
 * Waits until the daemon holds what it held before the first guest came: no connection, chunk, or
 * chain, all packet objects free, no deadline, the same descriptors. All guests are unplugged.
 */
void st_daemon_check_quiet(void);

/** Fails unless the process is alive. Context: any thread. */
void st_daemon_check_alive(void);

#endif /* ST_DAEMON_H */
