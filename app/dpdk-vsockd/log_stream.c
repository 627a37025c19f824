/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

#include <rte_log.h>

#include "log_stream.h"

#define LINE_LEN 512

static FILE *stream;
static bool to_journal;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char eal_error[LINE_LEN]; /* protected by mutex */

/* The journal names its socket in JOURNAL_STREAM as "device:inode". */
static bool
stderr_is_journal(void)
{
	const char *env = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return env != NULL && sscanf(env, "%llu:%llu", &dev, &ino) == 2 &&
		fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

/* Write in one call, so that lines of several threads do not mix. */
static void
write_line(int priority, const char *text, size_t len)
{
	char prefix[8] = "";
	struct iovec iov[2] = {
		{.iov_base = prefix},
		{.iov_base = (void *)(uintptr_t)text, .iov_len = len},
	};

	if (to_journal)
		iov[0].iov_len = (size_t)snprintf(prefix, sizeof(prefix), "<%d>", priority);
	(void)!writev(STDERR_FILENO, iov, 2);
}

/* Keep the first error without "FATAL: " and the full stop. The later ones are more general. */
static void
keep_error(const char *text, size_t len)
{
	static const char fatal[] = "FATAL: ";

	pthread_mutex_lock(&mutex);
	if (eal_error[0] == '\0') {
		if (len > sizeof(fatal) && strncmp(text, fatal, sizeof(fatal) - 1) == 0) {
			text += sizeof(fatal) - 1;
			len -= sizeof(fatal) - 1;
		}
		snprintf(eal_error, sizeof(eal_error), "%.*s", (int)len, text);
		eal_error[strcspn(eal_error, "\n")] = '\0';
		len = strlen(eal_error);
		if (len > 0 && eal_error[len - 1] == '.')
			eal_error[len - 1] = '\0';
	}
	pthread_mutex_unlock(&mutex);
}

/* EAL flushes the stream after each line. */
static ssize_t
on_write(void *cookie, const char *text, size_t len)
{
	static const char eal[] = "EAL: ";
	const int level = rte_log_cur_msg_loglevel();

	(void)cookie;
	if (level > 0 && level <= (int)RTE_LOG_ERR && len > sizeof(eal) &&
		strncmp(text, eal, sizeof(eal) - 1) == 0)
		keep_error(text + sizeof(eal) - 1, len - (sizeof(eal) - 1));
	/* Levels of DPDK begin at 1 for the worst, priorities of syslog at 0. */
	write_line(level > 0 ? level - 1 : LOG_INFO, text, len);
	return (ssize_t)len;
}

void
log_stream_open(void)
{
	const cookie_io_functions_t io = {.write = on_write};

	to_journal = stderr_is_journal();
	stream = fopencookie(NULL, "w", io);
	if (stream != NULL && rte_openlog_stream(stream) != 0) {
		fclose(stream);
		stream = NULL;
	}
}

void
log_stream_close(void)
{
	if (stream == NULL)
		return;
	rte_openlog_stream(NULL);
	fclose(stream);
	stream = NULL;
}

void
log_stream_line(int priority, const char *fmt, ...)
{
	char line[LINE_LEN];
	va_list ap;
	size_t len;

	snprintf(line, sizeof(line), "dpdk-vsockd: ");
	len = strlen(line);
	va_start(ap, fmt);
	vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	va_end(ap);
	len = strlen(line);
	line[len++] = '\n';
	write_line(priority, line, len);
}

const char *
log_stream_eal_error(void)
{
	return eal_error;
}
