# SPDX-License-Identifier: BSD-3-Clause
"""Readers that wait for many bytes or for a whole message: what they wait for comes."""

import pytest
from pylib.daemon import pattern
from pylib.vsock_codec import HEADER_LEN, Op, Type

KIB = 1024


def do_not_read(conn):
    """As a program with SO_RCVLOWAT or MSG_PEEK, or one that waits for a whole message."""
    conn.auto_read = False


@pytest.mark.parametrize("buf_alloc", [4 * KIB, 256 * KIB])
def test_single_bytes(rig, buf_alloc):
    """Linux stores them behind one another, so that they do not use up the window of packets."""
    one, two = rig.guest(3), rig.guest(4)
    conn, peer = rig.guest_to_guest(one, two, buf_alloc=buf_alloc, setup=do_not_read)
    for sent in range(1, 601):
        conn.raw(Op.RW, b"z")
        rig.until(lambda sent=sent: peer.rx_cnt == sent, "a byte")


def test_message_of_many_pieces(rig):
    """1000 pieces: no reader can take half a message."""
    one, two = rig.guest(3), rig.guest(4, rx_shape=[HEADER_LEN + 64])
    conn, peer = rig.guest_to_guest(one, two, kind=Type.SEQPACKET, setup=do_not_read)
    data = pattern(64_000)
    conn.send(data)
    rig.until(lambda: peer.messages, "the message")
    assert peer.messages == [data]


def test_message_of_a_host_program_to_small_buffers(rig):
    """More pieces than the window of packets has, and more than fit into the ring at once."""
    guest = rig.guest(3, rx_shape=[300], ring_size=256)
    host, conn = rig.host_to_guest(
        guest, kind=Type.SEQPACKET, buf_alloc=256 * KIB, setup=do_not_read
    )
    data = pattern(100_000)
    host.send(data)
    rig.until(lambda: conn.messages, "the message")
    assert conn.messages == [data]
