# SPDX-License-Identifier: BSD-3-Clause
"""Guests that talk to each other through one daemon: on one lcore, and across two."""

import pytest
from pylib import shapes
from pylib.daemon import pattern
from pylib.rig import THREE_CIDS, THREE_GUESTS
from pylib.vsock_codec import MAX_PAYLOAD, Op, Shutdown, Type

DAEMONS = THREE_GUESTS
KINDS = pytest.mark.parametrize("kind", list(Type), ids=lambda k: k.name.lower())


@KINDS
def test_connect(rig, kind):
    a, b = rig.guest(3), rig.guest(4)
    one, two = rig.guest_to_guest(a, b, kind)
    head = two.log[0]
    assert (head.src_cid, head.dst_cid, head.type) == (3, 4, kind)
    assert head.buf_alloc == one.buf_alloc
    one.send(b"to b")
    two.send(b"to a")
    if kind == Type.STREAM:
        rig.until(lambda: two.rx == b"to b" and one.rx == b"to a", "data")
    else:
        rig.until(lambda: two.messages == [b"to b"] and one.messages == [b"to a"], "messages")


@pytest.mark.parametrize("indirect", [False, True], ids=["direct", "indirect"])
@pytest.mark.parametrize("event_idx", [False, True], ids=["flags", "event_idx"])
@pytest.mark.parametrize("rx_shape", shapes.RX)
def test_every_shape(rig, rx_shape, event_idx, indirect):
    """All TX shapes of 64 KiB packets into one shape of RX buffers: each piece has a header of its
    own that tells the truth (guest.py checks it)."""
    a = rig.guest(3, event_idx=event_idx, indirect=indirect, rx_shape="apart_4096")
    b = rig.guest(4, event_idx=not event_idx, indirect=indirect, rx_shape=rx_shape)
    one, two = rig.guest_to_guest(a, b)
    for shape in shapes.TX:
        one.shape = two.shape = shape
        rig.both_ways(
            one, two, pattern(MAX_PAYLOAD + 1, shape), pattern(20_000, shape + "b"), shape
        )


def test_bulk_both_ways(rig):
    a, b = rig.guest(3), rig.guest(4)
    one, two = rig.guest_to_guest(a, b)
    rig.both_ways(one, two, pattern(8 << 20, 1), pattern(8 << 20, 2))


def test_order_of_mixed_sizes(rig):
    """Small and large packets keep their order."""
    a, b = rig.guest(3), rig.guest(4)
    one, two = rig.guest_to_guest(a, b)
    sizes = [1, 65536, 3, 3732, 3733, 100, 40_000, 2] * 15
    data = pattern(sum(sizes))
    at = 0
    for size in sizes:
        one.send(data[at : at + size])
        at += size
    rig.until(lambda: len(two.rx) == len(data), "data")
    assert two.rx == data


def test_many_connections_between_three(rig):
    """Every pair of three guests in both directions at the same time, and the host too."""
    guests = [rig.guest(cid) for cid in THREE_CIDS]
    ends = []
    for a in guests:
        for b in guests:
            if a is not b:
                ends += [rig.guest_to_guest(a, b) for _ in range(3)]
        ends.append(rig.host_to_guest(a))
    for i, (one, two) in enumerate(ends):
        one.send(pattern(150_000, f"{i}>"))
        two.send(pattern(150_000, f"{i}<"))
    rig.until(
        lambda: all(len(o.rx) == 150_000 and len(t.rx) == 150_000 for o, t in ends),
        "data",
        timeout=60,
    )
    for i, (one, two) in enumerate(ends):
        assert two.rx == pattern(150_000, f"{i}>") and one.rx == pattern(150_000, f"{i}<")


def test_credit_is_end_to_end(rig):
    """The receiving guest's window is kept, although the switch could buffer more."""
    a, b = rig.guest(3), rig.guest(4)

    def unread(conn):
        conn.auto_read = False

    one, two = rig.guest_to_guest(a, b, buf_alloc=10_000, setup=unread)
    data = pattern(55_000)
    one.send(data)
    got = bytearray()
    while len(got) < len(data):
        rig.until(lambda: two.rx, "more")
        got += two.read()
    assert got == data


def test_credit_request_between_guests(rig):
    """The other guest answers it, or the switch with the other guest's values."""
    a, b = rig.guest(3), rig.guest(4)
    one, two = rig.guest_to_guest(a, b)
    one.send(b"x" * 777)
    rig.until(lambda: two.rx_cnt == 777, "data")
    one.raw(Op.CREDIT_REQUEST)
    rig.until(lambda: one.ops.count(Op.CREDIT_UPDATE), "CREDIT_UPDATE")
    head = [h for h in one.log if h.op == Op.CREDIT_UPDATE][-1]
    assert head.buf_alloc == two.buf_alloc and head.fwd_cnt == 777


@pytest.mark.drops("over_credit")
def test_past_the_other_guests_credit(rig):
    """RST to both; the receiver never sees more than it has room for."""
    a, b = rig.guest(3), rig.guest(4)

    def unread(conn):
        conn.auto_read = False

    one, two = rig.guest_to_guest(a, b, buf_alloc=10_000, setup=unread)
    for _ in range(4):
        if one.open:
            one.raw(Op.RW, bytes(5_000))
            rig.loop.run(0.02)
    rig.until(lambda: one.closed and two.closed, "RST to both")
    assert two.rx_cnt <= 10_000


@KINDS
def test_refused_port(rig, kind):
    a, b = rig.guest(3), rig.guest(4)
    conn = a.connect(7, cid=4, kind=kind)
    rig.until(lambda: conn.closed, "RST")
    assert conn.ops == [Op.RST]
    assert [h.op for h in b.strays] == [Op.REQUEST]
    assert not a.strays


@pytest.mark.drops("no_guest")
def test_no_guest_there(rig):
    a = rig.guest(3)
    conn = a.connect(7, cid=4)
    rig.until(lambda: conn.closed, "RST")
    assert conn.ops == [Op.RST]


@pytest.mark.drops("connect_timeout")
def test_guest_that_does_not_answer(rig, request):
    """The other guest is silent: RST after the timeout, and a late answer is ignored."""
    if "two_lcores" in request.node.name:
        pytest.skip("the time-out is the same on two lcores; once is enough")
    a, b = rig.guest(3), rig.guest(4)
    listener = b.listen(7, accept=False)
    conn = a.connect(7, cid=4)
    rig.until(lambda: conn.closed, "RST", timeout=30)
    late = b.accept(listener.requests[0], listener)
    rig.until(lambda: late.closed, "RST for the late answer")
    assert not a.strays


def test_half_close_is_passed_on(rig):
    a, b = rig.guest(3), rig.guest(4)
    one, two = rig.guest_to_guest(a, b)
    data = pattern(300_000)
    one.send(data)
    one.shutdown(Shutdown.SEND)
    rig.until(lambda: two.peer_shutdown == Shutdown.SEND, "SHUTDOWN 2")
    assert two.rx == data and two.open
    two.send(data)
    rig.until(lambda: len(one.rx) == len(data), "the other direction")
    two.shutdown(Shutdown.BOTH)
    rig.until(lambda: one.closed and two.closed, "close")
    assert one.rx == data
    rig.loop.run(0.05)
    assert not a.strays and not b.strays


def test_guest_shuts_its_receiving(rig):
    a, b = rig.guest(3), rig.guest(4)
    one, two = rig.guest_to_guest(a, b)
    one.shutdown(Shutdown.RCV)
    rig.until(lambda: two.peer_shutdown == Shutdown.RCV, "SHUTDOWN 1")
    one.send(b"goes on")
    rig.until(lambda: two.rx == b"goes on", "data")


@KINDS
def test_reset_is_passed_on(rig, kind):
    a, b = rig.guest(3), rig.guest(4)
    one, two = rig.guest_to_guest(a, b, kind)
    one.rst()
    rig.until(lambda: two.closed, "RST")
    assert two.was_reset
    rig.loop.run(0.05)
    assert not a.strays and not b.strays
    one, two = rig.guest_to_guest(a, b, kind)
    two.rst()
    rig.until(lambda: one.closed and one.was_reset, "RST")
    rig.loop.run(0.05)
    assert not a.strays and not b.strays


def test_same_ports_again_after_a_reset(rig):
    """RST and REQUEST of the same ports in one burst."""
    a, b = rig.guest(3), rig.guest(4)
    listener = b.listen(7)
    for i in range(20):
        conn = a.new_conn(5555, 4, 7)
        conn.raw(Op.REQUEST)
        rig.until(lambda: conn.open, "RESPONSE")
        conn.send(b"%d" % i)
        rig.until(lambda: listener.conns[-1].rx == b"%d" % i, "data")
        conn.rst()
        rig.until(lambda: listener.conns[-1].closed, "RST")


@KINDS
def test_messages_keep_their_borders(rig, kind):
    """Seqpacket: pieces without EOM but the last; streams: no flags at all."""
    a, b = rig.guest(3), rig.guest(4)
    one, two = rig.guest_to_guest(a, b, kind)
    sizes = [1, 3732, 3733, 65536, 65537, 200_000]
    for size in sizes:
        one.send(pattern(size, size), None if kind == Type.STREAM else 3)
    if kind == Type.STREAM:
        rig.until(lambda: len(two.rx) == sum(sizes), "data")
        return
    rig.until(lambda: len(two.messages) == len(sizes), "messages")
    assert two.messages == [pattern(size, size) for size in sizes]
    assert two.message_flags == [3] * len(sizes)


def test_stop_and_resume_between_guests(rig):
    """One of the two stops its rings in the middle of a transfer and goes on."""
    a, b = rig.guest(3), rig.guest(4)
    one, two = rig.guest_to_guest(a, b)
    data = pattern(1 << 20)
    one.send(data)
    two.send(data)
    for guest in (b, a, b):
        rig.loop.run(0.01)
        guest.stop_rings()
        guest.work_all()
        rig.loop.run(0.02)
        guest.start_rings()
    rig.until(lambda: len(two.rx) == len(data) and len(one.rx) == len(data), "data")
    assert two.rx == data and one.rx == data


GROUPS = {
    "cids": (3, 4, 5, 6),
    "port_args": {3: {"groups": "a"}, 4: {"groups": "a+b"}, 5: {"groups": "b"}, 6: {}},
}


@pytest.mark.drops("not_in_group")
def test_groups(launch):
    """Guests reach each other only when they share a group; all reach the host."""
    rig = launch(**GROUPS)
    guests = {cid: rig.guest(cid) for cid in GROUPS["cids"]}
    allowed = {(3, 4), (4, 3), (4, 5), (5, 4)}
    for one, a in guests.items():
        for two, b in guests.items():
            if one == two:
                continue
            if (one, two) in allowed:
                rig.guest_to_guest(a, b)
                continue
            b.listen(7)
            conn = a.connect(7, cid=two)
            rig.until(lambda conn=conn: conn.closed, f"{one} may not reach {two}")
            assert conn.ops == [Op.RST] and not b.listeners[7, Type.STREAM].requests
        rig.still_works(a)


@pytest.mark.drops("conn_limit")
def test_limit_of_the_other_guest(launch):
    rig = launch(cids=(3, 4), port_args={4: {"max_conns": 4}})
    a, b = rig.guest(3), rig.guest(4)
    b.listen(7)
    conns = [a.connect(7, cid=4) for _ in range(6)]
    rig.until(lambda: all(c.open or c.closed for c in conns), "answers")
    assert sum(c.open for c in conns) == 4
