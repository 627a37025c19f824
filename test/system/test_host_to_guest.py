# SPDX-License-Identifier: BSD-3-Clause
"""Host programs that connect to <uds> and ask for a port of the guest."""

import time

import pytest
from pylib.daemon import pattern
from pylib.host import HostConn
from pylib.vsock_codec import HOST_CID, Header, Op, Type

KINDS = pytest.mark.parametrize("kind", list(Type), ids=lambda k: k.name.lower())


def raw_host(rig, data=b"", kind=Type.STREAM):
    """A host connection that has written `data` and nothing else."""
    conn = HostConn(rig.host_socket(kind=kind), handshake=True)
    rig.hosts.append(rig.loop.add(conn))
    if data:
        conn.send(data)
    return conn


@KINDS
def test_connect(rig, kind):
    """REQUEST to the guest, OK with the host's port to the program, then data both ways."""
    guest = rig.guest()
    listener = guest.listen(1024, kind)
    host = rig.dial(1024, kind=kind)
    rig.until(lambda: host.established, "OK")
    head = listener.requests[0]
    assert (head.src_cid, head.dst_cid, head.dst_port, head.type) == (HOST_CID, 3, 1024, kind)
    assert head.src_port == host.ok
    assert head.buf_alloc == 256 * 1024 and head.fwd_cnt == 0
    conn = listener.conns[0]
    conn.send(b"from guest")
    host.send(b"from host")
    if kind == Type.STREAM:
        rig.until(lambda: host.rx == b"from guest" and conn.rx == b"from host", "data")
    else:
        rig.until(
            lambda: host.messages == [b"from guest"] and conn.messages == [b"from host"], "messages"
        )


@pytest.mark.parametrize("line", [b"CONNECT 1024\n", b"connect 1024\n", b"cOnNeCt 1024\n"])
def test_connect_in_any_case(rig, line):
    rig.guest().listen(1024)
    host = raw_host(rig, line)
    rig.until(lambda: host.established, "OK")


def test_connect_largest_port(rig):
    rig.guest().listen(0xFFFFFFFF - 1)
    host = rig.dial(0xFFFFFFFF - 1)
    rig.until(lambda: host.established, "OK")


def test_connect_in_single_bytes(rig):
    """Every split of the line at once: one byte per write."""
    rig.guest().listen(1024)
    host = raw_host(rig)
    for byte in b"CONNECT 1024\n":
        host.send(bytes([byte]))
        rig.loop.run(0.003)
    rig.until(lambda: host.established, "OK")


@pytest.mark.parametrize("nb_bytes", [1, 20, 32, 1000, 150_000])
def test_data_in_the_same_write(rig, nb_bytes):
    """Bytes after the line in the same write belong to the connection."""
    listener = rig.guest().listen(1024)
    data = pattern(nb_bytes)
    host = raw_host(rig, b"CONNECT 1024\n" + data)
    rig.until(lambda: host.established and len(listener.conns[0].rx) >= nb_bytes, "early data")
    assert listener.conns[0].rx == data


def test_data_before_ok(rig):
    """Data written while the guest thinks about the request arrives after its answer, and not
    before."""
    guest = rig.guest()
    listener = guest.listen(1024, accept=False)
    host = rig.dial(1024)
    data = pattern(300_000)
    host.send(data)
    rig.until(lambda: listener.requests, "REQUEST")
    rig.loop.run(0.1)
    assert len(listener.requests) == 1 and not guest.strays
    conn = guest.accept(listener.requests[0], listener)
    rig.until(lambda: len(conn.rx) >= len(data), "early data")
    assert conn.rx == data and host.established


def test_data_before_ok_and_end(rig):
    """The program writes all it has, shuts down and waits for the answer."""
    listener = rig.guest().listen(1024)
    data = pattern(100_000)
    host = raw_host(rig, b"CONNECT 1024\n" + data)
    host.finish_writing()
    rig.until(lambda: listener.conns and len(listener.conns[0].rx) >= len(data), "data")
    conn = listener.conns[0]
    assert conn.rx == data
    rig.until(lambda: conn.peer_shutdown == 2, "SHUTDOWN 2")
    conn.send(b"answer")
    rig.until(lambda: host.rx == b"answer", "answer")


BAD_LINES = [
    b"\n",
    b"CONNECT\n",
    b"CONNECT \n",
    b"CONNECT x\n",
    b"CONNECT -1\n",
    b"CONNECT 5x\n",
    b"CONNECT 4294967296\n",
    b"CONNECT 99999999999999999999\n",
    b"HELLO 1024\n",
    b"CONNECT1024\n",
    b"CONNECT 1 2\n",
    b"\0" * 10 + b"\n",
    b"CONNECT 1024" + b" " * 30 + b"\n",
    b"A" * 33,
    b"CONNECT 1024" + b"\0" * 100,
]


@pytest.mark.parametrize("line", BAD_LINES, ids=range(len(BAD_LINES)))
def test_bad_line(rig, line):
    """Closed at once, not after the time-out, and the guest hears nothing."""
    guest = rig.guest()
    guest.listen(1024)
    guest.listen(1)
    start = time.monotonic()
    host = raw_host(rig, line)
    rig.until(lambda: host.ended, "close")
    assert time.monotonic() - start < 8
    assert not host.established and not guest.log


@KINDS
def test_refused_by_the_guest(rig, kind):
    guest = rig.guest()
    host = rig.dial(1024, kind=kind)
    rig.until(lambda: host.ended, "close")
    assert not host.established
    assert [h.op for h in guest.strays] == [Op.REQUEST]


@KINDS
def test_no_guest(rig, kind):
    """Without a guest the socket is closed at once."""
    start = time.monotonic()
    host = rig.dial(1024, kind=kind)
    rig.until(lambda: host.ended, "close")
    assert not host.established and time.monotonic() - start < 8


def test_ports_of_the_host_are_distinct(rig):
    """Many connections at once, each with its own port and its own bytes."""
    guest = rig.guest()
    listener = guest.listen(1024)
    hosts = [rig.dial(1024) for _ in range(60)]
    rig.until(lambda: all(h.established for h in hosts), "OKs")
    assert len({h.ok for h in hosts}) == 60
    ends = {c.peer_port: c for c in listener.conns}
    for i, host in enumerate(hosts):
        host.send(pattern(2000, i))
        ends[host.ok].send(pattern(3000, -i))
    rig.until(
        lambda: all(len(h.rx) == 3000 for h in hosts)
        and all(len(c.rx) == 2000 for c in listener.conns),
        "data",
    )
    for i, host in enumerate(hosts):
        assert host.rx == pattern(3000, -i) and ends[host.ok].rx == pattern(2000, i)


def test_client_that_closes_without_a_word(rig):
    """No processor time and no descriptor is left with it."""
    rig.guest()
    for _ in range(50):
        rig.host_socket().close()
    silent = [raw_host(rig) for _ in range(10)]
    rig.loop.run(0.3)
    before = rig.daemon.cpu_seconds()
    rig.loop.run(1.0)
    assert rig.daemon.cpu_seconds() - before < 0.5
    for host in silent:
        host.close()


def test_client_that_closes_inside_the_line(rig):
    guest = rig.guest()
    guest.listen(1024)
    for text in (b"C", b"CONNECT 10", b"CONNECT 1024"):
        for _ in range(10):
            raw_host(rig, text).close()
    rig.loop.run(0.1)
    assert not guest.log
    rig.still_works(guest)


def test_unfinished_lines_are_bounded(rig):
    """128 programs of a guest that owe their line keep the next ones waiting, not lost; another
    guest's programs are not held up."""
    guest, other = rig.guest(3), rig.guest(4)
    guest.listen(1024)
    lazy = [raw_host(rig, b"CONN") for _ in range(128)]
    rig.loop.run(0.2)
    waiting = [rig.dial(1024) for _ in range(3)]
    rig.loop.run(0.3)
    assert not any(h.established for h in waiting)
    rig.still_works(other)
    lazy.pop().send(b"ECT 1024\n")
    lazy.pop().close()
    rig.until(lambda: all(h.established for h in waiting), "OKs")
    assert not any(h.ended for h in lazy)
    for host in lazy:
        host.send(b"ECT 1024\n")
    rig.until(lambda: all(h.ok for h in lazy), "OKs of the lazy ones")


@KINDS
def test_client_gone_before_the_response(rig, kind):
    """A late answer of the guest gets RST and has no other effect."""
    guest = rig.guest()
    listener = guest.listen(1024, kind, accept=False)
    for i in range(5):
        host = rig.dial(1024, kind=kind)
        rig.until(lambda: len(listener.requests) == i + 1, "REQUEST")
        host.close()
        rig.loop.run(0.02)
        head = listener.requests[-1]
        if any(h.op == Op.RST and h.src_port == head.src_port for h in guest.strays):
            continue
        conn = guest.accept(head, listener)
        rig.until(lambda: conn.closed, "the guest learns that the program is gone")
    rig.still_works(guest)


def test_client_gone_and_the_guest_refuses(rig):
    guest = rig.guest()
    listener = guest.listen(1024, accept=False)
    host = rig.dial(1024)
    rig.until(lambda: listener.requests, "REQUEST")
    host.close()
    head = listener.requests[0]
    guest.transmit(Header(3, HOST_CID, 1024, head.src_port, 0, Type.STREAM, Op.RST))
    rig.still_works(guest)


def test_connect_and_close_churn(rig):
    """Hundreds of short connections; descriptors are counted by the fixture."""
    guest = rig.guest()
    listener = guest.listen(1024)
    for _ in range(10):
        hosts = [rig.dial(1024) for _ in range(30)]
        rig.until(lambda: all(h.established for h in hosts), "OKs")
        for host in hosts:
            rig.loop.remove(host)
            host.close()
        rig.until(lambda: all(c.closed for c in listener.conns), "close")
    assert not guest.conns
