/* SPDX-License-Identifier: BSD-3-Clause */

/* Each fault of a device is one that the guest names, or that the data shows. */

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "bed.h"
#include "check.h"

/* A device that does @p fault is caught as @p want, or by the data itself. */
static void
test_fault(enum lo_fault fault, int want)
{
	struct vfe_conn *to;
	struct bed bed;
	unsigned int i;

	bed_open(&bed, (struct vfe_guest_conf){0}, fault);
	bed_open_pair(&bed, VFE_TYPE_STREAM);
	to = bed.ends[1].accepted;
	for (i = 0; i < 10; i++) {
		CHECK_EQ(vfe_conn_send(bed.ends[0].conn, 1000, 0), 1000);
		vfe_guest_flush(bed.g[0]);
	}
	if (fault == LO_FAULT_LOSE_BUF) {
		while (to->rx_len < 10000)
			bed_step(&bed, -1);
		vfe_guest_poll(bed.g[0], 32);
		CHECK_EQ(vfe_vring_nb_held(&bed.g[0]->vrings[1]), 1);
	} else if (want < 0) {
		while (bed.ends[1].bad_at == 0)
			bed_step(&bed, -1);
		CHECK_EQ(bed.ends[1].bad_at, 4001 + (fault == LO_FAULT_REPEAT ? 1000 : 0));
	} else {
		while (bed.g[1]->stats.faults[want] == 0)
			bed_step(&bed, -1);
	}
	bed_close(&bed);
}

static void
test_over_credit(void)
{
	uint8_t buf[1000] = {0};
	struct bed bed;
	int fd;

	bed_open(&bed, (struct vfe_guest_conf){.buf_alloc = 1500}, LO_FAULT_CREDIT);
	fd = vfe_host_connect(bed_uds[0], BED_PORT, VFE_TYPE_STREAM);
	CHECK(fd >= 0);
	while (bed.ends[0].accepted == NULL)
		bed_step(&bed, -1);
	bed.ends[0].accepted->hold_data = true;
	CHECK_EQ(write(fd, buf, sizeof(buf)), 1000);
	CHECK_EQ(write(fd, buf, sizeof(buf)), 1000);
	while (bed.g[0]->stats.faults[VFE_FAULT_OVER_CREDIT] == 0)
		bed_step(&bed, -1);
	close(fd);
	bed_close(&bed);
}

static void
test_gone(void)
{
	const uint64_t wanted = VFE_F_STREAM;
	struct vfe_guest *g = NULL;
	struct bed bed;

	CHECK_EQ(vfe_guest_create(
			 &(struct vfe_guest_conf){.path = "/nonexistent/x", .timeout_ms = 1}, &g),
		-ETIMEDOUT);
	bed_open(&bed, (struct vfe_guest_conf){.features = wanted}, LO_FAULT_NONE);
	CHECK_EQ(bed.g[0]->features & wanted, wanted);
	CHECK_EQ(bed.g[0]->features & VFE_F_EVENT_IDX, 0);
	vfe_guest_destroy(bed.g[0]);
	CHECK_EQ(vfe_guest_create(&(struct vfe_guest_conf){.path = bed_paths[0],
					  .timeout_ms = 5000,
					  .required = VFE_F_IN_ORDER},
			 &g),
		-ENOTSUP);
	bed.g[0] = NULL;
	lo_stop(bed.lo);
	while (vfe_guest_alive(bed.g[1]))
		poll(NULL, 0, 1);
	CHECK(vfe_guest_stop(bed.g[1], NULL) < 0);
	vfe_guest_destroy(bed.g[1]);
}

int
main(void)
{
	bed_init();
	test_fault(LO_FAULT_CORRUPT, -1);
	test_fault(LO_FAULT_DROP, -1);
	test_fault(LO_FAULT_REPEAT, -1);
	test_fault(LO_FAULT_USED_LEN, VFE_FAULT_USED_LEN);
	test_fault(LO_FAULT_BAD_USED, VFE_FAULT_BAD_USED);
	test_fault(LO_FAULT_LOSE_BUF, -1);
	test_over_credit();
	test_gone();
	bed_fini();
	return 0;
}
