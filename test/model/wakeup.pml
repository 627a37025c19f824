/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way into a pool and its wake-up (lib/wq: wq_inbox_push, wq_queue_push, wq_pool_settle): no
 * work is left behind while the worker sleeps. Producers exchange the tail, then link; the worker
 * may sleep only when nothing was exchanged, linked or not, as the link may become visible late.
 *
 * mutants: NO_RECHECK HALF_SLEEPS ARM_UNORDERED READ_FIRST NO_SIGNAL_KEPT
 */
#define NP 3 /* producers, one work each */

byte exchanged;     /* works whose exchange of the tail is done */
bool linked[NP];    /* by order of the exchange */
byte popped;
bool sleeper;       /* what producers read */
bool buffered;      /* ARM_UNORDERED: the worker's store that is not visible yet */
bool signal;        /* the waker's word */
byte done_producers;

proctype producer()
{
	byte mine;
	bool seen;

#ifdef READ_FIRST
	seen = sleeper;
#endif
	atomic { mine = exchanged; exchanged++ }
#ifdef READ_FIRST
	linked[mine] = true;
#else
	/* The link is a plain store: the processor may read past it. */
	if
	:: linked[mine] = true; seen = sleeper
	:: seen = sleeper; linked[mine] = true
	fi;
#endif
	if
	:: seen ->
		/* One of many takes it. */
		atomic { seen = sleeper; sleeper = false }
		if
		:: seen -> signal = true
		:: else
		fi
	:: else
	fi
	done_producers++
}

active proctype worker()
{
again:
	do
	:: popped < exchanged && linked[popped] -> popped++
	:: else -> break
	od;
#ifndef HALF_SLEEPS
	if
	:: popped < exchanged -> goto again
	:: else
	fi;
#endif
#ifdef NO_SIGNAL_KEPT
	signal = false;
#endif
#ifdef ARM_UNORDERED
	buffered = true;
#else
	sleeper = true;
#endif
#ifndef NO_RECHECK
	if
#ifdef HALF_SLEEPS
	:: popped < exchanged && linked[popped] -> sleeper = false; goto again
#else
	:: popped < exchanged -> sleeper = false; buffered = false; goto again
#endif
	:: else
	fi;
#endif
#ifdef NO_SIGNAL_KEPT
	/* A signal that came before the sleep is forgotten. */
	signal = false;
#endif
end_sleep:
	atomic { signal -> signal = false }
	goto again
}

#ifdef ARM_UNORDERED
active proctype store_buffer()
{
end_store:
	do
	:: atomic { buffered -> buffered = false; sleeper = true }
	od
}
#endif

active proctype check()
{
	/* No process can go on: then no work may be left. */
	timeout -> assert(done_producers == NP && popped == NP)
}

init {
	byte i;

	for (i : 1 .. NP) { run producer() }
}
