/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_VDEV_COMPAT_H
#define VSOCK_VDEV_COMPAT_H

/**
 * @file
 * The virtual device bus as a driver sees it. DPDK exports rte_vdev_register() but distributions
 * do not install the header that declares it; then the few structs are declared here. Their layout
 * has not changed from DPDK 22.11 on; the asserts pin it for 64-bit machines.
 */

#ifdef HAVE_BUS_VDEV_DRIVER_H

#include <bus_vdev_driver.h>

#else

#include <stddef.h>
#include <stdint.h>

#include <rte_bus_vdev.h>
#include <rte_common.h>
#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_os.h>

struct rte_driver {
	RTE_TAILQ_ENTRY(rte_driver) next;
	const char *name;
	const char *alias;
};

struct rte_device {
	RTE_TAILQ_ENTRY(rte_device) next;
	const char *name;
	const char *bus_info;
	const struct rte_driver *driver;
	const struct rte_bus *bus;
	int numa_node;
	struct rte_devargs *devargs;
};

struct rte_vdev_device {
	RTE_TAILQ_ENTRY(rte_vdev_device) next;
	struct rte_device device;
};

struct rte_vdev_driver {
	RTE_TAILQ_ENTRY(rte_vdev_driver) next;
	struct rte_driver driver;
	int (*probe)(struct rte_vdev_device *dev);
	int (*remove)(struct rte_vdev_device *dev);
	int (*dma_map)(struct rte_vdev_device *dev, void *addr, uint64_t iova, size_t len);
	int (*dma_unmap)(struct rte_vdev_device *dev, void *addr, uint64_t iova, size_t len);
	uint32_t drv_flags;
};

_Static_assert(sizeof(void *) == 8, "only 64-bit machines");
_Static_assert(offsetof(struct rte_vdev_device, device) == 16, "layout of rte_vdev_device");
_Static_assert(offsetof(struct rte_device, name) == 16, "layout of rte_device");
_Static_assert(offsetof(struct rte_device, devargs) == 56, "layout of rte_device");
_Static_assert(offsetof(struct rte_vdev_driver, driver) == 16, "layout of rte_vdev_driver");
_Static_assert(offsetof(struct rte_vdev_driver, probe) == 48, "layout of rte_vdev_driver");
_Static_assert(sizeof(struct rte_vdev_driver) == 88, "layout of rte_vdev_driver");

/** Register a driver of the virtual device bus. Context: a constructor, before main(). */
void rte_vdev_register(struct rte_vdev_driver *driver);

static inline const char *
rte_vdev_device_name(const struct rte_vdev_device *dev)
{
	return dev->device.name;
}

static inline const char *
rte_vdev_device_args(const struct rte_vdev_device *dev)
{
	return dev->device.devargs != NULL ? dev->device.devargs->args : "";
}

#endif

#endif
