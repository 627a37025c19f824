# SPDX-License-Identifier: BSD-3-Clause
"""Seqpacket between guest and host: messages keep their borders, or the connection ends."""

import socket

import pytest
from pylib import shapes
from pylib.daemon import pattern
from pylib.vsock_codec import MAX_PAYLOAD, Op, Seq, Shutdown, Type

SEQ = Type.SEQPACKET
MAKERS = pytest.mark.parametrize("maker", ["host", "guest"])
SIZES = [1, 43, 44, 3731, 3732, 3733, 65535, 65536, 65537, 150_000]


@MAKERS
@pytest.mark.parametrize("rx_shape", shapes.RX)
def test_messages(rig, rx_shape, maker):
    """Borders and bytes in both directions; EOM on the last piece only (guest.py assembles)."""
    guest = rig.guest(rx_shape=rx_shape)
    host, conn = rig.pair(guest, maker, kind=SEQ)
    for size in SIZES:
        host.send(pattern(size, f"h{size}"))
        conn.send(pattern(size, f"g{size}"))
    rig.until(
        lambda: len(host.messages) == len(SIZES) and len(conn.messages) == len(SIZES), "messages"
    )
    assert host.messages == [pattern(s, f"g{s}") for s in SIZES]
    assert conn.messages == [pattern(s, f"h{s}") for s in SIZES]
    assert all(f & Seq.EOM for f in conn.message_flags)


@pytest.mark.parametrize("shape", shapes.TX)
def test_messages_in_every_tx_shape(rig, shape):
    guest = rig.guest(tx_shape=shape)
    host, conn = rig.host_to_guest(guest, kind=SEQ)
    for size in SIZES:
        conn.send(pattern(size, size))
    rig.until(lambda: len(host.messages) == len(SIZES), "messages")
    assert host.messages == [pattern(s, s) for s in SIZES]


@pytest.mark.parametrize("packet", [1, 10, 1000])
def test_message_in_many_packets(rig, packet):
    """One message, one send to the program, however many packets it came in."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest, kind=SEQ)
    conn.max_packet = packet
    size = packet * 200 + 1
    for i in range(3):
        conn.send(pattern(size, i))
    rig.until(lambda: len(host.messages) == 3, "messages")
    assert host.messages == [pattern(size, i) for i in range(3)]


def test_record_flag(rig):
    """EOR with EOM is a message like others (AF_UNIX cannot carry the mark)."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest, kind=SEQ)
    conn.send(b"record", Seq.EOM | Seq.EOR)
    conn.send(b"message", Seq.EOM)
    rig.until(lambda: len(host.messages) == 2, "messages")
    assert host.messages == [b"record", b"message"]


def test_many_small_messages(rig):
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest, kind=SEQ)
    for i in range(1500):
        host.send(b"h%d" % i)
        conn.send(b"g%d" % i)
    rig.until(lambda: len(host.messages) == 1500 and len(conn.messages) == 1500, "messages")
    assert host.messages == [b"g%d" % i for i in range(1500)]
    assert conn.messages == [b"h%d" % i for i in range(1500)]


def test_message_as_large_as_the_guests_buffer(rig):
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest, kind=SEQ, buf_alloc=100_000)
    host.send(pattern(100_000))
    host.send(b"next")
    rig.until(lambda: len(conn.messages) == 2, "messages")
    assert conn.messages == [pattern(100_000), b"next"]


@pytest.mark.drops("msg_too_big")
def test_message_larger_than_the_guests_buffer(rig):
    """It could never be delivered whole: reset, after the messages before it."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest, kind=SEQ, buf_alloc=10_000)
    host.send(b"before")
    host.send(pattern(10_001))
    rig.until(lambda: conn.closed and host.ended, "reset")
    assert conn.messages == [b"before"] and not conn.partial
    rig.still_works(guest)


@MAKERS
def test_largest_message_that_credit_allows(rig, maker):
    """The advertised window can be used: a message that fills the window reaches a program with
    socket buffers as the system made them."""
    guest = rig.guest()
    host, conn = rig.pair(guest, maker, kind=SEQ)
    host.max_read = 1 << 20
    size = conn.peer_buf_alloc
    assert size >= MAX_PAYLOAD
    for i in range(3):
        conn.send(pattern(size, i))
        rig.until(lambda: len(host.messages) == i + 1, "message")
        assert host.messages[i] == pattern(size, i)


def test_slow_program(rig):
    """Messages wait whole; nothing is lost or merged."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest, kind=SEQ)
    host.reading = False
    for i in range(100):
        conn.send(pattern(20_000, i))
    rig.loop.run(0.3)
    assert conn.out
    host.reading = True
    rig.until(lambda: len(host.messages) == 100, "messages")
    assert host.messages == [pattern(20_000, i) for i in range(100)]


@pytest.mark.parametrize("how", ["shutdown", "close"])
def test_program_stops_reading_with_a_backlog(rig, how):
    """Queued messages are dropped and accounted: the guest gets credit for the bytes
    that it sent and for no other (conn.py checks it)."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest, kind=SEQ)
    host.reading = False
    for i in range(100):
        conn.send(pattern(20_000, i))
    rig.loop.steady(lambda: not conn.credit(), "no credit left")
    if how == "shutdown":
        host.sock.shutdown(socket.SHUT_RD)
        host.reading = True  # what lies in its socket; the rest is refused, and so noticed
        rig.until(lambda: conn.peer_shutdown or conn.closed, "SHUTDOWN 1")
        conn.out.clear()
        if conn.open:
            host.send(b"still writing")
            rig.until(lambda: conn.messages == [b"still writing"], "the other direction")
    else:
        rig.loop.remove(host)
        host.close()
        rig.until(lambda: conn.closed, "end")
    rig.still_works(guest)


def test_slow_guest(rig):
    """Messages wait until the guest has room for them."""
    guest = rig.guest()

    def unread(conn):
        conn.auto_read = False

    host, conn = rig.host_to_guest(guest, kind=SEQ, buf_alloc=10_000, setup=unread)
    for i in range(20):
        host.send(pattern(3000, i))
    rig.loop.run(0.1)
    assert conn.rx_cnt <= 10_000
    conn.auto_read = True
    conn.consumed(conn.rx_cnt)
    rig.until(lambda: len(conn.messages) == 20, "messages")
    assert conn.messages == [pattern(3000, i) for i in range(20)]


@MAKERS
def test_end_behind_messages(rig, maker):
    """The program closes behind its messages: all of them, then SHUTDOWN."""
    guest = rig.guest()
    host, conn = rig.pair(guest, maker, kind=SEQ)
    for i in range(10):
        host.send(pattern(5000, i))
    rig.until(lambda: host.sent, "written")
    rig.loop.remove(host)
    host.close()
    rig.until(lambda: conn.closed, "SHUTDOWN 3")
    assert conn.messages == [pattern(5000, i) for i in range(10)]


@MAKERS
def test_guest_ends_behind_messages(rig, maker):
    guest = rig.guest()
    host, conn = rig.pair(guest, maker, kind=SEQ)
    for i in range(5):
        conn.send(pattern(30_000, i))
    conn.shutdown(Shutdown.BOTH)
    rig.until(lambda: conn.closed and host.ended, "close")
    assert host.messages == [pattern(30_000, i) for i in range(5)]


def test_half_a_message_is_never_delivered(rig):
    """The guest resets in the middle of a message."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest, kind=SEQ)
    conn.send(b"whole")
    conn.raw(Op.RW, b"the beginning of one that nev", 0)
    rig.until(lambda: guest.idle, "taken")
    conn.rst()
    rig.until(lambda: host.ended, "end")
    assert host.messages in ([b"whole"], [])


def test_early_messages(rig):
    """Messages written before OK are messages of the connection."""
    guest = rig.guest()
    listener = guest.listen(1024, SEQ, accept=False)
    host = rig.dial(1024, kind=SEQ)
    host.send(b"one")
    host.send(b"two")
    rig.until(lambda: listener.requests, "REQUEST")
    conn = guest.accept(listener.requests[0], listener)
    rig.until(lambda: len(conn.messages) == 2, "messages")
    assert conn.messages == [b"one", b"two"] and host.established


def test_guest_without_seqpacket(rig):
    """The guest did not negotiate it: no REQUEST of that type; streams work."""
    guest = rig.guest(seqpacket=False)
    guest.listen(1024, SEQ)
    host = rig.dial(1024, kind=SEQ)
    rig.until(lambda: host.ended, "close")
    assert not host.established and not guest.log
    rig.still_works(guest)
