# SPDX-License-Identifier: BSD-3-Clause
"""Front ends that come, go, stall and come back, at any point of the handshake."""

import struct
import time

import pytest
from pylib import vhost_user
from pylib.guest import RX, TX
from pylib.vhost_user import Req


def steps(guest, front):
    """The handshake one message after the other."""
    yield "connect", lambda: None
    yield "get_features", front.get_features
    yield "get_protocol_features", front.get_protocol_features
    yield "set_protocol_features", lambda: front.set_protocol_features(
        vhost_user.PF_REPLY_ACK | vhost_user.PF_CONFIG
    )
    yield "get_config", lambda: front.get_config(0, 8)
    yield "set_owner", front.set_owner
    yield "set_features", lambda: front.set_features(guest.wanted)
    yield "set_mem_table", lambda: front.set_mem_table(guest.mem.regions)
    for i, name in ((RX, "rx"), (TX, "tx")):
        queue = guest.queues[i]
        mem = guest.mem
        yield f"num_{name}", lambda i=i, q=queue: front.set_vring_num(i, q.size)
        yield f"base_{name}", lambda i=i: front.set_vring_base(i, 0)
        yield f"addr_{name}", lambda i=i, q=queue: front.set_vring_addr(
            i, mem.uva(q.desc), mem.uva(q.avail), mem.uva(q.used)
        )
        yield f"kick_{name}", lambda i=i, q=queue: front.set_vring_kick(i, q.kick_fd)
        yield f"call_{name}", lambda i=i, q=queue: front.set_vring_call(i, q.call_fd)
    yield "enable_rx", lambda: front.set_vring_enable(RX, True)
    yield "enable_tx", lambda: front.set_vring_enable(TX, True)
    yield "disable_rx", lambda: front.set_vring_enable(RX, False)
    yield "stop_rx", lambda: front.get_vring_base(RX)


STEPS = [
    name
    for name, _ in steps(
        type("G", (), {"queues": [None, None], "mem": None, "wanted": 0}), vhost_user.FrontEnd(None)
    )
]


@pytest.mark.parametrize("last", STEPS)
def test_vanish_after(rig, last):
    """The front end is gone after a message; the next one finds the port as new."""
    guest, sock = rig.plug(3)
    guest.fill()
    front = vhost_user.FrontEnd(sock)
    for name, step in steps(guest, front):
        step()
        if name == last:
            break
    front.close()
    rig.still_works(rig.guest(3))


@pytest.mark.parametrize("nb_bytes", [1, 11, 12, 13, 19])
@pytest.mark.parametrize("request_id", [Req.SET_FEATURES, Req.SET_VRING_KICK])
def test_vanish_inside_a_message(rig, request_id, nb_bytes):
    _, sock = rig.plug(3)
    front = vhost_user.FrontEnd(sock)
    front.get_features()
    front.send_raw(front.frame(request_id, bytes(8))[:nb_bytes])
    front.close()
    rig.still_works(rig.guest(3))


@pytest.mark.drops("guest_gone")
def test_vanish_with_connections(rig):
    """Host programs see the end of their connections when the guest goes."""
    guest = rig.guest(3)
    ends = [rig.pair(guest, maker)[0] for maker in ("host", "guest") * 4]
    rig.unplug(guest)
    rig.until(lambda: all(e.ended for e in ends), "end of the host connections")
    rig.still_works(rig.guest(3))


def test_second_front_end_is_refused(rig):
    """The first one goes on as if nothing had been."""
    guest = rig.guest(3)
    host, conn = rig.host_to_guest(guest)
    for _ in range(3):
        with pytest.raises((vhost_user.BackendGone, OSError)):
            sock = rig.keep(vhost_user.connect(rig.daemon.ports[3].iface))
            vhost_user.FrontEnd(sock).get_features()
    host.send(b"still there")
    rig.until(lambda: conn.rx == b"still there", "data after the second front end")
    rig.still_works(guest)


@pytest.mark.parametrize("nb_bytes", [1, 12, 14])
def test_stalled_front_end_stalls_nobody_else(rig, nb_bytes):
    """A front end stops in the middle of a message: within seconds the other port can be set up,
    and its running guest never notices."""
    running = rig.guest(4)
    host, conn = rig.host_to_guest(running)
    _, sock = rig.plug(3)
    stalled = vhost_user.FrontEnd(sock)
    stalled.get_features()
    stalled.send_raw(stalled.frame(Req.SET_FEATURES, bytes(8))[:nb_bytes])
    host.send(b"x" * 1000)
    rig.until(lambda: len(conn.rx) == 1000, "data on the running port")
    rig.unplug(running)
    start = time.monotonic()
    rig.still_works(rig.guest(4))
    assert time.monotonic() - start < 10
    stalled.close()
    rig.still_works(rig.guest(3))


def test_reconnect_many_times(rig):
    """Guests come and go; nothing is left of them (the fixture counts descriptors)."""
    for i in range(20):
        guest = rig.guest(3, event_idx=bool(i & 1))
        host, conn = rig.guest_to_host(guest)
        conn.send(b"hello")
        rig.until(lambda: host.rx == b"hello", "data")
        host.close()
        rig.unplug(guest)


def test_two_ports_at_once(rig):
    """Two handshakes interleaved message by message."""
    guests = []
    for cid in (3, 4):
        guest, sock = rig.plug(cid)
        guest.fill()
        guest.front = vhost_user.FrontEnd(sock)
        guests.append(guest)
    walks = [list(steps(g, g.front)) for g in guests]
    for one, two in zip(*walks):
        if one[0].startswith(("disable", "stop")):
            break
        one[1]()
        two[1]()
    for guest in guests:
        rig.loop.add(guest)
        rig.still_works(guest)


def test_garbage(rig):
    """Bytes that are no message."""
    for junk in (b"\0" * 100, b"\xff" * 100, struct.pack("<III", 5, 1, 0x7FFFFFFF) + b"x" * 50):
        _, sock = rig.plug(3)
        sock.sendall(junk)
        time.sleep(0.02)
        sock.close()
    rig.still_works(rig.guest(3))
