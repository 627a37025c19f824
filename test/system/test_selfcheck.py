# SPDX-License-Identifier: BSD-3-Clause
"""The test's own tools: codec, front end, virtqueue and guest model, without the daemon.

A tiny device that reads the rings by itself connects two guests, so that what the system tests
rely on was seen to work, and to fail where it must.
"""

import os
import socket
import struct

import pytest
from pylib import shapes
from pylib import vhost_user
from pylib.conn import Violation
from pylib.daemon import pattern
from pylib.guest import RX, TX, Guest
from pylib.loop import Loop, Timeout
from pylib.virtqueue import DESC_INDIRECT, DESC_NEXT, DESC_WRITE, GuestMemory, RingError, SplitQueue
from pylib.virtqueue import need_event
from pylib.vsock_codec import HEADER_LEN, U32, Header, Op, Shutdown, Type, credit


class Device:
    """Device side of one ring, as plain as it can be; knows the ring by its three addresses."""

    def __init__(self, queue):
        self.mem = queue.mem
        self.size = queue.size
        self.desc, self.avail, self.used = queue.desc, queue.avail, queue.used
        self.event_idx = queue.event_idx
        self.queue = queue
        self.next = queue.last_used
        self.nb_used = queue.last_used

    def _u16(self, gpa):
        return struct.unpack("<H", self.mem.read(gpa, 2))[0]

    def _walk(self, table, slot, limit):
        segments = []
        for _ in range(limit):
            addr, nb_bytes, flags, link = struct.unpack(
                "<QIHH", self.mem.read(table + 16 * slot, 16)
            )
            if flags & DESC_INDIRECT:
                return self._walk(addr, 0, nb_bytes // 16)
            segments.append((addr, nb_bytes, bool(flags & DESC_WRITE)))
            if not flags & DESC_NEXT:
                return segments
            slot = link
        raise AssertionError("loop in a chain")

    def pop(self):
        """(head, segments) or None; asks for a kick on the next one."""
        if self.next == self._u16(self.avail + 2):
            self.mem.write(self.used + 4 + 8 * self.size, struct.pack("<H", self.next))
            return None
        head = self._u16(self.avail + 4 + 2 * (self.next % self.size))
        self.next = (self.next + 1) & 0xFFFF
        return head, self._walk(self.desc, head, self.size)

    def push(self, head, nb_bytes):
        """Use a chain and call if the driver wants it."""
        old = self.nb_used
        self.nb_used = (old + 1) & 0xFFFF
        self.mem.write(self.used + 4 + 8 * (old % self.size), struct.pack("<II", head, nb_bytes))
        self.mem.write(self.used + 2, struct.pack("<H", self.nb_used))
        if self.event_idx:
            event = self._u16(self.avail + 4 + 2 * self.size)
            wanted = event == old
        else:
            wanted = not self._u16(self.avail) & 1
        if wanted:
            os.eventfd_write(self.queue.call_fd, 1)


class Wire:
    """Carries packets between two guests, cutting them to the receiver's buffers."""

    def __init__(self, *guests):
        self.guests = {g.cid: g for g in guests}
        self.tx = {g.cid: Device(g.queues[TX]) for g in guests}
        self.rx = {g.cid: Device(g.queues[RX]) for g in guests}
        self.waiting = []

    def fds(self):
        """Kick eventfds of all guests' TX and RX queues."""
        return {q.kick_fd: 1 for g in self.guests.values() for q in g.queues}

    def service(self, fd):
        """A guest kicked."""
        os.eventfd_read(fd)
        for device in self.tx.values():
            while chain := device.pop():
                head, segments = chain
                assert not any(w for _, _, w in segments)
                data = b"".join(device.mem.read(a, n) for a, n, _ in segments)
                device.push(head, 0)
                packet = Header.unpack(data)
                self.waiting.append([packet, data[HEADER_LEN : HEADER_LEN + packet.len]])
        while self.waiting and self.deliver():
            pass

    def deliver(self):
        """Move one buffer's worth of the first packet."""
        packet, payload = self.waiting[0]
        device = self.rx[packet.dst_cid]
        chain = device.pop()
        if not chain:
            return False
        head, segments = chain
        room = sum(n for _, n, _ in segments) - HEADER_LEN
        last = len(payload) <= room
        data = (
            packet.but(len=min(room, len(payload)), flags=packet.flags if last else 0).pack()
            + payload[:room]
        )
        self.waiting[0][1] = payload[room:]
        nb_bytes = len(data)
        for addr, size, writable in segments:
            assert writable
            device.mem.write(addr, data[:size])
            data = data[size:]
        device.push(head, nb_bytes)
        if last:
            self.waiting.pop(0)
        return True

    def describe(self):
        """For error reports."""
        return f"wire: {len(self.waiting)} packets wait"


def wired(**kwargs):
    """A loop with two guests and the wire between them."""
    loop = Loop()
    guests = [loop.add(Guest(cid, **kwargs)) for cid in (3, 4)]
    loop.add(Wire(*guests))
    for guest in guests:
        guest.fill()
    return loop, *guests


def test_header_bytes():
    """The layout, byte by byte, against the specification."""
    head = Header(
        0x0102030405060708,
        0x1112131415161718,
        0x21222324,
        0x31323334,
        0x41424344,
        0x5152,
        0x6162,
        0x71727374,
        0x81828384,
        0x91929394,
    )
    wire = bytes.fromhex(
        "0807060504030201"
        "1817161514131211"
        "24232221"
        "34333231"
        "44434241"
        "5251"
        "6261"
        "74737271"
        "84838281"
        "94939291"
    )
    assert len(wire) == HEADER_LEN
    assert head.pack() == wire
    assert Header.unpack(wire + b"payload") == head


def test_credit_wraps_and_never_goes_below_zero():
    assert credit(100, 10, 0) == 90
    assert credit(100, 5, U32 - 20) == 75
    assert credit(10, 100, 50) == 0
    assert credit(2**32 - 1, 0, 1) == 0


def test_need_event_is_passing_the_index():
    """new - event - 1 < new - old (mod 2^16) says: the event lies in [old, new)."""
    for old in (0, 1, 0x7FFF, 0xFFFE, 0xFFFF):
        for moved in range(0, 5):
            new = (old + moved) & 0xFFFF
            passed = {(old + i) & 0xFFFF for i in range(moved)}
            for delta in range(-6, 7):
                event = (old + delta) & 0xFFFF
                assert need_event(event, new, old) == (event in passed)


def test_shapes_cut_exactly():
    for name in shapes.TX:
        for nb_bytes in (0, 1, 2, 44, 3732, 65536):
            assert sum(shapes.cut(name, nb_bytes)) == HEADER_LEN + nb_bytes


def test_ring_kicks_by_event_idx():
    mem = GuestMemory()
    queue = SplitQueue(mem, 8, event_idx=True)
    device = Device(queue)
    queue.add(out=[(mem.alloc(64), 64)])
    assert queue.publish()
    assert device.pop() and not device.pop()
    queue.add(out=[(mem.alloc(64), 64)])
    assert queue.publish()
    queue.add(out=[(mem.alloc(64), 64)])
    assert not queue.publish()
    assert not queue.publish()


def test_ring_kicks_by_flag():
    mem = GuestMemory()
    queue = SplitQueue(mem, 8)
    mem.write(queue.used, b"\1\0")
    queue.add(out=[(mem.alloc(64), 64)])
    assert not queue.publish()
    mem.write(queue.used, b"\0\0")
    queue.add(out=[(mem.alloc(64), 64)])
    assert queue.publish()


@pytest.mark.parametrize("base", [0, 1, 0x7FFF, 0xFFFE])
@pytest.mark.parametrize("indirect", [False, True])
def test_ring_round_and_round(base, indirect):
    """More chains than the ring has slots, with the indices wrapping."""
    mem = GuestMemory()
    queue = SplitQueue(mem, 4, event_idx=True)
    queue.reset(base)
    device = Device(queue)
    buffers = [(mem.alloc(100), 100), (mem.alloc(50), 50)]
    for i in range(11):
        queue.add(out=buffers[:1], inn=buffers[1:], token=i, indirect=indirect)
        queue.kick()
        head, segments = device.pop()
        assert segments == [(*buffers[0], False), (*buffers[1], True)]
        device.push(head, 50)
        assert queue.take_call()
        assert [(c.token, n) for c, n in queue.reap()] == [(i, 50)]
    assert len(queue.free_slots) == 4


def test_ring_refuses_what_the_device_may_not_do():
    mem = GuestMemory()
    queue = SplitQueue(mem, 4)
    device = Device(queue)
    queue.add(inn=[(mem.alloc(10), 10)])
    queue.publish()
    head, _ = device.pop()
    device.push(head + 1, 0)
    with pytest.raises(RingError):
        list(queue.reap())
    device.push(head, 11)
    with pytest.raises(RingError):
        list(queue.reap())


def test_no_interrupts_when_not_wanted():
    for event_idx in (False, True):
        mem = GuestMemory()
        queue = SplitQueue(mem, 4, event_idx)
        queue.want_interrupts(False)
        device = Device(queue)
        queue.add(inn=[(mem.alloc(10), 10)])
        queue.publish()
        device.push(device.pop()[0], 10)
        assert not queue.take_call()
        assert queue.pending()


def test_front_end_messages():
    """Framing, descriptors and acknowledgements against hand-made bytes."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    front = vhost_user.FrontEnd(near)
    far.sendall(struct.pack("<IIIQ", 1, 5, 8, 0x123456789))
    assert front.get_features() == 0x123456789
    assert far.recv(100) == struct.pack("<III", 1, 1, 0)
    mem = GuestMemory(1 << 16, 0x1000)
    front.set_mem_table(mem.regions)
    data, fds, _, _ = socket.recv_fds(far, 100, 4)
    assert data == (
        struct.pack("<IIIII", 5, 1, 40, 1, 0)
        + struct.pack("<QQQQ", 0x1000, 1 << 16, mem.regions[0].uva, 0)
    )
    assert os.fstat(fds[0]).st_ino == os.fstat(mem.regions[0].fd).st_ino
    os.close(fds[0])
    front.set_vring_kick(1, None)
    assert far.recv(100) == struct.pack("<IIIQ", 12, 1, 8, 0x101)
    front.protocol_features = vhost_user.PF_REPLY_ACK
    far.sendall(struct.pack("<IIIQ", 3, 5, 8, 0))
    front.set_owner()
    assert far.recv(100) == struct.pack("<III", 3, 9, 0)
    far.sendall(struct.pack("<IIIQ", 18, 5, 8, 1))
    with pytest.raises(vhost_user.BackendRefused):
        front.set_vring_enable(0, True)
    far.close()
    with pytest.raises(vhost_user.BackendGone):
        front.get_features()
    near.close()


@pytest.mark.parametrize("indirect", [False, True])
@pytest.mark.parametrize("event_idx", [False, True])
@pytest.mark.parametrize("rx_shape", shapes.RX)
def test_guests_talk(rx_shape, event_idx, indirect):
    """Streams both ways between two guests in every chain shape."""
    loop, one, two = wired(rx_shape=rx_shape, event_idx=event_idx, indirect=indirect)
    listener = two.listen(1000)
    conn = one.connect(1000, cid=4)
    peer = loop.until(lambda: listener.conns and conn.open and listener.conns[0], "connection")
    for shape in shapes.TX:
        conn.shape = peer.shape = shape
        there, back = pattern(40000, shape + "1"), pattern(30000, shape + "2")
        conn.send(there)
        peer.send(back)
        loop.until(lambda: len(peer.rx) >= 40000 and len(conn.rx) >= 30000, f"data by {shape}")
        assert peer.read() == there and conn.read() == back
    conn.shutdown(Shutdown.BOTH)
    loop.until(lambda: conn.closed and peer.closed, "close")
    assert conn.was_reset and not peer.was_reset


def test_guest_messages():
    """Seqpacket messages keep their borders through buffers that are smaller."""
    loop, one, two = wired()
    listener = two.listen(1000, Type.SEQPACKET)
    conn = one.connect(1000, cid=4, kind=Type.SEQPACKET)
    loop.until(lambda: conn.open, "connection")
    sent = [pattern(n, n) for n in (1, 3732, 3733, 100000)]
    for message in sent:
        conn.send(message)
    loop.until(lambda: len(listener.conns[0].messages) == 4, "messages")
    assert listener.conns[0].messages == sent


def test_guest_waits_for_credit_and_notices_too_much():
    loop, one, two = wired()

    def slow(conn):
        conn.auto_read = False

    listener = two.listen(1000, buf_alloc=1000, setup=slow)
    conn = one.connect(1000, cid=4)
    loop.until(lambda: conn.open, "connection")
    conn.send(bytes(1500))
    loop.run(0.05)
    peer = listener.conns[0]
    assert peer.rx_cnt == 1000 and not conn.sent
    peer.read(500)
    loop.until(lambda: peer.rx_cnt == 1500, "the rest")
    with pytest.raises(Violation, match="over the credit"):
        conn.raw(Op.RW, bytes(501))
        loop.run(0.05)


def test_refused_port_and_stray():
    loop, one, two = wired()
    conn = one.connect(9, cid=4)
    loop.until(lambda: conn.closed, "refusal")
    assert conn.was_reset
    two.transmit(Header(4, 3, 7, 8, 0, Type.STREAM, Op.RST))
    loop.until(lambda: one.strays, "stray")
    loop.run(0.02)
    assert [h.op for h in two.log] == [Op.REQUEST]


def test_lost_call_is_reported():
    """A device that forgets to call makes the test fail, and the report says why."""
    loop, one, two = wired()
    two.listen(1000)
    two.queues[RX].want_interrupts(False)
    conn = one.connect(1000, cid=4)
    with pytest.raises(Timeout, match="lost interrupt"):
        loop.until(lambda: conn.open, "connection", timeout=0.1)
