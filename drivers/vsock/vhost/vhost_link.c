/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <rte_vhost.h>

#include "base/vsock_log.h"
#include "ring/gmem.h"
#include "ring/gmem_guard.h"
#include "vhost/vhost_link.h"
#include "vsock_limits.h"
#include "wire/wire.h"

void
vhost_link_report(struct vhost_link *link, uint32_t level, const char *fmt, ...)
{
	struct timespec now;
	char line[200];
	char more[48] = "";
	va_list ap;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (now.tv_sec - link->reported_at > LIMIT_VHOST_REPORT_NB_LINES)
		link->reported_at = now.tv_sec - LIMIT_VHOST_REPORT_NB_LINES;
	if (link->reported_at >= now.tv_sec) {
		link->nb_unsaid++;
		return;
	}
	link->reported_at++;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (link->nb_unsaid > 0)
		snprintf(more, sizeof(more), " (%u messages suppressed)", link->nb_unsaid);
	link->nb_unsaid = 0;
	rte_log(level, (uint32_t)vsock_log_type, "vsock: %s: front end: %s%s\n", link->conf->name,
		line, more);
}

void
vhost_link_drop_mem(struct vhost_link *link)
{
	if (link->mem == NULL)
		return;
	gmem_guard_del(link->mem);
	free(link->mem);
	link->mem = NULL;
}

void
vhost_link_take_mem(struct vhost_link *link, int vid)
{
	struct rte_vhost_memory *table;
	struct gmem *mem;
	uint32_t i;
	int rc;

	vhost_link_drop_mem(link);
	if (rte_vhost_get_mem_table(vid, &table) != 0)
		return;
	mem = malloc(sizeof(*mem) + table->nregions * sizeof(mem->regions[0]));
	if (mem == NULL) {
		VSOCK_LOG(ERR, "%s: memory table not copied: out of memory", link->conf->name);
		free(table);
		return;
	}
	mem->nb_regions = table->nregions;
	for (i = 0; i < table->nregions; i++) {
		mem->regions[i].gpa = table->regions[i].guest_phys_addr;
		mem->regions[i].len = table->regions[i].size;
		mem->regions[i].va = (uint8_t *)(uintptr_t)table->regions[i].host_user_addr;
	}
	free(table);

	__atomic_store_n(port_fault_flag(link->port), 0, __ATOMIC_RELAXED);
	rc = gmem_guard_add(mem, port_fault_flag(link->port));
	if (rc != 0) {
		VSOCK_LOG(ERR, "%s: guarding guest memory failed: %s", link->conf->name,
			strerror(-rc));
		free(mem);
		return;
	}
	link->mem = mem;
}

/* True if a part of a ring is inside of one mapped region. */
static bool
is_mapped(const struct gmem *mem, const void *va, uint64_t len)
{
	uint64_t start = (uintptr_t)va;
	uint32_t i;

	for (i = 0; i < mem->nb_regions; i++) {
		const struct gmem_region *r = &mem->regions[i];

		if (start >= (uintptr_t)r->va && start - (uintptr_t)r->va < r->len)
			return len <= r->len - (start - (uintptr_t)r->va);
	}
	return false;
}

/* @return a duplicate; -1: there is no fd, or *error is set to an errno value. */
static int
dup_fd(int fd, int *error)
{
	int copy, flags;

	if (fd < 0)
		return -1;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0) {
		*error = errno;
		return -1;
	}
	/*
	 * A write to a full counter then fails instead of blocking the lcore. A front end can clear
	 * the flag, because it shares the file: control/watch.h handles that.
	 */
	flags = fcntl(copy, F_GETFL);
	if (flags < 0 || fcntl(copy, F_SETFL, flags | O_NONBLOCK) != 0) {
		*error = errno;
		close(copy);
		return -1;
	}
	return copy;
}

/*
 * Describe one ring. Check the addresses here, because the library checks only some of them, and
 * only once: a later size or memory table makes its pointers wrong.
 * @return 0; -EAGAIN: not set up yet; -EINVAL: refused; -errno of fcntl().
 */
static int
fill_ring(
	struct vhost_link *link, int vid, uint16_t idx, uint64_t features, struct port_device *dev)
{
	struct vq_config *cfg = &dev->vq[idx];
	uint64_t event_len = (features & 1ull << VIRTIO_RING_F_EVENT_IDX) != 0 ? 2 : 0;
	struct rte_vhost_vring ring;
	int error = 0;

	if (rte_vhost_get_vhost_vring(vid, idx, &ring) != 0 ||
		rte_vhost_get_vring_base(vid, idx, &cfg->last_avail, &cfg->used_idx) != 0)
		return -EAGAIN;
	/* The library also enables rings that have no size. */
	if (ring.size == 0 || ring.desc == NULL || ring.avail == NULL || ring.used == NULL)
		return -EAGAIN;
	if (!is_mapped(link->mem, ring.desc, 16ull * ring.size) ||
		!is_mapped(link->mem, ring.avail, 4 + 2ull * ring.size + event_len) ||
		!is_mapped(link->mem, ring.used, 4 + 8ull * ring.size + event_len)) {
		vhost_link_report(link, RTE_LOG_WARNING,
			"ring %u refused: not inside one memory region", idx);
		return -EINVAL;
	}
	cfg->desc = ring.desc;
	cfg->avail = ring.avail;
	cfg->used = ring.used;
	cfg->size = ring.size;
	cfg->to_guest = idx == PORT_Q_TO_GUEST;
	cfg->event_idx = (features & 1ull << VIRTIO_RING_F_EVENT_IDX) != 0;
	cfg->indirect = (features & 1ull << VIRTIO_RING_F_INDIRECT_DESC) != 0;
	cfg->notify_on_empty = (features & 1ull << VIRTIO_F_NOTIFY_ON_EMPTY) != 0;

	/* Use duplicates, because the library closes its fds and the numbers are reused. */
	dev->kick_fd[idx] = dup_fd(ring.kickfd, &error);
	dev->call_fd[idx] = dup_fd(ring.callfd, &error);
	if (error != 0)
		VSOCK_LOG(ERR, "%s: duplicating the fds of ring %u failed: %s", link->conf->name,
			idx, strerror(error));
	return -error;
}

void
vhost_link_bring_up(struct vhost_link *link, int vid)
{
	struct port_device dev;
	uint64_t features;
	size_t mem_len;
	uint16_t i;
	int rc;

	if (link->up || link->detaching || !link->running || link->mem == NULL ||
		!link->ready[PORT_Q_TO_GUEST] || !link->ready[PORT_Q_FROM_GUEST])
		return;
	if (rte_vhost_get_negotiated_features(vid, &features) != 0)
		return;
	port_device_init(&dev);
	for (i = 0; i < PORT_NB_QUEUES; i++) {
		rc = fill_ring(link, vid, i, features, &dev);
		if (rc != 0)
			goto release;
	}
	dev.seqpacket = (features & 1ull << VSOCK_F_SEQPACKET) != 0;
	mem_len = sizeof(*dev.mem) + link->mem->nb_regions * sizeof(dev.mem->regions[0]);
	dev.mem = malloc(mem_len);
	if (dev.mem == NULL) {
		VSOCK_LOG(ERR, "%s: memory table not copied: out of memory", link->conf->name);
		goto release;
	}
	memcpy(dev.mem, link->mem, mem_len);

	rc = port_device_up(link->port, &dev);
	if (rc != 0) {
		vhost_link_report(link, RTE_LOG_WARNING, "device refused: malformed rings");
		return;
	}
	link->up = true;
	VSOCK_LOG(DEBUG, "%s: device up, features %#" PRIx64, link->conf->name, features);
	return;

release:
	port_device_release(&dev);
}

void
vhost_link_take_down(struct vhost_link *link, int vid)
{
	struct port_indices indices;
	uint16_t i;

	if (!link->up)
		return;
	link->up = false;
	if (port_device_down(link->port, &indices) != 0)
		return;
	/* GET_VRING_BASE and the next vhost_link_bring_up() read them from the library. */
	for (i = 0; i < PORT_NB_QUEUES; i++)
		rte_vhost_set_vring_base(vid, i, indices.last_avail[i], indices.used_idx[i]);
	VSOCK_LOG(DEBUG, "%s: device down", link->conf->name);
}
