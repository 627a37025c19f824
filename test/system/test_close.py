# SPDX-License-Identifier: BSD-3-Clause
"""The end of connections: half-close in both directions, rows of the table in the documents, what
happens to bytes that are still under way, and the time-outs."""

import errno
import socket
import struct
import time

import pytest
from pylib.daemon import pattern
from pylib.vsock_codec import HOST_CID, Header, Op, Shutdown, Type

MAKERS = pytest.mark.parametrize("maker", ["host", "guest"])
KINDS = pytest.mark.parametrize("kind", list(Type), ids=lambda k: k.name.lower())


# --- host → guest


@MAKERS
@pytest.mark.parametrize("nb_bytes", [0, 1, 300_000])
def test_host_shuts_its_writing(rig, nb_bytes, maker):
    """EOF → SHUTDOWN 2 behind all data; the other direction stays open as long as it likes."""
    guest = rig.guest()
    host, conn = rig.pair(guest, maker)
    data = pattern(nb_bytes)
    if data:
        host.send(data)
    host.finish_writing()
    rig.until(lambda: conn.peer_shutdown, "SHUTDOWN")
    assert conn.peer_shutdown == Shutdown.SEND and conn.rx == data and conn.open
    back = pattern(300_000, "back")
    conn.send(back)
    rig.until(lambda: len(host.rx) == len(back), "the other direction")
    assert host.rx == back
    conn.shutdown(Shutdown.BOTH)
    rig.until(lambda: conn.closed and host.eof, "close")
    assert conn.was_reset


@MAKERS
@pytest.mark.parametrize("nb_bytes", [0, 1, 300_000])
def test_host_closes(rig, nb_bytes, maker):
    """HUP → all data, then SHUTDOWN 3; the guest's RST ends it."""
    guest = rig.guest()
    host, conn = rig.pair(guest, maker)
    data = pattern(nb_bytes)
    host.send(data)
    rig.until(lambda: host.sent, "written")
    rig.loop.remove(host)
    host.close()
    rig.until(lambda: conn.closed, "SHUTDOWN 3")
    assert conn.peer_shutdown == Shutdown.BOTH and conn.rx == data and not conn.was_reset
    rig.until(lambda: guest.idle, "RST taken")
    rig.loop.run(0.05)
    assert not guest.strays


@pytest.mark.drops("host_error")
@MAKERS
def test_host_closes_with_the_guests_data_unread(rig, maker):
    """The program closes without reading: the guest learns, by SHUTDOWN or by RST."""
    guest = rig.guest()
    host, conn = rig.pair(guest, maker)
    host.reading = False
    conn.send(pattern(100_000))
    rig.until(lambda: guest.idle, "sent")
    rig.loop.remove(host)
    host.close()
    rig.until(lambda: conn.closed, "end")
    rig.still_works(guest)


@pytest.mark.drops("host_shut")
@MAKERS
def test_host_shuts_its_reading(rig, maker):
    """SHUT_RD raises no event. The next write fails: EPIPE → SHUTDOWN 1."""
    guest = rig.guest()
    host, conn = rig.pair(guest, maker)
    host.reading = False
    host.sock.shutdown(socket.SHUT_RD)
    for _ in range(3):
        conn.send(b"not read")
        rig.loop.run(0.02)
    rig.until(lambda: conn.peer_shutdown or conn.closed, "SHUTDOWN 1")
    assert conn.peer_shutdown & Shutdown.RCV and conn.open
    data = pattern(100_000)
    host.send(data)
    rig.until(lambda: len(conn.rx) == len(data), "the other direction")
    assert conn.rx == data
    host.finish_writing()
    rig.until(lambda: conn.closed, "the end")
    assert conn.peer_shutdown == Shutdown.BOTH or conn.was_reset  # bytes were lost


def test_host_shuts_its_reading_when_all_is_full(rig):
    """Neither an event nor a write tells of SHUT_RD when the guest has no credit left: the daemon
    looks by itself, so that the guest's sender does not wait for ever."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    host.reading = False
    conn.send(pattern(2_000_000))
    rig.loop.steady(lambda: not conn.credit(), "no credit left")
    host.sock.shutdown(socket.SHUT_RD)
    rig.until(lambda: conn.peer_shutdown or conn.closed, "SHUTDOWN 1")
    assert conn.closed or conn.peer_shutdown == Shutdown.RCV


def test_host_shuts_its_reading_long_after_all_is_full(rig):
    """As above, but two seconds later: the daemon looks again and again."""
    host, conn = rig.host_to_guest(rig.guest())
    host.reading = False
    conn.send(bytes(2_000_000))
    rig.loop.steady(lambda: not conn.credit(), "no credit left")
    rig.loop.run(2)
    host.sock.shutdown(socket.SHUT_RD)
    rig.until(lambda: conn.peer_shutdown or conn.closed, "the guest is told")


def test_host_shuts_both(rig):
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    host.send(b"last words")
    host.sock.shutdown(socket.SHUT_RDWR)
    rig.until(lambda: conn.closed, "SHUTDOWN 3")
    assert conn.rx == b"last words"


def test_host_closes_while_the_guest_takes_nothing(rig):
    """Data written before close() waits for the guest's credit."""
    guest = rig.guest()

    def unread(conn):
        conn.auto_read = False

    host, conn = rig.host_to_guest(guest, buf_alloc=1000, setup=unread)
    data = pattern(100_000)
    host.send(data)
    rig.until(lambda: host.sent, "written")
    rig.loop.remove(host)
    host.close()
    got = bytearray()
    while len(got) < len(data):
        rig.until(lambda: conn.rx, "more")
        assert conn.open
        got += conn.read()
    assert got == data
    rig.until(lambda: conn.closed, "SHUTDOWN 3")


# --- guest → host


@MAKERS
@pytest.mark.parametrize("nb_bytes", [0, 1, 1_000_000])
def test_guest_shuts_its_sending(rig, nb_bytes, maker):
    """SHUTDOWN 2 → SHUT_WR behind the backlog; the other direction stays open."""
    guest = rig.guest()
    host, conn = rig.pair(guest, maker)
    data = pattern(nb_bytes)
    host.reading = False
    if data:
        conn.send(data)
    conn.shutdown(Shutdown.SEND)
    rig.loop.run(0.05)
    host.reading = True
    rig.until(lambda: host.eof, "EOF")
    assert host.rx == data and conn.open
    back = pattern(300_000, "back")
    host.send(back)
    rig.until(lambda: len(conn.rx) == len(back), "the other direction")
    assert conn.rx == back and conn.open
    rig.loop.remove(host)
    host.close()
    rig.until(lambda: conn.closed, "end")


@pytest.mark.drops("bad_state")
def test_guest_sends_after_it_said_it_would_not(rig):
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    conn.send(b"before")
    conn.shutdown(Shutdown.SEND)
    conn.raw(Op.RW, b"after")
    rig.until(lambda: conn.closed and host.ended, "RST")
    assert host.rx == b"before" and conn.was_reset


@MAKERS
def test_guest_shuts_its_receiving(rig, maker):
    """SHUTDOWN 1 → SHUT_RD: the program's writes fail, its reads go on."""
    guest = rig.guest()
    host, conn = rig.pair(guest, maker)
    conn.shutdown(Shutdown.RCV)

    def fails():
        host.send(b"x")
        return host.error

    rig.until(fails, "EPIPE")
    assert host.error.errno == errno.EPIPE
    host.error = None
    host.out.clear()
    data = pattern(100_000)
    conn.send(data)
    rig.until(lambda: len(host.rx) == len(data), "the other direction")
    assert host.rx == data and conn.open


@MAKERS
@KINDS
def test_guest_closes(rig, kind, maker):
    """SHUTDOWN 3 → close, answered with RST; the same ports can be used again at once."""
    guest = rig.guest()
    host, conn = rig.pair(guest, maker, kind=kind)
    conn.send(b"last words")
    conn.shutdown(Shutdown.BOTH)
    rig.until(lambda: conn.closed and host.ended, "close")
    assert conn.was_reset
    assert (host.rx or host.messages[0]) == b"last words" and not host.error


def test_guest_shuts_one_after_the_other(rig):
    """The flags are sticky: 1 and then 2 is 3."""
    guest = rig.guest()
    for first, second in ((1, 2), (2, 1)):
        host, conn = rig.host_to_guest(guest)
        conn.shutdown(first)
        rig.until(lambda: guest.idle, "sent")
        assert conn.open
        conn.shutdown(second)
        rig.until(lambda: conn.closed and host.ended, "close")


@MAKERS
@pytest.mark.parametrize("rst", [False, True], ids=["shutdown", "shutdown+rst"])
def test_guest_closes_with_a_backlog(rig, rst, maker):
    """Data sent before SHUTDOWN 3 arrives even if the program reads late; the RST comes
    when all is flushed, and the guest's own RST throws nothing away."""
    guest = rig.guest()
    host, conn = rig.pair(guest, maker)
    host.reading = False
    data = pattern(2_000_000)
    conn.send(data)
    # All that fits is with the daemon; now cut the rest off and close.
    rig.loop.steady(lambda: not conn.credit() and conn.out, "credit used up")
    conn.out.clear()
    sent = conn.tx_cnt
    conn.shutdown(Shutdown.BOTH)
    rig.until(lambda: guest.idle, "SHUTDOWN taken")
    rig.loop.run(0.2)
    assert sent > 256 * 1024
    assert conn.open, "RST before the backlog was flushed"
    if rst:
        conn.rst()
        rig.until(lambda: guest.idle, "RST taken")
    host.reading = True
    rig.until(lambda: host.ended, "EOF")
    assert host.rx == data[:sent]
    if not rst:
        rig.until(lambda: conn.closed, "RST")
        assert conn.was_reset
    rig.loop.run(0.05)
    assert not guest.strays


@MAKERS
@KINDS
def test_guest_resets(rig, kind, maker):
    """RST → the program reads EOF or ECONNRESET, and the guest no answer."""
    guest = rig.guest()
    host, conn = rig.pair(guest, maker, kind=kind)
    conn.rst()
    rig.until(lambda: host.ended, "end")
    rig.loop.run(0.05)
    assert not guest.strays


def test_guest_resets_with_data_under_way(rig):
    """Bytes that the program wrote are thrown away, its descriptor is not leaked."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(
        guest, buf_alloc=100, setup=lambda c: setattr(c, "auto_read", False)
    )
    host.send(bytes(500_000))
    rig.until(lambda: conn.rx_cnt == 100, "the window")
    conn.rst()
    rig.until(lambda: host.ended, "end")


def test_both_close_at_once(rig):
    guest = rig.guest()
    for _ in range(20):
        host, conn = rig.host_to_guest(guest)
        conn.send(b"x")
        conn.shutdown(Shutdown.BOTH)
        rig.loop.remove(host)
        host.close()
        rig.until(lambda: conn.closed, "close")
    rig.still_works(guest)


# --- time-outs, all of them in one test since each takes its seconds


@pytest.mark.drops("connect_timeout", "close_timeout")
def test_time_outs(rig):
    """A program that never writes CONNECT (10 s), a guest that never answers REQUEST (2 s), a guest
    that never answers SHUTDOWN 3 with RST (8 s): each is closed after its time and not before."""
    guest = rig.guest()
    start = time.monotonic()
    silent = rig.host_socket()
    silent.setblocking(False)
    half = rig.host_socket()
    half.sendall(b"CONNECT 10")
    half.setblocking(False)
    slow = guest.listen(2000, accept=False)
    unanswered = rig.dial(2000)

    def sloppy(conn):
        conn.auto_close = False

    host, conn = rig.host_to_guest(guest, setup=sloppy)
    rig.loop.remove(host)
    host.close()
    times = {}

    def closed(sock):
        try:
            return sock.recv(100) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True

    checks = {
        "silent": lambda: closed(silent),
        "half a line": lambda: closed(half),
        "unanswered": lambda: unanswered.ended,
        "unfinished": lambda: conn.closed,
    }

    def all_done():
        for name, check in checks.items():
            if name not in times and check():
                times[name] = time.monotonic() - start
        return len(times) == len(checks)

    rig.until(all_done, "time-outs", timeout=60)
    assert not unanswered.established
    assert times["unanswered"] > 1.5
    assert times["silent"] > 8 and times["half a line"] > 8
    assert times["unfinished"] > 6
    assert conn.was_reset and conn.peer_shutdown == Shutdown.BOTH
    head = slow.requests[0]
    rig.until(
        lambda: any(h.op == Op.RST and h.src_port == head.src_port for h in guest.strays),
        "RST for the unanswered request",
    )
    assert not host.established or host.closed
    rig.still_works(guest)


@pytest.mark.drops("linger_timeout")
def test_linger_time_out(rig):
    """A program that never reads what a closed connection left for it is cut off after 30 s."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    host.reading = False
    conn.send(pattern(2_000_000))
    rig.loop.steady(lambda: not conn.credit() and conn.out, "credit used up")
    conn.out.clear()
    start = time.monotonic()
    conn.shutdown(Shutdown.BOTH)
    rig.until(lambda: conn.closed, "RST", timeout=90)
    assert conn.was_reset and time.monotonic() - start > 20
    host.reading = True
    rig.until(lambda: host.ended, "end")


def test_program_with_linger_zero(rig):
    """SO_LINGER means nothing to AF_UNIX; a close with it is a close."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    host.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    host.send(b"bye")
    rig.loop.remove(host)
    host.close()
    rig.until(lambda: conn.closed, "close")
    assert conn.rx == b"bye"


def test_ports_are_free_again(rig):
    """The guest uses one pair of ports for many connections in a row."""
    guest = rig.guest()
    server = rig.serve(90)
    for i in range(30):
        conn = guest.new_conn(5555, HOST_CID, 90)
        conn.raw(Op.REQUEST)
        rig.until(lambda: conn.open, "RESPONSE")
        conn.send(b"%d" % i)
        if i % 3 == 0:
            rig.until(lambda: server.conns[i].rx == b"%d" % i, "data")
            conn.rst()
        else:
            conn.shutdown(Shutdown.BOTH)
            rig.until(lambda: conn.closed, "close")
        rig.until(lambda: len(server.conns) > i and server.conns[i].ended, "end")
        assert server.conns[i].rx == b"%d" % i


def test_rst_for_what_is_over(rig):
    """An RST that comes twice is not answered."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    conn.rst()
    for _ in range(10):
        guest.transmit(Header(3, HOST_CID, conn.local_port, conn.peer_port, 0, Type.STREAM, Op.RST))
    rig.until(lambda: host.ended and guest.idle, "end")
    rig.loop.run(0.05)
    assert not guest.strays
