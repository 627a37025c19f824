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
    lent = rig.daemon.port(sender.cid)["from_guest_in_flight"]
    assert lent <= sender.queues[1].size / 2

    def others_are_free():
        free = free_objects(rig)
        return sum(free) == NB_OBJECTS * len(free) - lent

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
