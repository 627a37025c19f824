/* SPDX-License-Identifier: BSD-3-Clause */
/* A job: a script of steps, and the steps that have nothing to do with sockets. */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

uint64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

int
arg_number(const char *text, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 0);
	if (errno != 0 || end == text || *text == '-')
		return -EINVAL;
	if (*end == 'K')
		*value <<= 10;
	else if (*end == 'M')
		*value <<= 20;
	else if (*end != '\0')
		return -EINVAL;
	return *end != '\0' && end[1] != '\0' ? -EINVAL : 0;
}

void
step_ok(struct job_ctx *ctx, const char *fmt, ...)
{
	char keys[AGENT_LINE_MAX / 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(keys, sizeof(keys), fmt, ap);
	va_end(ap);
	ctl_say(ctx->id, "%u %s ok us=%llu %s", ctx->step_idx, ctx->verb,
		(unsigned long long)(now_us() - ctx->step_start_us), keys);
}

/* sh COMMAND: by the shell of busybox; its output as "out" lines, its status must be 0 */
static int
step_sh(struct job_ctx *ctx, int argc, char **argv)
{
	char line[AGENT_LINE_MAX / 2];
	FILE *out;
	int status;

	(void)argc;
	out = popen(argv[0], "re");
	if (out == NULL)
		return -errno;
	while (fgets(line, sizeof(line), out) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		ctl_say(ctx->id, "out %s", line);
	}
	status = pclose(out);
	if (status != 0) {
		ctl_say(ctx->id, "out status=%d", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
		return -ECHILD;
	}
	step_ok(ctx, "status=0");
	return 0;
}

/* wait [MS]: until the host says "go" */
static int
step_wait(struct job_ctx *ctx, int argc, char **argv)
{
	struct pollfd fd = {.fd = ctx->go_fd, .events = POLLIN};
	uint64_t ms = 0;
	char go;
	int n;

	if (argc > 0 && arg_number(argv[0], &ms) < 0)
		return -EINVAL;
	ctl_say(ctx->id, "%u wait begin", ctx->step_idx);
	n = poll(&fd, 1, argc > 0 ? (int)ms : -1);
	if (n <= 0)
		return n == 0 ? -ETIMEDOUT : -errno;
	if (read(ctx->go_fd, &go, 1) != 1)
		return -EPIPE;
	step_ok(ctx, "go=1");
	return 0;
}

static int
step_sleep(struct job_ctx *ctx, int argc, char **argv)
{
	uint64_t ms;

	(void)argc;
	if (arg_number(argv[0], &ms) < 0)
		return -EINVAL;
	usleep((useconds_t)ms * 1000);
	step_ok(ctx, "ms=%llu", (unsigned long long)ms);
	return 0;
}

static int
step_insmod(struct job_ctx *ctx, int argc, char **argv)
{
	int rc = init_module_load(argv[0]);

	(void)argc;
	if (rc == 0)
		step_ok(ctx, "path=%s", argv[0]);
	return rc;
}

static const struct step steps_misc[] = {
	{"wait", 0, 1, step_wait},
	{"sleep", 1, 1, step_sleep},
	{"insmod", 1, 1, step_insmod},
	{NULL, 0, 0, NULL},
};

static const struct step *
step_find(const char *verb)
{
	static const struct step *const tables[] = {steps_misc, steps_sock, steps_data};

	for (unsigned int i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct step *s = tables[i]; s->verb != NULL; s++)
			if (strcmp(s->verb, verb) == 0)
				return s;
	return NULL;
}

static int
step_run(struct job_ctx *ctx, char *text)
{
	char *argv[AGENT_ARGS_MAX], *save = NULL;
	const struct step *step;
	int argc = 0;

	if (strncmp(text, "sh ", 3) == 0) {
		argv[0] = text + 3;
		ctx->verb = "sh";
		return step_sh(ctx, 1, argv);
	}
	for (char *arg = strtok_r(text, " ", &save); arg != NULL && argc < AGENT_ARGS_MAX;
		arg = strtok_r(NULL, " ", &save))
		argv[argc++] = arg;
	if (argc == 0)
		return -EINVAL;
	ctx->verb = argv[0];
	step = step_find(argv[0]);
	if (step == NULL)
		return -ENOSYS;
	if (argc - 1 < step->args_min || argc - 1 > step->args_max)
		return -EINVAL;
	return step->fn(ctx, argc - 1, argv + 1);
}

int
job_run(struct job_ctx *ctx, char *script)
{
	char *save = NULL;

	for (char *text = strtok_r(script, "\t", &save); text != NULL;
		text = strtok_r(NULL, "\t", &save)) {
		int may_fail = *text == '?';
		int rc;

		ctx->verb = "?";
		ctx->step_start_us = now_us();
		rc = step_run(ctx, text + may_fail);
		if (rc < 0)
			ctl_say(ctx->id, "%u %s fail errno=%s us=%llu", ctx->step_idx, ctx->verb,
				strerrorname_np(-rc),
				(unsigned long long)(now_us() - ctx->step_start_us));
		if (rc < 0 && !may_fail)
			return 1;
		ctx->step_idx++;
	}
	return 0;
}
