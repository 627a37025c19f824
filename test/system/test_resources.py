# SPDX-License-Identifier: BSD-3-Clause
"""The daemon at the limits of what the system gives it."""

import resource

import pytest
from daemon import pattern


def limit_fds(daemon, spare):
    """Let the daemon open only `spare` descriptors more; returns how to take that back."""
    pid = daemon.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (daemon.nb_fds() + spare, hard))
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
    assert rig.daemon.resident() - before < 8 << 20


@pytest.mark.drops("pool_exhausted")
def test_pool_runs_out(launch):
    """Programs that do not read, with larger windows than there is memory for: some connections are
    reset, the others lose nothing, and a program that reads is not touched."""
    rig = launch(port_args={3: {"buf_alloc": "16M"}})
    guest = rig.guest()
    pairs = [rig.host_to_guest(guest) for _ in range(8)]
    data = pattern(16 << 20)
    for host, conn in pairs:
        host.reading = False
        host.max_read = 1 << 20
        conn.send(data)
    rig.until(lambda: any(c.closed for _, c in pairs), "a reset")
    rig.until(lambda: guest.idle, "all taken")
    rig.still_works(guest)
    assert rig.daemon.resident() < 300 << 20
    left = [(h, c) for h, c in pairs if c.open]
    for host, conn in pairs:
        host.reading = True
    rig.until(lambda: all(len(h.rx) == len(data) for h, _ in left if not h.ended), "the others")
    for host, conn in left:
        assert host.rx == data or (conn.closed and data.startswith(bytes(host.rx)))
    assert any(host.rx == data for host, _ in left)
