# SPDX-License-Identifier: BSD-3-Clause
"""client=1: the front end listens, the daemon connects and comes back when it is gone."""

import os

from pylib import vhost_user
from pylib.guest import Guest

CLIENT = {"cids": (3, 4), "port_args": {3: {"client": 1}}}


def take(rig, listener, **kwargs):
    """Accept the daemon and run a guest on the connection."""
    guest = Guest(3, **kwargs)
    rig.guests.append(guest)
    guest.front = vhost_user.FrontEnd(rig.keep(vhost_user.accept(listener, timeout=30)))
    guest.negotiate()
    guest.start()
    rig.attached(3)
    return rig.loop.add(guest)


def test_connects_when_there_is_somebody(launch):
    """The front end starts later than the daemon."""
    rig = launch(**CLIENT)
    listener = rig.keep(vhost_user.listen(rig.daemon.ports[3].iface))
    rig.still_works(take(rig, listener))
    assert os.path.exists(rig.daemon.ports[3].iface), "the front end's socket is not ours"


def test_comes_back(launch):
    """The front end restarts: the same process with the same socket, then a new one."""
    rig = launch(**CLIENT)
    path = rig.daemon.ports[3].iface
    listener = rig.keep(vhost_user.listen(path))
    for _ in range(2):
        guest = take(rig, listener)
        host, _ = rig.host_to_guest(guest)
        rig.unplug(guest)
        rig.until(lambda: host.ended, "end of the old connection")
    listener.close()
    os.unlink(path)
    other = rig.guest(4)
    rig.still_works(other)
    listener = rig.keep(vhost_user.listen(path))
    rig.still_works(take(rig, listener))


def test_stop_without_a_front_end(launch):
    """The daemon ends in time while it still looks for a front end (launch checks it)."""
    launch(**CLIENT)
