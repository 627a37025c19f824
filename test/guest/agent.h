/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_GUEST_AGENT_H
#define TEST_GUEST_AGENT_H

/*
 * The program that runs as init in a test guest and does what the tests on the host ask for.
 *
 * The control channel is a serial line of its own; each line, in both directions, is
 *
 *	<crc> <job> <text>\n
 *
 * with crc the CRC-16/CCITT (start 0xffff) of everything after its blank as four hex digits.
 * To the guest the text is "run SCRIPT", "go" or "kill". A script is a list of steps separated
 * by tabs, run by a process of its own, so that any number of them can be under way. From the
 * guest:
 *
 *	<step> <verb> ok   key=value...		a step is done
 *	<step> <verb> fail errno=NAME ...	it failed: the job ends, unless it starts with '?'
 *	out <text>				a line that a shell command wrote
 *	exit status=N | exit signal=N		the job is over
 *
 * Job 0 is the agent itself: "hello release=... cid=..." once it can take commands, "bad ..." for a
 * line it could not use.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define AGENT_LINE_MAX 2048
#define AGENT_ARGS_MAX 24

/** State of the process of one job. */
struct job_ctx {
	unsigned int id;
	unsigned int step_idx;
	const char *verb;
	uint64_t step_start_us;
	int go_fd;               /**< one byte for each "go" of the host */
	int sock;                /**< the connection, -1 when there is none */
	int listener;            /**< the listening socket, -1 when there is none */
	int type;                /**< SOCK_STREAM or SOCK_SEQPACKET */
	unsigned long buf_alloc; /**< receive window of sockets made from now on, 0: the default */
};

/** A step of a script: 0, or -errno after which the caller reports the failure. */
typedef int (*step_fn)(struct job_ctx *ctx, int argc, char **argv);

struct step {
	const char *verb;
	int args_min;
	int args_max;
	step_fn fn;
};

/* agent_ctl.c: the control channel */

/** Open the serial line @p path in raw mode. @return 0 or -errno. */
int ctl_open(const char *path);

/** Read what is there. @return bytes, 0 when nothing, -errno. */
ssize_t ctl_read(char *buf, size_t buf_len);

/** Send one line of job @p id; safe in any process, lines are never mixed. */
void ctl_say(unsigned int id, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Check the line @p line (no newline). @return the text and its job, NULL when it is damaged. */
char *ctl_check(char *line, unsigned int *id);

/* agent_init.c: what an init does */

/** Mount the pseudo file systems and load the modules of /modules.list. */
void init_system(void);

/** Load the module file @p path. @return 0 or -errno; one that is loaded already is fine. */
int init_module_load(const char *path);

/* agent_job.c */

/** Run @p script in the calling process. @return the exit status of the job. */
int job_run(struct job_ctx *ctx, char *script);

/** Report the step under way as done, with further keys. */
void step_ok(struct job_ctx *ctx, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** A number with an optional suffix K or M. @return 0 or -EINVAL. */
int arg_number(const char *text, uint64_t *value);

/** @return microseconds of CLOCK_MONOTONIC. */
uint64_t now_us(void);

/* agent_sock.c, agent_data.c: the steps, tables that end with a NULL verb */
extern const struct step steps_sock[];
extern const struct step steps_data[];

/** Echo on @p fd until the peer ends. @return bytes echoed or -errno. */
ssize_t data_echo(int fd, int type);

/* agent_digest.c */

/**
 * Append @p data_len bytes of @p data to the stream that @p digest describes. The result does not
 * depend on how the stream is split into calls.
 *
 * @param digest 0 before the first call.
 */
void digest_update(uint64_t *digest, const void *data, size_t data_len);

#endif
