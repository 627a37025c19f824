# SPDX-License-Identifier: BSD-3-Clause
"""How connections end, and how they do not come about."""
import pytest

import checks
from host import uds_connect
from lab import CID_A, DIRECTIONS, KINDS

every_way = pytest.mark.parametrize(
    "client, server", DIRECTIONS, ids=[f"{c}-{s}" for c, s in DIRECTIONS]
)
every_kind = pytest.mark.parametrize("kind", KINDS)
guests = pytest.mark.parametrize("name", ["a", "b"])


@every_way
@every_kind
@pytest.mark.parametrize("first", ["client", "server"])
def test_half_close(lab, client, server, kind, first):
    there, here, port = lab.pair(client, server)
    checks.half_close(there, here, here.cid, port, kind, first)


@every_way
def test_shut_rd(lab, client, server):
    there, here, port = lab.pair(client, server)
    checks.deaf(there, here, here.cid, port, "stream")


@every_way
def test_closed_unread(lab, client, server):
    there, here, port = lab.pair(client, server)
    checks.closed_unread(there, here, here.cid, port, "stream")


@every_way
def test_killed_process(lab, client, server):
    """The process of one side is killed while data flows: the other learns of it."""
    there, here, port = lab.pair(client, server)
    listener = checks.serve(here, "stream", port, "recv 100K", "wait", "recv eof")
    talker = there.spawn(f"connect {here.cid} {port}", "send 200K 1", "wait", "recv eof")
    talker.reached_wait()
    listener.reached_wait()
    talker.kill()
    if client == "host":
        talker.go()  # a thread ends by itself once its socket is shut
    talker.wait(check=False)
    listener.go()
    assert listener.wait()["recv"]["bytes"] == 100 << 10


@every_way
@every_kind
def test_refused_port(lab, client, server, kind):
    there, here, port = lab.pair(client, server)
    checks.refused(there, here.cid, port, kind)


@every_way
def test_wrong_kind(lab, client, server):
    """A seqpacket connection to a stream listener is refused."""
    there, here, port = lab.pair(client, server)
    listener = here.spawn("socket stream", f"listen {port}", "wait")
    listener.reached_wait()
    checks.refused(there, here.cid, port, "seqpacket")
    listener.go()
    listener.wait()


@guests
@every_kind
@pytest.mark.parametrize("cid", [5, 77, 0x7FFFFFFF])
def test_unknown_cid(lab, name, kind, cid):
    checks.refused(lab.party(name, "host"), cid, 1234, kind)


@guests
def test_own_cid_is_not_the_host(lab, name):
    """A guest that names its own CID does not reach the host."""
    party, host, port = lab.pair(name, "host")
    listener = host.spawn(f"listen {port}", "?accept 1000")
    listener.step("listen")
    reply = party.run(f"?connect {party.cid} {port}")["connect"]
    assert not reply.ok
    assert not listener.wait()["accept"].ok


@guests
def test_port_is_free_again(lab, name):
    """The same two ports, again and again."""
    party, host, port = lab.pair("host", name)[1], lab.party("host", name), next(lab.free_ports)
    for _ in range(5):
        checks.works(host, party, party.cid, port)
        checks.refused(host, party.cid, port, "stream")


@guests
def test_early_data(lab, name):
    """Data that a program writes right after CONNECT is not lost."""
    party, port = lab.party(name, "host"), next(lab.free_ports)
    echo = checks.serve(party, "stream", port, "echo")
    early = bytes(range(256)) * 40
    sock, local = uds_connect(lab.daemon.uds[party.cid], port, early=early)
    with sock:
        assert local > 0
        received = b""
        while len(received) < len(early):
            received += sock.recv(65536)
        assert received == early
    assert echo.wait()["echo"]["bytes"] == len(early)


def test_statistics_tell(lab):
    """The telemetry names the ports and counts what went through."""
    before = lab.daemon.telemetry("/vsock/port,vsock_vhost0")
    checks.works(*lab.pair("a", "host")[:2], 2, next(lab.free_ports))
    after = lab.daemon.telemetry("/vsock/port,vsock_vhost0")
    assert after["cid"] == CID_A
    assert after != before
    assert lab.daemon.telemetry("/vsock/stats")
