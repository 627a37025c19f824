# SPDX-License-Identifier: BSD-3-Clause
"""Guests that take nothing, or vanish, and what their peers feel of it."""

import pytest
from pylib.daemon import pattern, sanitized
from pylib.rig import THREE_CIDS, THREE_GUESTS
from pylib.vsock_codec import Op, Type

DAEMONS = THREE_GUESTS


@pytest.mark.drops("guest_gone")
def test_guest_vanishes(rig):
    """Its peers' connections are reset; theirs to others go on."""
    a, b, c = (rig.guest(cid) for cid in THREE_CIDS)
    ends = [rig.guest_to_guest(a, b) for _ in range(5)]
    ends += [tuple(reversed(rig.guest_to_guest(b, a))) for _ in range(5)]
    to_c, from_a = rig.guest_to_guest(a, c)
    for one, two in ends:
        one.send(bytes(20_000))
        two.send(bytes(20_000))
    rig.unplug(b)
    rig.until(lambda: all(one.closed for one, _ in ends), "RST to all")
    assert all(one.was_reset for one, _ in ends)
    rig.both_ways(to_c, from_a, pattern(100_000, 1), pattern(100_000, 2))
    b = rig.guest(4)
    one, two = rig.guest_to_guest(a, b)
    rig.both_ways(one, two, pattern(100_000, 1), pattern(100_000, 2))


@pytest.mark.drops("guest_gone")
def test_guest_vanishes_with_loans(rig):
    """The sender goes while the receiver has its packets in hand and takes nothing."""
    a, b, c = (rig.guest(cid) for cid in THREE_CIDS)
    ends = [rig.guest_to_guest(a, b) for _ in range(8)]
    b.hold_rx = True
    for one, _ in ends:
        one.send(pattern(200_000))
    rig.loop.run(0.1)
    rig.unplug(a)
    rig.still_works(c)
    b.hold_rx = False
    b.repost()
    rig.until(lambda: all(two.closed for _, two in ends), "RST to all")
    for _, two in ends:
        assert pattern(200_000).startswith(bytes(two.rx))
    rig.still_works(b)


@pytest.mark.drops("guest_gone")
def test_slow_guest_vanishes(rig):
    """The receiver goes while it holds the sender's packets: they come back."""
    a, b, c = (rig.guest(cid) for cid in THREE_CIDS)
    ends = [rig.guest_to_guest(a, b) for _ in range(8)]
    b.hold_rx = True
    for one, _ in ends:
        one.send(pattern(200_000))
    rig.loop.run(0.1)
    rig.unplug(b)
    rig.until(lambda: all(one.closed for one, _ in ends), "RST to all")
    rig.until(lambda: a.idle, "all chains are back")
    one, two = rig.guest_to_guest(a, c)
    rig.both_ways(one, two, pattern(100_000, 1), pattern(100_000, 2))


def test_slow_guest_stalls_nobody_else(rig):
    """A guest stops taking packets: the sender's other connections, to the host and to a third
    guest, go on; when it takes them again, every byte is there."""
    a, b, c = (rig.guest(cid) for cid in THREE_CIDS)
    one, two = rig.guest_to_guest(a, b)
    other, third = rig.guest_to_guest(a, c)
    host, conn = rig.host_to_guest(a)
    b.hold_rx = True
    data = pattern(250_000)
    one.send(data)
    rig.loop.run(0.1)
    for i in range(5):
        rig.both_ways(other, third, pattern(200_000, i), pattern(200_000, -i), "third guest")
        rig.both_ways(host, conn, pattern(200_000, i), pattern(200_000, -i), "host")
    b.hold_rx = False
    b.repost()
    rig.until(lambda: len(two.rx) == len(data) or two.closed, "the slow one's data")
    assert two.rx == data
    rig.both_ways(one, two, pattern(100_000, 1), pattern(100_000, 2))


@pytest.mark.drops("pair_limit")
def test_slow_guest_is_bounded(rig):
    """A guest that says it has room for gigabytes and takes nothing: what waits for it is bounded,
    its connections are reset past that, and the daemon stays small."""
    a, b, c = (rig.guest(cid) for cid in THREE_CIDS)
    ends = [rig.guest_to_guest(a, b, buf_alloc=1 << 30) for _ in range(4)]
    other, third = rig.guest_to_guest(a, c)
    b.hold_rx = True
    before = rig.daemon.resident()
    block = pattern(1 << 20)
    for _ in range(64):
        for one, _ in ends:
            if one.open and len(one.out) < 2:
                one.send(block)
        rig.loop.run(0.02)
        if any(one.closed for one, _ in ends):
            break
    rig.until(lambda: any(one.closed for one, _ in ends), "a reset")
    assert sanitized() or rig.daemon.resident() - before < 64 << 20
    rig.both_ways(other, third, pattern(100_000, 1), pattern(100_000, 2))
    for one, _ in ends:
        one.out.clear()
    b.hold_rx = False
    b.repost()
    rig.until(lambda: all(two.closed for one, two in ends if one.closed), "RST to the slow one")
    one, two = rig.guest_to_guest(a, b)
    rig.both_ways(one, two, pattern(100_000, 1), pattern(100_000, 2))


@pytest.mark.drops("late")
def test_packets_behind_a_reset_on_its_way(rig):
    """The receiver of a reset does not know yet and goes on sending: dropped, not answered."""
    a, b = rig.guest(3), rig.guest(4)
    one, two = rig.guest_to_guest(a, b)
    b.hold_rx = True
    one.send(pattern(250_000))
    rig.until(lambda: not b.queues[0].chains, "the slow one's buffers are full")
    rig.loop.run(0.05)
    one.out.clear()
    one.rst()
    rig.loop.run(0.1)  # the last packet may still be a loan of the slow one
    for _ in range(5):
        two.raw(Op.RW, b"too late")
    rig.until(lambda: b.idle, "taken")
    b.hold_rx = False
    b.repost()
    rig.until(lambda: two.closed, "RST")
    assert two.was_reset and pattern(250_000).startswith(bytes(two.rx))
    rig.loop.run(0.05)
    assert not a.strays


def test_same_ports_while_the_reset_is_on_its_way(rig):
    """The pair of ports is free, though the other guest has not seen the RST: it gets the RST, and
    the REQUEST behind it, and nothing of the old connection in between."""
    a, b = rig.guest(3), rig.guest(4)
    one, two = rig.guest_to_guest(a, b)
    b.hold_rx = True
    one.send(pattern(250_000))
    rig.until(lambda: not b.queues[0].chains, "the slow one's buffers are full")
    rig.loop.run(0.05)
    one.out.clear()
    one.rst()
    again = a.new_conn(one.local_port, 4, one.peer_port)
    again.raw(Op.REQUEST)
    rig.until(lambda: a.idle, "both are taken")
    b.hold_rx = False
    b.repost()
    rig.until(lambda: two.closed and again.open, "RST, and the new connection")
    again.send(b"anew")
    _, new = b.listeners[one.peer_port, Type.STREAM].conns
    rig.until(lambda: new.rx == b"anew", "the new connection's bytes")


def test_no_buffers_at_all(rig):
    """A guest that posts not a single buffer; the sender's ring is not held by it for ever."""
    a, b, c = (rig.guest(cid) for cid in THREE_CIDS)
    b.hold_rx = True
    while b.queues[0].chains:
        conn = a.connect(9, cid=4)
        rig.until(lambda: len(b.strays) > 0 and a.idle, "a buffer used up")
        b.strays.clear()
    waiting = [a.connect(9, cid=4) for _ in range(300)]
    rig.still_works(c)
    rig.until(lambda: a.idle, "the sender's ring is free")
    rig.still_works(a)
    b.hold_rx = False
    b.repost()
    rig.until(lambda: all(w.closed for w in waiting) and conn.closed, "answers")
