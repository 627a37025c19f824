/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define STACK_LEN (256u * 1024)
#define NB_MAX    256

struct sim_co {
	void *sp;
	uint8_t *stack;
	const char *name;
	void (*fn)(void *arg);
	void *arg;
	bool (*ready)(void *arg);
	void *ready_arg;
	uint64_t deadline_ns;
	bool waits;
	bool ended;
};

static struct sim_co *all[NB_MAX];
static unsigned int nb_all;
static uint8_t *spare[NB_MAX];
static unsigned int nb_spare;
static struct sim_co *running;
static void *main_sp;

/* Save the registers that a function keeps, and continue on another stack. */
void sim_co_switch(void **save, void *load);
__asm__(".text\n"
	".globl sim_co_switch\n"
	".type sim_co_switch, @function\n"
	"sim_co_switch:\n"
	"	push %rbp\n	push %rbx\n	push %r12\n	push %r13\n	push %r14\n	"
	"push %r15\n"
	"	mov %rsp, (%rdi)\n"
	"	mov %rsi, %rsp\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbx\n	"
	"pop %rbp\n"
	"	ret\n"
	".size sim_co_switch, .-sim_co_switch\n");

static void
begin(void)
{
	struct sim_co *co = running;

	co->fn(co->arg);
	co->ended = true;
	for (;;)
		sim_yield();
}

struct sim_co *
sim_co_start(const char *name, void (*fn)(void *arg), void *arg)
{
	struct sim_co *co = calloc(1, sizeof(*co));
	void **top;

	if (nb_all == NB_MAX || co == NULL)
		sim_fault("simulator", "too many coroutines");
	co->stack = nb_spare > 0 ? spare[--nb_spare] : aligned_alloc(64, STACK_LEN);
	co->name = name;
	co->fn = fn;
	co->arg = arg;
	top = (void **)(void *)(co->stack + STACK_LEN) - 3;
	*top = NULL;                       /* begin() never returns */
	*--top = (void *)(uintptr_t)begin; /* the stack is aligned as behind a call */
	top -= 6;
	memset(top, 0, 6 * sizeof(*top));
	co->sp = top;
	all[nb_all++] = co;
	return co;
}

bool
sim_co_ended(const struct sim_co *co)
{
	return co->ended;
}

void
sim_co_free(struct sim_co *co)
{
	for (unsigned int i = 0; i < nb_all; i++) {
		if (all[i] != co)
			continue;
		memmove(&all[i], &all[i + 1], (nb_all - i - 1) * sizeof(all[0]));
		nb_all--;
		break;
	}
	spare[nb_spare++] = co->stack;
	free(co);
}

void
sim_yield(void)
{
	struct sim_co *co = running;

	if (co == NULL)
		return;
	running = NULL;
	sim_co_switch(&co->sp, main_sp);
}

void
sim_wait(bool (*ready)(void *arg), void *arg, uint64_t deadline_ns)
{
	struct sim_co *co = running;

	if (co == NULL)
		sim_fault("simulator", "a wait outside of a coroutine");
	co->ready = ready;
	co->ready_arg = arg;
	co->deadline_ns = deadline_ns;
	co->waits = true;
	sim_yield();
	co->waits = false;
}

bool
sim_co_runnable(const struct sim_co *co)
{
	if (co->ended)
		return false;
	return !co->waits || co->deadline_ns <= sim_now_ns ||
		(co->ready != NULL && co->ready(co->ready_arg));
}

void
sim_co_run(struct sim_co *co)
{
	running = co;
	sim_co_switch(&main_sp, co->sp);
	running = NULL;
}

struct sim_co *
sim_co_at(unsigned int i)
{
	return i < nb_all ? all[i] : NULL;
}

const char *
sim_co_name(const struct sim_co *co)
{
	return co->name;
}

uint64_t
sim_co_next_deadline(void)
{
	uint64_t next = UINT64_MAX;

	for (unsigned int i = 0; i < nb_all; i++) {
		if (all[i]->waits && !all[i]->ended && all[i]->deadline_ns < next)
			next = all[i]->deadline_ns;
	}
	return next;
}
