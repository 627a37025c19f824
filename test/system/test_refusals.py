# SPDX-License-Identifier: BSD-3-Clause
"""Connections that are refused: each reason has a name and a count, and the faults that an operator
has to mend are logged, but not without bound."""

import os
import re
import socket

import pytest
from pylib.daemon import pattern
from pylib.vsock_codec import Op, Type

LINES = pytest.mark.parametrize(
    "line", [b"HELLO\n", b"CONNECT\n", b"CONNECT x\n", b"CONNECT 1 2\n", b"\n", b"C" * 40]
)


def ends(sock):
    """Wait for the end of a blocking socket."""
    sock.settimeout(20)
    try:
        return sock.recv(100) == b""
    except ConnectionError:
        return True


@pytest.mark.drops("bad_line")
@LINES
def test_bad_line(rig, line):
    sock = rig.host_socket()
    sock.sendall(line)
    assert ends(sock)


@pytest.mark.drops("line_timeout")
def test_closed_without_a_line(rig):
    before = rig.daemon.drops()["line_timeout"]
    for text in (b"", b"CONN", b"CONNECT 12"):
        sock = rig.host_socket()
        sock.sendall(text)
        sock.close()
    rig.daemon.wait_for(lambda: rig.daemon.drops()["line_timeout"] == before + 3, "not counted")


@pytest.mark.drops("guest_refused")
@pytest.mark.parametrize("kind", [Type.STREAM, Type.SEQPACKET])
def test_guest_without_a_listener(rig, kind):
    """Linux answers with RST if nobody listens, or if the listener's backlog is full."""
    guest = rig.guest()
    before = rig.daemon.port(3)["drops"]["guest_refused"]
    hosts = [rig.dial(4711, kind=kind) for _ in range(5)]
    rig.until(lambda: all(h.ended for h in hosts), "end")
    assert rig.daemon.port(3)["drops"]["guest_refused"] == before + 5
    rig.until(lambda: guest.idle, "all taken")


@pytest.mark.drops("guest_refused")
def test_guest_refuses_a_guest(rig):
    """Counted at the guest that refused."""
    one = rig.guest(3)
    rig.guest(4)
    before = rig.daemon.port(4)["drops"]["guest_refused"]
    conn = one.connect(4711, cid=4)
    rig.until(lambda: conn.closed, "RST")
    assert rig.daemon.port(4)["drops"]["guest_refused"] == before + 1


def without_override():
    """A wrapper that takes from root the right to pass by file modes."""
    if os.geteuid() != 0:
        return ()
    caps = "-dac_override,-dac_read_search"
    return ("setpriv", f"--inh-caps={caps}", f"--bounding-set={caps}")


@pytest.mark.drops("host_denied")
def test_no_permission(launch):
    """One clear line; a flood of the same fault does not fill the log."""
    rig = launch(wrapper=without_override())
    guest = rig.guest()
    rig.serve(90)
    os.chmod(rig.path(3, 90), 0)
    conns = [guest.connect(90) for _ in range(60)]
    rig.until(lambda: all(c.closed for c in conns), "RST")
    assert all(c.ops == [Op.RST] for c in conns)
    assert rig.daemon.drops()["host_denied"] == 60
    lines = [line for line in rig.daemon.stderr().splitlines() if "_90 failed" in line]
    assert 1 <= len(lines) <= 5
    assert re.search(r"port 90: connect to \S+_90 failed: Permission denied \(let the", lines[0])


def test_line_for_the_wrong_type(launch):
    """What to change is said: systemd's notifications from a guest come as SEQPACKET."""
    rig = launch()
    guest = rig.guest()
    rig.serve(91)
    conn = guest.connect(91, kind=Type.SEQPACKET)
    rig.until(lambda: conn.closed, "RST")
    rig.daemon.wait_for(
        lambda: "the guest uses SOCK_SEQPACKET: listen with that type" in rig.daemon.stderr(),
        "no line",
    )


# ---- the line, and what follows it


@pytest.mark.parametrize(
    "line",
    [b"connect 1234\n", b"CONNECT 1234\r\n", b"CONNECT 1234 \n", b" CONNECT \t 1234\n"],
)
def test_spellings(rig, line):
    guest = rig.guest()
    guest.listen(1234)
    sock = rig.host_socket()
    sock.sendall(line)
    rig.until(lambda: any(c.open for c in guest.conns.values()), "connection")
    assert sock.recv(100).startswith(b"OK ")


@pytest.mark.parametrize("kind", [Type.STREAM, Type.SEQPACKET])
@pytest.mark.parametrize("when", ["before the answer", "after the answer"])
def test_data_behind_the_line_and_close(rig, when, kind):
    """What write() took arrives when the guest accepts, even if the program has closed before."""
    guest = rig.guest()
    data = pattern(40_000)
    listener = guest.listen(1234, kind)
    if when == "before the answer":
        rig.loop.remove(guest)  # it does not look at its rings
    host = rig.dial(1234, kind=kind)
    host.send(data)
    rig.until(lambda: host.sent, "written")
    if when == "before the answer":
        host.close()
        rig.loop.run(0.1)
        rig.loop.add(guest)
    rig.until(lambda: listener.conns, "connection")
    conn = listener.conns[0]
    host.close()
    rig.until(lambda: conn.rx == data or conn.messages == [data], "data")
    rig.until(lambda: conn.closed, "end")


def test_closed_without_data_before_the_answer(rig):
    """A probe that came and went is not shown to the guest as a live connection."""
    guest = rig.guest()
    guest.listen(1234)
    for _ in range(20):
        sock = rig.host_socket()
        sock.sendall(b"CONNECT 1234\n")
        sock.close()
    rig.loop.steady(lambda: True, "rest")
    rig.until(lambda: not guest.conns, "all ended")
    rig.still_works(guest)


def test_host_ports_after_a_restart(launch):
    """The guest may still know the last daemon's connections, so ports begin at random."""
    first = set()
    for _ in range(4):
        rig = launch()
        host, _ = rig.host_to_guest(rig.guest())
        assert 0x40000000 <= host.ok < 0xFFFFFFFF
        first.add(host.ok)
    assert len(first) == 4


def test_socket_path_of_a_folder_without_permission(launch):
    """As above, for a folder that may not be searched."""
    rig = launch(wrapper=without_override())
    guest = rig.guest()
    path = rig.path(3, 92)
    hidden = os.path.join(os.path.dirname(path), "hidden")
    os.mkdir(hidden)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(os.path.join(hidden, "s"))
        sock.listen()
        os.symlink(os.path.join(hidden, "s"), path)
        os.chmod(hidden, 0)
        conn = guest.connect(92)
        rig.until(lambda: conn.closed, "RST")
        os.chmod(hidden, 0o700)
    assert rig.daemon.drops()["host_denied"] == 1
