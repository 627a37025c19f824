/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include <rte_eal.h>
#include <rte_log.h>

#include "base/vsock_log.h"
#include "control/port.h"
#include "life/devargs.h"
#include "life/vdev.h"
#include "life/vdev_compat.h"
#include "vhost/vhost.h"

#define DRIVER_NAME "vsock_vhost"

struct vdev {
	TAILQ_ENTRY(vdev) next;
	struct port *port;
};

/*
 * EAL plugs devices in the thread that requests it. The lock is held while a device starts or
 * stops, so that devices start and stop one by one.
 */
static pthread_mutex_t vdevs_lock = PTHREAD_MUTEX_INITIALIZER;
static TAILQ_HEAD(, vdev) vdevs = TAILQ_HEAD_INITIALIZER(vdevs); /* vdevs_lock */
static struct vsock_switch *vdev_switch;                         /* vdevs_lock */
static bool switch_runs;                                         /* vdevs_lock */
static unsigned int nb_failed;                                   /* atomic */

/* Why a device was refused before the switch ran. */
struct refusal {
	STAILQ_ENTRY(refusal) next;
	char line[DEVARGS_ERR_LEN];
};

static STAILQ_HEAD(, refusal) refusals = STAILQ_HEAD_INITIALIZER(refusals); /* vdevs_lock */

/* Log a line, or keep it for vdev_log_failed(). vdevs_lock is held. */
__attribute__((format(printf, 1, 2))) static void
refuse(const char *fmt, ...)
{
	struct refusal *r = calloc(1, sizeof(*r));
	char line[DEVARGS_ERR_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (switch_runs || r == NULL) {
		VSOCK_LOG(ERR, "%s", line);
		free(r);
		return;
	}
	memcpy(r->line, line, sizeof(line));
	STAILQ_INSERT_TAIL(&refusals, r, next);
}

static struct vdev *
find_by_name(const char *name)
{
	struct vdev *vdev;

	TAILQ_FOREACH (vdev, &vdevs, next)
		if (strcmp(port_conf_of(vdev->port)->name, name) == 0)
			break;
	return vdev;
}

/* Do both paths lie in one folder? A folder may have several names. */
static bool
same_folder(const char *path, const char *other)
{
	char folders[2][sizeof(((struct port_conf *)NULL)->uds) + 1];
	const char *paths[2] = {path, other};
	struct stat st[2];

	for (int i = 0; i < 2; i++) {
		const char *slash = strrchr(paths[i], '/');

		snprintf(folders[i], sizeof(folders[i]), "%.*s",
			slash != NULL ? (int)(slash - paths[i]) + 1 : 1,
			slash != NULL ? paths[i] : ".");
	}
	if (strcmp(folders[0], folders[1]) == 0)
		return true;
	return stat(folders[0], &st[0]) == 0 && stat(folders[1], &st[1]) == 0 &&
		st[0].st_dev == st[1].st_dev && st[0].st_ino == st[1].st_ino;
}

/* Would the host side of uds use path? Then its guest could reach what listens there. */
static bool
reaches(const char *uds, const char *path)
{
	const char *name = strrchr(path, '/'), *base = strrchr(uds, '/');

	if (uds[0] == '\0' || path[0] == '\0')
		return false;
	return devargs_is_derived(name != NULL ? name + 1 : path, base != NULL ? base + 1 : uds) &&
		same_folder(path, uds);
}

/* No path of a port may be one that the host side of another port uses. */
static int
check_paths(const struct port_conf *conf, const struct port_conf *other)
{
	const struct port_conf *confs[2] = {conf, other};

	for (int i = 0; i < 2; i++) {
		const struct port_conf *c = confs[i], *o = confs[1 - i];
		const char *key = reaches(o->uds, c->iface) ? "iface" : "uds";

		if (key[0] == 'u' && !reaches(o->uds, c->uds))
			continue;
		refuse("%s: %s=%s: this path is derived from the uds of %s, whose guest could "
		       "reach "
		       "it (use another name)",
			c->name, key, key[0] == 'u' ? c->uds : c->iface, o->name);
		return -EEXIST;
	}
	return 0;
}

/* port_create() refuses duplicates, too, but does not know which key to name. */
static int
check_unique(const struct port_conf *conf)
{
	const struct port_conf *other;
	struct vdev *vdev;

	TAILQ_FOREACH (vdev, &vdevs, next) {
		other = port_conf_of(vdev->port);
		if (other->cid == conf->cid) {
			refuse("%s: cid=%u: already used by %s", conf->name, conf->cid,
				other->name);
			return -EEXIST;
		}
		if (strcmp(other->iface, conf->iface) == 0 ||
			strcmp(other->uds, conf->iface) == 0) {
			refuse("%s: iface=%s: already used by %s", conf->name, conf->iface,
				other->name);
			return -EEXIST;
		}
		if (conf->uds[0] != '\0' &&
			(strcmp(other->uds, conf->uds) == 0 ||
				strcmp(other->iface, conf->uds) == 0)) {
			refuse("%s: uds=%s: already used by %s", conf->name, conf->uds,
				other->name);
			return -EEXIST;
		}
		if (check_paths(conf, other) != 0)
			return -EEXIST;
	}
	return 0;
}

static void
log_create_error(const struct port_conf *conf, int error)
{
	switch (error) {
	case -EEXIST:
		refuse("%s: cid=%u: the cid, iface or uds is already used", conf->name, conf->cid);
		break;
	case -EINVAL:
		refuse("%s: lcore=%d: not an lcore that polls", conf->name, conf->lcore);
		break;
	case -ENOSPC:
		refuse("%s: cid=%u: too many guests", conf->name, conf->cid);
		break;
	default:
		refuse("%s: cid=%u: %s", conf->name, conf->cid, strerror(-error));
		break;
	}
}

/* Both calls log their errors. */
static int
vdev_start(struct vdev *vdev)
{
	int rc;

	rc = port_start(vdev->port);
	if (rc == 0)
		rc = vhost_attach(vdev->port);
	return rc;
}

static void
vdev_destroy(struct vdev *vdev)
{
	TAILQ_REMOVE(&vdevs, vdev, next);
	port_destroy(vdev->port);
	free(vdev);
}

void
vdev_set_switch(struct vsock_switch *sw)
{
	pthread_mutex_lock(&vdevs_lock);
	vdev_switch = sw;
	pthread_mutex_unlock(&vdevs_lock);
}

/* vdevs_lock is held. */
static int
vdev_create(const char *name, const char *args)
{
	char err[DEVARGS_ERR_LEN];
	struct port_conf conf;
	struct vdev *vdev;
	int rc;

	rc = devargs_parse(name, args, &conf, err, sizeof(err));
	if (rc != 0) {
		refuse("%s", err);
		return rc;
	}
	rc = check_unique(&conf);
	if (rc != 0)
		return rc;
	vdev = calloc(1, sizeof(*vdev));
	if (vdev == NULL) {
		log_create_error(&conf, -ENOMEM);
		return -ENOMEM;
	}
	rc = port_create(vdev_switch, &conf, &vdev->port);
	if (rc != 0) {
		log_create_error(&conf, rc);
		free(vdev);
		return rc;
	}
	TAILQ_INSERT_TAIL(&vdevs, vdev, next);
	if (!switch_runs)
		return 0;
	rc = vdev_start(vdev);
	if (rc != 0)
		vdev_destroy(vdev);
	return rc;
}

static int
vdev_probe(struct rte_vdev_device *dev)
{
	const char *name = rte_vdev_device_name(dev);
	int rc;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY) {
		VSOCK_LOG(ERR, "%s: only in the primary process", name);
		return -ENOTSUP;
	}
	pthread_mutex_lock(&vdevs_lock);
	rc = vdev_create(name, rte_vdev_device_args(dev));
	pthread_mutex_unlock(&vdevs_lock);
	if (rc != 0)
		__atomic_fetch_add(&nb_failed, 1, __ATOMIC_RELAXED);
	/* EAL takes -EEXIST for a device that is probed already, which is success. */
	return rc == -EEXIST ? -EADDRINUSE : rc;
}

/* EAL calls it for each device when it cleans up: vdev_stop_all() has removed them all. */
static int
vdev_remove(struct rte_vdev_device *dev)
{
	struct vdev *vdev;

	pthread_mutex_lock(&vdevs_lock);
	vdev = find_by_name(rte_vdev_device_name(dev));
	if (vdev != NULL) {
		vhost_detach(vdev->port);
		vdev_destroy(vdev);
	}
	pthread_mutex_unlock(&vdevs_lock);
	return 0;
}

/* vdevs_lock is held. */
static void
stop_all(void)
{
	struct vdev *vdev;

	switch_runs = false;
	TAILQ_FOREACH (vdev, &vdevs, next)
		vhost_detach(vdev->port);
	while ((vdev = TAILQ_FIRST(&vdevs)) != NULL)
		vdev_destroy(vdev);
}

int
vdev_start_all(void)
{
	struct vdev *vdev;
	int rc = 0;

	pthread_mutex_lock(&vdevs_lock);
	switch_runs = true;
	TAILQ_FOREACH (vdev, &vdevs, next) {
		rc = vdev_start(vdev);
		if (rc != 0)
			break;
	}
	if (rc != 0)
		stop_all();
	pthread_mutex_unlock(&vdevs_lock);
	return rc;
}

unsigned int
vdev_nb_failed(void)
{
	return __atomic_load_n(&nb_failed, __ATOMIC_RELAXED);
}

unsigned int
vdev_nb(void)
{
	struct vdev *vdev;
	unsigned int nb = 0;

	pthread_mutex_lock(&vdevs_lock);
	TAILQ_FOREACH (vdev, &vdevs, next)
		nb++;
	pthread_mutex_unlock(&vdevs_lock);
	return nb;
}

void
vdev_stop_all(void)
{
	pthread_mutex_lock(&vdevs_lock);
	stop_all();
	pthread_mutex_unlock(&vdevs_lock);
}

unsigned int
vdev_log_failed(void)
{
	struct refusal *r;

	pthread_mutex_lock(&vdevs_lock);
	while ((r = STAILQ_FIRST(&refusals)) != NULL) {
		STAILQ_REMOVE_HEAD(&refusals, next);
		VSOCK_LOG(ERR, "%s", r->line);
		free(r);
	}
	pthread_mutex_unlock(&vdevs_lock);
	return vdev_nb_failed();
}

static struct rte_vdev_driver driver = {
	.driver = {.name = DRIVER_NAME},
	.probe = vdev_probe,
	.remove = vdev_remove,
};

/* A constructor, because rte_eal_init() probes the devices of registered drivers. */
RTE_INIT(vdev_register)
{
	rte_vdev_register(&driver);
}
