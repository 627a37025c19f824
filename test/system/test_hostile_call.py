# SPDX-License-Identifier: BSD-3-Clause
"""A front end that makes the daemon's write to a call eventfd block: the flags of an eventfd are
shared, and so is its counter.  It loses its device; the lcore goes on with the others."""

import contextlib
import ctypes
import fcntl
import os
import signal
import time

import pytest
from pylib.daemon import pattern
from pylib.guest import RX, TX
from pylib.hostile import back_after, bystander

FULL = 2**64 - 2
LOOK_S = 0.5  # a shorter block has no effect


def set_nonblocking(fd, on):
    flags = fcntl.fcntl(fd, fcntl.F_GETFL) & ~os.O_NONBLOCK
    fcntl.fcntl(fd, fcntl.F_SETFL, flags | (os.O_NONBLOCK if on else 0))


def fill(guest, rings):
    """The next call for one of the rings blocks."""
    for ring in rings:
        fd = guest.queues[ring].call_fd
        while True:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(fd)
            with contextlib.suppress(BlockingIOError):  # one more call came in between
                os.eventfd_write(fd, FULL)
                break
        set_nonblocking(fd, False)


def hostile(rig, rings, event_idx=False):
    """A guest whose call eventfds block, with a connection: (guest, host end, guest end)."""
    guest = rig.guest(3, event_idx=event_idx)
    host, conn = rig.host_to_guest(guest)
    rig.until(lambda: guest.idle, "everything taken")
    rig.loop.remove(guest)
    guest.work_all()  # asks for the next call
    fill(guest, rings)
    return guest, host, conn


def provoke(ring, host, conn):
    """Something that the driver has to be told of."""
    if ring == RX:
        host.send(b"for the guest")
    else:
        conn.send(b"from the guest")


@pytest.mark.drops("call_blocked")
@pytest.mark.parametrize("event_idx", [False, True], ids=["flags", "event_idx"])
@pytest.mark.parametrize("rings", [(RX,), (TX,), (RX, TX)], ids=["rx", "tx", "both"])
def test_call_eventfd_blocks(rig, rings, event_idx):
    """That device is stopped, said so, and its connections are reset."""
    with bystander(rig) as other:
        since = rig.daemon.drops()["call_blocked"]
        guest, host, conn = hostile(rig, rings, event_idx)
        for ring in rings:
            provoke(ring, host, conn)
        rig.still_works(other)
        rig.counted("call_blocked", since=since)
        rig.until(lambda: host.ended, "end of the connection")
        line = "cid=3: device stopped: the front end's call eventfd blocked"
        rig.until(lambda: line in rig.daemon.stderr(), "a line about it")
        assert rig.daemon.drops()["call_blocked"] == since + 1
        back_after(rig, guest)


@pytest.mark.drops("call_blocked")
def test_front_end_goes_while_its_eventfd_blocks(rig):
    with bystander(rig):
        since = rig.daemon.drops()["call_blocked"]
        guest, host, conn = hostile(rig, (RX, TX))
        provoke(TX, host, conn)
        rig.until(guest.queues[TX].pending, "what the call is about")
        back_after(rig, guest)
        rig.counted("call_blocked", since=since)
        assert rig.daemon.drops()["call_blocked"] == since + 1
        assert host.ended


@pytest.mark.drops("call_blocked")
def test_again_and_again(rig):
    """The other guest of that lcore gets its turns between."""
    with bystander(rig) as other:
        since = rig.daemon.drops()["call_blocked"]
        for i in range(10):
            guest, host, conn = hostile(rig, (RX, TX))
            provoke(i % 2, host, conn)
            rig.still_works(other)
            rig.counted("call_blocked", since=since + i)
            rig.unplug(guest)
        rig.still_works(rig.guest(3))


@pytest.mark.parametrize("stuck", [True, False], ids=["stuck", "about_to"])
def test_end_with_a_call_eventfd_that_blocks(launch, stuck):
    """The daemon ends in time, whether it is stuck already or its resets would have to be told."""
    rig = launch(cids=(3, 4))
    rig.still_works(rig.guest(4))
    guest, host, conn = hostile(rig, (RX, TX))
    if stuck:
        provoke(RX, host, conn)
        rig.until(guest.queues[RX].pending, "what the call is about")
    rig.end_daemon()
    rig.until(lambda: host.ended, "end of the connection")


class Lcore:
    """The daemon's poll lcore as the kernel shows it.  It spins: it sleeps only where it blocks."""

    def __init__(self, daemon):
        self.pid = daemon.process.pid
        base = f"/proc/{self.pid}/task"
        self.tid = next(
            int(tid) for tid in os.listdir(base) if "worker" in self.read(f"{base}/{tid}/comm")
        )

    @staticmethod
    def read(path):
        with open(path, encoding="ascii") as file:
            return file.read()

    def status(self, key):
        """A line of its status."""
        lines = self.read(f"/proc/{self.pid}/task/{self.tid}/status").splitlines()
        return next(line.split()[1] for line in lines if line.startswith(key + ":"))

    def blocks(self):
        """Does it sleep?"""
        return self.status("State") == "S"

    def nb_sleeps(self):
        """Times that it went to sleep."""
        return int(self.status("voluntary_ctxt_switches"))

    def signal(self):
        """Send it the signal that the daemon itself would: the highest it has a handler for."""
        number = int(self.status("SigCgt"), 16).bit_length()
        assert number >= signal.SIGRTMIN
        assert ctypes.CDLL(None).tgkill(self.pid, self.tid, number) == 0


def interrupt(rig, lcore, guest, host, conn):
    """Block the lcore for a moment, send it signals, and unblock it. Returns False if that took so
    long that the daemon was right to stop the device."""
    start = time.monotonic()
    provoke(RX, host, conn)
    rig.until(lambda: lcore.blocks() or host.ended, "a write that blocks")
    for _ in range(5):
        before = lcore.nb_sleeps()
        lcore.signal()
        rig.until(lambda: lcore.nb_sleeps() > before or host.ended, "the next write")
        if host.ended:
            return False
    fd = guest.queues[RX].call_fd
    os.eventfd_read(fd)
    rig.until(lambda: not lcore.blocks(), "end of the write")
    set_nonblocking(fd, True)
    return time.monotonic() - start < LOOK_S


def test_stray_signals_cost_nothing(launch):
    """EINTR without the daemon's own verdict: the write is made again."""
    for _ in range(20):
        rig = launch(cids=(3, 4), app=("--idle", "spin"))
        guest, host, conn = hostile(rig, (RX,))
        if interrupt(rig, Lcore(rig.daemon), guest, host, conn):
            break
        rig.close()
        rig.daemon.stop()
    else:
        pytest.fail("never quick enough")
    rig.loop.add(guest)
    guest.work_all()
    rig.until(lambda: conn.rx == b"for the guest", "data")
    rig.still_works(guest)
    assert rig.daemon.drops()["call_blocked"] == 0


def test_stopped_and_continued(launch):
    """A process that stands still for longer than the watch waits has done nothing wrong."""
    rig = launch(cids=(3, 4))
    guest, other = rig.guest(3, event_idx=False), rig.guest(4)
    host, conn = rig.host_to_guest(guest)
    one, two = rig.guest_to_guest(guest, other)
    data = pattern(3_000_000)
    for _ in range(3):
        for end_of in (host, conn, one, two):
            end_of.send(data)
        rig.loop.run(0.01)
        rig.daemon.process.send_signal(signal.SIGSTOP)
        time.sleep(3 * LOOK_S)
        rig.daemon.process.send_signal(signal.SIGCONT)
        rig.loop.run(0.05)
    for end_of in (host, conn, one, two):
        rig.until(lambda e=end_of: len(e.rx) == 3 * len(data), "all of the data")
        assert bytes(end_of.rx) == data * 3
    assert rig.daemon.drops()["call_blocked"] == 0
