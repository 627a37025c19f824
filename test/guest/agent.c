/* SPDX-License-Identifier: BSD-3-Clause */
/* The agent's main process: takes commands, starts a process for each job and reaps it. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "agent.h"

#define JOBS_MAX    64
#define CONTROL_TTY "/dev/ttyS1"

struct job {
	pid_t pid; /* 0: free */
	unsigned int id;
	int go_fd; /* write end */
};

static struct job jobs[JOBS_MAX];

static struct job *
job_find(unsigned int id)
{
	for (unsigned int i = 0; i < JOBS_MAX; i++)
		if (jobs[i].pid > 0 && jobs[i].id == id)
			return &jobs[i];
	return NULL;
}

static void
job_main(unsigned int id, int go_fd, char *script)
{
	struct job_ctx ctx = {
		.id = id,
		.go_fd = go_fd,
		.sock = -1,
		.listener = -1,
		.type = SOCK_STREAM,
	};
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* A process group, so that "kill" reaches its children. */
	setpgid(0, 0);
	exit(job_run(&ctx, script));
}

static void
job_start(unsigned int id, char *script)
{
	struct job *job = NULL;
	int go[2];

	for (unsigned int i = 0; i < JOBS_MAX && job == NULL; i++)
		if (jobs[i].pid == 0)
			job = &jobs[i];
	if (job == NULL || job_find(id) != NULL || pipe2(go, O_CLOEXEC) < 0) {
		ctl_say(0, "bad job=%u no room, or it runs already", id);
		return;
	}
	job->pid = fork();
	if (job->pid < 0) {
		ctl_say(0, "bad job=%u fork: %s", id, strerrorname_np(errno));
		job->pid = 0;
		close(go[0]);
		close(go[1]);
		return;
	}
	if (job->pid == 0) {
		close(go[1]);
		job_main(id, go[0], script);
	}
	setpgid(job->pid, job->pid);
	close(go[0]);
	job->id = id;
	job->go_fd = go[1];
}

static void
command(char *line)
{
	struct job *job;
	unsigned int id;
	char *text = ctl_check(line, &id);

	if (text == NULL) {
		ctl_say(0, "bad line %s", line);
		return;
	}
	job = job_find(id);
	if (strncmp(text, "run ", 4) == 0)
		job_start(id, text + 4);
	else if (strcmp(text, "reboot") == 0)
		reboot(RB_AUTOBOOT);
	else if (strcmp(text, "go") == 0 && job != NULL)
		(void)!write(job->go_fd, "g", 1);
	else if (strcmp(text, "kill") == 0 && job != NULL)
		kill(-job->pid, SIGKILL);
	else if (strcmp(text, "kill") != 0) /* a job may end while it is told to */
		ctl_say(0, "bad command %s", text);
}

static void
read_commands(void)
{
	static char buf[4 * AGENT_LINE_MAX];
	static size_t fill;
	char *start = buf, *end;
	ssize_t n = ctl_read(buf + fill, sizeof(buf) - 1 - fill);

	if (n <= 0)
		return;
	fill += (size_t)n;
	buf[fill] = '\0';
	while ((end = strchr(start, '\n')) != NULL) {
		*end = '\0';
		command(start);
		start = end + 1;
	}
	fill -= (size_t)(start - buf);
	if (fill == sizeof(buf) - 1)
		fill = 0; /* no line is that long: noise */
	memmove(buf, start, fill);
}

static void
reap(int signal_fd)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	(void)!read(signal_fd, &info, sizeof(info));
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned int i = 0; i < JOBS_MAX; i++) {
			struct job *job = &jobs[i];

			if (job->pid != pid)
				continue;
			job->pid = 0;
			close(job->go_fd);
			if (WIFSIGNALED(status))
				ctl_say(job->id, "exit signal=%d", WTERMSIG(status));
			else
				ctl_say(job->id, "exit status=%d", WEXITSTATUS(status));
		}
	}
}

static void
hello(void)
{
	struct utsname uts;
	unsigned int cid = VMADDR_CID_ANY;
	int fd = open("/dev/vsock", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		ioctl(fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid);
		close(fd);
	}
	uname(&uts);
	ctl_say(0, "hello release=%s cid=%u up_us=%llu", uts.release, cid,
		(unsigned long long)now_us());
}

int
main(void)
{
	struct pollfd fds[2] = {{.events = POLLIN}, {.events = POLLIN}};
	sigset_t mask;

	if (getpid() == 1)
		init_system();
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	fds[0].fd = ctl_open(CONTROL_TTY);
	fds[1].fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fds[0].fd < 0 || fds[1].fd < 0) {
		fprintf(stderr, "agent: %s cannot be opened\n", CONTROL_TTY);
		return 1;
	}
	hello();
	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return 1;
		if (fds[0].revents != 0)
			read_commands();
		if (fds[1].revents != 0)
			reap(fds[1].fd);
	}
}
