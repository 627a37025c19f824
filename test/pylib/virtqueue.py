# SPDX-License-Identifier: BSD-3-Clause
"""Guest memory on memfds and the driver side of the split virtqueue.

The driver is honest by default (SplitQueue.add/publish/kick/reap) and leaves every field of the
ring open to a test that plays a hostile guest (SplitQueue.set_desc, push_head, set_avail_idx).
"""

import mmap
import os
import struct
import threading
from dataclasses import dataclass

DESC_NEXT = 1
DESC_WRITE = 2
DESC_INDIRECT = 4

AVAIL_NO_INTERRUPT = 1
USED_NO_NOTIFY = 1

PAGE = 4096

_fence_lock = threading.Lock()


def fence():
    """A full memory barrier: taking an uncontended lock is an atomic read-modify-write."""
    with _fence_lock:
        pass


def need_event(event, new, old):
    """Has the 16-bit index `event` been passed when moving from `old` to `new`?
    (specification, "Used/Available Buffer Notification Suppression")"""
    return (new - event - 1) & 0xFFFF < (new - old) & 0xFFFF


@dataclass
class Region:
    """A piece of guest memory: where the guest sees it, where the front end says that it has it
    mapped (an address of no meaning here: the two differ so that a mix-up shows) and where it
    lies in its file."""

    gpa: int
    size: int
    uva: int
    fd: int
    offset: int
    map: mmap.mmap

    def __post_init__(self):
        with memoryview(self.map) as view:
            self.bytes = view[self.offset : self.offset + self.size]
        self.u16 = self.bytes.cast("H")
        self.u32 = self.bytes.cast("I")
        self.u64 = self.bytes.cast("Q")

    def close(self):
        """Unmap it and give the file back."""
        for view in (self.u16, self.u32, self.u64, self.bytes):
            view.release()
        self.map.close()
        os.close(self.fd)


class GuestMemory:
    """The memory of one guest.  All addresses in this interface are guest physical."""

    def __init__(self, size=32 << 20, gpa=0x10000):
        self.regions = []
        self._bump = {}
        self._free = {}
        self.add_region(gpa, size)

    def add_region(self, gpa, size, offset=0):
        """Append a region backed by a memfd of its own, `offset` bytes into it."""
        fd = os.memfd_create("guest-memory")
        os.ftruncate(fd, offset + size)
        region = Region(gpa, size, 0x7A0000000000 + gpa, fd, offset, mmap.mmap(fd, offset + size))
        self.regions.append(region)
        self._bump[gpa] = gpa
        return region

    def remove_region(self, region):
        """Forget a region (the caller has taken it from the memory table before)."""
        self.regions.remove(region)
        region.close()

    def close(self):
        """Give everything back."""
        for region in self.regions:
            region.close()
        self.regions = []

    def _find(self, gpa, nb_bytes):
        for region in self.regions:
            if region.gpa <= gpa and gpa + nb_bytes <= region.gpa + region.size:
                return region
        raise ValueError(f"{gpa:#x}+{nb_bytes:#x} is not in guest memory")

    def uva(self, gpa):
        """The front end's address of a guest address."""
        region = self._find(gpa, 1)
        return region.uva + gpa - region.gpa

    def read(self, gpa, nb_bytes):
        """Copy bytes out."""
        region = self._find(gpa, nb_bytes)
        offset = gpa - region.gpa
        return bytes(region.bytes[offset : offset + nb_bytes])

    def write(self, gpa, data):
        """Copy bytes in."""
        region = self._find(gpa, len(data))
        offset = gpa - region.gpa
        region.bytes[offset : offset + len(data)] = data

    # Single loads and stores of an aligned ring field: a memoryview cast to the type moves it in
    # one access, a slice of bytes would promise nothing.

    def load16(self, gpa):
        """Load an aligned 16-bit field."""
        region = self._find(gpa, 2)
        return region.u16[(gpa - region.gpa) >> 1]

    def store16(self, gpa, value):
        """Store an aligned 16-bit field."""
        region = self._find(gpa, 2)
        region.u16[(gpa - region.gpa) >> 1] = value & 0xFFFF

    def load32(self, gpa):
        """Load an aligned 32-bit field."""
        region = self._find(gpa, 4)
        return region.u32[(gpa - region.gpa) >> 2]

    def store32(self, gpa, value):
        """Store an aligned 32-bit field."""
        region = self._find(gpa, 4)
        region.u32[(gpa - region.gpa) >> 2] = value & 0xFFFFFFFF

    def store64(self, gpa, value):
        """Store an aligned 64-bit field."""
        region = self._find(gpa, 8)
        region.u64[(gpa - region.gpa) >> 3] = value & (2**64 - 1)

    def alloc(self, nb_bytes, region=None, align=64):
        """Take memory; its content is not cleared."""
        size = max(align, 1 << (max(nb_bytes, 1) - 1).bit_length())
        region = region or self.regions[0]
        free = self._free.setdefault((region.gpa, size), [])
        if free:
            return free.pop()
        gpa = (self._bump[region.gpa] + align - 1) & ~(align - 1)
        if gpa + size > region.gpa + region.size:
            raise MemoryError("the guest is out of memory")
        self._bump[region.gpa] = gpa + size
        return gpa

    def free(self, gpa, nb_bytes, align=64):
        """Give memory taken with the same size back."""
        size = max(align, 1 << (max(nb_bytes, 1) - 1).bit_length())
        region = self._find(gpa, 1)
        self._free.setdefault((region.gpa, size), []).append(gpa)


@dataclass
class Chain:
    """A chain that is with the device."""

    head: int
    out: list
    inn: list
    slots: list
    table: tuple
    token: object


class RingError(AssertionError):
    """The device broke the rules of the ring."""


class SplitQueue:
    """Driver side of one split virtqueue.

    `event_idx` and `indirect` say what was negotiated.  `flags` suppression follows
    `want_interrupts`.
    """

    def __init__(self, mem, size=128, event_idx=False):
        self.mem = mem
        self.size = size
        self.event_idx = event_idx
        self.desc = mem.alloc(16 * size, align=PAGE)
        self.avail = mem.alloc(6 + 2 * size, align=PAGE)
        self.used = mem.alloc(6 + 8 * size, align=PAGE)
        self.kick_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.call_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.nb_kicks = 0
        self.nb_calls = 0
        self.reset()

    def reset(self, base=0):
        """Put the ring back to an empty state with both indices at `base`."""
        mem = self.mem
        mem.write(self.desc, bytes(16 * self.size))
        mem.write(self.avail, bytes(6 + 2 * self.size))
        mem.write(self.used, bytes(6 + 8 * self.size))
        mem.store16(self.avail + 2, base)
        mem.store16(self.used + 2, base)
        self.avail_idx = base
        self.published = base
        self.last_used = base
        self.free_slots = list(range(self.size - 1, -1, -1))
        self.chains = {}
        self.want_interrupts(True)

    def close(self):
        """Close the event descriptors."""
        os.close(self.kick_fd)
        os.close(self.call_fd)

    def new_call_fd(self):
        """Replace the call eventfd; the old one is closed, its pending call is lost on purpose."""
        os.close(self.call_fd)
        self.call_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    # --- raw access

    def set_desc(self, slot, addr, nb_bytes, flags=0, link=0):
        """Write descriptor `slot` as it is."""
        self.mem.write(
            self.desc + 16 * slot,
            struct.pack("<QIHH", addr & (2**64 - 1), nb_bytes & 0xFFFFFFFF, flags, link & 0xFFFF),
        )

    def push_head(self, head):
        """Put `head` into the next available slot (not visible before publish())."""
        self.mem.store16(self.avail + 4 + 2 * (self.avail_idx % self.size), head)
        self.avail_idx = (self.avail_idx + 1) & 0xFFFF

    def set_avail_idx(self, idx):
        """Store the available index as it is."""
        fence()
        self.mem.store16(self.avail + 2, idx)

    def used_idx(self):
        """The device's used index."""
        return self.mem.load16(self.used + 2)

    def used_elem(self, idx):
        """(id, len) in the used ring at free-running index `idx`."""
        at = self.used + 4 + 8 * (idx % self.size)
        return self.mem.load32(at), self.mem.load32(at + 4)

    def avail_event(self):
        """The available index at which the device wants to be kicked."""
        return self.mem.load16(self.used + 4 + 8 * self.size)

    def set_used_event(self, idx):
        """Tell the device at which used index to call."""
        self.mem.store16(self.avail + 4 + 2 * self.size, idx)

    # --- the honest driver

    def take_slots(self, nb_slots):
        """Reserve descriptors for a chain that the test writes itself."""
        if len(self.free_slots) < nb_slots:
            raise BufferError("ring full")
        return [self.free_slots.pop() for _ in range(nb_slots)]

    def track(self, slots, token=None, out=(), inn=(), table=()):
        """Expect the chain that starts at slots[0] back on the used ring."""
        self.chains[slots[0]] = Chain(slots[0], list(out), list(inn), slots, table, token)

    def room(self, nb_segments, indirect=False):
        """Is there room for a chain of that many segments?"""
        return len(self.free_slots) >= (1 if indirect else nb_segments)

    def add(self, out=(), inn=(), token=None, indirect=False):
        """Describe one chain: `out` segments for the device to read, then `inn` to write, each
        (address, bytes).  Not visible before publish().  Returns the head."""
        segments = [(a, n, 0) for a, n in out] + [(a, n, DESC_WRITE) for a, n in inn]
        if not segments:
            raise ValueError("a chain needs a segment")
        table = ()
        if indirect:
            slots = self.take_slots(1)
            nb_bytes = 16 * len(segments)
            gpa = self.mem.alloc(nb_bytes)
            table = (gpa, nb_bytes)
            packed = b"".join(
                struct.pack(
                    "<QIHH",
                    a,
                    n,
                    f | (DESC_NEXT if i + 1 < len(segments) else 0),
                    i + 1 if i + 1 < len(segments) else 0,
                )
                for i, (a, n, f) in enumerate(segments)
            )
            self.mem.write(gpa, packed)
            self.set_desc(slots[0], gpa, nb_bytes, DESC_INDIRECT)
        else:
            slots = self.take_slots(len(segments))
            for i, (addr, nb_bytes, flags) in enumerate(segments):
                last = i + 1 == len(segments)
                self.set_desc(
                    slots[i],
                    addr,
                    nb_bytes,
                    flags | (0 if last else DESC_NEXT),
                    0 if last else slots[i + 1],
                )
        self.track(slots, token, out, inn, table)
        self.push_head(slots[0])
        return slots[0]

    def publish(self):
        """Make all added chains visible.  Returns whether the device wants a kick."""
        old, new = self.published, self.avail_idx
        if old == new:
            return False
        fence()
        self.mem.store16(self.avail + 2, new)
        self.published = new
        fence()
        if self.event_idx:
            return need_event(self.avail_event(), new, old)
        return not self.mem.load16(self.used) & USED_NO_NOTIFY

    def kick(self, force=False):
        """Publish what was added and kick the device if it asked for it."""
        if self.publish() or force:
            self.nb_kicks += 1
            os.eventfd_write(self.kick_fd, 1)

    def want_interrupts(self, on):
        """Ask for calls, or for none."""
        self.interrupts = on
        self.mem.store16(self.avail, 0 if on else AVAIL_NO_INTERRUPT)
        if self.event_idx:
            # "None" is an event half the number space away: 32768 used buffers from now.
            self.set_used_event(self.last_used if on else self.last_used - 0x8000)
        fence()

    def take_call(self):
        """Read the call eventfd.  Returns whether a call was pending."""
        try:
            os.eventfd_read(self.call_fd)
        except BlockingIOError:
            return False
        self.nb_calls += 1
        return True

    def pending(self):
        """Are there used chains that were not reaped?"""
        return self.used_idx() != self.last_used

    def reap(self):
        """Take every used chain: yields (chain, used bytes).  Re-arms the event index and looks
        again, as a driver must, so that a missing call is the device's fault."""
        while True:
            while self.last_used != self.used_idx():
                fence()
                head, nb_bytes = self.used_elem(self.last_used)
                self.last_used = (self.last_used + 1) & 0xFFFF
                chain = self.chains.pop(head, None)
                if chain is None:
                    raise RingError(f"the device returned chain {head}, which it does not have")
                if nb_bytes > sum(n for _, n in chain.inn):
                    raise RingError(
                        f"used length {nb_bytes} of a chain of "
                        f"{sum(n for _, n in chain.inn)} writable bytes"
                    )
                self.free_slots.extend(reversed(chain.slots))
                if chain.table:
                    self.mem.free(*chain.table)
                yield chain, nb_bytes
            if self.event_idx and self.interrupts:
                self.set_used_event(self.last_used)
            fence()
            if self.last_used == self.used_idx():
                return
