/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Manager, monitor and rescuer of a pool (lib/wq: worker.c, monitor.c, rescuer.c). Work 0 blocks
 * until the others have run; those belong to a workqueue with a rescuer. Threads can be created or
 * not, as it happens, also never. All works are executed, and no worker starts to work as the last
 * one while it could have created another.
 *
 * mutants: NO_MAYDAY CALL_LOST NO_MANAGER ONE_RESCUE
 */
#define NW 3          /* works */
#define MAX_WORKERS 2

bool lock;
bool waiting[NW], done[NW];
byte nb_waiting = NW;
byte nb_done;
byte nb_idle = 1;     /* the first worker exists */
byte nb_workers = 1;
byte nb_running;
bool manager;
bool cooling;         /* a failed creation cools down */
bool may_create;      /* whether the system lets us, right now */
bool mayday;          /* the pwq is in the rescuer's list */
bool signal;          /* the rescuer's waker */

#define LOCK atomic { !lock -> lock = true }
#define UNLOCK lock = false

inline run_work(i)
{
	nb_waiting--;
	waiting[i] = false;
	UNLOCK;
	if
	:: i == 0 ->
		/* Announces, and waits for the others. */
		LOCK;
		nb_running--;
		UNLOCK;
		nb_done == NW - 1;
		LOCK;
		nb_running++;
		UNLOCK
	:: else
	fi;
	atomic { assert(!done[i]); done[i] = true; nb_done++ }
	LOCK
}

proctype worker()
{
	byte i;

end_idle:
	do
	:: atomic { nb_waiting > 0 && nb_running == 0 && !lock -> lock = true; nb_idle-- }
		do
		:: nb_waiting == 0 || nb_running > 0 -> break
		:: else ->
#ifndef NO_MANAGER
			if
			:: nb_idle == 0 && !manager && !cooling && nb_workers < MAX_WORKERS ->
				manager = true;
				UNLOCK;
				if
				:: may_create ->
					atomic { nb_workers++; nb_idle++; run worker() }
				:: !may_create -> cooling = true
				fi;
				LOCK;
				manager = false;
				goto next
			:: else
			fi;
#endif
			assert(nb_idle > 0 || manager || cooling || nb_workers == MAX_WORKERS);
			nb_running++;
			do
			:: nb_waiting > 0 && nb_running <= 1 ->
				i = 0;
				do
				:: waiting[i] -> break
				:: else -> i++
				od;
				run_work(i)
			:: else -> break
			od;
			nb_running--;
next:			skip
		od;
		nb_idle++;
		UNLOCK
	od
}

/* The monitor: creation where no worker can, and calls while work waits in vain. */
active proctype monitor()
{
end_quiet:
	do
	:: atomic { nb_waiting > 0 && nb_running == 0 && nb_idle == 0 && !lock &&
		!mayday && nb_done < NW -> lock = true }
#ifndef NO_MAYDAY
#ifdef CALL_LOST
		if
		:: !mayday -> signal = true; UNLOCK; LOCK; mayday = true
		:: else
		fi;
#else
		if
		:: !mayday -> mayday = true; signal = true
		:: else
		fi;
#endif
#endif
		if
		:: !manager && may_create && nb_workers < MAX_WORKERS ->
			atomic { nb_workers++; nb_idle++; run worker() }
		:: true
		fi;
		UNLOCK
#ifdef NO_MAYDAY
		/* Nothing to do but look again: told apart from progress by its end. */
		; break
#endif
	od
}

active proctype rescuer()
{
	byte i;

end_idle:
	do
	:: atomic { signal -> signal = false }
		do
		:: mayday ->
			mayday = false;
			LOCK;
			i = 1;
			do
			:: i < NW ->
				if
				:: waiting[i] ->
					nb_waiting--;
					waiting[i] = false;
					UNLOCK;
					atomic { assert(!done[i]); done[i] = true; nb_done++ }
					LOCK;
#ifdef ONE_RESCUE
					break
#endif
				:: else
				fi;
				i++
			:: else -> break
			od;
			UNLOCK
		:: else -> break
		od
#ifdef ONE_RESCUE
		; break
#endif
	od
}

/* Whether threads can be created changes at will, a few times. */
active proctype system()
{
	byte n;

	do
	:: n < 2 -> may_create = !may_create; n++
	:: break
	od
}

active proctype check()
{
	timeout -> assert(nb_done == NW)
}

init {
	atomic {
		waiting[0] = true;
		waiting[1] = true;
		waiting[2] = true;
		run worker()
	}
}
