/* SPDX-License-Identifier: BSD-3-Clause */
/* A front end that truncates its memory under us, and accesses that are none of the guard's. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "ring/gmem.h"
#include "ring/seg.h"
#include "ring/gmem_guard.h"

#define PAGE       4096u
#define NB_PAGES   64u
#define MEM_LEN    (NB_PAGES * PAGE)
#define NB_THREADS 4u
#define HUGE_LEN   (2u << 20)

struct shm {
	int fd;
	size_t len;
	struct gmem *mem;
	volatile int fault;
};

static void
shm_open_len(struct shm *s, unsigned int flags, size_t len)
{
	uint8_t *va;

	*s = (struct shm){.len = len};
	s->fd = memfd_create("guest", MFD_CLOEXEC | flags);
	CHECK(s->fd >= 0);
	CHECK_EQ(ftruncate(s->fd, (off_t)len), 0);
	va = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	CHECK(va != MAP_FAILED);
	s->mem = calloc(1, sizeof(*s->mem) + 2 * sizeof(s->mem->regions[0]));
	CHECK(s->mem != NULL);
	/* Two regions of one mapping, the second of which is not at a page's border. */
	s->mem->nb_regions = 2;
	s->mem->regions[0] = (struct gmem_region){.gpa = 0, .len = len / 2 + 100, .va = va};
	s->mem->regions[1] = (struct gmem_region){
		.gpa = 1ull << 32, .len = len / 2 - 100, .va = va + len / 2 + 100};
}

static void
shm_close(struct shm *s)
{
	CHECK_EQ(munmap(s->mem->regions[0].va, s->len), 0);
	close(s->fd);
	free(s->mem);
}

static int
fault_of(const struct shm *s)
{
	return __atomic_load_n(&s->fault, __ATOMIC_SEQ_CST);
}

static void
survives_a_truncation(void)
{
	struct shm s;
	struct vq_seg seg;
	uint8_t out[2 * PAGE];
	uint8_t zero[2 * PAGE] = {0};

	shm_open_len(&s, 0, MEM_LEN);
	CHECK_EQ(gmem_guard_add(s.mem, &s.fault), 0);
	CHECK_EQ(gmem_guard_add(s.mem, &s.fault), -EEXIST);
	seg = (struct vq_seg){.va = s.mem->regions[0].va, .len = MEM_LEN};
	memset(seg.va, 0x5a, MEM_LEN);
	CHECK_EQ(fault_of(&s), 0);
	CHECK_EQ(ftruncate(s.fd, PAGE), 0);
	/* The other ranges are unchanged. */
	CHECK_EQ(seg_read(&seg, 1, 0, out, PAGE), PAGE);
	CHECK_EQ(out[0], 0x5a);
	CHECK_EQ(out[PAGE - 1], 0x5a);
	CHECK_EQ(fault_of(&s), 0);
	/* Loads across the border: zeroes from there on. */
	errno = 4711;
	CHECK_EQ(seg_read(&seg, 1, PAGE / 2, out, PAGE), PAGE);
	CHECK_EQ(errno, 4711);
	CHECK_EQ(out[PAGE / 2 - 1], 0x5a);
	CHECK_MEM(out + PAGE / 2, zero, PAGE / 2);
	CHECK_EQ(fault_of(&s), 1);
	/* Stores: the second region too, from its first byte to its last. */
	s.fault = 0;
	memset(out, 1, sizeof(out));
	CHECK_EQ(seg_write(&seg, 1, MEM_LEN / 2 + 100, out, 1), 1);
	CHECK_EQ(fault_of(&s), 1);
	s.fault = 0;
	CHECK_EQ(seg_write(&seg, 1, MEM_LEN - 2 * PAGE, out, 2 * PAGE), 2 * PAGE);
	CHECK_EQ(fault_of(&s), 1);
	CHECK_EQ(seg_read(&seg, 1, MEM_LEN - 1, out, 1), 1);
	CHECK_EQ(out[0], 1);
	gmem_guard_del(s.mem);
	gmem_guard_del(s.mem);
	shm_close(&s);
}

static void
huge_pages(void)
{
	int fd = memfd_create("probe", MFD_CLOEXEC | MFD_HUGETLB);
	struct shm s;
	void *probe;

	if (fd < 0 || ftruncate(fd, 2 * HUGE_LEN) != 0) {
		printf("  left out: no huge pages\n");
		return;
	}
	probe = mmap(NULL, 2 * HUGE_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (probe == MAP_FAILED) {
		printf("  left out: too few huge pages\n");
		return;
	}
	CHECK_EQ(munmap(probe, 2 * HUGE_LEN), 0);
	shm_open_len(&s, MFD_HUGETLB, 2 * HUGE_LEN);
	CHECK_EQ(gmem_guard_add(s.mem, &s.fault), 0);
	s.mem->regions[0].va[0] = 1;
	CHECK_EQ(ftruncate(s.fd, HUGE_LEN), 0);
	CHECK_EQ(s.mem->regions[0].va[0], 1);
	CHECK_EQ(fault_of(&s), 0);
	s.mem->regions[0].va[HUGE_LEN + 12345] = 2;
	CHECK_EQ(fault_of(&s), 1);
	CHECK_EQ(s.mem->regions[0].va[HUGE_LEN + 12345], 2);
	CHECK_EQ(s.mem->regions[0].va[0], 1);
	gmem_guard_del(s.mem);
	shm_close(&s);
}

struct hammer {
	struct shm *guests;
	uint32_t nb_guests;
	uint32_t idx;
};

/* Load and store all over all guests, each thread from another page on. */
static void *
hammer(void *arg)
{
	struct hammer *h = arg;
	uint8_t buf[64];

	for (uint32_t i = 0; i < NB_PAGES; i++) {
		uint32_t page = (i + h->idx * NB_PAGES / NB_THREADS) % NB_PAGES;

		for (uint32_t k = 0; k < h->nb_guests; k++) {
			struct vq_seg seg = {.va = h->guests[k].mem->regions[0].va, .len = MEM_LEN};

			/* Threads share pages, but not bytes. */
			CHECK_EQ(seg_read(&seg, 1, page * PAGE + 64 * h->idx, buf, 64), 64);
			CHECK_EQ(seg_write(&seg, 1, page * PAGE + 64 * h->idx, buf, 64), 64);
		}
	}
	return NULL;
}

/* Several threads fault in several guests, while others come and go in the table. */
static void
many_threads(void)
{
	struct shm guests[3];
	struct shm other;
	struct hammer h[NB_THREADS];
	pthread_t threads[NB_THREADS];

	for (uint32_t round = 0; round < 50; round++) {
		for (uint32_t k = 0; k < 3; k++) {
			shm_open_len(&guests[k], 0, MEM_LEN);
			CHECK_EQ(gmem_guard_add(guests[k].mem, &guests[k].fault), 0);
		}
		shm_open_len(&other, 0, MEM_LEN);
		CHECK_EQ(ftruncate(guests[0].fd, 0), 0);
		CHECK_EQ(ftruncate(guests[1].fd, MEM_LEN / 2), 0);
		for (uint32_t i = 0; i < NB_THREADS; i++) {
			h[i] = (struct hammer){.guests = guests, .nb_guests = 3, .idx = i};
			CHECK_EQ(pthread_create(&threads[i], NULL, hammer, &h[i]), 0);
		}
		for (uint32_t i = 0; i < 20; i++) {
			CHECK_EQ(gmem_guard_add(other.mem, &other.fault), 0);
			gmem_guard_del(other.mem);
		}
		for (uint32_t i = 0; i < NB_THREADS; i++)
			CHECK_EQ(pthread_join(threads[i], NULL), 0);
		/* Each has its own flag, and who did nothing feels nothing. */
		CHECK_EQ(fault_of(&guests[0]), 1);
		CHECK_EQ(fault_of(&guests[1]), 1);
		CHECK_EQ(fault_of(&guests[2]), 0);
		CHECK_EQ(fault_of(&other), 0);
		for (uint32_t k = 0; k < 3; k++) {
			gmem_guard_del(guests[k].mem);
			shm_close(&guests[k]);
		}
		shm_close(&other);
	}
}

/* Run fn in a child. @return its wait status. */
static int
in_child(void (*fn)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

static void
touch_truncated(const struct shm *s)
{
	CHECK_EQ(ftruncate(s->fd, 0), 0);
	s->mem->regions[0].va[0] = 1;
}

static void
foreign_access(void)
{
	struct shm guarded;
	struct shm s;

	CHECK_EQ(gmem_guard_init(), 0);
	shm_open_len(&guarded, 0, MEM_LEN);
	shm_open_len(&s, 0, MEM_LEN);
	CHECK_EQ(gmem_guard_add(guarded.mem, &guarded.fault), 0);
	touch_truncated(&s);
}

static void
access_after_del(void)
{
	struct shm s;

	CHECK_EQ(gmem_guard_init(), 0);
	shm_open_len(&s, 0, MEM_LEN);
	CHECK_EQ(gmem_guard_add(s.mem, &s.fault), 0);
	gmem_guard_del(s.mem);
	touch_truncated(&s);
}

static void
sent_by_somebody(void)
{
	CHECK_EQ(gmem_guard_init(), 0);
	raise(SIGBUS);
}

static void
sent_and_ignored(void)
{
	signal(SIGBUS, SIG_IGN);
	CHECK_EQ(gmem_guard_init(), 0);
	raise(SIGBUS);
	_exit(42);
}

static void
previous_simple(int sig)
{
	_exit(sig == SIGBUS ? 43 : 1);
}

static uint8_t *previous_addr;

static void
previous_info(int sig, siginfo_t *info, void *ctx)
{
	_exit(sig == SIGBUS && info->si_addr == previous_addr && ctx != NULL ? 44 : 1);
}

static void
chains_to_simple(void)
{
	signal(SIGBUS, previous_simple);
	foreign_access();
}

static void
chains_to_info(void)
{
	struct sigaction sa = {.sa_sigaction = previous_info, .sa_flags = SA_SIGINFO};
	struct shm s;

	CHECK_EQ(sigaction(SIGBUS, &sa, NULL), 0);
	CHECK_EQ(gmem_guard_init(), 0);
	CHECK_EQ(gmem_guard_init(), 0); /* must not chain to itself */
	shm_open_len(&s, 0, MEM_LEN);
	previous_addr = s.mem->regions[0].va;
	touch_truncated(&s);
}

/* No mapping can be cut any more: the whole region goes. Ends the process with 45 when it did. */
static void
out_of_mappings(void)
{
	size_t len = 256ul << 20;
	struct shm s;
	uint8_t *area;
	uint8_t *va;

	CHECK_EQ(gmem_guard_init(), 0);
	shm_open_len(&s, 0, MEM_LEN);
	CHECK_EQ(gmem_guard_add(s.mem, &s.fault), 0);
	va = s.mem->regions[0].va;
	va[0] = 7;
	area = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(area != MAP_FAILED);
	for (size_t at = PAGE; at < len; at += 2 * PAGE) {
		if (mprotect(area + at, PAGE, PROT_READ) == 0)
			continue;
		CHECK_EQ(errno, ENOMEM);
		CHECK_EQ(ftruncate(s.fd, PAGE), 0);
		CHECK_EQ(va[0], 7);
		va[4 * PAGE] = 1;
		_exit(fault_of(&s) == 1 && va[0] == 0 && va[4 * PAGE] == 1 ? 45 : 1);
	}
	_exit(CHECK_SKIP); /* this system allows more mappings than were tried */
}

static void
foreign_signals_are_passed_on(void)
{
	static void (*const deadly[])(void) = {foreign_access, access_after_del, sent_by_somebody};

	/* Not the sanitizer's handler, which the children inherit. */
	signal(SIGBUS, SIG_DFL);
	for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++) {
		int status = in_child(deadly[i]);

		CHECK(WIFSIGNALED(status));
		CHECK_EQ(WTERMSIG(status), SIGBUS);
	}
	CHECK_EQ(WEXITSTATUS(in_child(sent_and_ignored)), 42);
	CHECK_EQ(WEXITSTATUS(in_child(chains_to_simple)), 43);
	CHECK_EQ(WEXITSTATUS(in_child(chains_to_info)), 44);
}

static void
runs_out_of_mappings(void)
{
	int status;

	if (CHECK_TSAN) {
		printf("  left out: ThreadSanitizer itself needs mappings\n");
		return;
	}
	status = in_child(out_of_mappings);
	CHECK(WIFEXITED(status));
	if (WEXITSTATUS(status) == CHECK_SKIP)
		printf("  left out: no limit was met\n");
	else
		CHECK_EQ(WEXITSTATUS(status), 45);
}

int
main(void)
{
	/* First: the children install the guard themselves. */
	RUN(foreign_signals_are_passed_on);
	RUN(runs_out_of_mappings);
	CHECK_EQ(gmem_guard_init(), 0);
	RUN(survives_a_truncation);
	RUN(huge_pages);
	RUN(many_threads);
	return 0;
}
