/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "check.h"
#include "ring/gmem.h"
#include "glue_port.h"

#define NB_PORTS 8

struct port {
	pthread_mutex_t lock;
	struct port_conf conf;
	struct port_device dev;
	struct port_indices idx;
	struct glue_state st;
	volatile int fault;
	bool refuse_next;
};

/* The library orders its threads by flags and spinlocks that ThreadSanitizer does not see. */
const char *__tsan_default_suppressions(void);

const char *
__tsan_default_suppressions(void)
{
	return "race:librte_vhost.so\n";
}

static struct port *ports[NB_PORTS];
static pthread_mutex_t ports_lock = PTHREAD_MUTEX_INITIALIZER;

static uint16_t
load16(const void *p)
{
	uint16_t v;

	gmem_load(&v, p, sizeof(v));
	return v;
}

/* Read what a data plane reads, write what it writes, at both ends of everything. */
static void
consume(struct port *port)
{
	for (int q = 0; q < PORT_NB_QUEUES; q++) {
		const struct vq_config *cfg = &port->dev.vq[q];
		uint8_t *avail = cfg->avail;
		uint8_t *used = cfg->used;
		uint8_t *desc = cfg->desc;
		uint16_t avail_idx = load16(avail + 2);

		load16(desc + 16 * (cfg->size - 1u) + 14);
		load16(avail + 4 + 2 * (cfg->size - 1u));
		load16(used + 4 + 8 * (cfg->size - 1u) + 6);
		if (cfg->event_idx)
			load16(used + 4 + 8 * cfg->size);
		port->idx.used_idx[q] =
			(uint16_t)(port->idx.used_idx[q] + avail_idx - port->idx.last_avail[q]);
		port->idx.last_avail[q] = avail_idx;
		/*
		 * Bytes, since the front end may have it misaligned; not atomic, since where this
		 * faults ThreadSanitizer's atomics hold a lock.
		 */
		((volatile uint8_t *)used)[2] = (uint8_t)port->idx.used_idx[q];
		((volatile uint8_t *)used)[3] = (uint8_t)(port->idx.used_idx[q] >> 8);
	}
	for (uint32_t i = 0; i < port->dev.mem->nb_regions; i++) {
		const struct gmem_region *r = &port->dev.mem->regions[i];

		load16(r->va);
		load16(r->va + r->len - 2);
	}
}

static void *
poll_ports(void *arg)
{
	for (;;) {
		for (int i = 0; i < NB_PORTS; i++) {
			struct port *port;

			pthread_mutex_lock(&ports_lock);
			port = ports[i];
			if (port != NULL)
				pthread_mutex_lock(&port->lock);
			pthread_mutex_unlock(&ports_lock);
			if (port == NULL)
				continue;
			if (port->st.has_device)
				consume(port);
			pthread_mutex_unlock(&port->lock);
		}
		usleep(50);
	}
	return arg;
}

void
glue_port_init(void)
{
	pthread_t tid;

	CHECK_EQ(pthread_create(&tid, NULL, poll_ports, NULL), 0);
	pthread_detach(tid);
}

struct port *
glue_port_new(const struct port_conf *conf)
{
	struct port *port = calloc(1, sizeof(*port));
	int i;

	CHECK(port != NULL);
	port->conf = *conf;
	pthread_mutex_init(&port->lock, NULL);
	pthread_mutex_lock(&ports_lock);
	for (i = 0; i < NB_PORTS && ports[i] != NULL; i++)
		;
	CHECK(i < NB_PORTS);
	ports[i] = port;
	pthread_mutex_unlock(&ports_lock);
	return port;
}

void
glue_port_free(struct port *port)
{
	pthread_mutex_lock(&ports_lock);
	for (int i = 0; i < NB_PORTS; i++)
		if (ports[i] == port)
			ports[i] = NULL;
	pthread_mutex_lock(&port->lock);
	pthread_mutex_unlock(&ports_lock);
	CHECK(!port->st.has_device);
	pthread_mutex_unlock(&port->lock);
	pthread_mutex_destroy(&port->lock);
	free(port);
}

struct glue_state
glue_port_state(struct port *port)
{
	struct glue_state st;

	pthread_mutex_lock(&port->lock);
	st = port->st;
	st.fault = __atomic_load_n(&port->fault, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&port->lock);
	return st;
}

bool
glue_port_call(struct port *port, int queue)
{
	bool done = false;

	pthread_mutex_lock(&port->lock);
	if (port->st.has_device && port->dev.call_fd[queue] >= 0)
		done = eventfd_write(port->dev.call_fd[queue], 1) == 0;
	pthread_mutex_unlock(&port->lock);
	return done;
}

void
glue_port_refuse_next(struct port *port)
{
	pthread_mutex_lock(&port->lock);
	port->refuse_next = true;
	pthread_mutex_unlock(&port->lock);
}

int
port_device_up(struct port *port, struct port_device *dev)
{
	int rc = 0;

	pthread_mutex_lock(&port->lock);
	CHECK(!port->st.has_device);
	if (port->refuse_next) {
		port->refuse_next = false;
		port_device_release(dev);
		rc = -EINVAL;
	} else {
		port->dev = *dev;
		port->st.has_device = true;
		port->st.nb_up++;
		port->st.nb_regions = dev->mem->nb_regions;
		for (int q = 0; q < PORT_NB_QUEUES; q++) {
			port->st.vq[q] = dev->vq[q];
			port->st.has_kick[q] = dev->kick_fd[q] >= 0;
			port->st.has_call[q] = dev->call_fd[q] >= 0;
			port->idx.last_avail[q] = dev->vq[q].last_avail;
			port->idx.used_idx[q] = dev->vq[q].used_idx;
		}
		port->st.start = port->idx;
	}
	pthread_mutex_unlock(&port->lock);
	return rc;
}

int
port_device_down(struct port *port, struct port_indices *indices)
{
	int rc = -ENODEV;

	pthread_mutex_lock(&port->lock);
	if (port->st.has_device) {
		*indices = port->idx;
		port_device_release(&port->dev);
		port->st.has_device = false;
		port->st.nb_down++;
		rc = 0;
	}
	pthread_mutex_unlock(&port->lock);
	return rc;
}

void
port_front_end_gone(struct port *port)
{
	pthread_mutex_lock(&port->lock);
	CHECK(!port->st.has_device);
	port->st.nb_gone++;
	pthread_mutex_unlock(&port->lock);
}

int
port_create(struct vsock_switch *sw, const struct port_conf *conf, struct port **out)
{
	(void)sw;
	/* The one that does not poll. */
	if (conf->lcore == 0)
		return -EINVAL;
	*out = glue_port_new(conf);
	return 0;
}

int
port_start(struct port *port)
{
	return strcmp(port->conf.uds, "/cannot/start") == 0 ? -EACCES : 0;
}

void
port_destroy(struct port *port)
{
	glue_port_free(port);
}

unsigned int
glue_port_nb(void)
{
	unsigned int nb = 0;

	pthread_mutex_lock(&ports_lock);
	for (int i = 0; i < NB_PORTS; i++)
		nb += ports[i] != NULL;
	pthread_mutex_unlock(&ports_lock);
	return nb;
}

const struct port_conf *
port_conf_of(const struct port *port)
{
	return &port->conf;
}

volatile int *
port_fault_flag(struct port *port)
{
	return &port->fault;
}
