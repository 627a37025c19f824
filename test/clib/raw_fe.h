/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RAW_FE_H
#define RAW_FE_H

/**
 * @file
 * A front end that sends any message in any order, well-formed or not, on top of lib/vfe. It claims
 * addresses that it does not have, so that a back end that uses them unchecked is found out.
 *
 * Functions that return bool return false when the connection is gone. Everything else that fails
 * ends the test.
 *
 * Context: one thread for each front end.
 */

#include <stdbool.h>
#include <stdint.h>

#include "vfe.h"

#define RAW_FE_MEM_LEN   (4u << 20)
#define RAW_FE_RING_SIZE 128
#define RAW_FE_NB_RINGS  2
#define RAW_FE_GPA       0x100000u
#define RAW_FE_ADDR      0x7f0000000000ull /**< Where the memory is said to be. */
#define RAW_FE_NB_STEPS  21

struct raw_fe {
	struct vfe_vu vu;
	struct vfe_mem guest_mem;
	int memfd;    /**< Of the one region of @a guest_mem. */
	uint8_t *mem; /**< The same, mapped. */
	int kick_fd[3];
	int call_fd[3];
	bool reply_ack; /**< Ask for a reply to messages that have none of their own. */
	bool lenient;   /**< Skip replies to other messages. */
};

/** Makes memory and eventfds; no connection. */
void raw_fe_init(struct raw_fe *fe);

/** Closes the connection and frees everything. */
void raw_fe_cleanup(struct raw_fe *fe);

/** Connects to @p path within 20 s. */
void raw_fe_connect(struct raw_fe *fe, const char *path);

/** Closes the connection, if there is one. */
void raw_fe_close(struct raw_fe *fe);

/**
 * Sends a message as it is.
 *
 * @param flags of the header, without the version
 * @param len bytes of @p payload that follow the header
 */
bool raw_fe_send(struct raw_fe *fe, uint32_t request, uint32_t flags, const void *payload,
	uint32_t len, const int *fds, unsigned int nb_fds);

/**
 * Sends a message and takes its reply.
 *
 * @param reply gets up to @p reply_len bytes; NULL: not wanted
 * @return bytes of the reply's payload, or -1 when the connection is gone
 */
int raw_fe_ask(struct raw_fe *fe, uint32_t request, const void *payload, uint32_t len, void *reply,
	uint32_t reply_len);

/** Waits up to 20 s. @return true if the back end closed the connection */
bool raw_fe_wait_closed(struct raw_fe *fe);

/** Asks for the features. When the reply is there, the back end has handled all before. */
bool raw_fe_sync(struct raw_fe *fe);

/** @return the offset in memory of the descriptor table of ring @p idx */
uint32_t raw_fe_desc_off(int idx);

/** @return the offset in memory of the avail ring of ring @p idx */
uint32_t raw_fe_avail_off(int idx);

/** @return the offset in memory of the used ring of ring @p idx */
uint32_t raw_fe_used_off(int idx);

/** Moves the avail index of ring @p idx forward by @p nb; entries are not written. */
void raw_fe_avail_add(struct raw_fe *fe, int idx, uint16_t nb);

/** @return the used index of ring @p idx */
uint16_t raw_fe_used_idx(const struct raw_fe *fe, int idx);

/** SET_FEATURES. */
bool raw_fe_set_features(struct raw_fe *fe, uint64_t features);

/** SET_PROTOCOL_FEATURES. */
bool raw_fe_set_protocol_features(struct raw_fe *fe, uint64_t features);

/** SET_MEM_TABLE with the memory in @p nb_regions pieces of equal size; rings are in the first. */
bool raw_fe_set_mem_table(struct raw_fe *fe, unsigned int nb_regions);

/** Sends @p request with the payload of struct vfe_vu_state. */
bool raw_fe_ring_state(struct raw_fe *fe, uint32_t request, uint32_t idx, uint32_t num);

/** SET_VRING_ADDR with the ring's place in memory. */
bool raw_fe_set_addr(struct raw_fe *fe, int idx);

/** SET_VRING_KICK, _CALL or _ERR; @p fd -1: none. */
bool raw_fe_set_fd(struct raw_fe *fe, uint32_t request, uint32_t idx, int fd);

/** GET_VRING_BASE. @return the base, or -1 when the connection is gone */
int raw_fe_get_base(struct raw_fe *fe, uint32_t idx);

/** Step 0 to RAW_FE_NB_STEPS - 1 of what QEMU does to start a device. */
bool raw_fe_step(struct raw_fe *fe, int step);

/** All steps; none may fail. */
void raw_fe_start(struct raw_fe *fe);

#endif /* RAW_FE_H */
