/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFE_VU_H
#define VFE_VU_H

/**
 * @file
 * The front end's side of the vhost-user protocol over one Unix socket: each call sends one
 * message and, where the protocol has an answer, waits for it.
 *
 * Context: one thread per connection. Every wait ends after the connection's time-out with
 * -ETIMEDOUT; a back end that closes the socket gives -ECONNRESET (or -EPIPE when sending).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vfe_mem.h"
#include "vfe_vu_msg.h"

struct vfe_vu {
	int fd; /**< -1 when there is no connection. */
	int timeout_ms;
	uint64_t proto_features; /**< Set by vfe_vu_set_protocol_features(). */
};

/** Where a vring lies in this process's memory. */
struct vfe_vu_vring_addr {
	const void *desc;
	const void *avail;
	const void *used;
};

/**
 * Connects to a back end that listens on @p path. Retries until it does.
 *
 * @param timeout_ms limit of connecting, and of every later wait
 * @return 0, -ENAMETOOLONG, -ETIMEDOUT, or -errno of socket() or connect()
 */
int vfe_vu_connect(struct vfe_vu *vu, const char *path, int timeout_ms);

/**
 * Listens on @p path for back ends that connect (daemon with client=1). An existing socket file is
 * replaced.
 *
 * @return the listening descriptor, or -errno
 */
int vfe_vu_listen(const char *path);

/** Accepts one back end from @p listen_fd. @return 0, -ETIMEDOUT or -errno */
int vfe_vu_accept(struct vfe_vu *vu, int listen_fd, int timeout_ms);

/** Closes the connection. Nothing happens when there is none. */
void vfe_vu_close(struct vfe_vu *vu);

/**
 * Sends one message unchecked, so that tests can send malformed ones.
 *
 * @param flags the header's flags, the version bit not added
 * @return 0 or -errno
 */
int vfe_vu_send(struct vfe_vu *vu, uint32_t request, uint32_t flags, const void *payload,
	uint32_t len, const int *fds, unsigned int nb_fds);

/**
 * Waits for any message.
 *
 * @param hdr the message's header; hdr->size bytes of payload go to @p payload
 * @return the payload's length, -EPROTO when it is longer than @p max_len, -ETIMEDOUT, -ECONNRESET,
 *         -errno
 */
int vfe_vu_recv_any(struct vfe_vu *vu, struct vfe_vu_hdr *hdr, void *payload, uint32_t max_len);

/**
 * Waits for the answer to @p request.
 *
 * @param payload gets up to @p max_len bytes
 * @return the payload's length, -EPROTO for any other message, -ETIMEDOUT, -ECONNRESET, -errno
 */
int vfe_vu_recv(struct vfe_vu *vu, uint32_t request, void *payload, uint32_t max_len);

/** GET_FEATURES. @return 0 or -errno */
int vfe_vu_get_features(struct vfe_vu *vu, uint64_t *features);
/** SET_FEATURES. @return 0 or -errno; -EPROTO when the back end refuses (with REPLY_ACK) */
int vfe_vu_set_features(struct vfe_vu *vu, uint64_t features);
/** GET_PROTOCOL_FEATURES. @return 0 or -errno */
int vfe_vu_get_protocol_features(struct vfe_vu *vu, uint64_t *features);
/** SET_PROTOCOL_FEATURES, kept in vu->proto_features. @return 0 or -errno */
int vfe_vu_set_protocol_features(struct vfe_vu *vu, uint64_t features);
/** SET_OWNER. @return 0 or -errno */
int vfe_vu_set_owner(struct vfe_vu *vu);
/** GET_CONFIG of @p len bytes from offset 0. @return 0, -EPROTO when the back end has none */
int vfe_vu_get_config(struct vfe_vu *vu, void *config, uint32_t len);
/** SET_MEM_TABLE with all regions of @p mem. @return 0 or -errno */
int vfe_vu_set_mem_table(struct vfe_vu *vu, const struct vfe_mem *mem);
/** SET_VRING_NUM. @return 0 or -errno */
int vfe_vu_set_vring_num(struct vfe_vu *vu, uint32_t queue, uint32_t num);
/** SET_VRING_ADDR. @return 0 or -errno */
int vfe_vu_set_vring_addr(struct vfe_vu *vu, uint32_t queue, const struct vfe_vu_vring_addr *addr);
/** SET_VRING_BASE. @return 0 or -errno */
int vfe_vu_set_vring_base(struct vfe_vu *vu, uint32_t queue, uint32_t base);
/** GET_VRING_BASE, which stops the ring. @return 0 or -errno */
int vfe_vu_get_vring_base(struct vfe_vu *vu, uint32_t queue, uint32_t *base);
/** SET_VRING_KICK, SET_VRING_CALL or SET_VRING_ERR; @p fd -1: none. @return 0 or -errno */
int vfe_vu_set_vring_fd(struct vfe_vu *vu, enum vfe_vu_request request, uint32_t queue, int fd);
/** SET_VRING_ENABLE. @return 0 or -errno */
int vfe_vu_set_vring_enable(struct vfe_vu *vu, uint32_t queue, bool enable);

#endif /* VFE_VU_H */
