/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_CHUNK_H
#define VSOCK_CHUNK_H

/**
 * @file
 * Pool memory for bytes that neither guest memory nor a socket can hold: chunks of one mempool,
 * byte queues of chunks, and the accounts that bound the chunks of each port.
 *
 * Context, unless a function states another: the lcore that owns the queue and the account.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "ring/seg.h"

#define CHUNK_LEN      4096u
#define CHUNK_DATA_LEN (CHUNK_LEN - 16)

struct chunk {
	struct chunk *next;
	uint16_t start; /**< first byte that is not consumed */
	uint16_t end;   /**< first free byte */
	uint32_t reserved;
	uint8_t data[CHUNK_DATA_LEN];
};
_Static_assert(sizeof(struct chunk) == CHUNK_LEN, "a chunk fills its slot");

/**
 * The chunks of one port: its own share, which is reserved for it, and beyond it chunks of the
 * common part.
 */
struct chunk_account {
	uint32_t nb_used;
	uint32_t nb_max;        /**< the reserved share */
	uint32_t nb_common;     /**< of nb_used: from the common part */
	uint32_t nb_common_max; /**< bound of nb_common */
};

/** A byte queue. */
struct chunk_queue {
	struct chunk *head;
	struct chunk *tail;
	uint32_t len; /**< bytes */
};

struct rte_mempool;

/**
 * The pool of a switch. Lcores take chunks from its mempool. One part of the chunks is divided
 * among the ports; the other part is common to them.
 */
struct chunk_pool {
	struct rte_mempool *mempool; /**< constant after chunk_pool_create() */
	uint32_t nb_chunks;          /**< constant as well */
	int32_t nb_common_left;      /**< atomic: chunks that are left in the common part */
};

/**
 * Create the pool, as large as LIMIT_POOL_LEN or as EAL's memory allows.
 * Context: control, once for each pool. @param name of the mempool, unique in the process.
 * @return 0; -ENOMEM.
 */
int chunk_pool_create(struct chunk_pool *pool, const char *name);

/** Free the pool. No effect if it was not created. Context: control; no chunk is in use. */
void chunk_pool_free(struct chunk_pool *pool);

/**
 * Set what one account may use: an equal part of the divided chunks, and of the common chunks at
 * most 1/LIMIT_PORT_COMMON_SHARE. Context: the account's owner.
 * @param nb_accounts that share the pool
 */
void chunk_share(struct chunk_account *acct, const struct chunk_pool *pool, uint32_t nb_accounts);

/**
 * Append @p len bytes of segments from byte @p off on.
 * @return 0; -ENOBUFS the account is at its limit or the pool is empty: nothing was appended.
 */
int chunk_append_segs(struct chunk_queue *q, struct chunk_pool *pool, struct chunk_account *acct,
	const struct vq_seg *segs, uint16_t nb_segs, uint32_t off, uint32_t len);

/** Append a record and segments behind it: both or none. @return 0; -ENOBUFS as above. */
int chunk_append_record(struct chunk_queue *q, struct chunk_pool *pool, struct chunk_account *acct,
	const void *record, uint32_t record_len, const struct vq_seg *segs, uint16_t nb_segs,
	uint32_t off, uint32_t len);

/** Append bytes. @return 0; -ENOBUFS as above. */
int chunk_append(struct chunk_queue *q, struct chunk_pool *pool, struct chunk_account *acct,
	const void *src, uint32_t len);

/**
 * Reserve space for @p len bytes in an empty queue and describe it as iovecs for recvmsg(). Call
 * chunk_grown() afterwards.
 * @return number of iovecs; 0: no memory, nothing is reserved.
 */
uint32_t chunk_reserve(struct chunk_queue *q, struct chunk_pool *pool, struct chunk_account *acct,
	uint32_t len, struct iovec *iov, uint32_t max_iov);

/** Append the @p len bytes that were stored after chunk_reserve(); free the other chunks. */
void chunk_grown(
	struct chunk_queue *q, struct chunk_pool *pool, struct chunk_account *acct, uint32_t len);

/**
 * Describe up to @p len bytes from byte @p off on as iovecs.
 * @param out_len set to the bytes described. @return number of iovecs.
 */
uint32_t chunk_iov(const struct chunk_queue *q, uint32_t off, uint32_t len, struct iovec *iov,
	uint32_t max_iov, uint32_t *out_len);

/** Copy the first @p len bytes into segments at @p dst_off. @return bytes copied. */
uint32_t chunk_read_segs(const struct chunk_queue *q, uint32_t len, const struct vq_seg *segs,
	uint16_t nb_segs, uint32_t dst_off);

/** Copy up to @p len of the first bytes; they stay in the queue. @return bytes copied. */
uint32_t chunk_peek(const struct chunk_queue *q, void *dst, uint32_t len);

/** Overwrite @p len bytes from byte @p off on. */
void chunk_poke(struct chunk_queue *q, uint32_t off, const void *src, uint32_t len);

/** Remove the first @p len bytes. Empty chunks go back to the pool. */
void chunk_consume(
	struct chunk_queue *q, struct chunk_pool *pool, struct chunk_account *acct, uint32_t len);

/** Keep the first @p len bytes, which the queue has at least. */
void chunk_truncate(
	struct chunk_queue *q, struct chunk_pool *pool, struct chunk_account *acct, uint32_t len);

/** Move the bytes of @p from to the end of @p q. Both have the same account. */
void chunk_join(struct chunk_queue *q, struct chunk_queue *from);

/** Remove all bytes, and give the chunks back to the pool. */
void chunk_clear(struct chunk_queue *q, struct chunk_pool *pool, struct chunk_account *acct);

#endif
