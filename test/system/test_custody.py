# SPDX-License-Identifier: BSD-3-Clause
"""A chain of several packet objects: it goes back, and its memory with it, after its last part."""

import pytest
from pylib.daemon import pattern
from pylib.guest import TX
from pylib.vsock_codec import HEADER_LEN, Op

TWO_LCORES = ("--lcores", "0@0,1@1,2@0")
STORED_LATER = b"S" * 64
NB_PARTS = 39
DATA = pattern(NB_PARTS * 64)


def starved_receiver(rig, setup=None):
    """A connection to a guest without receive buffers; its sender's chains have 40 descriptors."""
    sender, receiver = rig.guest(3, ring_size=128), rig.guest(4, nb_rx=1)
    conn, peer = rig.guest_to_guest(sender, receiver, setup=setup)
    receiver.hold_rx = True
    conn.send(b"x")  # takes the only buffer
    rig.until(lambda: peer.rx == b"x" and sender.idle, "the first byte")
    conn.shape = lambda n: [HEADER_LEN] + [64] * (n // 64)
    return conn, peer


def places(guest):
    """The descriptors of the chain that the device has."""
    (chain,) = guest.queues[TX].chains.values()
    return list(chain.token)


def give_buffers(guest):
    guest.hold_rx = False
    guest.repost()


def overwrite_if_back(guest, where):
    """What a driver does with a chain that was handed back: it stores other data there."""
    if guest.idle:
        for gpa, length in where[1:]:
            guest.mem.write(gpa, STORED_LATER[:length])


def test_more_descriptors_than_the_share(rig):
    """The share of the ring is 32 descriptors: one part is lent, the other one copied."""
    conn, peer = starved_receiver(rig)
    conn.send(DATA)
    where = places(conn.guest)
    rig.loop.steady(lambda: len(peer.rx) == 1, "the data wait")
    overwrite_if_back(conn.guest, where)
    give_buffers(peer.guest)
    rig.until(lambda: len(peer.rx) == 1 + len(DATA), "data")
    assert peer.rx[1:] == DATA


@pytest.mark.drops("over_credit")
def test_last_part_is_refused(rig):
    """The first part is within the receiver's buffer, the last one is not."""
    conn, peer = starved_receiver(rig, setup=lambda c: setattr(c, "buf_alloc", 64 * 30))
    conn.guest.auto_rst = False
    conn.raw(Op.RW, DATA)
    where = places(conn.guest)
    rig.loop.steady(lambda: len(peer.rx) == 1, "the data wait")
    overwrite_if_back(conn.guest, where)
    give_buffers(peer.guest)
    rig.until(lambda: peer.closed, "RST")
    assert peer.rx[1:] == DATA[: len(peer.rx) - 1]


@pytest.mark.drops("guest_gone")
def test_sender_goes_while_a_part_is_lent(launch):
    """Then a guest of another group gets memory where the sender's was."""
    rig = launch(
        cids=(3, 4, 5),
        eal=TWO_LCORES,
        port_args={
            3: {"lcore": 1, "groups": "one"},
            4: {"lcore": 2, "groups": "one"},
            5: {"lcore": 1, "groups": "other"},
        },
    )
    conn, peer = starved_receiver(rig)
    for _ in range(100):  # to a place that the third guest does not use itself
        conn.guest.mem.alloc(65536)
    conn.send(DATA)
    where = places(conn.guest)
    rig.loop.steady(lambda: len(peer.rx) == 1, "the data wait")
    rig.unplug(conn.guest)
    rig.until(lambda: not rig.daemon.port(3)["connected"], "the sender is gone")
    third = rig.guest(5)
    for gpa, length in where[1:]:
        third.mem.write(gpa, STORED_LATER[:length])
    peer.guest.auto_rst = False
    give_buffers(peer.guest)
    rig.until(lambda: peer.closed, "RST")
    assert peer.rx[1:] == DATA[: len(peer.rx) - 1]
