# SPDX-License-Identifier: BSD-3-Clause
"""The queue of devtools/test.sh: order, room, time-outs, and what it leaves behind."""

import os
import sys
import time

import planted
import pytest

sys.path.insert(0, planted.DEVTOOLS)
import jobs  # noqa: E402


class Log:
    """Runs jobs that are shell scripts, and remembers when each ran."""

    def __init__(self, folder, capacity=2):
        self.folder = folder
        self.queue = jobs.Queue(2, capacity)
        self.ended = []

    def add(self, name, script, **options):
        return self.queue.add(
            jobs.Job(
                name,
                ["sh", "-c", script],
                str(self.folder / name),
                on_end=self.ended.append,
                **options,
            )
        )

    def run(self):
        self.queue.run()
        self.queue.close()
        return {job.name: job for job in self.ended}


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path)


def overlap(a, b):
    return a.started < b.ended and b.started < a.ended


def test_output_and_status(log):
    job = log.add("a", "echo out; echo err >&2; exit 3")
    log.run()
    assert job.status == 3 and job.output("out") == "out\n" and job.output("err") == "err\n"


def test_cpu_seconds(log):
    job = log.add("a", "i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done")
    log.run()
    assert 0.01 < job.cpu <= job.seconds + 1


def test_timeout_ends_the_whole_group(log):
    job = log.add("a", "sleep 1000 & echo $!; sleep 1000", timeout=0.5)
    log.run()
    assert job.status != 0 and "did not end within" in job.reason
    child = int(job.output("out"))
    assert not os.path.exists(f"/proc/{child}") or "Z" in open(f"/proc/{child}/stat").read()


def test_what_a_job_needs(log):
    first = log.add("first", "sleep 0.3; touch done")
    log.add("second", "test $(ls | wc -l) -ge 0", needs=[first])
    bad = log.add("bad", "exit 1")
    log.add("never", "true", needs=[bad])
    ran = log.run()
    assert ran["second"].started >= ran["first"].ended
    assert ran["never"].status is None and ran["never"].reason


def test_weights(log):
    for name in ("a", "b", "c"):
        log.add(name, "sleep 0.4", weight=1)
    ran = log.run()
    assert sum(overlap(ran[a], ran[b]) for a, b in ("ab", "ac", "bc")) <= 2
    assert any(overlap(ran[a], ran[b]) for a, b in ("ab", "ac", "bc"))


def test_a_chain_runs_one_by_one(log):
    for name in ("a", "b", "c"):
        log.add(name, "sleep 0.2", weight=0.1, chain="x")
    ran = log.run()
    assert not any(overlap(ran[a], ran[b]) for a, b in ("ab", "ac", "bc"))


def test_quiet_job_runs_alone(log):
    for name in ("a", "b", "c"):
        log.add(name, "sleep 0.3", weight=1, priority=1)
    log.add("quiet", "sleep 0.3", weight=1, quiet=True)
    ran = log.run()
    assert not any(overlap(ran[name], ran["quiet"]) for name in "abc")


def test_cancel(log):
    job = log.add("a", "sleep 1000")
    waiting = log.add("b", "true", needs=[job])

    def tick():
        if job.started and time.monotonic() - job.started > 0.2:
            log.queue.cancel(lambda j: True, "enough")

    log.queue.on_tick = tick
    log.run()
    assert job.reason == "enough" and waiting.reason and waiting.status is None


def test_orphans_end(log):
    """A process that leaves the session of its job does not outlive the queue."""
    job = log.add("a", "setsid sleep 1000 & sleep 0.3; echo $!")
    log.run()
    assert not os.path.exists(f"/proc/{int(job.output('out'))}")
