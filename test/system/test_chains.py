# SPDX-License-Identifier: BSD-3-Clause
"""Every shape of chain on both queues, with and without EVENT_IDX and indirect tables: the bytes
must come through exactly, in both directions, on connections made by either side."""

import pytest
from pylib import shapes
from pylib.daemon import pattern
from pylib.vsock_codec import MAX_PAYLOAD, Op

FEATURES = pytest.mark.parametrize("indirect", [False, True], ids=["direct", "indirect"])
EVENTS = pytest.mark.parametrize("event_idx", [False, True], ids=["flags", "event_idx"])


@pytest.mark.parametrize("maker", ["host", "guest"])
@FEATURES
@EVENTS
@pytest.mark.parametrize("rx_shape", shapes.RX)
def test_every_shape(rig, rx_shape, event_idx, indirect, maker):
    """All TX shapes with 64 KiB packets against one shape of RX buffers."""
    guest = rig.guest(rx_shape=rx_shape, event_idx=event_idx, indirect=indirect)
    host, conn = rig.pair(guest, maker)
    for shape in shapes.TX:
        conn.shape = shape
        rig.both_ways(
            conn, host, pattern(MAX_PAYLOAD + 1, shape), pattern(50_000, shape + "h"), shape
        )


@EVENTS
@pytest.mark.parametrize("ring_size", [2, 8, 256])
def test_ring_sizes(rig, ring_size, event_idx):
    """Rings that are full all the time, and one larger than what a burst takes."""
    guest = rig.guest(ring_size=ring_size, event_idx=event_idx, nb_rx=ring_size)
    host, conn = rig.host_to_guest(guest)
    conn.max_packet = 3000
    rig.both_ways(conn, host, pattern(200_000, 1), pattern(200_000, 2), "bulk")


@EVENTS
@pytest.mark.parametrize("base", [1, 0x7FFF, 0x8000, 0xFFFF])
def test_ring_index_wraps(rig, base, event_idx):
    """Rings that start near the wrap of the 16-bit index."""
    guest = rig.guest(base=base, event_idx=event_idx)
    host, conn = rig.host_to_guest(guest)
    rig.both_ways(conn, host, pattern(500_000, 1), pattern(500_000, 2), "bulk")


@pytest.mark.parametrize("nb_bytes", [1, 2, 43, 44, 45, 3731, 3732, 3733, 4096, 65535, 65536])
def test_packet_sizes(rig, nb_bytes):
    """Sizes around every border, one at a time."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    for shape in shapes.TX:
        conn.shape = shape
        rig.both_ways(conn, host, pattern(nb_bytes, shape), pattern(nb_bytes, shape + "h"), shape)


def test_many_small_packets(rig):
    """A burst of one-byte packets is a burst of one byte each."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    conn.max_packet = 1
    rig.both_ways(conn, host, pattern(2000, 1), pattern(2000, 2), "bytes")


def test_chain_longer_than_len(rig):
    """`len` counts: what the chain holds beyond it is ignored."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    for extra in (1, 100, 5000):
        head = conn.header(Op.RW, 10)
        conn.tx_cnt += 10
        guest.transmit(head, pattern(10) + bytes(extra), "apart")
    rig.until(lambda: len(host.rx) >= 30, "data")
    rig.loop.run(0.05)
    assert host.rx == pattern(10) * 3


def test_segments_of_no_length(rig):
    """Descriptors without bytes are ignored."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    queue = guest.queues[1]
    conn.tx_cnt += 10
    gpa = guest.mem.alloc(64)
    guest.mem.write(gpa, conn.header(Op.RW, 10).pack() + b"0123456789")
    queue.add(out=[(gpa, 0), (gpa, 44), (gpa, 0), (gpa + 44, 10), (gpa, 0)], token=[(gpa, 64)])
    queue.kick()
    rig.until(lambda: host.rx == b"0123456789", "data")


@EVENTS
def test_no_interrupts_when_not_wanted(rig, event_idx):
    """A guest that polls gets its data and no call."""
    guest = rig.guest(event_idx=event_idx, polled=True)
    listener = guest.listen(1024)
    host = rig.dial(1024)

    def wait(condition, what):
        rig.until(lambda: guest.work_all() or condition(), what)

    wait(lambda: host.established, "OK")
    wait(lambda: guest.idle, "RESPONSE taken")
    rig.loop.run(0.05)
    while any(q.take_call() for q in guest.queues):  # what start-up may have owed
        pass
    calls = [q.nb_calls for q in guest.queues]
    data = pattern(300_000)
    conn = listener.conns[0]
    host.send(data)
    conn.send(data)
    wait(lambda: len(conn.rx) == len(data) and len(host.rx) == len(data), "data")
    assert conn.rx == data and host.rx == data
    assert not any(q.take_call() for q in guest.queues)
    assert [q.nb_calls for q in guest.queues] == calls


@EVENTS
def test_notify_on_empty(rig, event_idx):
    """A guest that took it gets a call when its TX ring has run empty, wanted or not."""
    guest = rig.guest(event_idx=event_idx, notify_on_empty=True)
    host, conn = rig.host_to_guest(guest)
    queue = guest.queues[1]
    for i in range(5):
        while queue.take_call():
            pass
        queue.want_interrupts(False)
        calls = queue.nb_calls
        conn.send(b"x")
        rig.until(lambda: len(host.rx) == i + 1 and queue.nb_calls > calls, "call")


@EVENTS
def test_few_notifications(rig, event_idx):
    """At most one call for a burst: far fewer calls than packets in a bulk transfer."""
    guest = rig.guest(event_idx=event_idx, rx_shape="tiny")
    host, conn = rig.host_to_guest(guest)
    before = guest.queues[0].nb_calls
    packets = len(conn.log)
    host.send(pattern(40_000))
    rig.until(lambda: conn.rx_cnt == 40_000, "data")
    assert len(conn.log) - packets >= 2000
    assert guest.queues[0].nb_calls - before < 1000


def test_bulk(rig):
    """Megabytes both ways at the same time, byte-exact."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    rig.both_ways(conn, host, pattern(8 << 20, 1), pattern(8 << 20, 2), "bulk")


def test_two_connections_do_not_mix(rig):
    guest = rig.guest()
    pairs = [rig.pair(guest, maker) for maker in ("host", "guest") * 4]
    for i, (host, conn) in enumerate(pairs):
        host.send(pattern(300_000, f"h{i}"))
        conn.send(pattern(300_000, f"g{i}"))
    rig.until(
        lambda: all(len(h.rx) == 300_000 and len(c.rx) == 300_000 for h, c in pairs),
        "all data",
        timeout=60,
    )
    for i, (host, conn) in enumerate(pairs):
        assert conn.rx == pattern(300_000, f"h{i}") and host.rx == pattern(300_000, f"g{i}")
