# SPDX-License-Identifier: BSD-3-Clause
"""The end of the process, and what it finds and leaves in the file system."""

import contextlib
import os
import signal
import socket
import stat
import subprocess

import pytest
from pylib.daemon import Daemon
from pylib.rig import needs_daemon
from pylib.vhost_user import FrontEnd, Req
from pylib.vsock_codec import Op

SIGNALS = pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)


@pytest.fixture(autouse=True)
def _daemon_is_there():
    needs_daemon()


@SIGNALS
def test_end_with_open_connections(launch, sig):
    """Guests get an RST for each connection, programs their EOF."""
    rig = launch(cids=(3, 4))
    guest, other = rig.guest(3), rig.guest(4)
    pairs = [rig.pair(g, maker) for g in (guest, other) for maker in ("host", "guest") * 5]
    one, two = rig.guest_to_guest(guest, other)
    half = rig.host_socket()
    half.sendall(b"CONN")
    rig.end_daemon(sig)
    for g in (guest, other):
        g.work_all()
    rig.until(lambda: all(h.ended for h, _ in pairs), "EOF for the programs")
    assert all(c.was_reset for _, c in pairs) and one.was_reset and two.was_reset


def test_end_with_a_guest_that_takes_nothing(launch):
    """Resets that do not fit are dropped after a second; the end comes in time."""
    rig = launch()
    guest = rig.guest(nb_rx=2)
    conns = [rig.host_to_guest(guest)[1] for _ in range(10)]
    guest.hold_rx = True
    for conn in conns:
        conn.raw(Op.CREDIT_REQUEST)
    rig.loop.run(0.1)
    rig.end_daemon()


def test_end_in_the_middle_of_a_transfer(launch):
    rig = launch(cids=(3, 4))
    guest, other = rig.guest(3), rig.guest(4)
    host, conn = rig.host_to_guest(guest)
    one, two = rig.guest_to_guest(guest, other)
    slow, clogged = rig.host_to_guest(guest)
    slow.reading = False
    for c in (host, conn, one, two, clogged):
        c.send(bytes(4_000_000))
    rig.loop.run(0.02)
    rig.end_daemon()


def test_end_while_a_connect_is_tried_again(launch):
    """The backlog of a program is full, so that the slow path waits before it tries once more."""
    rig = launch()
    guest = rig.guest()
    rig.full_server(84)
    conns = [guest.connect(84) for _ in range(50)]
    rig.loop.run(0.1)
    assert not any(c.closed for c in conns)
    rig.end_daemon()
    os.unlink(rig.path(3, 84))


def test_end_right_behind_closes(launch):
    """Sockets whose close() is still to come when the signal arrives: programs see their end."""
    rig = launch()
    guest = rig.guest()
    pairs = [rig.guest_to_host(guest) for _ in range(20)]
    ours = [rig.host_to_guest(guest) for _ in range(20)]
    for _, conn in pairs:
        conn.shutdown(3)
    for host, _ in ours:
        rig.loop.remove(host)
        host.close()
    rig.end_daemon()
    rig.until(lambda: all(h.ended for h, _ in pairs), "EOF for the programs")


def test_end_with_a_stalled_front_end(launch):
    rig = launch(cids=(3, 4))
    _, sock = rig.plug(3)
    front = FrontEnd(sock)
    front.get_features()
    front.send_raw(front.frame(Req.SET_FEATURES, bytes(8))[:14])
    rig.loop.run(0.05)
    rig.end_daemon()


def test_end_at_once(launch):
    """A signal right after the start."""
    launch().end_daemon()


def test_end_while_starting():
    """A signal in the middle of the start: an end, with or without having served."""
    for delay in (0.0, 0.05, 0.1, 0.2):
        daemon = Daemon()
        try:
            daemon.spawn()
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.process.wait(delay)
            status, _ = daemon.terminate()
            assert status in (0, -signal.SIGTERM), daemon.stderr()
        finally:
            daemon.discard()


def test_sockets_of_a_killed_daemon_are_replaced(launch):
    """SIGKILL leaves the files; the next start takes them over."""
    rig = launch(cids=(3, 4))
    rig.daemon.process.kill()
    rig.daemon.process.wait()
    for port in rig.daemon.ports.values():
        for path in port.sockets():
            assert stat.S_ISSOCK(os.stat(path).st_mode)
    os.rename(rig.daemon.stderr_path, rig.daemon.stderr_path + ".old")
    rig.daemon.start()
    rig.still_works(rig.guest(3))


@pytest.mark.parametrize("which", ["iface", "uds", "uds_seqpacket"])
def test_live_socket_of_another_is_not_replaced(which):
    """One line, an error, and the other process's socket is untouched."""
    daemon = Daemon()
    try:
        port = daemon.ports[3]
        path = {"iface": port.iface, "uds": port.uds, "uds_seqpacket": port.uds + "_seqpacket"}[
            which
        ]
        kind = socket.SOCK_SEQPACKET if which == "uds_seqpacket" else socket.SOCK_STREAM
        with socket.socket(socket.AF_UNIX, kind) as server:
            server.bind(path)
            server.listen(8)
            before = os.stat(path)
            daemon.refuses([path], keep=True)
            after = os.stat(path)
            assert (before.st_ino, before.st_ctime_ns) == (after.st_ino, after.st_ctime_ns)
            with socket.socket(socket.AF_UNIX, kind) as client:
                client.connect(path)
        others = set(port.sockets()) - {path}
        assert not any(os.path.exists(p) for p in others), "half done"
    finally:
        daemon.discard()


@pytest.mark.parametrize("which", ["iface", "uds"])
def test_other_files_are_not_replaced(which):
    """A path at which something that is no socket lies."""
    daemon = Daemon()
    try:
        path = getattr(daemon.ports[3], which)
        with open(path, "wb") as file:
            file.write(b"precious")
        daemon.refuses([path], keep=True)
        with open(path, "rb") as file:
            assert file.read() == b"precious"
    finally:
        daemon.discard()


def test_two_daemons(launch):
    """Side by side, each with its own sockets; the second on the first's paths is refused."""
    one = launch(cids=(3,))
    two = launch(cids=(3,))
    one.still_works(one.guest(3))
    two.still_works(two.guest(3))
    third = Daemon(cids=(3,))
    own = third.dir
    try:
        third.ports[3].iface = one.daemon.ports[3].iface
        third.refuses([one.daemon.ports[3].iface], keep=True)
        one.still_works(one.guests[0])
    finally:
        third.dir = own
        third.discard()
