/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_DEVARGS_H
#define VSOCK_DEVARGS_H

/**
 * @file
 * The arguments of a vsock_vhost vdev. Pure: no EAL, no files, no log.
 */

#include <stdbool.h>
#include <stddef.h>

#include "data/port_conf.h"

/** Enough for any line that devargs_parse() writes; longer values are shortened. */
#define DEVARGS_ERR_LEN 256

#define DEVARGS_BUF_ALLOC_MIN     (4u * 1024)
#define DEVARGS_BUF_ALLOC_DEFAULT (256u * 1024)
#define DEVARGS_BUF_ALLOC_MAX     (16u * 1024 * 1024)
#define DEVARGS_MAX_CONNS_DEFAULT 4096u
#define DEVARGS_MAX_CONNS_MAX     65536u

/**
 * Check whether a path is one that the host side of a port uses: "<uds>", "<uds>_seqpacket" or
 * "<uds>_<port>". Context: any.
 */
bool devargs_is_derived(const char *path, const char *uds);

/**
 * Parse and check "key=value,key=value,…".
 * Context: any.
 * @param name the vdev's name, e.g. "vsock_vhost0". @param args may be NULL or empty.
 * @param conf filled, defaults included; undefined after an error.
 * @param err one line without a newline: "vsock_vhost0: cid=2: must be …".
 * @return 0; -EINVAL unknown key, bad, missing or empty value, a key given twice; -ENAMETOOLONG a
 *   name or a path that is too long.
 */
int devargs_parse(
	const char *name, const char *args, struct port_conf *conf, char *err, size_t err_len);

#endif
