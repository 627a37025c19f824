/* SPDX-License-Identifier: BSD-3-Clause */
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <rte_log.h>
#include <rte_vhost.h>

#include "base/unix_sock.h"
#include "base/vsock_log.h"
#include "vhost/vhost.h"
#include "vhost/vhost_link.h"
#include "vhost/vhost_msg.h"
#include "vhost/vhost_sock.h"
#include "vsock_limits.h"
#include "wire/wire.h"

/*
 * Features that are offered to front ends. ANY_LAYOUT and NOTIFY_ON_EMPTY are included because QEMU
 * lets guests select them in any case. Not offered: packed rings, IN_ORDER, an IOMMU, dirty
 * logging.
 */
#define FEATURES                                                                                   \
	(1ull << VSOCK_F_STREAM | 1ull << VSOCK_F_SEQPACKET | 1ull << VSOCK_F_NO_IMPLIED_STREAM |  \
		1ull << VIRTIO_F_NOTIFY_ON_EMPTY | 1ull << VIRTIO_F_ANY_LAYOUT |                   \
		1ull << VIRTIO_RING_F_INDIRECT_DESC | 1ull << VIRTIO_RING_F_EVENT_IDX |            \
		1ull << VHOST_USER_F_PROTOCOL_FEATURES | 1ull << VIRTIO_F_VERSION_1)

/* Without STATUS: the library would wait for DRIVER_OK, which QEMU never sends for vsock. */
#define PROTOCOL_FEATURES                                                                          \
	(1ull << VHOST_USER_PROTOCOL_F_MQ | 1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK |              \
		1ull << VHOST_USER_PROTOCOL_F_CONFIG)

static TAILQ_HEAD(, vhost_link) links = TAILQ_HEAD_INITIALIZER(links);
static pthread_mutex_t links_lock = PTHREAD_MUTEX_INITIALIZER;

/* Find the link of a device and lock it. @return NULL: there is none. */
static struct vhost_link *
link_enter(int vid)
{
	struct vhost_link *link;

	pthread_mutex_lock(&links_lock);
	TAILQ_FOREACH (link, &links, next)
		if (link->vid == vid)
			break;
	pthread_mutex_unlock(&links_lock);
	if (link != NULL)
		pthread_mutex_lock(&link->lock);
	return link;
}

static void
link_leave(struct vhost_link *link)
{
	pthread_mutex_unlock(&link->lock);
}

static enum rte_vhost_msg_result
refuse(struct vhost_link *link, struct vhost_msg_ctx *msg, int error, const char *reason)
{
	vhost_link_report(link, RTE_LOG_WARNING, "message %u refused: %s", msg->request, reason);
	vhost_msg_close_fds(msg);
	/* After an error the library closes the connection, unless it has to send a reply. */
	if (error == -EPROTO)
		msg->flags &= ~VHOST_MSG_NEED_REPLY;
	return RTE_VHOST_MSG_RESULT_ERR;
}

/*
 * Called before the library handles a message. For most messages the library holds the access locks
 * of all rings. Only its own data path waits for these locks, and that is not used.
 */
static enum rte_vhost_msg_result
pre_msg(int vid, void *ctx)
{
	enum rte_vhost_msg_result result = RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	struct vhost_link *link = link_enter(vid);
	struct vhost_msg_ctx *msg = ctx;
	const char *reason;
	uint64_t guest_cid;
	int rc;

	if (link == NULL) {
		vhost_msg_close_fds(msg);
		return RTE_VHOST_MSG_RESULT_ERR;
	}
	rc = vhost_msg_check(msg, &reason);
	if (rc != 0) {
		result = refuse(link, msg, rc, reason);
		goto out;
	}
	if (vhost_msg_takes_away(msg->request))
		vhost_link_take_down(link, vid);

	switch (msg->request) {
	case VHOST_MSG_GET_CONFIG:
		guest_cid = htole64(link->conf->cid);
		vhost_msg_reply_config(msg, &guest_cid, sizeof(guest_cid));
		result = RTE_VHOST_MSG_RESULT_REPLY;
		break;
	case VHOST_MSG_SET_CONFIG:
		result = refuse(link, msg, -ENOTSUP, "configuration is read-only");
		break;
	case VHOST_MSG_GET_QUEUE_NUM:
		msg->payload.u64 = VHOST_MSG_NB_RINGS;
		msg->len = sizeof(msg->payload.u64);
		result = RTE_VHOST_MSG_RESULT_REPLY;
		break;
	case VHOST_MSG_RESET_OWNER:
		/* The protocol asks back ends to ignore it; the library would free rings. */
		result = RTE_VHOST_MSG_RESULT_OK;
		break;
	case VHOST_MSG_SET_MEM_TABLE:
		/* If the library fails, it does not call post_msg(), and its table is not valid. */
		vhost_link_drop_mem(link);
		break;
	case VHOST_MSG_SET_VRING_ENABLE:
		/* The library reports this in on_vring_state(), but only after its reply. */
		if (msg->payload.ring.num == 0 && msg->payload.ring.idx < PORT_NB_QUEUES)
			link->ready[msg->payload.ring.idx] = false;
		break;
	default:
		break;
	}
out:
	link_leave(link);
	return result;
}

/* Called after the library has handled a message without an error. */
static enum rte_vhost_msg_result
post_msg(int vid, void *ctx)
{
	struct vhost_link *link = link_enter(vid);
	const struct vhost_msg_ctx *msg = ctx;

	if (link == NULL)
		return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	if (msg->request == VHOST_MSG_SET_MEM_TABLE)
		vhost_link_take_mem(link, vid);
	if (vhost_msg_takes_away(msg->request))
		vhost_link_bring_up(link, vid);
	link_leave(link);
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static const struct rte_vhost_user_extern_ops msg_ops = {
	.pre_msg_handle = pre_msg,
	.post_msg_handle = post_msg,
};

static int
on_new_connection(int vid)
{
	struct vhost_link *link;
	char path[PORT_PATH_LEN];
	bool taken = false;

	if (rte_vhost_get_ifname(vid, path, sizeof(path)) != 0)
		return -1;
	pthread_mutex_lock(&links_lock);
	/* A link that is being detached may still have a vid that the library has reused. */
	TAILQ_FOREACH (link, &links, next)
		if (link->vid == vid)
			link->vid = -1;
	TAILQ_FOREACH (link, &links, next)
		if (strcmp(link->conf->iface, path) == 0)
			break;
	if (link != NULL && link->vid >= 0)
		taken = true;
	else if (link != NULL)
		link->vid = vid;
	pthread_mutex_unlock(&links_lock);
	if (link == NULL)
		return -1;

	pthread_mutex_lock(&link->lock);
	if (taken)
		vhost_link_report(link, RTE_LOG_WARNING,
			"second connection refused: the port has a front end");
	else
		vhost_link_report(link, RTE_LOG_INFO, "connected");
	pthread_mutex_unlock(&link->lock);
	if (taken)
		return -1;
	if (vhost_sock_set_timeouts(path, link->conf->client, LIMIT_VHOST_MSG_MS) == 0)
		VSOCK_LOG(WARNING,
			"%s: front end: setting a socket timeout failed: socket not found",
			link->conf->name);
	rte_vhost_extern_callback_register(vid, &msg_ops, NULL);
	return 0;
}

static void
on_destroy_connection(int vid)
{
	struct vhost_link *link = link_enter(vid);
	uint16_t i;

	if (link == NULL)
		return;
	vhost_link_take_down(link, vid);
	vhost_link_drop_mem(link);
	link->running = false;
	for (i = 0; i < PORT_NB_QUEUES; i++)
		link->ready[i] = false;
	port_front_end_gone(link->port);
	vhost_link_report(link, RTE_LOG_INFO, "disconnected");
	link_leave(link);

	pthread_mutex_lock(&links_lock);
	link->vid = -1;
	pthread_mutex_unlock(&links_lock);
}

static int
on_new_device(int vid)
{
	struct vhost_link *link = link_enter(vid);

	if (link == NULL)
		return -1;
	link->running = true;
	vhost_link_bring_up(link, vid);
	link_leave(link);
	/* Return 0 in any case: the next message may correct what is wrong. */
	return 0;
}

static void
on_destroy_device(int vid)
{
	struct vhost_link *link = link_enter(vid);

	if (link == NULL)
		return;
	vhost_link_take_down(link, vid);
	link->running = false;
	/* During rte_vhost_driver_unregister() this is the last callback before the unmapping. */
	if (link->detaching)
		vhost_link_drop_mem(link);
	link_leave(link);
}

/* Also called for a ring whose kick or call fd is going to be replaced. */
static int
on_vring_state(int vid, uint16_t idx, int enable)
{
	struct vhost_link *link;

	if (idx >= PORT_NB_QUEUES)
		return 0;
	link = link_enter(vid);
	if (link == NULL)
		return 0;
	link->ready[idx] = enable != 0;
	if (enable)
		vhost_link_bring_up(link, vid);
	else
		vhost_link_take_down(link, vid);
	link_leave(link);
	return 0;
}

static const struct rte_vhost_device_ops device_ops = {
	.new_device = on_new_device,
	.destroy_device = on_destroy_device,
	.vring_state_changed = on_vring_state,
	.new_connection = on_new_connection,
	.destroy_connection = on_destroy_connection,
};

/*
 * By default the library logs every message, and a front end could fill the disk. Raise the level,
 * unless the user has set another level than the default.
 */
static void
quieten_library(void)
{
	static const char type[] = "lib.vhost.config";
	int id = rte_log_register(type);

	if (id >= 0 && rte_log_get_level((uint32_t)id) == (int)RTE_LOG_INFO)
		rte_log_set_level((uint32_t)id, RTE_LOG_CRIT);
}

static int
open_socket(const char *path, bool client)
{
	uint64_t flags = client ? RTE_VHOST_USER_CLIENT : 0;

	if (rte_vhost_driver_register(path, flags) != 0)
		return -ENOMEM;
	if (rte_vhost_driver_set_features(path, FEATURES) != 0 ||
		rte_vhost_driver_set_protocol_features(path, PROTOCOL_FEATURES) != 0 ||
		rte_vhost_driver_callback_register(path, &device_ops) != 0) {
		rte_vhost_driver_unregister(path);
		return -EIO;
	}
	/*
	 * If this fails, the library has closed the socket but keeps its number. Do not
	 * unregister, because that would close the number again, which may belong to another
	 * file by then. The leak is rare: unix_sock_prepare() has tried the calls that can fail.
	 */
	return rte_vhost_driver_start(path) == 0 ? 0 : -EIO;
}

static struct vhost_link *
link_create(struct port *port)
{
	struct vhost_link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		return NULL;
	link->port = port;
	link->conf = port_conf_of(port);
	link->vid = -1;
	pthread_mutex_init(&link->lock, NULL);
	pthread_mutex_lock(&links_lock);
	TAILQ_INSERT_TAIL(&links, link, next);
	pthread_mutex_unlock(&links_lock);
	return link;
}

/* No callback of the library uses the link, and none will. */
static void
link_destroy(struct vhost_link *link)
{
	pthread_mutex_lock(&links_lock);
	TAILQ_REMOVE(&links, link, next);
	pthread_mutex_unlock(&links_lock);
	/*
	 * The library has waited for its callbacks by reading a flag, which orders no memory. The
	 * lock orders what the last callback wrote before what follows.
	 */
	pthread_mutex_lock(&link->lock);
	vhost_link_drop_mem(link);
	pthread_mutex_unlock(&link->lock);
	pthread_mutex_destroy(&link->lock);
	free(link);
}

int
vhost_attach(struct port *port)
{
	const struct port_conf *conf = port_conf_of(port);
	const char *reason = "refused by librte_vhost";
	struct vhost_link *link;
	int rc;

	quieten_library();
	/* Changes no feature: it only checks whether the library knows the path. */
	if (rte_vhost_driver_disable_features(conf->iface, 0) == 0) {
		reason = "already in use by this process";
		rc = -EBUSY;
		goto fail;
	}
	if (!conf->client) {
		rc = unix_sock_prepare(conf->iface, &reason);
		if (rc != 0)
			goto fail;
	}
	link = link_create(port);
	if (link == NULL) {
		reason = "out of memory";
		rc = -ENOMEM;
		goto fail;
	}
	rc = open_socket(conf->iface, conf->client);
	if (rc == 0)
		return 0;
	link_destroy(link);
fail:
	VSOCK_LOG(ERR, "%s: iface=%s: socket not opened: %s", conf->name, conf->iface, reason);
	return rc;
}

void
vhost_detach(struct port *port)
{
	struct vhost_link *link;

	pthread_mutex_lock(&links_lock);
	TAILQ_FOREACH (link, &links, next)
		if (link->port == port)
			break;
	pthread_mutex_unlock(&links_lock);
	if (link == NULL)
		return;

	pthread_mutex_lock(&link->lock);
	link->detaching = true;
	pthread_mutex_unlock(&link->lock);
	/* It waits for running callbacks, so do not hold the lock. */
	rte_vhost_driver_unregister(link->conf->iface);
	link_destroy(link);
}
