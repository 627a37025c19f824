/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flushing by colours (lib/wq: flush.c), with few colours, two pwqs, and more flushers than colours
 * can hold: a flusher that returns has seen every work end that came before it; and all return.
 *
 * also: TWO_COLOURS
 * mutants: NO_GUARD NO_CASCADE NO_OVERFLOW NO_PAINT KEEP_FLUSH_COLOUR OVERFLOW_OLD_COLOUR
 */
#if defined(TWO_COLOURS) || defined(NO_OVERFLOW)
#define NC 2 /* colours */
#else
#define NC 3
#endif
#define NW 2 /* works */
#define NF 3 /* flushers */
#define NONE 9
#define NEXT(c) (((c) + 1) % NC)

bool mutex;              /* M */
byte work_colour, flush_colour;
byte pwq_work[2], pwq_flush[2];
byte in_flight[6];       /* [pwq * NC + colour] */
byte nb_to_flush;
byte first = NONE;       /* the first flusher */
byte colour[NF];
bool queued[NF], overflowed[NF], completed[NF];
byte order[NF];          /* place in the queue of flushers */
byte tickets;
byte came, ended;        /* works, as bit masks */

#define LOCK atomic { !mutex -> mutex = true }
#define UNLOCK mutex = false

inline colour_done()
{
	assert(first != NONE);
	completed[first] = true
}

/* P: one step. */
proctype work(byte id)
{
	byte c, p = id % 2;

	atomic {
		c = pwq_work[p];
		in_flight[p * NC + c]++;
		came = came | (1 << id)
	}
	atomic {
		ended = ended | (1 << id);
		in_flight[p * NC + c]--;
		if
		:: in_flight[p * NC + c] == 0 && pwq_flush[p] == c ->
			pwq_flush[p] = NONE;
			nb_to_flush--;
			if
			:: nb_to_flush == 0 -> colour_done()
			:: else
			fi
		:: else
		fi
	}
}

/* Each pwq under its own lock: works go on in between. */
inline paint()
{
#ifndef NO_PAINT
	pwq_work[0] = work_colour;
	pwq_work[1] = work_colour
#else
	skip
#endif
}

inline watch_one(p)
{
	atomic {
		assert(pwq_flush[p] == NONE);
		if
		:: in_flight[p * NC + flush_colour] > 0 ->
			pwq_flush[p] = flush_colour;
			nb_to_flush++;
			waits = true
		:: else
		fi
	}
}

/* The flusher @f leads; waits: its colour is in flight. */
inline lead(f)
{
	first = f;
	waits = false;
#ifdef NO_GUARD
	nb_to_flush = 0;
#else
	nb_to_flush = 1;
#endif
	watch_one(0);
	watch_one(1);
#ifndef NO_GUARD
	atomic {
		nb_to_flush--;
		if
		:: nb_to_flush == 0 && waits -> colour_done()
		:: else
		fi
	}
#endif
	if
	:: !waits -> first = NONE
	:: else
	fi
}

/* The queued flusher that came first. */
inline oldest()
{
	atomic {
		next = NONE;
		for (i : 0 .. NF - 1) {
			if
			:: queued[i] && (next == NONE || order[i] < order[next]) -> next = i
			:: else
			fi
		}
	}
}

inline cascade()
{
	first = NONE;
	do
	:: true ->
		atomic {
			for (i : 0 .. NF - 1) {
				if
				:: queued[i] && colour[i] == flush_colour ->
					queued[i] = false;
					completed[i] = true
				:: else
				fi
			}
		}
#ifndef KEEP_FLUSH_COLOUR
		flush_colour = NEXT(flush_colour);
#endif
		any = false;
		atomic {
			for (i : 0 .. NF - 1) {
				if
				:: overflowed[i] ->
					overflowed[i] = false;
					queued[i] = true;
					order[i] = tickets;
#ifdef OVERFLOW_OLD_COLOUR
					colour[i] = flush_colour;
#else
					colour[i] = work_colour;
#endif
					any = true
				:: else
				fi
			}
			tickets++
		}
		if
		:: any -> work_colour = NEXT(work_colour); paint()
		:: else
		fi;
		oldest();
		if
		:: next == NONE -> break
		:: else
		fi;
		queued[next] = false;
		lead(next);
		if
		:: waits -> break
		:: else -> completed[next] = true
		fi
	od
}

proctype flusher(byte me)
{
	byte before, next, i;
	bool waits, any, done;

	before = came;
	LOCK;
	if
#ifndef NO_OVERFLOW
	:: NEXT(work_colour) == flush_colour -> overflowed[me] = true
#endif
	:: else ->
		colour[me] = work_colour;
		work_colour = NEXT(work_colour);
		paint();
		if
		:: first != NONE ->
			atomic { queued[me] = true; order[me] = tickets; tickets++ }
		:: else ->
			lead(me);
			if
			:: !waits -> flush_colour = work_colour; done = true
			:: else
			fi
		fi
	fi;
	UNLOCK;
	if
	:: !done ->
		completed[me];
#ifndef NO_CASCADE
		if
		:: first == me -> LOCK; cascade(); UNLOCK
		:: else
		fi
#endif
	:: else
	fi;
	assert((before & ~ended) == 0)
}

init {
	byte k;

	pwq_flush[0] = NONE;
	pwq_flush[1] = NONE;
	atomic {
		for (k : 0 .. NW - 1) { run work(k) }
		for (k : 0 .. NF - 1) { run flusher(k) }
	}
}
