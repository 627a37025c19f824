# SPDX-License-Identifier: BSD-3-Clause
"""A guest or front end that lies about its rings, its memory and its descriptors.  It costs the
liar at most its own device, and never touches another guest."""

import contextlib
import os
import struct
import time

import pytest
from pylib import vhost_user
from pylib.daemon import pattern
from pylib.guest import RX, TX
from pylib.hostile import GOOD, back_after, bystander
from pylib.vsock_codec import HOST_CID, Header, Op, Type


@pytest.mark.drops("ring_broken")
@pytest.mark.parametrize("ring", [RX, TX], ids=["rx", "tx"])
@pytest.mark.parametrize("jump", [1000, 0x7FFF, 0x8000, -100])
def test_avail_index_jumps(rig, ring, jump):
    """That device is stopped; the guest next to it and a successor are not."""
    with bystander(rig):
        guest = rig.guest(3)
        host, conn = rig.host_to_guest(guest)
        queue = guest.queues[ring]
        since = rig.daemon.drops()["ring_broken"]
        queue.set_avail_idx(queue.avail_idx + jump)
        os.eventfd_write(queue.kick_fd, 1)
        host.send(bytes(500_000))
        rig.loop.remove(guest)
        rig.counted("ring_broken", since=since)
        assert rig.daemon.drops()["ring_broken"] == since + 1, "counted once, not in every loop"
        back_after(rig, guest)
        rig.until(lambda: host.ended, "end of the connection")
        assert conn.rx_cnt <= 500_000


@pytest.mark.drops("ring_broken")
@pytest.mark.parametrize("head", [128, 129, 0x8000, 0xFFFF])
def test_head_out_of_range(rig, head):
    with bystander(rig):
        guest = rig.guest(3)
        queue = guest.queues[TX]
        queue.push_head(head)
        queue.kick(force=True)
        rig.loop.remove(guest)
        rig.counted("ring_broken", since=0)
        back_after(rig, guest)


@pytest.mark.drops("memory_gone")
def test_memory_is_taken_away(rig):
    """The front end cuts the file behind guest memory off: an access would be SIGBUS."""
    with bystander(rig):
        guest, _ = rig.session(3)
        region = guest.mem.add_region(0x400000000, 1 << 20)
        guest.start()
        gpa = guest.mem.alloc(4096, region)
        # Nothing of the test may touch the region from here on.
        os.ftruncate(region.fd, 0)
        guest.queues[TX].add(out=[(gpa, 4096)], token=None)
        guest.queues[TX].kick(force=True)
        rig.loop.remove(guest)
        rig.counted("memory_gone")
        guest.vanish()
        rig.still_works(rig.guest(3))


def test_memory_table_that_lies(rig):
    """More memory than the file has, regions that overlap, absurd sizes: refused, or dropped with
    the session, never mapped and read."""

    def lie(change):
        guest, front = rig.session(3)
        regions = [change(r) for r in guest.mem.regions]
        payload = struct.pack("<II", len(regions), 0) + b"".join(
            struct.pack("<QQQQ", *r) for r in regions
        )
        with contextlib.suppress(vhost_user.BackendGone, vhost_user.BackendRefused):
            front.tell(vhost_user.Req.SET_MEM_TABLE, payload, [r.fd for r in guest.mem.regions])
            guest.front = front
            guest.fill()
            guest.start_rings()
        guest.close()

    lie(lambda r: (r.gpa, r.size * 2, r.uva, 0))
    lie(lambda r: (r.gpa, r.size, r.uva, 4096))
    lie(lambda r: (r.gpa, 2**64 - 1, r.uva, 0))
    lie(lambda r: (r.gpa, r.size, r.uva, 2**64 - 4096))
    lie(lambda r: (2**64 - 4096, r.size, r.uva, 0))
    lie(lambda r: (r.gpa, 0, r.uva, 0))
    rig.still_works(rig.guest(3))


def test_rings_that_lie(rig):
    """Rings outside of memory, of absurd sizes, misaligned: the device does not start."""

    def lie(size=128, desc=0, avail=0, used=0):
        guest, front = rig.session(3)
        front.set_mem_table(guest.mem.regions)
        queue = guest.queues[0]
        with contextlib.suppress(vhost_user.BackendGone, vhost_user.BackendRefused):
            for i in (RX, TX):
                front.set_vring_num(i, size)
                front.set_vring_base(i, 0)
                front.set_vring_addr(
                    i,
                    guest.mem.uva(queue.desc) + desc,
                    guest.mem.uva(queue.avail) + avail,
                    guest.mem.uva(queue.used) + used,
                )
                front.set_vring_kick(i, queue.kick_fd)
                front.set_vring_call(i, queue.call_fd)
            for i in (RX, TX):
                front.set_vring_enable(i, True)
            os.eventfd_write(queue.kick_fd, 1)
            time.sleep(0.02)
        guest.close()

    for size in (0, 3, 100, 65536, 0xFFFFFFFF):
        lie(size=size)
    lie(desc=64 << 20)
    lie(avail=-(1 << 40))
    lie(used=(32 << 20) - 64)
    lie(size=32768)
    for offset in (1, 2, 3):
        lie(desc=offset)
        lie(avail=offset)
        lie(used=offset)
    rig.still_works(rig.guest(3))


def test_descriptors_that_are_no_eventfds(rig):
    """Kick and call descriptors of another kind must not block or confuse a lcore."""
    for make in (
        lambda: os.pipe()[::-1],
        lambda: (os.open("/dev/zero", os.O_RDWR),),
        lambda: (os.memfd_create("x"),),
    ):
        guest, front = rig.session(3)
        fds = make()
        with contextlib.suppress(vhost_user.BackendGone, vhost_user.BackendRefused):
            guest.fill()
            front.set_mem_table(guest.mem.regions)
            for i, queue in enumerate(guest.queues):
                mem = guest.mem
                front.set_vring_num(i, queue.size)
                front.set_vring_base(i, 0)
                front.set_vring_addr(
                    i, mem.uva(queue.desc), mem.uva(queue.avail), mem.uva(queue.used)
                )
                front.set_vring_kick(i, fds[0])
                front.set_vring_call(i, fds[0])
            for i in (RX, TX):
                front.set_vring_enable(i, True)
            guest.transmit(Header(3, HOST_CID, 1, 1, 0, Type.STREAM, Op.REQUEST))
            time.sleep(0.05)
        for fd in fds:
            os.close(fd)
        guest.close()
    rig.still_works(rig.guest(3))


def test_used_ring_is_overwritten(rig):
    """The device's own index is the device's: what the guest writes there is not read back."""
    guest = rig.guest(3)
    host, conn = rig.host_to_guest(guest)
    queue = guest.queues[TX]
    rig.until(lambda: guest.idle, "everything is given back")
    was = queue.used_idx()
    guest.mem.store16(queue.used + 2, was + 1000)
    conn.send(b"go on")
    rig.until(lambda: host.rx == b"go on", "data")
    rig.loop.remove(guest)
    rig.until(lambda: queue.used_idx() != was + 1000, "the used index")
    assert queue.used_idx() == (was + 1) & 0xFFFF
    back_after(rig, guest)


def test_flood_of_requests(rig):
    """Thousands of half-open connections: bounded, and the other guest's requests are served."""
    with bystander(rig) as other:
        guest = rig.guest(3)
        guest.auto_rst = False
        for i in range(6000):
            guest.transmit(
                Header(3, HOST_CID, 10_000 + i, 7, 0, Type.STREAM, Op.REQUEST), b"", kick=not i % 64
            )
        rig.still_works(other)
        rig.until(lambda: guest.idle and len(guest.strays) >= 6000, "answers")


def test_random_chains(rig):
    """Noise on both rings for a while; the neighbour does not feel it."""
    with bystander(rig):
        guest = rig.guest(3, indirect=True)
        rig.loop.remove(guest)
        noise = pattern(16 * 128 * 40)
        for i in range(40):
            queue = guest.queues[i & 1]
            guest.mem.write(queue.desc, noise[i * 2048 : (i + 1) * 2048])
            for slot in range(128):  # addresses that exist, half of the time
                if noise[i * 2048 + slot] & 1:
                    guest.mem.write(
                        queue.desc + 16 * slot, struct.pack("<Q", GOOD + noise[slot] * 16)
                    )
            for slot in range(0, 100, 7):
                queue.push_head(slot)
            if queue.avail_idx - queue.used_idx() & 0xFFFF <= 128:
                queue.publish()
            os.eventfd_write(queue.kick_fd, 1)
            time.sleep(0.003)
        back_after(rig, guest)
