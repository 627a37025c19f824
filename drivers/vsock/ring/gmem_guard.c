/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ring/gmem_guard.h"

/*
 * Who writes and who reads:
 *   guard_table     written under guard_lock; read by handlers on any thread, between their
 *                   increment and decrement of guard_nb_readers.
 *   range.start     the only field of a published table that changes: to RANGE_DEAD.
 *   guard_nb_readers  handlers that use a table. This, guard_table and range.start are accessed
 *                   with sequential consistency. A writer changes guard_table or range.start and
 *                   waits until there are 0 readers. Every later handler sees the change, so the
 *                   writer may free the old table, the range and its flag.
 *   guard_previous  written once, before the handler is installed.
 */
#define RANGE_DEAD UINTPTR_MAX

struct guard_range {
	uintptr_t start;
	uintptr_t end;
	volatile int *fault_flag;
	const struct gmem *mem; /* the key; handlers do not read it; NULL: dead */
};

struct guard_table {
	uint32_t nb_ranges;
	struct guard_range ranges[];
};

static pthread_mutex_t guard_lock = PTHREAD_MUTEX_INITIALIZER;
static struct guard_table *guard_table;
static uint32_t guard_nb_readers;
static struct sigaction guard_previous;
static bool guard_installed;
static uintptr_t guard_page_len;

/*
 * Use the bare system call, because the mmap() of a sanitizer must not be called from a handler.
 * Threads that fault on the same page each replace it, so a store in between may be lost. The
 * guest's page was lost anyway.
 */
static bool
put_zeroes(uintptr_t start, uintptr_t len)
{
	long at = syscall(SYS_mmap, start, len, PROT_READ | PROT_WRITE,
		MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0L);

	return at == (long)start;
}

/*
 * Replace the page at addr. A mapping of huge pages can only be split at their borders; mmap()
 * fails with EINVAL before it changes anything. If the mapping cannot be split for another reason
 * (too many mappings in the process), replace the whole range, because that needs no split.
 */
static bool
replace_page(uintptr_t start, uintptr_t end, uintptr_t addr)
{
	const uintptr_t page_lens[] = {guard_page_len, 2ul << 20, 1ul << 30};

	for (size_t i = 0; i < sizeof(page_lens) / sizeof(page_lens[0]); i++) {
		if (put_zeroes(addr & ~(page_lens[i] - 1), page_lens[i]))
			return true;
		if (errno != EINVAL)
			break;
	}
	start &= ~(guard_page_len - 1);
	end = (end + guard_page_len - 1) & ~(guard_page_len - 1);
	return put_zeroes(start, end - start);
}

/* Handle a signal as if the guard were not installed. */
static void
pass_on(int sig, siginfo_t *info, void *ctx)
{
	struct sigaction by_default = {.sa_handler = SIG_DFL};

	if (guard_previous.sa_flags & SA_SIGINFO) {
		guard_previous.sa_sigaction(sig, info, ctx);
		return;
	}
	if (guard_previous.sa_handler == SIG_IGN && info->si_code <= 0)
		return;
	if (guard_previous.sa_handler != SIG_DFL && guard_previous.sa_handler != SIG_IGN) {
		guard_previous.sa_handler(sig);
		return;
	}
	/*
	 * After the handler the access faults again and ends the process at the right place. A
	 * signal that a process sent would not come again, so raise it for after the handler.
	 */
	sigaction(sig, &by_default, NULL);
	if (info->si_code <= 0 || info->si_code == BUS_MCEERR_AO)
		raise(sig);
}

static void
on_sigbus(int sig, siginfo_t *info, void *ctx)
{
	const uintptr_t addr = (uintptr_t)info->si_addr;
	const int saved_errno = errno;
	const struct guard_table *table;
	bool done = false;

	__atomic_add_fetch(&guard_nb_readers, 1, __ATOMIC_SEQ_CST);
	table = __atomic_load_n(&guard_table, __ATOMIC_SEQ_CST);
	/* A process sent it, or an access was not aligned: another page would not help. */
	if (info->si_code <= 0 || info->si_code == BUS_ADRALN)
		table = NULL;
	for (uint32_t i = 0; table != NULL && i < table->nb_ranges; i++) {
		const struct guard_range *r = &table->ranges[i];
		uintptr_t start = __atomic_load_n(&r->start, __ATOMIC_SEQ_CST);

		if (addr < start || addr >= r->end)
			continue;
		/* The flag first, so that a thread that reads zeroes can see the flag. */
		__atomic_store_n(r->fault_flag, 1, __ATOMIC_SEQ_CST);
		done = replace_page(start, r->end, addr);
		break;
	}
	__atomic_sub_fetch(&guard_nb_readers, 1, __ATOMIC_SEQ_CST);
	if (!done)
		pass_on(sig, info, ctx);
	errno = saved_errno;
}

int
gmem_guard_init(void)
{
	struct sigaction sa = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};
	int rc = 0;

	pthread_mutex_lock(&guard_lock);
	if (!guard_installed) {
		guard_page_len = (uintptr_t)sysconf(_SC_PAGESIZE);
		sigemptyset(&sa.sa_mask);
		if (sigaction(SIGBUS, NULL, &guard_previous) != 0 ||
			sigaction(SIGBUS, &sa, NULL) != 0)
			rc = -errno;
		else
			guard_installed = true;
	}
	pthread_mutex_unlock(&guard_lock);
	return rc;
}

/* Wait until no handler uses what was replaced. The caller holds guard_lock. */
static void
wait_for_readers(void)
{
	while (__atomic_load_n(&guard_nb_readers, __ATOMIC_SEQ_CST) != 0)
		sched_yield();
}

/*
 * Copy the live ranges of the current table, with room for nb_more. The caller holds guard_lock and
 * owns the result. NULL: no memory.
 */
static struct guard_table *
copy_table(uint32_t nb_more)
{
	const struct guard_table *old = guard_table;
	uint32_t nb_old = old == NULL ? 0 : old->nb_ranges;
	struct guard_table *table;

	table = calloc(1, sizeof(*table) + (nb_old + (size_t)nb_more) * sizeof(table->ranges[0]));
	if (table == NULL)
		return NULL;
	for (uint32_t i = 0; i < nb_old; i++) {
		if (old->ranges[i].mem != NULL)
			table->ranges[table->nb_ranges++] = old->ranges[i];
	}
	return table;
}

int
gmem_guard_add(const struct gmem *mem, volatile int *fault_flag)
{
	struct guard_table *old;
	struct guard_table *table;
	int rc = 0;

	pthread_mutex_lock(&guard_lock);
	old = guard_table;
	for (uint32_t i = 0; old != NULL && i < old->nb_ranges; i++) {
		if (old->ranges[i].mem == mem) {
			rc = -EEXIST;
			goto out;
		}
	}
	table = copy_table(mem->nb_regions);
	if (table == NULL) {
		rc = -ENOMEM;
		goto out;
	}
	for (uint32_t i = 0; i < mem->nb_regions; i++) {
		const struct gmem_region *r = &mem->regions[i];

		table->ranges[table->nb_ranges++] = (struct guard_range){
			.start = (uintptr_t)r->va,
			.end = (uintptr_t)r->va + r->len,
			.fault_flag = fault_flag,
			.mem = mem,
		};
	}
	__atomic_store_n(&guard_table, table, __ATOMIC_SEQ_CST);
	wait_for_readers();
	free(old);
out:
	pthread_mutex_unlock(&guard_lock);
	return rc;
}

void
gmem_guard_del(const struct gmem *mem)
{
	pthread_mutex_lock(&guard_lock);
	/* In place, because this must not fail. The next gmem_guard_add() drops dead ranges. */
	for (uint32_t i = 0; guard_table != NULL && i < guard_table->nb_ranges; i++) {
		struct guard_range *r = &guard_table->ranges[i];

		if (r->mem != mem)
			continue;
		__atomic_store_n(&r->start, RANGE_DEAD, __ATOMIC_SEQ_CST);
		r->mem = NULL;
	}
	wait_for_readers();
	pthread_mutex_unlock(&guard_lock);
}
