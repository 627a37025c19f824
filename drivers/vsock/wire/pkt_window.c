/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "vsock_limits.h"
#include "wire/pkt_window.h"

uint32_t
pkt_window_max(uint32_t buf_alloc)
{
	uint32_t max = buf_alloc / LIMIT_PKT_COST_LEN;

	return max > 0 ? max : 1;
}

static uint32_t
nb_waiting(const struct pkt_window *w)
{
	return w->nb_sent - w->nb_read;
}

uint32_t
pkt_window_room(const struct pkt_window *w, uint32_t buf_alloc)
{
	uint32_t max = pkt_window_max(buf_alloc), waiting = nb_waiting(w);

	return waiting < max ? max - waiting : 0;
}

bool
pkt_window_should_ask(const struct pkt_window *w, uint32_t buf_alloc)
{
	return nb_waiting(w) == pkt_window_max(buf_alloc) / 2 + 1;
}

void
pkt_window_sent(struct pkt_window *w, uint32_t sent_cnt, uint32_t buf_alloc, uint32_t len,
	uint32_t room, bool end)
{
	uint32_t step = pkt_window_max(buf_alloc) / PKT_WINDOW_NB_MARKS;
	uint32_t since;

	if (len <= LIMIT_PKT_JOINED_LEN && len < w->tail_room) {
		w->tail_room = end ? 0 : w->tail_room - len;
		return;
	}
	w->tail_room = end ? 0 : room - len;
	w->nb_sent++;
	since = w->nb_sent - (w->nb_marks > 0 ? w->marks[w->nb_marks - 1].nb_sent : w->nb_read);
	if (w->nb_marks == PKT_WINDOW_NB_MARKS || since < step)
		return;
	w->marks[w->nb_marks].sent_cnt = sent_cnt;
	w->marks[w->nb_marks].nb_sent = w->nb_sent;
	w->nb_marks++;
}

void
pkt_window_read(struct pkt_window *w, uint32_t fwd_cnt, uint32_t sent_cnt)
{
	uint16_t n = 0;

	if (fwd_cnt == sent_cnt) {
		w->nb_read = w->nb_sent;
		w->nb_marks = 0;
		w->tail_room = 0; /* the last packet is gone */
		return;
	}
	while (n < w->nb_marks && (int32_t)(fwd_cnt - w->marks[n].sent_cnt) >= 0)
		n++;
	if (n == 0)
		return;
	w->nb_read = w->marks[n - 1].nb_sent;
	w->nb_marks -= n;
	memmove(&w->marks[0], &w->marks[n], w->nb_marks * sizeof(w->marks[0]));
}
