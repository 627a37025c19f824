# SPDX-License-Identifier: BSD-3-Clause
"""Descriptors that host programs send along (SCM_RIGHTS): the kernel refuses them, so that no
thread of the daemon waits for the close of somebody's descriptor."""

import os
import platform
import re
import socket

import pytest
from pylib.vsock_codec import Type

KERNEL = tuple(map(int, re.findall(r"\d+", platform.release())[:2]))
pytestmark = pytest.mark.skipif(KERNEL < (6, 16), reason="a kernel that cannot refuse descriptors")


def send_descriptor(sock):
    """Send a byte with a descriptor."""
    read, write = os.pipe()
    try:
        socket.send_fds(sock, [b"x"], [read])
    finally:
        os.close(read)
        os.close(write)


@pytest.mark.parametrize("kind", list(Type), ids=lambda k: k.name.lower())
@pytest.mark.parametrize("maker", ["host", "guest"])
def test_on_a_connection(rig, maker, kind):
    """Of a program that connected, and of one that accepted."""
    host, conn = rig.pair(rig.guest(3), maker, kind=kind)
    with pytest.raises(PermissionError):
        send_descriptor(host.sock)
    host.send(b"bytes alone")
    rig.until(lambda: conn.rx_cnt == len(b"bytes alone"), "the bytes")


@pytest.mark.parametrize("kind", list(Type), ids=lambda k: k.name.lower())
def test_before_the_line(rig, kind):
    """Before the daemon has accepted, too."""
    program = rig.host_socket(3, kind)
    with pytest.raises(PermissionError):
        send_descriptor(program)
