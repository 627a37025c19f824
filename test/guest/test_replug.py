# SPDX-License-Identifier: BSD-3-Clause
"""The daemon ends and is started again while a guest runs: what the guest is left with, and the way
back with usertools/dpdk-vsock-replug.py."""
import os
import subprocess
import sys
import time

import pytest

import checks
from daemon import Port
from guest import Guest, VsockDevice
from host import Host
from lab import CID_A, Lab

TOOL = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "../../usertools/dpdk-vsock-replug.py"
)


class MonitoredLab(Lab):
    """A lab whose guest has a second monitor, as an operator's guest has one."""

    def monitor(self):
        return os.path.join(self.workdir, "qmp")

    def make_guest(self, cid, kernel, workdir):
        args = ["-chardev", f"socket,id=operator,path={self.monitor()},server=on,wait=off"]
        args += ["-mon", "chardev=operator,mode=control"]
        device = VsockDevice(self.daemon.iface(cid))
        guest = Guest(self.image, kernel, workdir, f"guest{cid}", vsock=[device], args=args)
        guest.cid = cid
        return guest


@pytest.fixture
def monitored(vsockd, image, kernels, tmp_path):
    lab = MonitoredLab(vsockd, image, kernels, str(tmp_path), ports=[Port(CID_A)])
    yield lab.start()
    lab.close()


def works_both_ways(lab):
    guest, host = lab.a, Host(lab.daemon.uds, CID_A)
    for there, here in ((guest, host), (host, guest)):
        checks.works(there, here, here.cid, next(lab.free_ports))


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_restart_and_replug(monitored, how):
    """The four steps on a pcie-root-port bring vsock back, and can be repeated."""
    lab = monitored
    works_both_ways(lab)
    for _ in range(2):
        if how == "kill":
            lab.daemon.process.kill()
            lab.daemon.process.wait()
        else:
            lab.daemon.stop()
        lab.daemon.start()
        begin = time.monotonic()
        done = subprocess.run(
            [
                sys.executable,
                TOOL,
                lab.monitor(),
                lab.daemon.iface(CID_A),
                *("--device", "dev-vs0", "--chardev", "vs0", "--bus", "port0"),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        lab.a.wait_cid(CID_A)
        print(f"back after {time.monotonic() - begin:.2f} s")
        works_both_ways(lab)
