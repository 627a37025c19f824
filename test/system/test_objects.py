# SPDX-License-Identifier: BSD-3-Clause
"""Packet objects: what waits for a guest's receive buffers uses none, but for what is lent."""

import pytest
from pylib.vsock_codec import Op, Type

TWO_LCORES = ("--lcores", "0@0,1@1,2@0")
NB_CONNS = 200
NB_OBJECTS = 8192


def free_objects(rig):
    """Free packet objects by lcore."""
    return [lcore["free_pkts"] for lcore in rig.daemon.telemetry("/vsock/lcores").values()]


def copies_wait(rig):
    """One byte waits on each of many connections; only a part of the sender's ring is lent."""
    sender, receiver = rig.guest(3), rig.guest(4)
    receiver.listen(5000)
    conns = [sender.connect(5000, cid=4) for _ in range(NB_CONNS)]
    rig.until(lambda: all(c.open for c in conns), "connections")
    receiver.hold_rx = True
    for _ in range(2):  # the first bytes use up the buffers that are posted
        for conn in conns:
            conn.raw(Op.RW, b"v")
        rig.until(lambda: not sender.backlog, "sent")
    rig.until(lambda: rig.daemon.port(4)["pool_chunks"] > NB_CONNS / 2, "copies")
    return sender, receiver


def check_objects(rig, sender):
    """Each object is free or a part of a chain that is lent."""

    def others_are_free():
        lent = rig.daemon.port(sender.cid)["from_guest_in_flight"]
        free = free_objects(rig)
        return sum(free) == NB_OBJECTS * len(free) - lent and lent <= sender.queues[1].size / 2

    rig.until(others_are_free, "packet objects that come home")


def test_copies_on_one_lcore(rig):
    """Between two guests of one lcore."""
    sender, _ = copies_wait(rig)
    check_objects(rig, sender)


@pytest.mark.drops("guest_gone")
def test_copies_from_another_lcore(launch):
    """Across lcores; then the receiver goes, and its connections end without memory."""
    rig = launch(cids=(3, 4, 5), eal=TWO_LCORES, port_args={3: {"lcore": 1}, 4: {"lcore": 2}})
    sender, receiver = copies_wait(rig)
    check_objects(rig, sender)
    rig.unplug(receiver)
    rig.until(lambda: not rig.daemon.port(4)["conns"], "the receiver's connections are over")
    rig.until(lambda: not rig.daemon.port(3)["conns"], "the sender's connections are over")
    rig.until(lambda: free_objects(rig) == [NB_OBJECTS] * 2, "all objects are home")
    rig.guest(5)


def test_messages_of_host_programs(rig):
    """The second message of each program does not fit the credit."""
    guest = rig.guest(ring_size=256, rx_shape=[1700])

    def do_not_read(conn):
        conn.auto_read = False

    guest.listen(9, Type.SEQPACKET, buf_alloc=3000, setup=do_not_read)
    programs = []
    for _ in range(NB_CONNS // 4):
        program = rig.host_socket(guest.cid, Type.SEQPACKET)
        program.send(b"CONNECT 9\n")
        programs.append(program)
    conns = guest.listeners[9, Type.SEQPACKET].conns
    rig.until(lambda: len(conns) == len(programs), "connections")
    for program in programs:
        program.send(bytes(1600))
        program.send(bytes(1600))
    rig.until(lambda: rig.daemon.port(3)["pool_chunks"] >= len(programs), "messages in the pool")
    assert free_objects(rig) == [NB_OBJECTS]


def test_slow_receiver_does_not_stop_the_sender(launch):
    """16 guests, a ring of 1024: what one may hold of it is less than the sender's objects."""
    rig = launch(cids=range(3, 19))
    sender, receiver = rig.guest(3, ring_size=1024, indirect=True), rig.guest(4, nb_rx=1)
    host, to_host = rig.host_to_guest(sender)
    conn, peer = rig.guest_to_guest(sender, receiver)
    receiver.hold_rx = True
    for _ in range(301):  # one takes the only buffer
        conn.raw(Op.RW, b"y")
    to_host.send(b"ping")
    rig.until(lambda: host.rx == b"ping", "the bytes for the host")
    receiver.hold_rx = False
    receiver.repost()
    rig.until(lambda: peer.rx == b"y" * 301, "the bytes for the guest")


def test_sender_with_few_buffers(rig):
    """All of its buffers are lent to a guest that posts none; they come back nevertheless."""
    sender, receiver = rig.guest(3, ring_size=16), rig.guest(4, nb_rx=1)
    conn, peer = rig.guest_to_guest(sender, receiver)
    receiver.hold_rx = True
    conn.raw(Op.RW, b"z")
    rig.until(lambda: peer.rx == b"z" and sender.idle, "the only buffer is used")
    for _ in range(4):
        conn.raw(Op.RW, b"z")
    rig.until(lambda: sender.idle, "the chains are back")
    receiver.hold_rx = False
    receiver.repost()
    rig.until(lambda: peer.rx == b"z" * 5, "the bytes")
