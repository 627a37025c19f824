# SPDX-License-Identifier: BSD-3-Clause
"""The daemon under test, with the CPUs and the log of the guest tests."""
import os

from pylib import daemon
from pylib.process import ProcessError

DaemonError = ProcessError


class Port:
    """A guest of the daemon: the devargs that the tests care for."""

    def __init__(self, cid, client=False, **devargs):
        self.cid = cid
        self.devargs = dict(devargs, client=int(client))


class Daemon(daemon.Daemon):
    """dpdk-vsockd with the ports `ports`; its log lies under `workdir`."""

    def __init__(self, binary, workdir, ports, lcores=2):
        # The main lcore has the first CPU, those that poll share the second one.
        cpus = sorted(os.sched_getaffinity(0))
        polled = cpus[min(1, len(cpus) - 1)]
        eal = ",".join([f"0@{cpus[0]}"] + [f"{i}@{polled}" for i in range(1, lcores)])
        super().__init__(
            cids=[port.cid for port in ports],
            program=binary,
            port_args={port.cid: port.devargs for port in ports},
            eal=("--lcores", eal),
            log=os.path.join(workdir, "daemon.log"),
        )
        self.log = self.stderr_path
        self.uds = {cid: port.uds for cid, port in self.ports.items()}

    @property
    def proc(self):
        return self.process

    def iface(self, cid):
        return self.ports[cid].iface

    def stop(self, timeout=30):
        """End it as an operator would; exit status and seconds."""
        return self.terminate(timeout=timeout)

    def close(self):
        self.discard()
