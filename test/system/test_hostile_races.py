# SPDX-License-Identifier: BSD-3-Clause
"""Guest memory that changes while the device reads it."""

import mmap
import os
import signal
import struct
import time

import pytest
from pylib.guest import TX
from pylib.hostile import END, back_after, bystander, table
from pylib.virtqueue import DESC_INDIRECT, DESC_NEXT, DESC_WRITE
from pylib.vsock_codec import HEADER_LEN, MAX_PAYLOAD, Op

N, W = DESC_NEXT, DESC_WRITE


def flip(guest, gpa, values, width="I"):
    """A process that writes `values` to one place of guest memory in turn, for ever: what another
    CPU of the guest does while the device reads."""
    pid = os.fork()
    if pid:
        return pid
    try:
        region = guest.mem.regions[0]
        with mmap.mmap(region.fd, region.size) as view:
            word = memoryview(view).cast(width)
            at = (gpa - region.gpa) // struct.calcsize(width)
            while True:
                for value in values:
                    word[at] = value
    finally:
        os._exit(0)


def stop(pid):
    """End a child."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@pytest.mark.parametrize("what", ["len", "op", "desc_len", "desc_addr", "desc_flags", "table_addr"])
def test_memory_changes_while_it_is_read(rig, what):
    """Header fields and descriptors change while the device reads them. The device delivers only
    bytes of this guest's packets, and goes on."""
    with bystander(rig):
        guest = rig.guest(3, indirect=what == "table_addr")
        guest.auto_rst = False
        queue = guest.queues[TX]
        gpa = guest.mem.alloc(HEADER_LEN + MAX_PAYLOAD)
        slot = queue.take_slots(1)[0]
        inner = table(guest, (gpa, HEADER_LEN + 10, 0, 0))
        if what == "table_addr":
            queue.set_desc(slot, inner, 16, DESC_INDIRECT)
        else:
            queue.set_desc(slot, gpa, HEADER_LEN + 10)
        desc = queue.desc + 16 * slot
        pid = {
            "len": lambda: flip(guest, gpa + 24, [10, 0xFFFFFFF0, 65537]),
            "op": lambda: flip(guest, gpa + 28, [0x00050001, 0x00060001, 0x00FF0001, 0x00010001]),
            "desc_len": lambda: flip(guest, desc + 8, [HEADER_LEN + 10, 0xFFFFFFFF, 3, 0]),
            "desc_addr": lambda: flip(guest, desc, [gpa, 0xDEAD00000000, END - 4], "Q"),
            "desc_flags": lambda: flip(guest, desc + 12, [0, N, W, N | slot << 16, 0x7F0001]),
            "table_addr": lambda: flip(guest, desc, [inner, 0xDEAD00000000, gpa], "Q"),
        }[what]()
        try:
            end = time.monotonic() + 0.7
            nb_conns = 0
            while time.monotonic() < end:
                host, conn = rig.host_to_guest(guest)
                nb_conns += 1
                for _ in range(200):
                    if not conn.open:
                        break
                    head = conn.header(Op.RW, 10)
                    guest.mem.write(gpa, head.pack() + b"0123456789")
                    queue.track([slot], token=None)
                    queue.push_head(slot)
                    queue.kick()
                    conn.tx_cnt += 10
                    rig.until(lambda: guest.returned, "the chain")
                    guest.returned.clear()
                    queue.free_slots.remove(slot)
                assert set(host.rx) <= set(b"0123456789")
                host.close()
                rig.loop.remove(host)
                guest.conns.clear()
        finally:
            stop(pid)
        back_after(rig, guest)
