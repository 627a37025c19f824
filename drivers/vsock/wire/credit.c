/* SPDX-License-Identifier: BSD-3-Clause */
#include "vsock_limits.h"
#include "wire/credit.h"

uint32_t
credit_free(uint32_t buf_alloc, uint32_t tx_cnt, uint32_t fwd_cnt)
{
	uint32_t on_the_way = tx_cnt - fwd_cnt;

	/* A fwd_cnt ahead of tx_cnt is wrong and wraps to a huge number: nothing is free. */
	return on_the_way < buf_alloc ? buf_alloc - on_the_way : 0;
}

bool
credit_respected(uint32_t buf_alloc, uint32_t rx_cnt, uint32_t fwd_cnt)
{
	return rx_cnt - fwd_cnt <= buf_alloc;
}

uint32_t
credit_window(uint32_t buf_alloc, uint32_t guest_buf_alloc)
{
	return guest_buf_alloc > 0 && guest_buf_alloc < buf_alloc ? guest_buf_alloc : buf_alloc;
}

enum credit_action
credit_decide(uint32_t window, uint32_t rx_cnt, uint32_t fwd_cnt, uint32_t fwd_cnt_told,
	uint32_t step_len)
{
	uint32_t known = credit_free(window, rx_cnt, fwd_cnt_told);
	uint32_t urgent = window / LIMIT_CREDIT_URGENT_SHARE;

	/* The largest packet must never wait for the slow path. */
	if (urgent < LIMIT_CREDIT_URGENT_LEN)
		urgent = LIMIT_CREDIT_URGENT_LEN;
	/* Neither must a sender that fills the window in a few steps. */
	if (known / LIMIT_CREDIT_NB_STEPS < step_len)
		urgent = UINT32_MAX;

	if (fwd_cnt == fwd_cnt_told)
		return CREDIT_KEEP;
	/* Before the test for urgent, or small windows would be updated after every packet. */
	if (known > window / 2)
		return CREDIT_KEEP;
	return known < urgent ? CREDIT_NOW : CREDIT_DEFER;
}
