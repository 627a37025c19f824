# SPDX-License-Identifier: BSD-3-Clause
"""Guests and host programs on one daemon, for the tests of test/system."""

import errno
import itertools
import signal
import socket
import time

import pytest

from pylib import vhost_user
from pylib.daemon import binary, stop_timeout
from pylib.guest import Guest
from pylib.host import HostConn, HostListener
from pylib.loop import Loop
from pylib.vsock_codec import Type

SOCK = {Type.STREAM: socket.SOCK_STREAM, Type.SEQPACKET: socket.SOCK_SEQPACKET}

# Daemons of three guests: on one poll lcore, and on two.
THREE_CIDS = (3, 4, 5)
THREE_GUESTS = {
    "one_lcore": {"cids": THREE_CIDS},
    "two_lcores": {
        "cids": THREE_CIDS,
        "eal": ("--lcores", "0@0,1@1,2@0"),
        "port_args": {3: {"lcore": 1}, 4: {"lcore": 2}, 5: {"lcore": 1}},
    },
}


class Rig:
    """A daemon, a loop, and the guests and host programs that a test puts on them."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.loop = Loop()
        self.until = self.loop.until
        self.guests = []
        self.hosts = []
        self.sockets = []
        self._ports = itertools.count(1024)

    # --- guests

    def plug(self, cid=3, **kwargs):
        """Connect a guest without running the handshake: (guest, socket).  The daemon may need a
        moment to notice that the last front end of this port has gone, and hangs up on a second one
        until then: whether it has taken this one is seen by its answer to a first question."""
        guest = Guest(cid, **kwargs)
        self.guests.append(guest)
        end = time.monotonic() + 20
        while True:
            sock = vhost_user.connect(self.daemon.ports[cid].iface)
            try:
                vhost_user.FrontEnd(sock).get_features()
                return guest, self.keep(sock)
            except ConnectionError:
                sock.close()
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)

    def session(self, cid=3, **kwargs):
        """A guest and a front end that has negotiated features."""
        guest, sock = self.plug(cid, **kwargs)
        guest.front = vhost_user.FrontEnd(sock)
        guest.negotiate()
        return guest, guest.front

    def guest(self, cid=3, **kwargs):
        """A running guest."""
        guest, _ = self.session(cid, **kwargs)
        guest.start()
        self.loop.add(guest)
        self.attached(cid)
        return guest

    def attached(self, cid):
        """Wait until the daemon serves the device: librte_vhost acknowledges the last message of
        the handshake before it says that the device is complete."""
        self.daemon.wait_for(lambda: self.daemon.port(cid)["connected"], "device not up")

    def unplug(self, guest):
        """The guest's front end vanishes."""
        self.loop.remove(guest)
        guest.close()

    def keep(self, sock):
        """Close a socket when the test ends."""
        self.sockets.append(sock)
        return sock

    # --- host programs

    def path(self, cid, port=None, kind=Type.STREAM):
        """Path on the host side of a guest: to reach it, or where it looks for a port."""
        base = self.daemon.ports[cid].uds
        if port is not None:
            return f"{base}_{port}"
        return base + ("_seqpacket" if kind == Type.SEQPACKET else "")

    def host_socket(self, cid=3, kind=Type.STREAM):
        """A plain blocking socket connected to <uds>."""
        sock = socket.socket(socket.AF_UNIX, SOCK[kind])
        sock.settimeout(20)
        self.keep(sock).connect(self.path(cid, kind=kind))
        return sock

    def dial(self, port, cid=3, kind=Type.STREAM):
        """A host program that connects to a port of the guest; OK is not waited for."""
        conn = HostConn(self.host_socket(cid, kind), handshake=True)
        self.hosts.append(self.loop.add(conn))
        conn.send(b"CONNECT %d\n" % port)
        return conn

    def serve(self, port, cid=3, kind=Type.STREAM, **kwargs):
        """A host program that waits for the guest at a port."""
        listener = HostListener(self.loop, self.path(cid, port, kind), SOCK[kind], **kwargs)
        self.hosts.append(self.loop.add(listener))
        return listener

    def host_to_guest(self, guest, kind=Type.STREAM, buf_alloc=None, setup=None):
        """A connection that the host made: (host end, guest end)."""
        port = next(self._ports)
        kwargs = {"buf_alloc": buf_alloc} if buf_alloc is not None else {}
        listener = guest.listen(port, kind, setup=setup, **kwargs)
        host = self.dial(port, guest.cid, kind)
        self.until(lambda: host.established, f"OK from port {port}")
        return host, listener.conns[-1]

    def guest_to_host(self, guest, kind=Type.STREAM, buf_alloc=None, setup=None):
        """A connection that the guest made: (host end, guest end)."""
        port = next(self._ports)
        server = self.serve(port, guest.cid, kind, setup=setup)
        kwargs = {"buf_alloc": buf_alloc} if buf_alloc is not None else {}
        conn = guest.connect(port, kind=kind, **kwargs)
        self.until(lambda: conn.open and server.conns, f"connection to {server.path}")
        return server.conns[0], conn

    def guest_to_guest(self, one, two, kind=Type.STREAM, buf_alloc=None, setup=None):
        """A connection between guests: (first's end, second's end)."""
        port = next(self._ports)
        kwargs = {"buf_alloc": buf_alloc} if buf_alloc is not None else {}
        listener = two.listen(port, kind, setup=setup, **kwargs)
        conn = one.connect(port, cid=two.cid, kind=kind, **kwargs)
        self.until(lambda: conn.open, f"connection from {one.cid} to {two.cid}")
        return conn, listener.conns[-1]

    def pair(self, guest, maker, **kwargs):
        """A host connection by either direction: maker is "host" or "guest"."""
        make = self.host_to_guest if maker == "host" else self.guest_to_host
        return make(guest, **kwargs)

    def full_server(self, port, cid=3):
        """A listener whose backlog is full: (listening socket, the clients that fill it)."""
        server = self.keep(socket.socket(socket.AF_UNIX))
        server.bind(self.path(cid, port))
        server.listen(0)
        clients = []
        while True:
            client = self.keep(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            err = client.connect_ex(self.path(cid, port))
            if err == errno.EAGAIN:
                return server, clients
            assert err == 0
            clients.append(client)

    # --- checks

    def both_ways(self, one, two, there, back, what="data", timeout=60):
        """Exchange bytes between the two ends of a connection, on fresh receive buffers."""
        one.rx.clear()
        two.rx.clear()
        one.send(there)
        two.send(back)
        self.until(
            lambda: len(two.rx) >= len(there) and len(one.rx) >= len(back), what, timeout=timeout
        )
        assert two.rx == there and one.rx == back, what

    def counted(self, reason, at_least=1, since=0):
        """Wait until the daemon has counted a drop reason."""
        self.until(lambda: self.daemon.drops()[reason] - since >= at_least, f"drop {reason}")

    def still_works(self, guest):
        """Bytes go both ways on a new connection of the guest."""
        host, conn = self.guest_to_host(guest)
        conn.send(b"ping" * 100)
        host.send(b"pong" * 100)
        self.until(lambda: len(host.rx) >= 400 and len(conn.rx) >= 400, "ping and pong")
        assert host.rx == b"ping" * 100 and conn.rx == b"pong" * 100
        host.close()
        self.until(lambda: conn.closed, "close")

    def end_daemon(self, sig=signal.SIGTERM):
        """Send the signal and run the loop until the process is gone; check status, time and
        files."""
        process = self.daemon.process
        process.send_signal(sig)
        self.until(lambda: process.poll() is not None, "end of the process", stop_timeout())
        assert process.returncode == 0, self.daemon.stderr()
        assert not self.daemon.left_behind()

    def close(self):
        """Take everything away."""
        for actor in self.hosts + self.guests:
            self.loop.remove(actor)
            actor.close()
        for sock in self.sockets:
            sock.close()


def needs_daemon():
    """Skip without a daemon to test."""
    if not binary():
        pytest.skip("VSOCKD does not name the daemon's executable")
