# SPDX-License-Identifier: BSD-3-Clause
"""A queue of processes that share a machine: the scheduler of run_tests.py.

A job starts when the jobs it needs have succeeded, its chain is free, and there is room:

- weight: the CPUs that a job is expected to use. The jobs that run have a weight of at most the
  capacity of the queue.
- background: the job may use every CPU. It runs at low priority and beside the others; the
  background jobs have a capacity of their own, the number of CPUs.
- chain: of the jobs that name the same chain, one runs at a time.
- quiet: the job measures time. Only jobs with a total weight of QUIET_LOAD run beside it; jobs in
  the background do not count. While it waits for room, no job of the foreground with a lower
  priority starts.

Each job is a session and process group of its own. The queue adopts the orphans of its jobs, and
ends them when it closes.
"""

import ctypes
import os
import signal
import subprocess
import time

QUIET_LOAD = 0.5
BACKGROUND_NICE = 10
POLL_S = 0.05
KILL_S = 10  # from SIGTERM to SIGKILL
PR_SET_CHILD_SUBREAPER = 36


class Job:
    """One process, and how it ended."""

    def __init__(self, name, argv, log, **options):
        """Options: the attributes of the first group below.

        The process writes standard output to the file `log`.out, standard error to `log`.err.
        """
        self.name = name
        self.argv = argv
        self.log = log
        self.env = options.pop("env", {})  # added to the environment
        self.cwd = options.pop("cwd", None)
        self.timeout = options.pop("timeout", 600)  # seconds
        self.weight = options.pop("weight", 1)
        self.background = options.pop("background", False)
        self.chain = options.pop("chain", None)
        self.quiet = options.pop("quiet", False)
        self.needs = options.pop("needs", ())  # jobs that must succeed before
        self.priority = options.pop("priority", 0)  # higher ones start first
        self.on_end = options.pop("on_end", None)  # called with the job
        assert not options, options

        self.process = None
        self.status = None  # exit status, or -signal; None if the job was not run
        self.reason = None  # why the queue ended the job or did not run it
        self.started = self.ended = None  # time.monotonic()
        self.cpu = 0.0  # CPU seconds of the process and of the children it waited for
        self.killed_at = None

    @property
    def seconds(self):
        if self.started is None:
            return 0.0
        return (self.ended or time.monotonic()) - self.started

    @property
    def is_done(self):
        return self.ended is not None

    def output(self, suffix):
        """Returns what the job wrote; suffix is "out" or "err"."""
        try:
            with open(f"{self.log}.{suffix}", encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def start(self):
        self.started = time.monotonic()
        os.makedirs(os.path.dirname(self.log), exist_ok=True)
        with open(f"{self.log}.out", "wb") as out, open(f"{self.log}.err", "wb") as err:
            nice = ["nice", "-n", str(BACKGROUND_NICE)] if self.background else []
            self.process = subprocess.Popen(
                nice + self.argv,
                env={**os.environ, **self.env},
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def kill(self, reason):
        """End the process group: SIGTERM, and SIGKILL when called again KILL_S later."""
        now = time.monotonic()
        if self.killed_at is None:
            self.reason, self.killed_at = reason, now
            signal_group(self.process.pid, signal.SIGTERM)
        elif now - self.killed_at >= KILL_S:
            signal_group(self.process.pid, signal.SIGKILL)

    def finish(self, status, cpu):
        self.status, self.cpu, self.ended = status, cpu, time.monotonic()
        if self.process:
            self.process.returncode = status  # the queue has reaped it: Popen must not
            signal_group(self.process.pid, signal.SIGKILL)  # what it left behind


class Queue:
    """Runs jobs until all of them are done."""

    def __init__(self, nb_cpus, capacity):
        self.nb_cpus = nb_cpus
        self.capacity = capacity
        self.waiting = []
        self.running = []
        self.nb_done = 0
        self.on_tick = None  # called several times a second
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def add(self, job):
        self.waiting.append(job)
        self.waiting.sort(key=lambda j: -j.priority)
        return job

    def run(self):
        while self.waiting or self.running:
            self.start_some()
            self.reap()
            for job in self.running:
                if job.seconds > job.timeout or job.killed_at:
                    job.kill(f"did not end within {job.timeout:.0f} s")
            if self.on_tick:
                self.on_tick()
            time.sleep(POLL_S)

    def cancel(self, wanted, reason):
        """End the running and drop the waiting jobs for which wanted(job) is true."""
        for job in [j for j in self.waiting if wanted(j)]:
            self.drop(job, reason)
        for job in self.running:
            if wanted(job) and job.killed_at is None:
                job.kill(reason)

    def close(self):
        """End all processes that are left, orphans of the jobs included."""
        for job in self.running:
            job.kill("interrupted")
        limit = time.monotonic() + KILL_S
        while self.running and time.monotonic() < limit:
            self.reap()
            time.sleep(POLL_S)
        for _ in range(100):  # the children of what is killed become children of this process
            children = children_of(os.getpid())
            for pid in children:
                signal_process(pid, signal.SIGKILL)
            self.reap()
            if not children:
                break
            time.sleep(POLL_S)

    # ---- start ----

    def start_some(self):
        for job in list(self.waiting):
            if any(need.is_done and need.status != 0 for need in job.needs):
                self.drop(job, "not run: what it needs failed")
        blocked = False  # a quiet job waits for room
        for job in list(self.waiting):
            if any(not need.is_done for need in job.needs) or self.chain_is_busy(job):
                continue
            if job.background:
                has_room = self.background_weight() + job.weight <= self.nb_cpus
            else:
                has_room = not blocked and self.has_room(job)
                blocked = blocked or (job.quiet and not has_room)
            if has_room or not self.running:
                self.waiting.remove(job)
                self.running.append(job)
                job.start()

    def chain_is_busy(self, job):
        return job.chain is not None and any(j.chain == job.chain for j in self.running)

    def background_weight(self):
        return sum(j.weight for j in self.running if j.background)

    def has_room(self, job):
        others = [j for j in self.running if not j.background]
        load = sum(j.weight for j in others)
        if job.quiet:
            return load <= QUIET_LOAD
        if any(j.quiet for j in others):
            return sum(j.weight for j in others if not j.quiet) + job.weight <= QUIET_LOAD
        return load + job.weight <= self.capacity

    def drop(self, job, reason):
        self.waiting.remove(job)
        job.reason = reason
        self.end(job, None, 0.0)

    # ---- end ----

    def reap(self):
        """Collect the processes that ended, orphans included."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for job in [j for j in self.running if j.process.pid == pid]:
                self.running.remove(job)
                cpu = usage.ru_utime + usage.ru_stime
                self.end(job, os.waitstatus_to_exitcode(status), cpu)

    def end(self, job, status, cpu):
        job.finish(status, cpu)
        self.nb_done += 1
        if job.on_end:
            job.on_end(job)


def signal_process(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def signal_group(pid, number):
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        pass


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except FileNotFoundError:
        return []
