# SPDX-License-Identifier: BSD-3-Clause
"""Guests that freeze, restart in the middle of everything or have another kind of device, and a
daemon that has nothing to do."""
import random
import time

import pytest

import checks
from daemon import Port
from guest import GuestError
from lab import CID_A, CID_B, DIRECTIONS, KINDS

HOST = 2


def test_frozen_guest(lab):
    """A stopped VM does not disturb others, and its own connections go on later."""
    host, a, port = lab.pair("host", "a")
    checks.serve(a, "stream", port, "echo")
    from_host = host.spawn(f"connect {CID_A} {port}", "wait", "xfer 1M 1 eof", "close")
    b, port = lab.b, next(lab.free_ports)
    sink = checks.serve(a, "stream", port, "recv eof")
    from_b = b.spawn(f"connect {CID_A} {port}", "wait", "send 2M 1", "shut wr", "recv eof")
    from_host.reached_wait()
    from_b.reached_wait()
    lab.a.freeze()
    try:
        from_host.go()
        from_b.go()
        for client, server in (("b", "host"), ("host", "b")):
            there, here, port = lab.pair(client, server)
            checks.duplex(there, here, here.cid, port, "stream", size="2M")
    finally:
        lab.a.thaw()
    checks.same(from_host.wait()["xfer-send"], from_host.replies["xfer"], "stream")
    checks.same(from_b.wait()["send"], sink.wait()["recv"], "stream")


def test_sigterm_with_a_frozen_guest(lab):
    """RSTs that a guest does not take are dropped; the daemon does not wait for the guest."""
    host, a, port = lab.pair("host", "a")
    checks.serve(a, "stream", port, "wait")
    writer = host.spawn(f"connect {CID_A} {port}", "?send 4M 1")
    b, port = lab.b, next(lab.free_ports)
    checks.serve(a, "stream", port, "wait")
    flow = b.spawn(f"connect {CID_A} {port}", "wait", "?send 4M 1")
    flow.reached_wait()
    lab.a.freeze()
    try:
        flow.go()
        status, seconds = lab.daemon.stop()
    finally:
        lab.a.thaw()
    assert status == 0
    assert seconds < checks.STOP_SECONDS
    assert not writer.wait().pop().ok
    assert not flow.wait().pop().ok


def test_resets_at_any_time(lab):
    """The reset line is pulled again and again, wherever the start of the guest stands."""
    rng = random.Random(7)
    for _ in range(6):
        lab.a.qmp("system_reset")
        time.sleep(rng.uniform(0.05, 2.2))
    lab.a.reboot()
    lab.all_talk()


def test_killed_at_any_time(lab):
    """Machines that vanish in the middle of their start, handshake included."""
    rng = random.Random(5)
    for _ in range(6):
        lab.a.close()
        lab.guests[CID_A] = lab.make_guest(CID_A, lab.kernels[0], lab.workdir)
        try:
            lab.a.start(wait=False)
        except GuestError:
            continue  # the one before is not quite gone for the daemon: refused
        time.sleep(rng.uniform(0.0, 0.3) if rng.random() < 0.5 else rng.uniform(0.3, 2.5))
    lab.replace_guest(CID_A)
    lab.all_talk()


def test_idle_daemon_sleeps(lab):
    """Adaptive idling: with two guests and open connections, but no traffic, next to no CPU."""
    jobs = []
    for client, server in DIRECTIONS:
        there, here, port = lab.pair(client, server)
        jobs.append(checks.serve(here, "stream", port, "wait"))
        jobs.append(there.spawn(f"connect {here.cid} {port}", "wait"))
    for job in jobs:
        job.reached_wait()

    def quiet():
        before = lab.daemon.cpu_seconds()
        time.sleep(1)
        return lab.daemon.cpu_seconds() - before < 0.1

    lab.settle(quiet)
    for job in jobs:
        job.go()
        job.wait()
    lab.all_talk()


@pytest.mark.parametrize(
    "properties",
    [
        {"event_idx": "off", "indirect_desc": "off"},
        {"event_idx": "off", "vectors": 4},
        {"indirect_desc": "off", "vectors": 0},
    ],
    ids=["plain", "own-interrupts", "line-interrupt"],
)
def test_ring_features(make_lab, properties):
    """Rings with and without notification indices, indirect tables and interrupts of their own."""
    lab = make_lab(devices={CID_A: properties, CID_B: properties})
    for kind in KINDS:
        lab.all_talk(kind)
    there, here, port = lab.pair("a", "b")
    checks.duplex(there, here, here.cid, port, "stream", size="4M")


def test_guest_without_seqpacket(make_lab):
    """The front end may keep the feature from its guest: streams work, seqpacket is refused."""
    lab = make_lab(devices={CID_A: {"seqpacket": "off"}})
    lab.all_talk()
    host, a, port = lab.pair("host", "a")
    checks.refused(host, CID_A, port, "seqpacket")
    checks.refused(lab.b, CID_A, port, "seqpacket")
    b, port = lab.b, next(lab.free_ports)
    checks.works(lab.party("host", "b"), b, CID_B, port, "seqpacket")


def test_connection_limit(make_lab):
    """Past max_conns a guest is refused, not the others; what ends makes room."""
    lab = make_lab(ports=[Port(CID_A, max_conns=4), Port(CID_B)])
    host, a, port = lab.pair("host", "a")
    server = a.spawn(f"listen {port} 64", "serve 5")
    server.step("listen")
    held = [host.spawn(f"connect {CID_A} {port}", "wait", "ping 3") for _ in range(4)]
    for job in held:
        job.reached_wait()
    checks.refused(host, CID_A, port, "stream")
    a_to_host = next(lab.free_ports)
    checks.serve(lab.party("host", "a"), "stream", a_to_host, "recv eof")
    checks.refused(a, HOST, a_to_host, "stream")
    checks.works(lab.b, lab.party("host", "b"), HOST, next(lab.free_ports))
    for job in held:
        job.go()
        job.wait()
    lab.settle(lambda: host.run(f"?connect {CID_A} {port}", "?ping 3")["connect"].ok)
    server.wait()
