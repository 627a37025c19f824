# SPDX-License-Identifier: BSD-3-Clause
"""The daemon that ends and comes back under running guests, and the other ways to run it."""
import os

import pytest

import checks
from daemon import Port
from guest import GuestError
from lab import CID_A, CID_B, DIRECTIONS

HOST = 2


def restart(lab, guests):
    """A new daemon in the place of one that has gone: the machines connect, their drivers start."""
    for guest in guests:
        lab.settle(lambda guest=guest: not guest.vsock_connected(0))
    lab.daemon.start()
    for guest in guests:
        lab.settle(lambda guest=guest: guest.vsock_connected(0))
        guest.bind(guest.unbind())


def test_sigterm(make_lab):
    """Open connections are reset, the sockets go, the status is 0; the guests stay up."""
    lab = make_lab()
    jobs = []
    for client, server in DIRECTIONS:
        there, here, port = lab.pair(client, server)
        jobs.append(checks.serve(here, "stream", port, "recv 1000", "gone 20000"))
        jobs.append(there.spawn(f"connect {here.cid} {port}", "send 1000 1", "gone 20000"))
        jobs[-2].step("recv")
    there, here, port = lab.pair("a", "b")
    checks.serve(here, "stream", port, "recv 1M", "?recv eof")
    load = there.spawn(f"connect {here.cid} {port}", "send 1M 1", "?send 1024M 1")
    load.step("send")
    status, seconds = lab.daemon.stop()
    assert status == 0
    assert seconds < checks.STOP_SECONDS
    # Only the listeners of the test's host side are left.
    assert not [name for name in os.listdir(lab.daemon.dir) if ".vsock_2" not in name]
    for job in jobs:
        job.wait()
    assert not load.wait().pop().ok
    for guest in (lab.a, lab.b):
        assert guest.shell("echo alive") == "alive"


def test_sigterm_while_idle(make_lab):
    lab = make_lab()
    lab.all_talk()
    status, seconds = lab.daemon.stop()
    assert (status, seconds < checks.STOP_SECONDS) == (0, True)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_client_mode_and_restart(make_lab, how):
    """QEMU listens, the daemon connects, goes, and another one takes its place: the guests rebind
    their driver, without a reboot."""
    lab = make_lab(
        ports=[Port(CID_A, client=True), Port(CID_B, client=True)],
        devices={CID_A: {"server": True}, CID_B: {"server": True}},
    )
    for _ in range(2):
        lab.all_talk()
        if how == "stop":
            assert lab.daemon.stop()[0] == 0
        else:
            lab.daemon.proc.kill()
            lab.daemon.proc.wait()
        restart(lab, [lab.a, lab.b])
    lab.all_talk()


def test_front_end_comes_late(make_lab):
    """In client mode the daemon tries until a front end listens, and again after it has gone."""
    lab = make_lab(ports=[Port(CID_A, client=True), Port(CID_B)], devices={CID_A: {"server": True}})
    lab.replace_guest(CID_A)
    lab.all_talk()


def test_hotplugged_device(make_lab):
    """A device is added to the running machine, on a socket that QEMU opens again by itself."""
    lab = make_lab(devices={CID_A: {"hotplug": True}})
    checks.refused(lab.b, CID_A, 1, "stream")
    lab.a.plug_vsock(0, reconnect=1)
    lab.settle(lambda: lab.a.run("?cid")["cid"].get("cid") == CID_A)
    lab.all_talk()
    lab.daemon.proc.kill()
    lab.daemon.proc.wait()
    restart(lab, [lab.a])
    guest, host, port = lab.pair("a", "host")
    checks.works(guest, host, HOST, port)
    checks.works(host, guest, CID_A, next(lab.free_ports))


@pytest.mark.parametrize("kind", ["stream", "seqpacket"])
def test_own_lcore_each(make_lab, kind):
    """Guests on different lcores, here on one CPU or two."""
    lab = make_lab(ports=[Port(CID_A, lcore=1), Port(CID_B, lcore=2)], lcores=3)
    for client, server in (("a", "b"), ("b", "a")):
        there, here, port = lab.pair(client, server)
        checks.duplex(there, here, here.cid, port, kind, size="8M")
    lab.all_talk(kind)


def test_groups(make_lab):
    """Guests that share no group do not reach each other; the host reaches both."""
    lab = make_lab(ports=[Port(CID_A, groups="red"), Port(CID_B, groups="blue")])
    for client, server in DIRECTIONS:
        there, here, port = lab.pair(client, server)
        if "host" in (client, server):
            checks.works(there, here, here.cid, port)
            continue
        listener = here.spawn(f"listen {port}", "?accept 500")
        listener.step("listen")
        checks.refused(there, here.cid, port, "stream")
        assert not listener.wait()["accept"].ok


def test_second_front_end_is_refused(make_lab):
    """A second machine on the same socket gets nothing, and the first does not feel it."""
    lab = make_lab()
    second = lab.make_guest(CID_A, lab.kernels[0], str(lab.workdir))
    try:
        second.start()
        assert second.run("?cid")["cid"].get("cid") != CID_A
    except GuestError:
        pass  # it may as well end at once
    finally:
        second.close()
    lab.all_talk()
