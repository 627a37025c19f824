# SPDX-License-Identifier: BSD-3-Clause
"""When the daemon answers with RST, and when it must not."""

import pytest
from pylib.daemon import pattern
from pylib.vsock_codec import HOST_CID, Header, Op, Type

NO_CONN_OPS = [Op.RESPONSE, Op.SHUTDOWN, Op.RW, Op.CREDIT_UPDATE, Op.CREDIT_REQUEST]


def quiet(rig, guest):
    """Run until the guest's packets are taken and any answer had its time."""
    rig.until(lambda: guest.idle, "taken")
    rig.loop.run(0.05)


def one_rst(rig, guest, head):
    """Exactly one RST must answer `head`."""
    rig.until(lambda: guest.strays, "RST")
    quiet(rig, guest)
    assert len(guest.strays) == 1
    rst = guest.strays.pop()
    assert rst.op == Op.RST and rst.len == 0 and rst.flags == 0
    assert (rst.src_cid, rst.src_port, rst.dst_port) == (head.dst_cid, head.dst_port, head.src_port)
    assert rst.type == head.type


@pytest.mark.drops("no_conn")
@pytest.mark.parametrize("kind", list(Type), ids=lambda k: k.name.lower())
@pytest.mark.parametrize("op", NO_CONN_OPS, ids=lambda o: o.name.lower())
def test_operation_outside_of_a_connection(rig, op, kind):
    guest = rig.guest()
    payload = b"lost" if op == Op.RW else b""
    head = Header(3, HOST_CID, 1111, 2222, len(payload), kind, op, 3 if op == Op.SHUTDOWN else 0)
    guest.transmit(head, payload)
    one_rst(rig, guest, head)
    rig.still_works(guest)


def test_rst_is_never_answered(rig):
    """Not for an unknown connection, not for an unknown CID, not with an unknown type."""
    guest = rig.guest()
    for kind in (1, 2, 3, 0, 0xFFFF):
        for cid in (0, 1, 2, 3, 4, 99, 2**32 - 1, 2**32 + 2, 2**64 - 1):
            guest.transmit(Header(3, cid, 1111, 2222, 0, kind, Op.RST))
    quiet(rig, guest)
    assert not guest.log
    rig.still_works(guest)


@pytest.mark.drops("bad_type")
@pytest.mark.parametrize("kind", [0, 3, 4, 0x101, 0xFFFF])
@pytest.mark.parametrize("op", [Op.REQUEST, Op.RW], ids=lambda o: o.name.lower())
def test_unknown_type(rig, kind, op):
    guest = rig.guest()
    rig.serve(91)
    payload = b"x" if op == Op.RW else b""
    head = Header(3, HOST_CID, 1111, 91, len(payload), kind, op)
    guest.transmit(head, payload)
    one_rst(rig, guest, head)


@pytest.mark.drops("bad_op")
@pytest.mark.parametrize("op", [0, 8, 255, 0xFFFF])
def test_unknown_operation(rig, op):
    guest = rig.guest()
    head = Header(3, HOST_CID, 1111, 2222, 0, Type.STREAM, op)
    guest.transmit(head)
    one_rst(rig, guest, head)
    rig.still_works(guest)


@pytest.mark.drops("bad_op")
def test_unknown_operation_on_a_connection(rig):
    """The connection is reset, both its ends learn of it."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    conn.raw(77)
    rig.until(lambda: conn.closed or guest.strays, "RST")
    rig.still_works(guest)
    if conn.closed:
        rig.until(lambda: host.ended, "end")


@pytest.mark.drops("unknown_cid")
@pytest.mark.parametrize("cid", [0, 1, 5, 99, 2**32 - 2, 2**32 - 1])
def test_unknown_cid(rig, cid):
    """A connection to an unknown CID is refused at once."""
    guest = rig.guest()
    head = Header(3, cid, 1111, 2222, 0, Type.STREAM, Op.REQUEST, buf_alloc=1000)
    guest.transmit(head)
    one_rst(rig, guest, head)
    rig.still_works(guest)


def test_own_cid(rig):
    """A guest that connects to itself through the switch: refused or served, never left hanging."""
    guest = rig.guest()
    listener = guest.listen(90)
    conn = guest.connect(90, cid=3)
    rig.until(lambda: conn.closed or conn.open, "an answer")
    if conn.open:
        peer = listener.conns[0]
        conn.send(pattern(100_000, 1))
        peer.send(pattern(100_000, 2))
        rig.until(lambda: len(peer.rx) == 100_000 and len(conn.rx) == 100_000, "data")
        assert peer.rx == pattern(100_000, 1) and conn.rx == pattern(100_000, 2)
    same = guest.new_conn(90, 3, 90)  # both ends would have the same address pair
    same.raw(Op.REQUEST)
    guest.listeners.clear()
    rig.until(lambda: same.closed or guest.strays, "an answer")
    rig.still_works(guest)


@pytest.mark.parametrize("cid", [2**32 + 2, 2**32 + 4, 2**63 + 2, 2**64 - 1])
def test_cid_with_upper_bits(rig, cid):
    """The reserved half of a CID is not ignored: no guest is reached."""
    guest, other = rig.guest(3), rig.guest(4)
    server = rig.serve(92)
    listener = other.listen(92)
    guest.transmit(Header(3, cid, 1111, 92, 0, Type.STREAM, Op.REQUEST, buf_alloc=1000))
    quiet(rig, guest)
    assert not server.conns and not listener.requests
    assert all(h.op == Op.RST for h in guest.log)
    rig.still_works(guest)


@pytest.mark.drops("bad_src_cid")
@pytest.mark.parametrize("cid", [0, 2, 4, 2**32 + 3])
def test_wrong_source_cid(rig, cid):
    """A foreign source CID is counted, and opens no connection."""
    guest, other = rig.guest(3), rig.guest(4)
    host, conn = rig.guest_to_host(other)
    server = rig.serve(93)
    guest.transmit(Header(cid, HOST_CID, 1111, 93, 0, Type.STREAM, Op.REQUEST, buf_alloc=1000))
    guest.transmit(Header(cid, HOST_CID, conn.local_port, conn.peer_port, 0, Type.STREAM, Op.RST))
    guest.transmit(
        Header(cid, HOST_CID, conn.local_port, conn.peer_port, 4, Type.STREAM, Op.RW), b"evil"
    )
    quiet(rig, guest)
    assert not server.conns and not other.strays
    conn.send(b"good")
    rig.until(lambda: len(host.rx) >= 4, "data")
    assert host.rx == b"good" and conn.open


@pytest.mark.drops("bad_state")
def test_request_on_an_open_connection(rig):
    guest = rig.guest()
    host, conn = rig.guest_to_host(guest)
    conn.raw(Op.REQUEST)
    rig.until(lambda: conn.closed and host.ended, "RST")
    rig.still_works(guest)


@pytest.mark.drops("bad_state")
def test_response_on_an_open_connection(rig):
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    conn.raw(Op.RESPONSE)
    rig.until(lambda: conn.closed and host.ended, "RST")
    rig.still_works(guest)


@pytest.mark.drops("bad_state")
@pytest.mark.parametrize("op", [Op.REQUEST, Op.RW, Op.SHUTDOWN], ids=lambda o: o.name.lower())
def test_out_of_place_before_the_response(rig, op):
    """The host's request is open and the guest sends something else than an answer to it."""
    guest = rig.guest()
    listener = guest.listen(1024, accept=False)
    host = rig.dial(1024)
    rig.until(lambda: listener.requests, "REQUEST")
    head = listener.requests[0]
    payload = b"early" if op == Op.RW else b""
    guest.transmit(
        Header(
            3,
            HOST_CID,
            1024,
            head.src_port,
            len(payload),
            Type.STREAM,
            op,
            3 if op == Op.SHUTDOWN else 0,
            1000,
        ),
        payload,
    )
    rig.until(lambda: host.ended and guest.strays, "both learn of it")
    assert guest.strays[0].op == Op.RST and not host.rx and not host.established
    rig.still_works(guest)


@pytest.mark.drops("bad_type")
def test_type_differs_from_the_connections(rig):
    """Seqpacket data on a stream."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    guest.conns.clear()
    head = conn.header(Op.RW, 5).but(type=Type.SEQPACKET, flags=1)
    guest.transmit(head, b"wrong")
    rig.until(lambda: guest.strays, "RST")
    assert guest.strays[0].op == Op.RST and not host.rx and not host.messages
    rig.still_works(guest)


def test_payload_on_an_operation_without(rig):
    """The payload of anything but RW goes nowhere."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    for op in (Op.CREDIT_UPDATE, Op.CREDIT_REQUEST):
        if conn.open:
            guest.transmit(conn.header(op, 100), bytes(100))
    rig.until(lambda: guest.idle, "taken")
    rig.loop.run(0.05)
    assert not host.rx
    rig.still_works(guest)


def test_stale_bytes_after_a_reset(rig):
    """A connection ends with its data on the way to the guest: the buffers serve the next packets,
    with nothing of the old ones in them (guest.py checks every byte past the used length)."""
    guest = rig.guest(nb_rx=4)
    for _ in range(10):
        host, conn = rig.host_to_guest(guest)
        guest.hold_rx = True
        host.send(pattern(50_000))
        rig.loop.run(0.02)
        conn.rst()
        conn2 = guest.connect(9)
        guest.hold_rx = False
        guest.repost()
        rig.until(lambda: conn2.closed and host.ended, "RST")
    rig.still_works(guest)


@pytest.mark.drops("conn_limit")
def test_too_many_connections(launch):
    """max_conns of the port: the next one is refused, the others go on, and room is used again."""
    rig = launch(port_args={3: {"max_conns": 8}})
    guest = rig.guest()
    pairs = [rig.pair(guest, maker) for maker in ("host", "guest") * 4]
    rig.serve(94)
    conn = guest.connect(94)
    rig.until(lambda: conn.closed, "RST")
    guest.listen(95)
    host = rig.dial(95)
    rig.until(lambda: host.ended, "close")
    assert not host.established
    for host, conn in pairs:
        host.send(b"x")
        conn.send(b"y")
    rig.until(lambda: all(h.rx and c.rx for h, c in pairs), "data")
    host, conn = pairs[0]
    host.close()
    rig.until(lambda: conn.closed and guest.idle, "close")
    rig.still_works(guest)


def test_burst_of_resets(rig):
    """More packets that need an RST than there are buffers for the answers: every one is answered,
    and the guest's TX queue waits for the answers to drain."""
    guest = rig.guest(nb_rx=1)
    nb_packets = 500
    for i in range(nb_packets):
        guest.transmit(Header(3, HOST_CID, 10_000 + i, 2222, 0, Type.STREAM, Op.CREDIT_UPDATE))
    rig.until(lambda: len(guest.strays) >= nb_packets, "answers")
    assert {h.dst_port for h in guest.strays} == set(range(10_000, 10_000 + nb_packets))
    assert all(h.op == Op.RST for h in guest.strays)
    rig.still_works(guest)
