# SPDX-License-Identifier: BSD-3-Clause
"""Each request of a guest or a host program has one answer, and what one side says is checked
before the other side gets it."""

import contextlib
import os
import signal
import socket

import pytest
from pylib.guest import TX
from pylib.vsock_codec import Op, Seq, Shutdown, Type


@contextlib.contextmanager
def in_one_turn(rig):
    """The lcore finds at once what is offered inside."""
    rig.daemon.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        rig.daemon.process.send_signal(signal.SIGCONT)


@pytest.mark.drops("conn_exists")
def test_two_guests_connect_to_each_other(rig):
    """With the same pair of ports, in one turn. Both can be refused, but each gets an answer."""
    one, two = rig.guest(3), rig.guest(4)
    before = rig.daemon.drops()["conn_exists"]
    for i in range(100):
        if i >= 5 and rig.daemon.drops()["conn_exists"] > before:
            break  # at least one pair was found in one turn
        there, back = one.new_conn(1000 + i, 4, 2000), two.new_conn(2000, 3, 1000 + i)
        rig.loop.run(0.05)  # the lcore sleeps
        with in_one_turn(rig):
            for conn in (there, back):
                conn.guest.transmit(conn.header(Op.REQUEST), kick=False)
                conn.guest.queues[TX].publish()
                os.eventfd_write(conn.guest.queues[TX].kick_fd, 1)
        rig.until(lambda there=there, back=back: there.closed and back.closed, "two answers")


def test_addresses_are_free_after_a_reset(rig):
    """RST and a new REQUEST from the same port, in one turn."""
    one, two = rig.guest(3), rig.guest(4)
    listener = two.listen(5000)
    for _ in range(5):
        conn = one.connect(5000, cid=4)
        rig.until(lambda conn=conn: conn.open, "connection")
        again = one.new_conn(conn.local_port, 4, 5000)
        with in_one_turn(rig):
            one.transmit(conn.header(Op.RST), kick=False)
            one.transmit(again.header(Op.REQUEST), kick=False)
            one.queues[TX].publish()
            os.eventfd_write(one.queues[TX].kick_fd, 1)
        rig.until(lambda again=again: again.open, "the new connection")
        again.rst()
        rig.until(lambda: all(c.closed for c in listener.conns), "the ends")


@pytest.mark.drops("ring_broken", "no_guest")
def test_broken_device_refuses(rig):
    """Nobody waits for a guest whose device is stopped until its driver starts anew."""
    one, two = rig.guest(3), rig.guest(4)
    two.queues[TX].set_avail_idx(9999)
    os.eventfd_write(two.queues[TX].kick_fd, 1)
    rig.counted("ring_broken")
    conn = one.connect(5000, cid=4)
    rig.until(lambda: conn.closed, "RST", timeout=5)
    program = rig.host_socket(4)
    program.send(b"CONNECT 5000\n")
    assert program.recv(10) == b""


def test_credit_in_an_empty_packet(rig):
    """The peer of a stream learns of credit that came with no byte."""
    one, two = rig.guest(3), rig.guest(4)
    conn, peer = rig.guest_to_guest(one, two, setup=lambda c: setattr(c, "auto_credit", False))
    conn.send(bytes(200_000))
    rig.until(lambda: peer.rx_cnt == 200_000, "data")
    peer.raw(Op.RW, b"")
    rig.until(lambda: conn.peer_fwd_cnt == 200_000, "the credit")


def test_shutdown_that_says_nothing(rig):
    """No flags, or unknown ones: the other guest does not get it."""
    one, two = rig.guest(3), rig.guest(4)
    conn, peer = rig.guest_to_guest(one, two)
    for flags in (0, 4, 0xFFFFFFFC):
        conn.raw(Op.SHUTDOWN, flags=flags)
    conn.send(b"behind them")
    rig.until(lambda: peer.rx == b"behind them", "data")
    assert Op.SHUTDOWN not in peer.ops


def test_unknown_flags_of_a_message(rig):
    """They do not reach the other guest."""
    one, two = rig.guest(3), rig.guest(4)
    conn, peer = rig.guest_to_guest(one, two, kind=Type.SEQPACKET)
    conn.raw(Op.RW, b"message", flags=0xFFFFFFFF)
    rig.until(lambda: peer.messages, "the message")
    assert peer.message_flags == [Seq.EOM | Seq.EOR]


@pytest.mark.drops("empty_msgs")
@pytest.mark.parametrize("receiver", ["host", "guest"])
def test_empty_messages(rig, receiver):
    """64 of them may wait; a byte that is read allows 64 more."""
    guest = rig.guest(3)
    if receiver == "host":
        other, conn = rig.guest_to_host(guest, kind=Type.SEQPACKET)
        other.reading = False
    else:
        conn, other = rig.guest_to_guest(
            guest, rig.guest(4), Type.SEQPACKET, setup=lambda c: setattr(c, "auto_read", False)
        )
    for _ in range(64):
        conn.raw(Op.RW, flags=Seq.EOM)
    rig.loop.steady(lambda: conn.open, "64 are taken")
    conn.raw(Op.RW, flags=Seq.EOM)
    rig.until(lambda: conn.closed, "RST")


@pytest.mark.drops("msg_cut")
@pytest.mark.parametrize("flags", [Shutdown.SEND, Shutdown.BOTH])
def test_message_without_an_end(rig, flags):
    """The guest begins a message, and says that it sends no more: the program gets its end."""
    guest = rig.guest(3)
    host, conn = rig.guest_to_host(guest, kind=Type.SEQPACKET)
    conn.raw(Op.RW, b"whole", flags=Seq.EOM)
    conn.raw(Op.RW, b"begun")
    conn.raw(Op.SHUTDOWN, flags=flags)
    rig.until(lambda: host.ended, "the end", timeout=10)
    assert host.messages == [b"whole"]


@pytest.mark.drops("bad_line")
@pytest.mark.parametrize("line", [b"CONNECT " + b"0" * 22 + b"1024", b"CONNECT 1024\nhello"])
def test_first_message_of_a_program(rig, line):
    """A line that is too long is not cut, and nothing behind the line gets lost."""
    guest = rig.guest(3)
    cut, whole = guest.listen(10, Type.SEQPACKET), guest.listen(1024, Type.SEQPACKET)
    program = rig.host_socket(3, Type.SEQPACKET)
    program.send(line)
    assert program.recv(10) == b""
    assert not cut.conns and not whole.conns


def test_files_of_others_stay(launch):
    """The daemon removes the sockets that it made, and no other file of the same name."""
    rig = launch(cids=(3, 4, 5))
    paths = {cid: rig.daemon.ports[cid].uds for cid in (3, 4, 5)}
    os.unlink(paths[3])
    with open(paths[3], "w", encoding="ascii") as file:
        file.write("somebody's")
    os.unlink(paths[4])
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(paths[4])
        rig.daemon.terminate()
        assert os.path.exists(paths[3]) and os.path.exists(paths[4])
        assert not os.path.exists(paths[5])
