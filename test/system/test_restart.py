# SPDX-License-Identifier: BSD-3-Clause
"""Rings that stop and start again, memory and descriptors that change under a live device."""

import os

import pytest
from pylib.daemon import pattern
from pylib.guest import RX, TX

EVENTS = pytest.mark.parametrize("event_idx", [False, True], ids=["flags", "event_idx"])


def transfer(rig, host, conn, nb_bytes, between=lambda: None):
    """Bytes both ways, with something done in the middle of it."""
    host.rx.clear()
    conn.rx.clear()
    host.send(pattern(nb_bytes, "h"))
    conn.send(pattern(nb_bytes, "g"))
    rig.loop.run(0.005)
    between()
    rig.until(lambda: len(host.rx) == nb_bytes and len(conn.rx) == nb_bytes, "data")
    assert conn.rx == pattern(nb_bytes, "h") and host.rx == pattern(nb_bytes, "g")


@EVENTS
def test_stop_and_resume(rig, event_idx):
    """The same rings at the same place: connections survive and no byte is lost."""
    guest = rig.guest(event_idx=event_idx)
    pairs = [rig.pair(guest, maker) for maker in ("host", "guest")]

    def pause():
        bases = guest.stop_rings()
        for i, queue in enumerate(guest.queues):
            # All that was taken is on the used ring, and nothing else is written any more.
            assert bases[i] == queue.used_idx()
            assert (queue.avail_idx - bases[i]) % 65536 <= queue.size
        before = [q.used_idx() for q in guest.queues]
        rig.loop.run(0.03)
        assert before == [q.used_idx() for q in guest.queues]
        guest.work_all()
        guest.start_rings(None)

    for host, conn in pairs:
        for _ in range(3):
            transfer(rig, host, conn, 1_000_000, pause)


def test_pause_with_idle_connections(rig):
    """Host programs that write while the device is stopped are served when it is back."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    guest.stop_rings()
    host.send(pattern(100_000))
    rig.loop.run(0.1)
    assert not conn.rx
    guest.work_all()
    guest.start_rings()
    rig.until(lambda: len(conn.rx) == 100_000, "data")
    assert conn.rx == pattern(100_000)


@pytest.mark.drops("guest_gone")
def test_reboot(rig):
    """Rings that start anew: the guest forgot everything, so its connections are reset."""
    guest = rig.guest()
    hosts = [rig.pair(guest, maker)[0] for maker in ("host", "guest")]
    guest.stop_rings()
    guest.conns.clear()
    for queue in guest.queues:
        queue.reset()
    guest.held.clear()
    guest.fill()
    guest.start_rings(0)
    rig.until(lambda: all(h.ended for h in hosts), "end of the old connections")
    rig.still_works(guest)
    assert not guest.conns


def test_rebind_with_other_features(rig):
    """The driver comes back with EVENT_IDX off, another ring size and another base."""
    guest = rig.guest(event_idx=True)
    host, conn = rig.host_to_guest(guest)
    guest.stop_rings()
    rig.until(lambda: True)
    guest.conns.clear()
    guest.front.set_features(guest.front.features & ~(1 << 29))
    for queue in guest.queues:
        queue.event_idx = False
        queue.size = 64
        queue.reset()
    guest.nb_rx = 32
    guest.fill()
    guest.start_rings(0)
    rig.until(lambda: host.ended, "end of the old connection")
    rig.still_works(guest)
    assert conn.rx_cnt == 0


def test_disable_and_enable(rig):
    """SET_VRING_ENABLE alone, one ring at a time, is a pause."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    for ring in (RX, TX, RX):

        def pause(ring=ring):
            guest.front.set_vring_enable(ring, False)
            rig.loop.run(0.02)
            guest.front.set_vring_enable(ring, True)

        transfer(rig, host, conn, 500_000, pause)


@EVENTS
def test_new_call_descriptor(rig, event_idx):
    """SET_VRING_CALL on a live ring; the old descriptor's number is free for others at once."""
    guest = rig.guest(event_idx=event_idx)
    host, conn = rig.host_to_guest(guest)

    def change():
        for i, queue in enumerate(guest.queues):
            queue.new_call_fd()
            guest.front.set_vring_call(i, queue.call_fd)
        guest.work_all()  # a call that went to the old descriptor is the driver's to make up

    for _ in range(5):
        transfer(rig, host, conn, 300_000, change)


def test_new_kick_descriptor(rig):
    """SET_VRING_KICK on a live ring."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    for i, queue in enumerate(guest.queues):
        old, queue.kick_fd = queue.kick_fd, os.eventfd(1, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        guest.front.set_vring_kick(i, queue.kick_fd)
        guest.front.set_vring_enable(i, True)
        os.close(old)
    transfer(rig, host, conn, 300_000)


def test_no_call_descriptor(rig):
    """A guest that polls takes the call descriptors away."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    for i in (RX, TX):
        guest.front.set_vring_call(i, None)
    host.send(b"polled")
    rig.until(lambda: guest.work_all() or conn.rx == b"polled", "data")
    for i, queue in enumerate(guest.queues):
        guest.front.set_vring_call(i, queue.call_fd)
    guest.work_all()
    transfer(rig, host, conn, 100_000)


def test_memory_is_added_and_removed(rig):
    """SET_MEM_TABLE on a live device: buffers in new memory serve both rings at once."""
    guest = rig.guest(nb_rx=16)
    host, conn = rig.host_to_guest(guest)
    for i in range(3):
        region = guest.mem.add_region(0x100000000 + (i << 28), 4 << 20, offset=i * 4096)

        def plug():
            guest.front.set_mem_table(guest.mem.regions)
            guest.fill(32, region)

        transfer(rig, host, conn, 500_000, plug)
        gpa = guest.mem.alloc(1 << 16, region)
        guest.mem.write(gpa, conn.header(5, 1000).pack() + pattern(1000))
        conn.tx_cnt += 1000
        host.rx.clear()
        guest.queues[TX].add(out=[(gpa, 1044)], token=[(gpa, 1 << 16)])
        guest.queues[TX].kick()
        rig.until(lambda: len(host.rx) == 1000, "data from the new memory")
        assert host.rx == pattern(1000)


def test_same_memory_again(rig):
    """The same table once more, many times, in the middle of traffic."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)

    def again():
        for _ in range(10):
            guest.front.set_mem_table(guest.mem.regions)
            rig.loop.run(0.002)

    transfer(rig, host, conn, 2_000_000, again)


def test_chain_over_two_regions(rig):
    """Segments in different regions are one packet; a segment never spans regions."""
    guest = rig.guest()
    region = guest.mem.add_region(0x200000000, 1 << 20)
    guest.front.set_mem_table(guest.mem.regions)
    host, conn = rig.host_to_guest(guest)
    one, two = guest.mem.alloc(64), guest.mem.alloc(4096, region)
    data = conn.header(5, 500).pack() + pattern(500)
    conn.tx_cnt += 500
    guest.mem.write(one, data[:30])
    guest.mem.write(two, data[30:])
    guest.queues[TX].add(out=[(one, 30), (two, 514)], token=[(one, 64), (two, 4096)])
    guest.queues[TX].kick()
    rig.until(lambda: host.rx == pattern(500), "data")


def test_resume_in_a_new_session(rig):
    """The front end comes back on a new socket: with or without the old connections, the port
    works."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    guest.stop_rings()
    guest.work_all()
    rig.unplug(guest)
    rig.until(lambda: host.ended, "end of the old connection")
    assert conn.rx_cnt == 0
    rig.still_works(rig.guest(3, base=100))


@EVENTS
def test_stop_with_a_guest_that_takes_nothing(rig, event_idx):
    """GET_VRING_BASE never waits for the guest."""
    guest = rig.guest(event_idx=event_idx, nb_rx=4)
    host, conn = rig.host_to_guest(guest)
    guest.hold_rx = True
    host.send(bytes(500_000))
    conn.send(bytes(500_000))
    rig.loop.run(0.1)
    guest.stop_rings()
    guest.hold_rx = False
    guest.work_all()
    guest.repost()
    guest.start_rings()
    rig.until(lambda: len(conn.rx) == 500_000 and len(host.rx) == 500_000, "data")
