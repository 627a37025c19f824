/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One work between two queuers, two workers (of two pools) and one that cancels and waits (lib/wq:
 * queue.c, pwq.c, execute.c, cancel.c): accepted is executed or cancelled, never on two workers at
 * once, each execution sees what was written before its queueing, also where that returned false,
 * and when the cancelling has waited nothing runs.
 *
 * mutants: CLEAR_AFTER NO_FOREIGN TAKE_BLINDLY FORGET_DISABLE NO_WAIT
 */
#define NONE 0
#define INBOX 1  /* + pool */
#define LIST 3   /* + pool */
#define DISABLED 5

bool pending;
byte where;            /* NONE, INBOX + p, LIST + p, DISABLED */
bool in_inbox[2], in_list[2];
bool lock[2];          /* P of each pool */
bool running[2];
byte last = 9;         /* the pool that executed it last */
byte accepted, executed, cancelled;
byte written[2], seen[2];
byte nb_done;
bool requeued;
bool held;             /* ghost: the canceller has the claim */
bool excused;          /* ghost: a queueing was refused for that */

#define P_LOCK(p) atomic { !lock[p] -> lock[p] = true }
#define P_UNLOCK(p) lock[p] = false

/* wq_queue_work_on(p). */
inline queue(p, ok)
{
	atomic { ok = !pending; pending = true; excused = excused || (!ok && held) }
	if
	:: ok ->
		accepted++;
		where = INBOX + p;
		in_inbox[p] = true
	:: else
	fi
}

proctype queuer(byte me)
{
	bool ok;
	byte n;

	for (n : 1 .. 2) {
		written[me] = n;
		queue(me, ok)
	}
	nb_done++
}

/* Takes the work from the inbox of pool p to a list: P of p is held. */
inline drain(p)
{
	if
	:: in_inbox[p] ->
		in_inbox[p] = false;
#ifndef NO_FOREIGN
		if
		:: last == 1 - p ->
			/* In transit, under the other's lock. */
			P_UNLOCK(p);
			P_LOCK(1 - p);
			if
			:: running[1 - p] ->
				atomic { in_list[1 - p] = true; where = LIST + 1 - p };
				P_UNLOCK(1 - p);
				P_LOCK(p)
			:: else ->
				P_UNLOCK(1 - p);
				P_LOCK(p);
				atomic { in_list[p] = true; where = LIST + p }
			fi
		:: else -> atomic { in_list[p] = true; where = LIST + p }
		fi
#else
		atomic { in_list[p] = true; where = LIST + p }
#endif
	:: else
	fi
}

proctype worker(byte p)
{
	byte saw[2];
	bool ok;

end_idle:
	do
	:: (in_inbox[p] || in_list[p]) && !lock[p] ->
		P_LOCK(p);
		drain(p);
		if
		:: in_list[p] ->
			in_list[p] = false;
			running[p] = true;
			last = p;
			where = NONE;
#ifndef CLEAR_AFTER
			pending = false;
#endif
			P_UNLOCK(p);
			assert(!running[1 - p]);
			atomic {
				seen[0] = written[0];
				seen[1] = written[1]
			}
			executed++;
			if
			:: !requeued -> requeued = true; queue(p, ok)
			:: true
			fi;
			P_LOCK(p);
#ifdef CLEAR_AFTER
			pending = false;
#endif
			running[p] = false;
			P_UNLOCK(p)
		:: else -> P_UNLOCK(p)
		fi
	od
}

/* One look at pool p for the pending work: P is taken. */
inline take(p)
{
	P_LOCK(p);
	drain(p);
#ifdef TAKE_BLINDLY
	if
	:: true -> in_list[p] = false; where = NONE; grabbed = true; held = true; cancelled++
	fi;
#else
	if
	:: where == LIST + p ->
		in_list[p] = false;
		where = NONE;
		grabbed = true;
		held = true;
		cancelled++
	:: else
	fi;
#endif
	P_UNLOCK(p)
}

proctype canceller()
{
	bool grabbed;
	byte w, p;

	do
	:: !grabbed ->
		atomic {
			if
			:: !pending -> pending = true; grabbed = true; held = true
			:: else
			fi
		}
		if
		:: !grabbed ->
			w = where;
			if
			:: w == INBOX || w == LIST -> take(0)
			:: w == INBOX + 1 || w == LIST + 1 -> take(1)
			:: else
			fi
		:: else
		fi
	:: else -> break
	od;
#ifdef FORGET_DISABLE
	atomic { pending = false; held = false };
#else
	where = DISABLED;
#endif
	/* The barrier: under the lock of the pool where it ran last. */
#ifndef NO_WAIT
	if
	:: last != 9 ->
		p = last;
		!running[p]
	:: else
	fi;
#endif
#ifdef FORGET_DISABLE
	atomic { assert(!running[0] && !running[1]) }
#else
	atomic { assert(!running[0] && !running[1] && !in_list[0] && !in_list[1]) }
	where = NONE;
	atomic { pending = false; held = false };
#endif
	nb_done++
}

active proctype check()
{
	timeout ->
	assert(nb_done == 3);
	assert(!pending && accepted == executed + cancelled);
	/* Without a cancelled one all that was written was seen. */
	assert(cancelled > 0 || excused || (seen[0] == written[0] && seen[1] == written[1]))
}

init {
	atomic {
		run queuer(0);
		run queuer(1);
		run worker(0);
		run worker(1);
		run canceller()
	}
}
