# SPDX-License-Identifier: BSD-3-Clause
"""Requests before the device starts: features and the configuration space."""

import struct

import pytest
from pylib import vhost_user
from pylib.vsock_codec import FEATURE_SEQPACKET


def test_features(rig):
    """Features of stock drivers are offered; a packed ring only if it works; STATUS never: QEMU
    would not say DRIVER_OK for vsock and the device would never start."""
    _, sock = rig.plug(3)
    front = vhost_user.FrontEnd(sock)
    features = front.get_features()
    for bit in (
        vhost_user.F_VERSION_1,
        vhost_user.F_INDIRECT_DESC,
        vhost_user.F_EVENT_IDX,
        vhost_user.F_PROTOCOL_FEATURES,
        vhost_user.F_ANY_LAYOUT,
        vhost_user.F_NOTIFY_ON_EMPTY,
        FEATURE_SEQPACKET,
    ):
        assert features & bit, f"feature {bit:#x} is not offered"
    protocol = front.get_protocol_features()
    assert protocol & vhost_user.PF_CONFIG
    assert protocol & vhost_user.PF_REPLY_ACK
    assert not protocol & vhost_user.PF_STATUS


@pytest.mark.parametrize("cid", [3, 4])
def test_guest_cid(rig, cid):
    _, sock = rig.plug(cid)
    front = vhost_user.FrontEnd(sock)
    front.negotiate(vhost_user.F_VERSION_1)
    assert struct.unpack("<Q", front.get_config(0, 8)) == (cid,)


def test_guest_cid_while_running(rig):
    guest = rig.guest(3)
    assert struct.unpack("<Q", guest.front.get_config(0, 8)) == (3,)
    rig.still_works(guest)


@pytest.mark.parametrize("offset,nb_bytes", [(0, 256), (8, 8), (0xFFFFFFFF, 8), (1, 8)])
def test_config_outside_of_the_space(rig, offset, nb_bytes):
    """Refused by an empty answer or by the end of the session; the port goes on."""
    _, sock = rig.plug(3)
    front = vhost_user.FrontEnd(sock)
    front.negotiate(vhost_user.F_VERSION_1)
    try:
        data = front.get_config(offset, nb_bytes)
        assert offset == 0 and data == struct.pack("<Q", 3) + bytes(nb_bytes - 8)
    except (vhost_user.BackendRefused, vhost_user.BackendGone):
        pass
    front.close()
    rig.still_works(rig.guest(3))


@pytest.mark.parametrize("request_id", [0, 26, 37, 200, 0xFFFFFFFF])
def test_unknown_message(rig, request_id):
    """An unknown request does not end the daemon."""
    _, sock = rig.plug(3)
    front = vhost_user.FrontEnd(sock)
    front.negotiate(vhost_user.F_VERSION_1)
    front.send_raw(front.frame(request_id, bytes(8)))
    front.close()
    rig.still_works(rig.guest(3))
