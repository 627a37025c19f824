# SPDX-License-Identifier: BSD-3-Clause
"""Guests whose receive buffer is smaller or larger than the daemon's window. Kernels with the fix
of CVE-2026-23086 keep no more in flight than their own buffer."""
import pytest

import checks
from daemon import Port
from lab import CID_A, CID_B

LAB = {"ports": [Port(CID_A, buf_alloc="16M"), Port(CID_B, buf_alloc="4K")]}
SIZES = pytest.mark.parametrize("window", ["16K", "64K", "256K"])


def one_way(sender, receiver, port, sender_window, receiver_window, size="3M"):
    """A transfer with windows that only guests have."""
    windows = [
        [f"window {w}"] if party.cid != 2 else []
        for party, w in ((receiver, receiver_window), (sender, sender_window))
    ]
    listener = receiver.spawn(
        *windows[0], "socket stream", f"listen {port}", "accept", "recv eof", "close"
    )
    listener.step("listen")
    sent = sender.spawn(
        *windows[1],
        "socket stream",
        f"connect {receiver.cid} {port}",
        f"send {size} 3 64K",
        "shut wr",
        "recv eof",
    ).wait(checks.TRANSFER_TIMEOUT)
    received = listener.wait(checks.TRANSFER_TIMEOUT)
    checks.same(sent["send"], received["recv"], "stream")


@SIZES
@pytest.mark.parametrize("name", ["a", "b"])
@pytest.mark.parametrize("to_host", [True, False], ids=["to host", "from host"])
def test_host(lab, name, window, to_host):
    """16 MiB and 4 KiB at the daemon, three sizes at the guest, each direction alone."""
    guest, host, port = lab.pair(name, "host")
    if to_host:
        one_way(guest, host, port, window, window)
    else:
        one_way(host, guest, port, window, window)


@SIZES
def test_between_guests(lab, window):
    """A small buffer at the sender, the usual one at the receiver, and the other way round."""
    a, b, port = lab.pair("a", "b")
    one_way(a, b, port, window, "256K")
    one_way(b, a, port + 1000, "256K", window)
