# SPDX-License-Identifier: BSD-3-Clause
"""One daemon, two guests with different kernels and the host."""
import itertools
import os
import time

import checks
from daemon import Daemon, DaemonError, Port
from guest import Guest, VsockDevice, tail
from host import Host
from jobs import PartyError, StepFailed

CID_A = 3
CID_B = 4


class Machines:
    """Guests that run without a vsock device until a lab needs them.

    A boot takes more than a second of CPU time, but plugging a device takes 50 ms.
    """

    def __init__(self):
        self.idle = []

    def take(self, kernel):
        """A guest with `kernel`, or None if all are in use."""
        for guest in self.idle:
            if guest.kernel == kernel:
                self.idle.remove(guest)
                return guest
        return None

    def give(self, guest, plugged):
        """Keep `guest` for a later lab if it works; otherwise end it."""
        try:
            guest.end_jobs()
            if plugged:
                guest.unplug_vsock(0)
            guest.run("sh true", timeout=20)
            self.idle.append(guest)
        except (OSError, PartyError, StepFailed):
            guest.close()

    def close(self):
        for guest in self.idle:
            guest.close()
        self.idle = []


class Lab:
    """Everything that a test of the daemon with guests needs."""

    def __init__(
        self, binary, image, kernels, workdir, ports=None, devices=None, lcores=2, machines=None
    ):
        self.binary = binary
        self.image = image
        self.kernels = kernels
        self.workdir = workdir
        self.ports = ports or [Port(CID_A), Port(CID_B)]
        self.devices = devices or {}  # CID: arguments of VsockDevice
        self.lcores = lcores
        self.machines = machines or Machines()
        self.daemon = None
        self.guests = {}
        self.runs = 0
        self.free_ports = itertools.count(2000)

    def start(self):
        self.runs += 1
        workdir = os.path.join(self.workdir, f"run{self.runs}")
        os.makedirs(workdir)
        self.daemon = Daemon(self.binary, workdir, self.ports, self.lcores)
        self.daemon.start()
        booting = []
        running = []
        for port, kernel in zip(self.ports, self.kernels):
            guest = self.machines.take(kernel)
            if guest is None:
                guest = self.make_guest(port.cid, kernel, workdir)
                booting.append(guest)
            else:
                guest.vsock = [self.make_device(port.cid)]
                guest.name = f"guest{port.cid}"
                guest.cid = port.cid
                running.append(guest)
            self.guests[port.cid] = guest
        # Several guests boot at the same time.
        for guest in booting:
            guest.start(wait=False)
        running = [guest for guest in running if not guest.vsock[0].hotplug]
        for guest in running:
            guest.plug_vsock(0)
        for guest in booting:
            guest.wait_boot()
        for guest in running:
            guest.wait_cid(guest.cid)
        return self

    def make_device(self, cid):
        return VsockDevice(self.daemon.iface(cid), **self.devices.get(cid, {}))

    def make_guest(self, cid, kernel, workdir):
        guest = Guest(self.image, kernel, workdir, f"guest{cid}", vsock=[self.make_device(cid)])
        guest.cid = cid
        return guest

    def ensure(self):
        """Start all parties that do not run."""
        if self.daemon is None:
            self.start()

    def tidy(self):
        """After a test: throw the lab away when a part of it is broken."""
        try:
            self.daemon.check()
            for guest in self.guests.values():
                guest.end_jobs()
                guest.run("cid", timeout=20)
        except (DaemonError, PartyError, StepFailed):
            self.close()

    def close(self, reuse=False):
        """End everything. A daemon that still runs must exit with status 0.

        With `reuse`, guests that still work are kept for the next lab.
        """
        daemon, self.daemon = self.daemon, None
        status = 0
        try:
            if daemon is not None and daemon.proc is not None and daemon.proc.poll() is None:
                status, _ = daemon.stop()
        finally:
            guests, self.guests = self.guests, {}
            for guest in guests.values():
                if reuse and status == 0:
                    self.machines.give(guest, guest.has_vsock(0))
                else:
                    guest.close()
            if daemon is not None:
                daemon.close()
        if status != 0:
            raise DaemonError(f"status {status} after SIGTERM\n{tail(daemon.log)}")

    def replace_guest(self, cid):
        """A new machine in the place of one that is gone."""
        index = [port.cid for port in self.ports].index(cid)
        workdir = os.path.join(self.workdir, f"run{self.runs}")
        self.guests[cid].close()
        self.guests[cid] = self.make_guest(cid, self.kernels[index], workdir)
        self.guests[cid].start()

    @staticmethod
    def settle(condition, timeout=20):
        """Wait until something that takes a moment has come true."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, "it did not settle"
            time.sleep(0.05)

    def drops(self):
        """What the daemon has dropped so far, by port and reason."""
        if self.daemon is None or not self.daemon.alive():
            return "the daemon has ended"
        lines = []
        for cid in self.guests:
            drops = self.daemon.port(cid)["drops"]
            lines.append(f"CID {cid}: {({k: v for k, v in drops.items() if v})}")
        return "\n".join(lines)

    def logs(self):
        names = [self.daemon.log] if self.daemon is not None else []
        names += [guest.console for guest in self.guests.values()]
        logs = [f"--- {name}\n{tail(name)}" for name in names]
        return "\n".join([*logs, "--- drops", self.drops()])

    # -- parties

    @property
    def a(self):
        return self.guests[CID_A]

    @property
    def b(self):
        return self.guests[CID_B]

    def party(self, name, peer):
        """The party `name` ('a', 'b' or 'host') for talking to `peer`."""
        if name != "host":
            return getattr(self, name)
        return Host(self.daemon.uds, getattr(self, peer).cid)

    def pair(self, client, server):
        """The two parties, and a free port."""
        return self.party(client, server), self.party(server, client), next(self.free_ports)

    def all_talk(self, kind="stream"):
        """Short exchanges in every direction."""
        for client, server in DIRECTIONS:
            there, here, port = self.pair(client, server)
            checks.works(there, here, here.cid, port, kind)


# every direction: who connects, who listens
DIRECTIONS = [("a", "host"), ("host", "a"), ("b", "host"), ("host", "b"), ("a", "b"), ("b", "a")]
KINDS = ["stream", "seqpacket"]
