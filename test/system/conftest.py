# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures: a daemon shared by the tests of a file, a rig to play guests and host programs on it.

After every test that used a rig the daemon must be alive, have closed every descriptor that the
test made it open, and have counted the drop reasons that the test is marked with.
"""

import itertools
import os
import socket
import sys
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import vhost_user  # noqa: E402
from daemon import Daemon, binary  # noqa: E402
from guest import Guest  # noqa: E402
from host import HostConn, HostListener  # noqa: E402
from loop import Loop  # noqa: E402
from vsock_codec import Type  # noqa: E402

DAEMONS = {"": {"cids": (3, 4)}}     # pytest tells parameters apart by identity: one object for all
SOCK = {Type.STREAM: socket.SOCK_STREAM, Type.SEQPACKET: socket.SOCK_SEQPACKET}


class Rig:
    """What a test plays with: a daemon, a loop, and whatever it puts on them."""

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

    # --- checks

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


class Shared:
    """The daemon of a test file; started again when a test killed it."""

    def __init__(self, **kwargs):
        self.kwargs = kwargs
        self.daemon = None

    def get(self):
        """A daemon that runs."""
        if self.daemon is None or not self.daemon.alive():
            self.drop()
            self.daemon = Daemon(**self.kwargs)
            try:
                self.daemon.start()
            except BaseException:
                self.drop()
                raise
        return self.daemon

    def drop(self):
        """Forget a daemon."""
        if self.daemon:
            self.daemon.discard()
            self.daemon = None

    def finish(self):
        """End in order."""
        try:
            if self.daemon:
                self.daemon.stop()
        finally:
            self.drop()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Let fixtures know how the test went."""
    outcome = yield
    if call.when == "call":
        item.passed = outcome.get_result().passed


def exercise(rig, request):
    """Run a test on a rig, and check the daemon after it."""
    daemon = rig.daemon
    reasons = [r for mark in request.node.iter_markers("drops") for r in mark.args]
    before = daemon.drops() if reasons else {}
    try:
        yield rig
        if reasons and daemon.alive() and getattr(request.node, "passed", False):
            after = daemon.drops()
            missing = [r for r in reasons if after[r] <= before[r]]
            assert not missing, f"not counted: {missing}\n{after}"
    finally:
        rig.close()
    assert daemon.alive(), f"the daemon died\n{daemon.stderr()}"
    settled = daemon.baseline_fds
    try:
        daemon.wait_for(lambda: daemon.nb_fds() <= settled, "descriptors are still open", 20)
    except AssertionError:
        targets = "\n".join(daemon.fd_targets())
        count, daemon.baseline_fds = daemon.nb_fds(), daemon.nb_fds()
        pytest.fail(f"{count} descriptors, {settled} before the test\n{targets}")


def pytest_generate_tests(metafunc):
    """A file sets DAEMONS = {name: arguments of Daemon} for other daemons than the default one of
    two guests (CID 3 and 4) on one poll lcore; its tests run on each."""
    if "shared" in metafunc.fixturenames:
        daemons = getattr(metafunc.module, "DAEMONS", DAEMONS)
        metafunc.parametrize("shared", list(daemons.values()), indirect=True, scope="module",
                             ids=[k or "default" for k in daemons])


@pytest.fixture(scope="module")
def shared(request):
    """The file's daemon."""
    needs_daemon()
    holder = Shared(**request.param)
    yield holder
    holder.finish()


@pytest.fixture
def rig(shared, request):
    """A rig on the file's daemon."""
    yield from exercise(Rig(shared.get()), request)


@pytest.fixture
def launch(request):
    """Start daemons of one's own: launch(**arguments of Daemon) → Rig.  They are ended in order
    after the test."""
    needs_daemon()
    rigs = []

    def start(**kwargs):
        daemon = Daemon(**kwargs)
        rigs.append(Rig(daemon))
        daemon.start()
        return rigs[-1]
    try:
        yield start
        reasons = [r for mark in request.node.iter_markers("drops") for r in mark.args]
        for reason in reasons if getattr(request.node, "passed", False) else ():
            counts = [r.daemon.drops()[reason] for r in rigs if r.daemon.alive()]
            assert sum(counts) > 0, f"not counted: {reason}"
        for one in rigs:
            one.close()
            if one.daemon.alive():
                one.daemon.stop()
    finally:
        for one in rigs:
            one.close()
            one.daemon.discard()
