# SPDX-License-Identifier: BSD-3-Clause
"""The agent itself, in one guest without a device: sockets through the kernel's own loopback, so
that what fails in the other files is the daemon's doing."""
import itertools

import pytest

import checks
from guest import Guest
from jobs import PartyError, StepFailed
from lab import KINDS

LOCAL = 1
ports = itertools.count(1000)


@pytest.fixture(scope="module", params=[0, 1], ids=["a", "b"])
def guest(request, image, kernels, tmp_path_factory):
    one = Guest(image, kernels[request.param], str(tmp_path_factory.mktemp("agent")), "agent")
    try:
        one.start()
        one.run("insmod /modules/vsock_loopback.ko")
        yield one
    finally:
        one.close()


@pytest.mark.parametrize("kind", KINDS)
def test_duplex(guest, kind):
    checks.duplex(guest, guest, LOCAL, next(ports), kind, size="4M")


@pytest.mark.parametrize("kind", KINDS)
def test_message_sizes(guest, kind):
    checks.one_way(guest, guest, LOCAL, next(ports), kind, size="2M", chunk="1-50000")


@pytest.mark.parametrize("first", ["client", "server"])
@pytest.mark.parametrize("kind", KINDS)
def test_half_close(guest, kind, first):
    checks.half_close(guest, guest, LOCAL, next(ports), kind, first)


@pytest.mark.parametrize("kind", KINDS)
def test_refused(guest, kind):
    checks.refused(guest, LOCAL, next(ports), kind)


def test_unreachable(guest):
    reply = guest.run("?connect 77 1")["connect"]
    assert not reply.ok and reply["errno"] == "ENODEV"


@pytest.mark.parametrize("kind", KINDS)
def test_ping_and_churn(guest, kind):
    port = next(ports)
    server = guest.spawn(f"socket {kind}", f"listen {port}", "serve 21")
    server.step("listen")
    reply = guest.run(f"socket {kind}", f"connect {LOCAL} {port}", "ping 200 16", "close")["ping"]
    assert reply["count"] == 200
    assert 0 < reply["min_us"] <= reply["median_us"] <= reply["p99_us"] <= reply["max_us"]
    guest.run(f"socket {kind}", f"churn {LOCAL} {port} 20")
    assert server.wait()["serve"] == {"us": server.replies[-1]["us"], "count": 20 + 1, "failed": 0}


def test_many_jobs(guest):
    port = next(ports)
    server = guest.spawn(f"listen {port}", "serve 16")
    server.step("listen")
    jobs = [guest.spawn(f"connect {LOCAL} {port}", "wait", "ping 20 100") for _ in range(16)]
    for job in jobs:
        job.reached_wait()
    for job in jobs:
        job.go()
    for job in jobs:
        assert job.wait()["ping"]["count"] == 20
    assert server.wait()["serve"]["failed"] == 0


def test_wrong_data_is_noticed(guest):
    port = next(ports)
    checks.serve(guest, "stream", port, "send 1000 5")
    received = guest.run(f"connect {LOCAL} {port}", "recv eof")["recv"]
    other = guest.run(f"listen {next(ports)}", f"?connect {LOCAL} {port}")
    assert not other["connect"].ok
    with pytest.raises(AssertionError):
        checks.same({"bytes": 1000, "digest": "0" * 16}, received, "stream")


def test_failures_are_told(guest):
    with pytest.raises(StepFailed) as failure:
        guest.run(f"connect {LOCAL} {next(ports)}", "send 1 1")
    assert failure.value.verb == "connect"
    with pytest.raises(StepFailed):
        guest.run("no-such-step")
    with pytest.raises(StepFailed):
        guest.shell("echo before && false")
    with pytest.raises(PartyError, match="within 0.3 s"):
        guest.run("sleep 600", timeout=0.3)
    guest.end_jobs()


def test_damaged_line_is_refused(guest):
    guest.ctl.sendall(b"0000 1 run cid\n")
    with pytest.raises(PartyError, match="bad line"):
        guest.run("sleep 500")
    guest.bad.clear()
    guest.end_jobs()
    assert guest.run("cid")["cid"].ok


def test_memory_and_reboot(guest):
    """Last: what is loaded is lost."""
    guest.plug_memory(0, 128)
    guest.reboot()
    assert len(guest.hello) == 2
    assert guest.shell("echo alive") == "alive"
