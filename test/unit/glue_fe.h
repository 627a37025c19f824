/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_GLUE_FE_H
#define TEST_GLUE_FE_H

/**
 * @file
 * A front end that says whatever the test wants, in any order, well-formed or not. Written from
 * the protocol's text; shares no declaration with vhost_msg.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FE_MEM_LEN   (4u << 20)
#define FE_RING_SIZE 128
#define FE_NB_RINGS  2
#define FE_GPA       0x100000u

struct fe {
	int fd;
	int memfd;
	uint8_t *mem;
	int kick_fd[3];
	int call_fd[3];
	bool reply_ack; /**< ask for a reply to what has none */
	bool lenient;   /**< pass over replies to something else */
};

/** Memory and fds, no connection. */
void fe_init(struct fe *fe);
void fe_cleanup(struct fe *fe);

/** Connect, within 20 s; or just try. */
void fe_connect(struct fe *fe, const char *path);
bool fe_try_connect(struct fe *fe, const char *path);
void fe_close(struct fe *fe);

/** Send a message as it is; false when the connection is gone. */
bool fe_send(struct fe *fe, uint32_t request, uint32_t flags, const void *payload, uint32_t len,
	const int *fds, int nb_fds);

/** A message and its reply. @return payload bytes, or -1 when the connection ended. */
int fe_ask(struct fe *fe, uint32_t request, const void *payload, uint32_t len, void *reply,
	uint32_t reply_len);

/** Whether the back end closed the connection; waits for that up to 20 s. */
bool fe_wait_closed(struct fe *fe);

/** Ask something harmless: the back end has handled all before. False: connection gone. */
bool fe_sync(struct fe *fe);

/** Rings in memory: ring @p idx has its parts at these offsets. */
uint32_t fe_desc_off(int idx);
uint32_t fe_avail_off(int idx);
uint32_t fe_used_off(int idx);
/** Let the driver's available index run on. */
void fe_avail_add(struct fe *fe, int idx, uint16_t nb);
uint16_t fe_used_idx(const struct fe *fe, int idx);

/** Single well-formed messages. @return false when the connection is gone. */
bool fe_set_features(struct fe *fe, uint64_t features);
bool fe_set_protocol_features(struct fe *fe, uint64_t features);
bool fe_set_mem_table(struct fe *fe, int nb_regions);
bool fe_ring_state(struct fe *fe, uint32_t request, uint32_t idx, uint32_t num);
bool fe_set_addr(struct fe *fe, int idx);
bool fe_set_fd(struct fe *fe, uint32_t request, uint32_t idx, int fd);
/** @return the base, or -1. */
int fe_get_base(struct fe *fe, uint32_t idx);

#define FE_NB_STEPS 21
/** Step 0 … FE_NB_STEPS - 1 of what QEMU does to start a device. */
bool fe_step(struct fe *fe, int step);
/** All steps. */
void fe_start(struct fe *fe);

#endif
