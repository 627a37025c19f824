# SPDX-License-Identifier: BSD-3-Clause
"""The guest connects to CID 2: programs on the host listen at <uds>_<port>."""

import contextlib
import os
import socket
import time

import pytest
from pylib.daemon import pattern
from pylib.vsock_codec import HOST_CID, Op, Type

KINDS = pytest.mark.parametrize("kind", list(Type), ids=lambda k: k.name.lower())


def refused(rig, guest, port, kind=Type.STREAM):
    """Connect; expect RST and nothing else."""
    conn = guest.connect(port, kind=kind)
    rig.until(lambda: conn.closed, "RST")
    assert conn.was_reset and conn.ops == [Op.RST]
    head = conn.log[0]
    assert (head.src_cid, head.src_port, head.type) == (HOST_CID, port, kind)


def refused_at_once(rig, guest, port, kind=Type.STREAM):
    """Refused without the two seconds of retries that a full backlog gets: an attempt at one, begun
    before, is still under way."""
    rig.full_server(79)
    try:
        slow = guest.connect(79)
        refused(rig, guest, port, kind)
        assert slow.state == "connecting"
    finally:
        os.unlink(rig.path(3, 79))


@KINDS
def test_connect(rig, kind):
    guest = rig.guest()
    server = rig.serve(80, kind=kind)
    conn = guest.connect(80, kind=kind)
    rig.until(lambda: conn.open and server.conns, "RESPONSE")
    head = conn.log[0]
    assert head.op == Op.RESPONSE and head.buf_alloc == 256 * 1024 and head.fwd_cnt == 0
    host = server.conns[0]
    conn.send(b"from guest")
    host.send(b"from host")
    if kind == Type.STREAM:
        rig.until(lambda: host.rx == b"from guest" and conn.rx == b"from host", "data")
    else:
        rig.until(
            lambda: host.messages == [b"from guest"] and conn.messages == [b"from host"], "messages"
        )


@pytest.mark.drops("host_refused")
@KINDS
def test_no_listener(rig, kind):
    """No socket there: RST at once, without the retries of a full backlog."""
    guest = rig.guest()
    refused_at_once(rig, guest, 81, kind)


@pytest.mark.drops("host_refused")
def test_stale_socket(rig):
    """A socket file without a listener."""
    guest = rig.guest()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(rig.path(3, 82))
    refused_at_once(rig, guest, 82)
    os.unlink(rig.path(3, 82))


@pytest.mark.parametrize(
    "what,reason",
    [
        pytest.param("file", "host_refused", marks=pytest.mark.drops("host_refused")),
        pytest.param("directory", "host_refused", marks=pytest.mark.drops("host_refused")),
        pytest.param("stream for seqpacket", "host_type", marks=pytest.mark.drops("host_type")),
        pytest.param("seqpacket for stream", "host_type", marks=pytest.mark.drops("host_type")),
        pytest.param("datagram", "host_type", marks=pytest.mark.drops("host_type")),
    ],
)
def test_not_a_socket_of_the_kind(rig, what, reason):
    """Refused at once; a listener of another type has a counter of its own."""
    before = rig.daemon.drops()
    guest = rig.guest()
    path = rig.path(3, 83)
    kind = Type.STREAM
    if what == "file":
        with open(path, "wb"):
            pass
    elif what == "directory":
        os.mkdir(path)
    elif what == "datagram":
        rig.keep(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)).bind(path)
    else:
        listens = Type.STREAM if what.startswith("stream") else Type.SEQPACKET
        kind = Type.SEQPACKET if what.startswith("stream") else Type.STREAM
        rig.serve(83, kind=listens)
    try:
        refused_at_once(rig, guest, 83, kind)
        after = rig.daemon.drops()
        changed = {r for r in after if after[r] != before[r]}
        # The attempt that is under way meanwhile may end as host_refused.
        assert reason in changed and changed <= {reason, "host_refused"}
    finally:
        if what == "directory":
            os.rmdir(path)
        elif not what.endswith(("stream", "seqpacket")):
            os.unlink(path)


@pytest.mark.drops("host_backlog")
def test_full_backlog(rig):
    """Tried again for 2 s, then RST; in the meantime the guest's other connections, another guest
    and new connections go on."""
    guest, other = rig.guest(3), rig.guest(4)
    host, conn = rig.guest_to_host(guest)
    rig.full_server(84)
    start = time.monotonic()
    waiting = [guest.connect(84) for _ in range(20)]
    while not any(c.closed for c in waiting):
        before = conn.rx_cnt
        host.send(b"p" * 100)
        rig.until(lambda: conn.rx_cnt - before == 100, "data meanwhile")
        rig.still_works(guest)
        rig.still_works(other)
        assert time.monotonic() - start < 30
        rig.loop.run(0.05)
    assert time.monotonic() - start > 1.5
    rig.until(lambda: all(c.closed for c in waiting), "RST to all")
    assert all(c.ops == [Op.RST] for c in waiting)
    os.unlink(rig.path(3, 84))


def test_full_backlog_that_clears(rig):
    """Room within the 2 s: the connection comes about."""
    guest = rig.guest()
    server, clients = rig.full_server(85)
    conn = guest.connect(85)
    rig.loop.run(0.5)
    assert conn.state == "connecting"
    server.settimeout(10)
    for _ in clients:
        server.accept()[0].close()
    rig.until(lambda: conn.open, "RESPONSE")
    peer = rig.keep(server.accept()[0])
    conn.send(b"late but there")
    peer.settimeout(20)
    rig.until(lambda: conn.guest.idle, "sent")
    assert peer.recv(100) == b"late but there"
    os.unlink(rig.path(3, 85))


def test_guest_gives_up_while_the_backlog_is_full(rig):
    """RST from the guest ends the retries; the same ports can be used again at once."""
    guest = rig.guest()
    server, _ = rig.full_server(86)
    server.setblocking(False)
    conn = guest.connect(86)
    rig.loop.run(0.1)
    conn.rst()
    again = guest.new_conn(conn.local_port, HOST_CID, 86)
    again.raw(Op.REQUEST)
    received = []

    def take():
        """Accept and read all that comes: the clients that filled the backlog, perhaps what is
        left of the first attempt, the second."""
        with contextlib.suppress(BlockingIOError):
            while True:
                peers.append(rig.keep(server.accept()[0]))
                peers[-1].setblocking(False)
        for peer in peers:
            with contextlib.suppress(BlockingIOError):
                received.append(peer.recv(100))
        return b"second" in received

    peers = []
    rig.until(lambda: take() or again.open, "RESPONSE")
    again.send(b"second")
    rig.until(take, "data")
    os.unlink(rig.path(3, 86))


def test_many_at_once(rig):
    """A burst of requests, each to be answered; descriptors are counted by the fixture."""
    guest = rig.guest()
    server = rig.serve(87, backlog=200)
    conns = [guest.connect(87) for _ in range(100)]
    rig.until(lambda: all(c.open for c in conns) and len(server.conns) == 100, "RESPONSEs")
    for i, conn in enumerate(conns):
        conn.send(pattern(500, i))
    rig.until(lambda: all(len(h.rx) == 500 for h in server.conns), "data")
    assert {bytes(h.rx) for h in server.conns} == {pattern(500, i) for i in range(100)}


def test_host_program_accepts_and_closes(rig):
    guest = rig.guest()
    server = rig.serve(88, setup=lambda host: host.close())
    conns = [guest.connect(88) for _ in range(20)]
    rig.until(lambda: all(c.closed for c in conns), "close")
    assert len(server.conns) == 20


def test_churn(rig):
    """Short connections one after the other, by the guest."""
    guest = rig.guest()
    server = rig.serve(89)
    for i in range(100):
        conn = guest.connect(89)
        conn.send(b"x")
        rig.until(lambda: len(server.conns) > i and server.conns[i].rx == b"x", "data")
        conn.shutdown(3)
        rig.until(lambda: conn.closed and server.conns[i].eof, "close")
        rig.loop.remove(server.conns[i])
        server.conns[i].close()
    assert not guest.conns


@pytest.mark.drops("no_host_path")
def test_no_host_side(launch):
    """A port without uds: RST at once."""
    rig = launch(uds=False)
    refused(rig, rig.guest(), 80)


def test_longest_path(launch):
    """The longest base path that is taken: that of every port derived from it fits."""
    rig = launch(name="x" * (96 - len("/tmp/vs12345678/")))
    assert len(rig.daemon.ports[3].uds) == 96
    guest = rig.guest()
    assert len(rig.path(3, 4294967290)) == 107
    rig.serve(4294967290)
    conn = guest.connect(4294967290)
    rig.until(lambda: conn.open, "connection")
    rig.still_works(guest)
