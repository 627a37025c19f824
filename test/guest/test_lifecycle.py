# SPDX-License-Identifier: BSD-3-Clause
"""A guest that is reset, stopped, changed or killed, while the daemon and the other guest go on."""
import pytest

import checks
from daemon import Port
from lab import CID_A, CID_B

guests = pytest.mark.parametrize("name", ["a", "b"])
# Each guest has a lcore of its own: what one lends to the other has to come back from there.
LAB = {"ports": [Port(CID_A, lcore=1), Port(CID_B, lcore=2)], "lcores": 3}
HOST = 2
# how sending and receiving fail on a connection that was reset; on AF_UNIX a reset reads as an end
ENDED = ("EPIPE", "ECONNRESET", "ENODATA")


def other(name):
    return "b" if name == "a" else "a"


def everybody_talks(lab, name):
    """The guest `name` with the host and with the other guest, both ways."""
    for client, server in (
        (name, "host"),
        ("host", name),
        (name, other(name)),
        (other(name), name),
    ):
        there, here, port = lab.pair(client, server)
        checks.works(there, here, here.cid, port)


def open_connections(lab, name, *peer_steps):
    """Connections of the guest `name` with everybody, both ways; the jobs of the peers."""
    peers = []
    for peer_name in ("host", other(name)):
        mine, peer, port = lab.pair(name, peer_name)
        peers.append(checks.serve(peer, "stream", port, *peer_steps))
        mine.spawn(f"connect {peer.cid} {port}", "wait").reached_wait()
        peers[-1].step("accept")
        port = next(lab.free_ports)
        listener = checks.serve(mine, "stream", port, "wait")
        peers.append(peer.spawn(f"connect {mine.cid} {port}", *peer_steps))
        listener.reached_wait()
        peers[-1].step("connect")
    return peers


def ended(peers):
    for job in peers:
        job.wait()


@guests
def test_reboot(lab, name):
    """Peers of a guest that is reset are told; after the boot new connections work."""
    pid = lab.daemon.proc.pid
    peers = open_connections(lab, name, "gone 30000")
    getattr(lab, name).reboot()
    ended(peers)
    everybody_talks(lab, name)
    assert lab.daemon.proc.pid == pid


@guests
def test_reboot_under_load(lab, name):
    """A guest goes in the middle of two flows, one to it and one from it."""
    guest, host, port = lab.pair(name, "host")
    checks.serve(guest, "stream", port, "recv eof")
    to_guest = host.spawn(f"connect {guest.cid} {port}", "send 1M 1", "?send 2048M 1")
    guest, peer, port = lab.pair(name, other(name))
    from_guest = checks.serve(peer, "stream", port, "recv 1M", "?recv 2048M")
    guest.spawn(f"connect {peer.cid} {port}", "send 2048M 1")
    to_guest.step("send")
    from_guest.step("recv")
    guest.reboot()
    for job in (to_guest, from_guest):
        reply = job.wait().pop()
        assert not reply.ok and reply["errno"] in ENDED
    everybody_talks(lab, name)


@guests
def test_rebind(lab, name):
    """The driver is taken off the device and put back."""
    guest = getattr(lab, name)
    for _ in range(2):
        peers = open_connections(lab, name, "gone 30000")
        device = guest.unbind()
        guest.end_jobs()
        guest.bind(device)
        # Only a ring that starts from nothing tells a driver that has gone from a short stop.
        ended(peers)
        assert guest.run("cid")["cid"]["cid"] == guest.cid
        everybody_talks(lab, name)


@guests
def test_stop_and_cont(lab, name):
    """Connections of a guest that is stopped for a while survive, and nothing is lost."""
    guest, host, port = lab.pair(name, "host")
    checks.serve(guest, "stream", port, "echo")
    local = host.spawn(f"connect {guest.cid} {port}", "ping 10 100", "wait", "ping 10 100", "close")
    peer, port = getattr(lab, other(name)), next(lab.free_ports)
    sink = checks.serve(guest, "stream", port, "recv eof")
    flow = peer.spawn(
        f"connect {guest.cid} {port}", "send 300K 1", "wait", "send 3M 2", "shut wr", "recv eof"
    )
    local.reached_wait()
    flow.reached_wait()
    guest.stop()
    # Both go on while the guest cannot answer; the rest of the daemon does not mind.
    local.go()
    flow.go()
    mine, there, port = lab.pair(other(name), "host")
    checks.works(mine, there, HOST, port)
    guest.cont()
    local.wait()
    flow.wait()
    assert sink.wait()["recv"]["bytes"] == (300 << 10) + (3 << 20)
    everybody_talks(lab, name)


@guests
def test_memory_hotplug(lab, name):
    """The guest's memory grows while data flows in both directions."""
    guest, host, _ = lab.pair(name, "host")
    flows = []
    for there, here, cid in ((guest, host, HOST), (getattr(lab, other(name)), guest, guest.cid)):
        port = next(lab.free_ports)
        listener = checks.serve(here, "stream", port, "xfer 16M 2 eof", "close")
        flows.append((there.spawn(f"connect {cid} {port}", "xfer 16M 1 eof", "close"), listener))
    for index in range(2):
        guest.plug_memory(index, 128)
    for there, here in flows:
        sent, received = there.wait(checks.TRANSFER_TIMEOUT), here.wait(checks.TRANSFER_TIMEOUT)
        checks.same(sent["xfer-send"], received["xfer"], "stream")
        checks.same(received["xfer-send"], sent["xfer"], "stream")
    # ... and new buffers may lie in the new memory.
    guest.shell("mkdir -p /tmp/m && for i in 1 2 3; do cat /init /bin/busybox > /tmp/m/$i; done")
    everybody_talks(lab, name)
    guest.shell("rm -r /tmp/m")


def test_killed_guest(lab):
    """The emulator is killed: peers are told, the rest goes on, a new one takes its place."""
    peers = open_connections(lab, "a", "gone 30000")
    lab.a.close()
    ended(peers)
    b, host, port = lab.pair("b", "host")
    checks.works(b, host, HOST, port)
    checks.refused(b, CID_A, port, "stream")
    checks.refused(host, CID_A, port, "stream")
    lab.replace_guest(CID_A)
    everybody_talks(lab, "a")
