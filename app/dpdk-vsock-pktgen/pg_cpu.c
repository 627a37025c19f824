/* SPDX-License-Identifier: BSD-3-Clause */
#include "pg_cpu.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* utime + stime of a stat file, and the name between its parentheses. */
static int
read_stat(const char *path, char name[16], uint64_t *run_ns)
{
	unsigned long long utime, stime;
	char line[1024], *open, *close;
	FILE *file = fopen(path, "re");
	size_t n;

	if (file == NULL)
		return -ESRCH;
	n = fread(line, 1, sizeof(line) - 1, file);
	fclose(file);
	line[n] = '\0';
	open = strchr(line, '(');
	/* A name may hold anything, a parenthesis too: the last one ends it. */
	close = strrchr(line, ')');
	if (open == NULL || close == NULL)
		return -ESRCH;
	if (sscanf(close + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &utime,
		    &stime) != 2)
		return -ESRCH;
	*close = '\0';
	snprintf(name, 16, "%.15s", open + 1);
	*run_ns = (utime + stime) * (UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK));
	return 0;
}

static void
read_schedstat(const char *path, uint64_t *run_ns)
{
	FILE *file = fopen(path, "re");
	unsigned long long ns;

	if (file == NULL)
		return;
	if (fscanf(file, "%llu", &ns) == 1)
		*run_ns = ns;
	fclose(file);
}

static int
by_tid(const void *a, const void *b)
{
	const struct pg_cpu_thread *left = a, *right = b;

	return left->tid < right->tid ? -1 : left->tid > right->tid;
}

int
pg_cpu_read(pid_t pid, struct pg_cpu *cpu)
{
	const struct dirent *entry;
	char path[64], name[16];
	DIR *dir;

	*cpu = (struct pg_cpu){0};
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (read_stat(path, name, &cpu->run_ns) < 0)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (dir == NULL)
		return -ESRCH;
	while ((entry = readdir(dir)) != NULL && cpu->nb_threads < PG_CPU_MAX_THREADS) {
		struct pg_cpu_thread *thread = &cpu->threads[cpu->nb_threads];

		thread->tid = (pid_t)atoi(entry->d_name);
		if (thread->tid <= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)thread->tid);
		if (read_stat(path, thread->name, &thread->run_ns) < 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)pid,
			(int)thread->tid);
		read_schedstat(path, &thread->run_ns);
		cpu->nb_threads++;
	}
	closedir(dir);
	qsort(cpu->threads, cpu->nb_threads, sizeof(cpu->threads[0]), by_tid);
	return 0;
}

uint64_t
pg_cpu_thread_ns(const struct pg_cpu *before, const struct pg_cpu_thread *after)
{
	unsigned int i;

	for (i = 0; i < before->nb_threads; i++) {
		if (before->threads[i].tid == after->tid)
			return after->run_ns - before->threads[i].run_ns;
	}
	return after->run_ns;
}

int
pg_cpu_pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return 0;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) < 0 ? -errno : 0;
}
