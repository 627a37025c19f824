# SPDX-License-Identifier: BSD-3-Clause
"""The daemon at the limits of what the system gives it."""

import os
import resource
import time

import pytest
from pylib.daemon import pattern, sanitized


def limit_fds(daemon, spare):
    """Let the daemon open only `spare` descriptors more; returns how to take that back."""
    pid = daemon.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used, steady = set(), 0
    while steady < 10:  # one that is being closed would be one to spare
        time.sleep(0.02)
        last, used = used, {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
        steady = steady + 1 if used == last else 0
    # The limit is one of numbers: those below it that are free can still be had.
    limit, left = 0, spare
    while limit in used or left > 0:
        left -= limit not in used
        limit += 1
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, hard))
    return lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.drops("no_resources")
def test_no_descriptor_for_a_guests_connection(rig):
    """RST, the connections that exist go on, and all is well again when there are descriptors."""
    guest = rig.guest()
    host, conn = rig.guest_to_host(guest)
    server = rig.serve(500)
    undo = limit_fds(rig.daemon, 0)
    try:
        conns = [guest.connect(500) for _ in range(20)]
        rig.until(lambda: all(c.closed for c in conns), "RSTs")
        conn.send(b"x")
        rig.until(lambda: host.rx == b"x", "data")
    finally:
        undo()
    assert not server.conns
    rig.still_works(guest)


def test_no_descriptor_for_a_host_program(rig):
    """accept() fails: no busy loop, no flood of lines, and service when there are descriptors."""
    guest = rig.guest()
    guest.listen(500)
    undo = limit_fds(rig.daemon, 0)
    try:
        hosts = [rig.dial(500) for _ in range(20)]
        rig.loop.run(0.5)
        before = rig.daemon.cpu_seconds()
        lines = rig.daemon.stderr().count("\n")
        rig.loop.run(1.0)
        assert rig.daemon.cpu_seconds() - before < 0.3
        assert rig.daemon.stderr().count("\n") - lines < 20
    finally:
        undo()
    for host in hosts:
        host.close()
    rig.still_works(guest)
    host = rig.dial(500)
    rig.until(lambda: host.established, "OK")


def test_memory_does_not_grow(rig):
    """Connections, transfers and resets again and again."""
    guest = rig.guest()

    def turn():
        for _ in range(20):
            host, conn = rig.host_to_guest(guest)
            host.send(bytes(50_000))
            conn.send(bytes(50_000))
            rig.until(lambda: len(host.rx) == 50_000 and len(conn.rx) == 50_000, "data")
            conn.rst()
            rig.until(lambda: host.ended, "end")
            rig.loop.remove(host)
            host.close()

    turn()
    before = rig.daemon.resident()
    for _ in range(5):
        turn()
    assert sanitized() or rig.daemon.resident() - before < 8 << 20


@pytest.mark.drops("pool_exhausted")
def test_pool_share_runs_out(launch):
    """With many guests the share of each in the pool is smaller than what one other guest may have
    waiting there: the connection is reset, the daemon stays small, and others are not touched."""
    rig = launch(cids=range(3, 15))
    a, b, c = rig.guest(3), rig.guest(4), rig.guest(5)
    one, two = rig.guest_to_guest(a, b, buf_alloc=1 << 30)
    other, third = rig.guest_to_guest(c, b)
    host, conn = rig.host_to_guest(c)
    b.hold_rx = True
    before = rig.daemon.resident()
    one.send(pattern(48 << 20))
    rig.until(lambda: one.closed, "a reset")
    assert sanitized() or rig.daemon.resident() - before < 32 << 20
    rig.still_works(a)
    rig.still_works(c)
    b.hold_rx = False
    b.repost()
    rig.until(lambda: two.closed, "RST behind the data")
    assert pattern(48 << 20).startswith(bytes(two.rx))
    other.send(pattern(100_000))
    rig.until(lambda: len(third.rx) == 100_000, "the other guest's data")


def threads_of(pid):
    """Names and CPUs of a process's threads by id; one that ends meanwhile is left out."""
    found = {}
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/comm", encoding="ascii") as file:
                found[int(thread)] = (file.read().strip(), os.sched_getaffinity(int(thread)))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one CPU: nothing to stay off")
def test_slow_path_stays_off_polled_cpus(rig):
    """No thread of the slow path may run where an lcore polls: main on CPU 0, the lcore on 1."""
    rig.pair(rig.guest(), "guest")
    threads = threads_of(rig.daemon.process.pid).values()
    slow = [
        (name, cpus) for name, cpus in threads if name.startswith("wq/") or name == "vsock-listen"
    ]
    names = [name for name, _ in slow]
    assert any(name.startswith("wq/0:") for name in names) and "vsock-listen" in names, threads
    assert all(1 not in cpus for _, cpus in slow), slow
    # EAL's name of it: rte-worker-1, dpdk-worker1.
    assert [cpus for name, cpus in threads if "-worker" in name] == [{1}], threads
