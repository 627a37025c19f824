# SPDX-License-Identifier: BSD-3-Clause
"""Checks between any two parties: guests, or a guest and the host."""
import os

# Twice the time-out of a connect() in Linux would be 4 s: a refusal has to beat the time-out.
REFUSED_US = 1_500_000
REFUSED = ("ECONNRESET", "ECONNREFUSED")
TRANSFER_TIMEOUT = 120
# Two seconds are promised for SIGTERM; the rest is for a machine that is busy with emulating.
STOP_SECONDS = 5


def same(sent, received, kind):
    """Both sides report the same bytes; for seqpacket, the same messages."""
    assert received["bytes"] == sent["bytes"]
    assert received["digest"] == sent["digest"]
    if kind == "seqpacket":
        assert received["calls"] == sent["calls"]
        assert received["lens"] == sent["lens"]


def serve(server, kind, port, *steps):
    """Spawn a server that has reached its listen()."""
    job = server.spawn(f"socket {kind}", f"listen {port}", "accept", *steps)
    job.step("listen")
    return job


def duplex(client, server, cid, port, kind, size="16M", chunk="64K"):
    """`size` in both directions at the same time; the four replies of the transfer."""
    listener = serve(server, kind, port, f"xfer {size} 2 eof {chunk}", "close")
    there = client.spawn(
        f"socket {kind}", f"connect {cid} {port}", f"xfer {size} 1 eof {chunk}", "close"
    ).wait(TRANSFER_TIMEOUT)
    back = listener.wait(TRANSFER_TIMEOUT)
    same(there["xfer-send"], back["xfer"], kind)
    same(back["xfer-send"], there["xfer"], kind)
    return there, back


def one_way(client, server, cid, port, kind, size="16M", chunk="64K"):
    """`size` to the server; bytes per second as the receiver saw it."""
    listener = serve(server, kind, port, "recv eof", "close")
    sent = client.spawn(
        f"socket {kind}", f"connect {cid} {port}", f"send {size} 3 {chunk}", "shut wr", "recv eof"
    ).wait(TRANSFER_TIMEOUT)
    received = listener.wait(TRANSFER_TIMEOUT)
    same(sent["send"], received["recv"], kind)
    return received["recv"]["bytes"] * 1e6 / max(received["recv"]["io_us"], 1)


def half_close(client, server, cid, port, kind, first):
    """The side `first` ends its direction; the other sees the end and still sends."""
    early = ("send 100K 1", "shut wr", "recv eof", "close")
    late = ("recv eof", "send 300K 2", "close")
    listener = serve(server, kind, port, *(early if first == "server" else late))
    there = client.spawn(
        f"socket {kind}", f"connect {cid} {port}", *(early if first == "client" else late)
    ).wait()
    back = listener.wait()
    same(there["send"], back["recv"], kind)
    same(back["send"], there["recv"], kind)


def deaf(client, server, cid, port, kind):
    """The server will not receive: the client's sending fails soon, rather than blocking."""
    listener = serve(server, kind, port, "shut rd", "wait")
    talker = client.spawn(f"socket {kind}", f"connect {cid} {port}", "wait", "?send 8M 1")
    talker.reached_wait()
    listener.reached_wait()
    talker.go()
    sent = talker.wait()["send"]
    listener.go()
    listener.wait()
    assert not sent.ok
    assert sent["errno"] in ("EPIPE", "ECONNRESET")


def refused(client, cid, port, kind):
    """connect() fails, and at once."""
    reply = client.run(f"socket {kind}", f"?connect {cid} {port}")["connect"]
    assert not reply.ok
    assert reply["errno"] in REFUSED
    assert reply["us"] < REFUSED_US, "it took the time-out to notice"


def closed_unread(client, server, cid, port, kind):
    """The server closes with data unread: the client is told, and neither hangs."""
    listener = serve(server, kind, port, "recv 1000", "wait", "close")
    talker = client.spawn(
        f"socket {kind}",
        f"connect {cid} {port}",
        "send 1000 1",
        "send 20000 1",
        "wait",
        "gone 20000",
    )
    talker.reached_wait()
    listener.reached_wait()
    talker.go()
    listener.go()
    listener.wait()
    talker.wait()


def works(client, server, cid, port, kind="stream"):
    """A short exchange goes through in both directions."""
    duplex(client, server, cid, port, kind, size="200K", chunk="1-30000")


def socket_count(pid):
    """How many file descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))
