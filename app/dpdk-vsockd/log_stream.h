/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCKD_LOG_STREAM_H
#define VSOCKD_LOG_STREAM_H

/**
 * @file
 * The log of the process: lines of EAL, of the switch and of the program on stderr. If stderr is
 * the journal of systemd, each line begins with its priority as "<N>", so that the journal has each
 * line once and with the right priority (sd-daemon(3)).
 */

#include <stdbool.h>

/**
 * Make stderr the log stream of EAL. Call it before rte_eal_init(), because EAL otherwise writes
 * its first lines elsewhere, and each line to syslog, too.
 * Context: main. Failure is not an error: EAL then uses its default stream.
 */
void log_stream_open(void);

/** Give the stream back to EAL's default and free it. Context: main, no other thread logs. */
void log_stream_close(void);

/**
 * Print one line "dpdk-vsockd: ..." to stderr. It does not need EAL. Context: main.
 * @param priority of syslog(3): LOG_ERR, LOG_WARNING or LOG_NOTICE.
 * @param fmt without a newline.
 */
void log_stream_line(int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** @return the first error that EAL logged, without its prefix; "": none. Context: main. */
const char *log_stream_eal_error(void);

#endif
