# SPDX-License-Identifier: BSD-3-Clause
"""What waits in the switch between two guests: it keeps its order and its bytes, and goes on."""

import pytest
from pylib.daemon import pattern
from pylib.vsock_codec import HEADER_LEN, Op


def test_rest_of_a_packet_in_one_segment(rig):
    """Header and 64 KiB in one segment; the last bytes wait, and start behind byte 65535 of it."""
    one = rig.guest(3)
    two = rig.guest(4, rx_shape=[HEADER_LEN + 65516], nb_rx=1)
    conn, peer = rig.guest_to_guest(one, two, buf_alloc=1 << 20)
    conn.shape = "together"
    data = pattern(65536)
    conn.raw(Op.RW, data)
    rig.until(lambda: len(peer.rx) == len(data), "data")
    assert peer.rx == data


def test_smaller_buffer_while_data_wait(rig):
    """A reader makes its buffer smaller than what waits for it, then reads all: the rest comes."""
    one, two = rig.guest(3), rig.guest(4)
    conn, peer = rig.guest_to_guest(one, two, setup=lambda c: setattr(c, "auto_read", False))
    sent = 0
    while peer.ops.count(Op.RW) < 256:  # as many packets as may wait in a guest
        conn.raw(Op.RW, pattern(200))
        sent += 200
        rig.until(lambda sent=sent: peer.rx_cnt == sent, "a packet")
    conn.raw(Op.RW, pattern(20_000))
    sent += 20_000
    rig.loop.steady(lambda: peer.rx_cnt < sent, "the last packet waits")
    peer.auto_credit = False
    peer.buf_alloc = sent - peer.rx_cnt - 2000
    peer.read()
    peer.credit_update()
    rig.until(lambda: peer.rx_cnt == sent, "what was accepted")


def test_answer_comes_before_data_and_reset(rig):
    """A connection is accepted, gets data and is reset while its guest has no receive buffers."""
    one, two = rig.guest(3, nb_rx=1), rig.guest(4)
    conn, peer = rig.guest_to_guest(one, two)
    one.hold_rx = True
    peer.send(b"x")  # takes the only buffer
    rig.until(lambda: conn.rx == b"x" and two.idle, "the first byte")
    listener = two.listen(5000)
    asked = one.connect(5000, cid=4)
    rig.until(lambda: listener.conns and two.idle, "REQUEST, and RESPONSE taken")
    before = rig.daemon.port(4)["from_guest_packets"]
    listener.conns[0].send(b"hello")
    listener.conns[0].rst()
    rig.until(lambda: rig.daemon.port(4)["from_guest_packets"] == before + 2, "data and RST taken")
    one.hold_rx = False
    one.repost()
    # Conn raises if data come before RESPONSE.
    rig.until(lambda: asked.closed, "RST")
    assert asked.ops in ([Op.RST], [Op.RESPONSE, Op.RW, Op.RST])


@pytest.mark.drops("linger_timeout")
def test_linger_time_out_between_guests(rig):
    """A guest resets connections whose last byte the other guest's programs do not take."""
    one, two = rig.guest(3), rig.guest(4)
    listener = two.listen(99, buf_alloc=1000, setup=lambda c: setattr(c, "auto_read", False))
    conns = [one.connect(99, cid=4) for _ in range(20)]
    rig.until(lambda: all(c.open for c in conns), "connections")
    for data in (b"x", b"y"):  # the window has room for one of them
        for conn in conns:
            conn.raw(Op.RW, data)
        rig.until(lambda: one.idle, "taken")
    for conn in conns:
        conn.rst()
    rig.until(lambda: not rig.daemon.port(4)["conns"], "the ends", timeout=90)
    rig.until(lambda: all(c.closed for c in listener.conns), "RST for each")
    assert all(c.rx == b"x" for c in listener.conns)
