# SPDX-License-Identifier: BSD-3-Clause
"""Shared by the tests of hostile drivers."""

import contextlib
import struct

GOOD = 0x20000  # an address in guest memory, with any content
END = 0x10000 + (32 << 20)  # the first that is not any more


def table(guest, *entries):
    """An indirect table in guest memory; entries are (addr, bytes, flags, next)."""
    gpa = guest.mem.alloc(16 * max(1, len(entries)))
    guest.mem.write(gpa, b"".join(struct.pack("<QIHH", a, n, f, x) for a, n, f, x in entries))
    return gpa


@contextlib.contextmanager
def bystander(rig):
    """Another guest with a connection that must go on."""
    other = rig.guest(4)
    host, conn = rig.host_to_guest(other)
    yield other
    host.send(b"still")
    conn.send(b"here")
    rig.until(lambda: conn.rx == b"still" and host.rx == b"here", "the bystander's data")
    rig.still_works(other)


def back_after(rig, guest):
    """A new front end finds the port usable."""
    rig.unplug(guest)
    rig.still_works(rig.guest(3))
