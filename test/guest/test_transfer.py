# SPDX-License-Identifier: BSD-3-Clause
"""Data between two guests and the host, in all directions, proven by its hash."""
import time

import pytest

import checks
from lab import DIRECTIONS, KINDS

every_way = pytest.mark.parametrize(
    "client, server", DIRECTIONS, ids=[f"{c}-{s}" for c, s in DIRECTIONS]
)
every_kind = pytest.mark.parametrize("kind", KINDS)


@every_way
@every_kind
def test_duplex_16m(lab, client, server, kind):
    there, here, port = lab.pair(client, server)
    checks.duplex(there, here, here.cid, port, kind)


@every_way
@every_kind
def test_odd_sizes(lab, client, server, kind):
    """Writes and messages of every size, on buffers that fit none of them."""
    there, here, port = lab.pair(client, server)
    checks.one_way(there, here, here.cid, port, kind, size="3M", chunk="1-70000")


@every_way
def test_small_writes(lab, client, server):
    """Many small packets must not use up what a guest allows in numbers."""
    there, here, port = lab.pair(client, server)
    checks.one_way(there, here, here.cid, port, "stream", size="256K", chunk="1-64")


@every_way
@pytest.mark.parametrize("kind, size", [("stream", 150), ("stream", 300), ("seqpacket", 200)])
def test_many_queued_packets(lab, client, server, kind, size):
    """Linux 6.12 limits how many packets may wait for a slow reader, by what each takes in memory:
    a window full of small ones must neither be lost nor end the connection."""
    there, here, port = lab.pair(client, server)
    reader = checks.serve(here, kind, port, "wait", "recv eof")
    writer = there.spawn(
        f"socket {kind}",
        f"connect {here.cid} {port}",
        f"send 200K 1 {size} 100",
        "wait",
        "send 600K 2 32K",
        "shut wr",
        "recv eof",
    )
    reader.reached_wait()
    time.sleep(0.5)  # no event tells that the reader's queue has grown
    reader.go()
    writer.reached_wait()
    writer.go()
    sent = [reply for reply in writer.wait() if reply.verb == "send"]
    received = reader.wait()["recv"]
    assert received["bytes"] == sum(reply["bytes"] for reply in sent)
    if kind == "seqpacket":
        assert received["calls"] == sum(reply["calls"] for reply in sent)


@every_way
def test_slow_reader(lab, client, server):
    """A reader that pauses stops only its sender; then all bytes arrive."""
    there, here, port = lab.pair(client, server)
    reader = checks.serve(here, "stream", port, "wait", "recv eof")
    writer = there.spawn(f"connect {here.cid} {port}", "send 4M 1", "shut wr", "recv eof")
    reader.reached_wait()
    checks.works(*lab.pair(client, server)[:2], here.cid, next(lab.free_ports))
    assert not [reply for reply in writer.replies if reply.verb == "send"]
    reader.go()
    received = reader.wait()["recv"]
    checks.same(writer.wait()["send"], received, "stream")


@pytest.mark.parametrize("client, server", [way for way in DIRECTIONS if way[1] != "host"])
@pytest.mark.parametrize("chunk", ["64K", "200"])
def test_small_window(lab, client, server, chunk):
    """A guest that allows 8 KiB at a time."""
    there, here, port = lab.pair(client, server)
    reader = here.spawn("window 8K", f"listen {port}", "accept", "recv eof")
    reader.step("listen")
    sent = there.run(f"connect {here.cid} {port}", f"send 512K 1 {chunk}", "shut wr", "recv eof")[
        "send"
    ]
    checks.same(sent, reader.wait()["recv"], "stream")


@every_way
@every_kind
def test_ping_and_churn(lab, client, server, kind):
    """Round trips, and connections that come and go, leave nothing behind."""
    there, here, port = lab.pair(client, server)
    echo = here.spawn(f"socket {kind}", f"listen {port}", "serve 42")
    echo.step("listen")
    there.run(f"socket {kind}", f"churn {here.cid} {port} 1")
    before = checks.socket_count(lab.daemon.proc.pid)
    ping = there.run(f"socket {kind}", f"connect {here.cid} {port}", "ping 200 64")["ping"]
    assert ping["count"] == 200
    there.run(f"socket {kind}", f"churn {here.cid} {port} 40")
    assert echo.wait()["serve"]["failed"] == 0
    lab.settle(lambda: checks.socket_count(lab.daemon.proc.pid) <= before)


@every_way
def test_many_connections(lab, client, server):
    there, here, port = lab.pair(client, server)
    echo = here.spawn(f"listen {port}", "serve 16")
    echo.step("listen")
    jobs = [there.spawn(f"connect {here.cid} {port}", "wait", "ping 30 500") for _ in range(16)]
    for job in jobs:
        job.reached_wait()
    for job in jobs:
        job.go()
    for job in jobs:
        assert job.wait()["ping"]["count"] == 30
    assert echo.wait()["serve"]["failed"] == 0


def test_all_at_once(lab):
    """Every direction at the same time."""
    flows = []
    for client, server in DIRECTIONS:
        there, here, port = lab.pair(client, server)
        listener = checks.serve(here, "stream", port, "xfer 2M 2 eof", "close")
        flows.append(
            (there.spawn(f"connect {here.cid} {port}", "xfer 2M 1 eof", "close"), listener)
        )
    for there, here in flows:
        sent, received = there.wait(checks.TRANSFER_TIMEOUT), here.wait(checks.TRANSFER_TIMEOUT)
        checks.same(sent["xfer-send"], received["xfer"], "stream")
        checks.same(received["xfer-send"], sent["xfer"], "stream")
