# SPDX-License-Identifier: BSD-3-Clause
"""What users of other vsock back ends ran into, tried on this one."""

import os
import socket
import stat
import threading

import pytest
from pylib.daemon import pattern
from pylib.vsock_codec import HOST_CID, Header, Op, Shutdown, Type

KIB = 1024


def nb_lines(rig):
    """Lines of the log so far."""
    return rig.daemon.stderr().count("\n")


# ---- data must not be lost


def test_half_close_and_a_large_reply(rig):
    """A request, the end of the request, then a reply of many windows."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    host.send(b"request")
    rig.until(lambda: host.sent, "written")
    host.sock.shutdown(socket.SHUT_WR)
    rig.until(lambda: conn.rx == b"request" and conn.peer_shutdown == Shutdown.SEND, "the request")
    reply = pattern(3 << 20)
    conn.send(reply)
    conn.shutdown(Shutdown.BOTH)
    rig.until(lambda: host.ended, "the reply and its end", timeout=60)
    assert host.rx == reply


def test_program_reads_after_the_guest_has_closed(rig):
    """The guest writes, closes and resets; the program reads later and gets all of it."""
    guest = rig.guest()
    host, conn = rig.guest_to_host(guest)
    host.reading = False
    data = pattern(600_000)
    conn.send(data)
    rig.loop.steady(lambda: not conn.credit(), "no credit left")
    taken = conn.tx_cnt
    conn.out.clear()
    conn.shutdown(Shutdown.BOTH)
    rig.until(lambda: guest.idle, "taken")
    rig.loop.run(0.3)
    if conn.open:
        conn.rst()
    rig.until(lambda: guest.idle, "taken")
    host.reading = True
    rig.until(lambda: host.ended, "end")
    assert host.rx == data[:taken]


def test_small_reads_of_odd_sizes(rig):
    """A program with a small socket buffer that reads a few bytes at a time."""
    guest = rig.guest()

    def small(host):
        host.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host.max_read = 997

    host, conn = rig.guest_to_host(guest, setup=small)
    host.max_read = 997
    data = pattern(400_000)
    conn.send(data)
    rig.until(lambda: len(host.rx) == len(data), "all", timeout=60)
    assert host.rx == data


# ---- hangs


def test_notification_of_systemd(rig):
    """vmm.notify_socket: write, shut down, wait for the end; the program reads and closes."""
    guest = rig.guest()
    host, conn = rig.guest_to_host(guest)
    conn.send(b"READY=1\n")
    conn.shutdown(Shutdown.SEND)
    rig.until(lambda: host.eof, "end of file")
    assert host.rx == b"READY=1\n"
    host.close()
    rig.until(lambda: conn.closed or conn.peer_shutdown & Shutdown.SEND, "the end for the guest")


def test_echo_of_blocks(rig):
    """A program writes large blocks and reads at the same time; the guest echoes."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    data = pattern(3 << 20)
    host.send(data)
    sent = 0
    while sent < len(data):
        rig.until(lambda: conn.rx, "bytes to echo")
        block = conn.read()
        conn.send(block)
        sent += len(block)
    rig.until(lambda: len(host.rx) == len(data), "the echo", timeout=60)
    assert host.rx == data


def test_recv_of_more_than_a_window(rig):
    """recv(MSG_WAITALL) of a program, as ttrpc does it."""
    guest = rig.guest()
    host, conn = rig.guest_to_host(guest)
    rig.loop.remove(host)
    host.sock.setblocking(True)
    data, got = pattern(1 << 20), []
    reader = threading.Thread(
        target=lambda: got.append(host.sock.recv(len(data), socket.MSG_WAITALL)), daemon=True
    )
    reader.start()
    conn.send(data)
    rig.until(lambda: not reader.is_alive(), "all bytes at once", timeout=60)
    assert got == [data]


def test_banner_at_once(rig):
    """A program that writes as soon as it accepts: RESPONSE comes first nevertheless."""
    guest = rig.guest()
    port = 1500
    rig.serve(port, setup=lambda host: host.send(b"banner"))
    for i in range(40):
        conn = guest.connect(port, buf_alloc=0 if i % 2 else 256 * KIB)
        rig.until(lambda conn=conn: conn.open, "RESPONSE")  # Conn checks that nothing is before it
        conn.rst()


def test_burst_to_a_small_backlog(rig):
    """50 connects at once; the listener has a backlog of 5 and accepts slowly."""
    guest = rig.guest()
    server = rig.keep(socket.socket(socket.AF_UNIX))
    server.bind(rig.path(3, 1501))
    server.listen(5)
    server.settimeout(0.01)
    conns = [guest.connect(1501) for _ in range(50)]
    accepted = []

    def all_open():
        try:
            accepted.append(rig.keep(server.accept()[0]))
        except TimeoutError:
            pass
        return all(c.open for c in conns)

    rig.until(all_open, "all connections")
    os.unlink(rig.path(3, 1501))


def test_probes_before_the_guest(rig):
    """Readiness probes that came and went are no connections for the guest."""
    for _ in range(50):
        sock = rig.host_socket()
        sock.sendall(b"CONNECT 1024\n")
        sock.close()
    guest = rig.guest()
    listener = guest.listen(1024)
    rig.loop.run(0.3)
    assert all(c.closed for c in listener.conns)
    host = rig.dial(1024)
    rig.until(lambda: host.established, "a real one")


def test_busy_connection_does_not_hold_up_another(rig):
    """A program floods one connection; a byte on another one of the same guest gets through."""
    guest = rig.guest(nb_rx=32)
    busy, _ = rig.host_to_guest(guest)
    quiet, conn = rig.host_to_guest(guest)
    busy.send(pattern(8 << 20))
    for i in range(10):
        quiet.send(b"p")
        rig.until(lambda i=i: len(conn.rx) == i + 1, "a ping", timeout=10)
    assert not busy.sent, "the flood was over before: the test shows nothing"


def test_program_is_killed(rig):
    """While the guest writes: the guest is told, and the daemon lives."""
    guest = rig.guest()
    for _ in range(20):
        host, conn = rig.guest_to_host(guest)
        conn.send(bytes(3000))
        host.close()
        for _ in range(20):
            if conn.open:
                conn.raw(Op.RW, bytes(100))
        rig.until(lambda: conn.closed or conn.peer_shutdown, "the guest is told")
    rig.still_works(guest)


def test_connect_while_the_guest_is_paused(rig):
    """Its vCPUs stand still: what programs wrote, and asked for, arrives when it goes on."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    listener = guest.listen(77)
    rig.loop.remove(guest)
    host.send(b"kept")
    other = rig.dial(77)
    rig.loop.run(1)
    rig.loop.add(guest)
    rig.until(lambda: conn.rx == b"kept" and listener.conns and other.established, "both")


# ---- paths, names, the log


@pytest.mark.parametrize("umask", [0o077, 0o007])
def test_modes_of_sockets(launch, umask):
    """They follow the umask from the first moment."""
    rig = launch(wrapper=("sh", "-c", f'umask {umask:o}; exec "$@"', "sh"))
    port = rig.daemon.ports[3]
    for path in (port.iface, port.uds, port.uds + "_seqpacket"):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o777 & ~umask, path
    folder = os.path.dirname(rig.daemon.telemetry_path())
    assert stat.S_IMODE(os.stat(folder).st_mode) == (0o750 if umask == 0o007 else 0o700)


def test_listener_comes_back_or_is_a_link(rig, tmp_path):
    """The socket is made anew, or is a symbolic link: the next connection finds it."""
    guest = rig.guest()
    for i in range(3):
        server = rig.serve(1502)
        conn = guest.connect(1502)
        rig.until(lambda conn=conn: conn.open, f"connection {i}")
        rig.loop.remove(server)
        server.close()
        gone = guest.connect(1502)
        rig.until(lambda gone=gone: gone.closed, "a refusal while it is away")
    real = str(tmp_path / "real")
    os.symlink(real, rig.path(3, 1503))
    sock = rig.keep(socket.socket(socket.AF_UNIX))
    sock.bind(real)
    sock.listen()
    conn = guest.connect(1503)
    rig.until(lambda: conn.open, "through the link")
    os.unlink(rig.path(3, 1503))


@pytest.mark.drops("unknown_cid", "not_in_group")
def test_scan_of_cids(launch):
    """Every try is refused at once, another group sees nothing, and the log stays quiet."""
    rig = launch(cids=(3, 4), port_args={3: {"groups": "a"}, 4: {"groups": "b"}})
    guest, other = rig.guest(3), rig.guest(4)
    before, seen = nb_lines(rig), len(other.log)
    cids = [0, 1, 3, 4, 5, 4294967295, *range(10, 800)]
    for i, cid in enumerate(cids):
        guest.transmit(Header(3, cid, 5000 + i, 22, 0, Type.STREAM, Op.REQUEST, 0, 65536, 0))
    rig.until(lambda: len(guest.strays) == len(cids), "answers")
    assert all(h.op == Op.RST for h in guest.strays)
    assert len(other.log) == seen
    assert nb_lines(rig) - before <= 5


def test_log_stays_quiet(rig):
    """Probes of both sides, packets for nobody, and half lines: few lines in the log."""
    guest = rig.guest()
    before = nb_lines(rig)
    for i in range(300):
        guest.transmit(Header(3, HOST_CID, 9000 + i, 7777, 0, Type.STREAM, Op.REQUEST, 0, 65536, 0))
        guest.transmit(Header(3, HOST_CID, 9000 + i, 7778, 1, Type.STREAM, Op.RW), b"?")
    rig.until(lambda: guest.idle, "taken")
    hosts = [rig.dial(4321) for _ in range(100)]
    rig.until(lambda: all(h.ended for h in hosts), "refusals")
    for _ in range(100):
        sock = rig.host_socket()
        sock.sendall(b"CONNE")
        sock.close()
    rig.loop.run(0.3)
    assert nb_lines(rig) - before <= 10
    rig.still_works(guest)
