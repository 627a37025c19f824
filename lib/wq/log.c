/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdio.h>

#include "global.h"
#include "log.h"

void
wq_log(enum wq_log_level level, const char *fmt, ...)
{
	static const char *const names[] = {"error", "warning", "info"};
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (wq_global.cfg.log != NULL)
		wq_global.cfg.log(level, line, wq_global.cfg.log_arg);
	else
		fprintf(stderr, "wq: %s: %s\n", names[level], line);
}
