# SPDX-License-Identifier: BSD-3-Clause
"""A turn of an lcore does a bounded amount of work for one guest, whatever its rings hold."""

import os
import struct

import pytest
from pylib.guest import RX, TX
from pylib.virtqueue import DESC_INDIRECT, DESC_NEXT, DESC_WRITE, GuestMemory
from pylib.vsock_codec import HEADER_LEN, Header, Op, Type

BUDGET = 2048  # RX descriptors that are looked at in a turn


def loops(rig, kind="busy_loops"):
    """Turns of the lcore so far, which found work or not."""
    return rig.daemon.telemetry("/vsock/lcores")["1"][kind]


@pytest.fixture
def sleepy(launch):
    """A daemon whose lcore sleeps at once without work, so that few of its turns are idle."""
    return launch(cids=(3, 4), app=("--spin-us", "1"))


def write_table(guest, entries):
    """An indirect table of (address, bytes, flags), chained in order: its address."""
    table = guest.mem.alloc(16 * len(entries))
    last = len(entries) - 1
    text = b"".join(
        struct.pack("<QIHH", gpa, length, flags | (DESC_NEXT if i < last else 0), i + 1)
        for i, (gpa, length, flags) in enumerate(entries)
    )
    guest.mem.write(table, text)
    return table, len(text)


def offer(queue, head):
    """Every entry of the available ring is this head."""
    queue.mem.write(queue.avail + 4, struct.pack("<H", head) * queue.size)


@pytest.mark.drops("rx_bad_chain")
def test_refused_receive_buffers(sleepy):
    """32768 buffers of 1024 descriptors each, all refused for their last one."""
    rig = sleepy
    guest = rig.guest(3, ring_size=32768, indirect=True, nb_rx=0)
    queue = guest.queues[RX]
    good = (guest.mem.alloc(64), 1, DESC_WRITE)
    table, length = write_table(guest, [good] * 1023 + [(good[0], 1, 0)])
    queue.set_desc(0, table, length, DESC_INDIRECT)
    offer(queue, 0)
    rig.loop.remove(guest)
    before = loops(rig, "loops")
    queue.set_avail_idx(32767)
    guest.transmit(Header(3, 2, 1, 2, 0, Type.STREAM, Op.RW))  # is answered by RST
    guest.queues[TX].kick(force=True)
    rig.daemon.wait_for(lambda: queue.used_idx() == 32767, "all buffers are refused")
    walked = 1024 * rig.daemon.port(3)["drops"]["rx_bad_chain"]
    assert walked >= 1024 * 32767
    assert walked <= (BUDGET + 1024) * (loops(rig, "loops") - before)


def test_receive_buffers_of_one_byte(sleepy):
    """A packet of 65472 bytes in 1023 segments, and 32768 buffers with room for one byte."""
    rig = sleepy
    sender = rig.guest(3, indirect=True)
    receiver = rig.guest(4, ring_size=32768, nb_rx=4)
    conn, _ = rig.guest_to_guest(sender, receiver, buf_alloc=0xFFFFFFFF)
    rig.until(lambda: sender.idle and receiver.idle, "the connection's packets")
    rig.loop.remove(sender)
    rig.loop.remove(receiver)
    rx, tx = receiver.queues[RX], sender.queues[TX]
    rx.set_desc(32767, receiver.mem.alloc(64), HEADER_LEN + 1, DESC_WRITE)
    offer(rx, 32767)
    data = sender.mem.alloc(64)
    header = sender.mem.alloc(HEADER_LEN)
    sender.mem.write(header, conn.header(Op.RW, 64 * 1023).pack())
    table, length = write_table(sender, [(header, HEADER_LEN, 0)] + [(data, 64, 0)] * 1023)
    tx.set_desc(127, table, length, DESC_INDIRECT)
    offer(tx, 127)
    before, filled = loops(rig), rig.daemon.port(4)["to_guest_packets"]
    rx.set_avail_idx((rx.used_idx() + 32767) & 0xFFFF)
    tx.set_avail_idx((tx.used_idx() + 1) & 0xFFFF)
    tx.kick(force=True)
    os.eventfd_write(rx.kick_fd, 1)
    start = rx.used_idx()
    rig.daemon.wait_for(lambda: (rx.used_idx() - start) & 0xFFFF >= 32000, "the buffers are filled")
    filled = rig.daemon.port(4)["to_guest_packets"] - filled
    assert filled <= BUDGET * (loops(rig) - before)


def test_chains_of_four_gibibytes(sleepy):
    """Their lengths do not add up to little; 32 packets of 64 KiB take 16 turns at least."""
    rig = sleepy
    nb, size = 32, 65536
    sender = rig.guest(3, ring_size=64, indirect=True, mem=GuestMemory(1 << 30))
    receiver = rig.guest(4, ring_size=64, rx_shape="large", nb_rx=60)
    conn, peer = rig.guest_to_guest(sender, receiver, buf_alloc=64 << 20)
    rig.until(lambda: sender.idle, "the connection's packets")
    rig.loop.remove(sender)
    tx = sender.queues[TX]
    packet = sender.mem.alloc(HEADER_LEN + size)
    sender.mem.write(packet, conn.header(Op.RW, size).pack())
    table, length = write_table(
        sender, [(packet, HEADER_LEN + size, 0)] + [(0x10000, (1 << 30) - 0x10000, 0)] * 5
    )
    small = sender.mem.alloc(1000)  # a wrapped sum would be less than these
    sender.mem.write(small, conn.header(Op.CREDIT_UPDATE).pack())
    tx.set_desc(63, table, length, DESC_INDIRECT)
    tx.set_desc(62, small, 1000)
    before = loops(rig)
    for head in [62] + [63] * nb:
        tx.push_head(head)
    tx.publish()
    tx.kick(force=True)
    rig.daemon.wait_for(lambda: tx.used_idx() == tx.avail_idx, "all packets are taken")
    assert loops(rig) - before >= nb // 2
    rig.until(lambda: peer.rx_cnt == nb * size, "all bytes")
