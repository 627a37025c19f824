# SPDX-License-Identifier: BSD-3-Clause
"""Guests that keep no more bytes in flight than their own receive buffer.  Linux does so since the
fix of CVE-2026-23086.  Credit must reach them before the daemon's own window is half used."""

import pytest
from pylib.daemon import pattern
from pylib.vsock_codec import Type

KIB = 1024
WINDOWS = ("4K", "64K", "256K", "16M")
DAEMONS = {
    window: {"cids": (3, 4), "port_args": {cid: {"buf_alloc": window} for cid in (3, 4)}}
    for window in WINDOWS
}
MAKERS = pytest.mark.parametrize("maker", ["host", "guest"])


def capped(rig, maker, own, kind=Type.STREAM):
    """A connection whose guest caps its credit: (host, conn)."""
    guest = rig.guest()

    def setup(conn):
        conn.capped = True

    if maker == "host":
        return rig.host_to_guest(guest, kind, buf_alloc=own, setup=setup)
    host, conn = rig.guest_to_host(guest, kind, buf_alloc=own)
    conn.capped = True
    return host, conn


@MAKERS
@pytest.mark.parametrize("own", [16 * KIB, 64 * KIB, 256 * KIB])
def test_transfer(rig, maker, own):
    """One direction after the other, because packets of the other direction carry credit, too."""
    host, conn = capped(rig, maker, own)
    data = pattern(1_500_000)
    conn.send(data)
    rig.until(lambda: len(host.rx) == len(data), "the guest's bytes")
    host.send(data)
    rig.until(lambda: len(conn.rx) == len(data), "the program's bytes")
    assert host.rx == data and conn.rx == data


@MAKERS
@pytest.mark.parametrize("share", [16, 2, 1])
def test_messages(rig, maker, share):
    """Messages of a part of the guest's buffer, while bytes before them were not reported yet."""
    host, conn = capped(rig, maker, 16 * KIB, Type.SEQPACKET)
    size = min(conn.peer_buf_alloc, conn.buf_alloc) // share
    messages = [pattern(size - i % 7) for i in range(100)]
    for message in messages:
        conn.send(message)
    rig.until(lambda: len(host.messages) == len(messages), "all messages")
    assert host.messages == messages


@MAKERS
def test_message_after_half_a_window(rig, maker):
    """Without a cap: a message that needs the credit of bytes which were read, but not reported."""
    guest = rig.guest()
    host, conn = (rig.host_to_guest if maker == "host" else rig.guest_to_host)(
        guest, Type.SEQPACKET
    )
    window = conn.peer_buf_alloc
    for size in (window // 2 - 100, window - 100, window // 3, window - 1):
        message = pattern(min(size, 60 * KIB))
        conn.send(message)
        rig.until(lambda: host.messages and host.messages[-1] == message, f"{size} bytes")


@MAKERS
def test_guest_makes_its_buffer_smaller(rig, maker):
    """More bytes are in flight than the smaller buffer allows, and none of them were reported."""
    host, conn = capped(rig, maker, 256 * KIB)
    window = min(conn.peer_buf_alloc, conn.buf_alloc)
    first = window * 2 // 5
    conn.send(pattern(first))
    rig.until(lambda: len(host.rx) == first, "the first bytes")
    conn.buf_alloc = window // 4
    conn.credit_update()
    conn.send(pattern(5 * window))
    rig.until(lambda: len(host.rx) == first + 5 * window, "the others")


def between_guests(rig, own, setup):
    """A connection from guest 3, which caps its credit, to guest 4: (one end, other end)."""
    one, two = rig.guest(3), rig.guest(4)
    listener = two.listen(99, Type.STREAM, setup=setup)
    conn = one.connect(99, cid=4, buf_alloc=own)
    conn.capped = True
    rig.until(lambda: conn.open, "connection")
    return conn, listener.conns[0]


def late(conn):
    """A receiver that reports late, as Linux does up to 6.7."""
    conn.late_credit = True


def transfer_between(rig, own):
    """The receiver reports only when its own buffer fills up, so the daemon has to ask it."""
    conn, peer = between_guests(rig, own, late)
    data = pattern(1_000_000)
    conn.send(data)
    rig.until(lambda: len(peer.rx) == len(data), "the transfer")
    assert peer.rx == data


@pytest.mark.parametrize("own", [16 * KIB, 64 * KIB, 192 * KIB])
def test_between_guests(rig, own):
    """On one lcore."""
    transfer_between(rig, own)


def test_between_guests_on_two_lcores(launch):
    """Across lcores."""
    rig = launch(
        cids=(3, 4),
        eal=("--lcores", "0@0,1@1,2@0"),
        port_args={3: {"lcore": 1}, 4: {"lcore": 2}},
    )
    transfer_between(rig, 64 * KIB)


def test_slow_reader_between_guests(rig):
    """A reader that pauses: the daemon does not ask all the time, and all arrives in the end."""

    def setup(conn):
        conn.late_credit = True
        conn.auto_read = False

    conn, peer = between_guests(rig, 64 * KIB, setup)
    data = pattern(300_000)
    conn.send(data)
    rig.until(lambda: len(peer.rx) == 64 * KIB, "the sender's buffer")
    seen = len(peer.log)
    rig.loop.run(1.0)
    assert len(peer.log) - seen < 40, "credit requests in one second"
    peer.auto_read = True
    peer.consumed(len(peer.rx))
    rig.until(lambda: len(peer.rx) == len(data), "the rest")
    assert peer.rx == data
