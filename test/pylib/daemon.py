# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-vsockd as a child process: command line, telemetry, orderly end."""

import os
import random
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field

from pylib.process import READY_TIMEOUT, Process, ProcessError
from pylib.telemetry import Telemetry

SANITIZERS = re.compile(
    r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|" r"UndefinedBehaviorSanitizer"
)


def pattern(nb_bytes, seed=0):
    """Bytes that cannot be mistaken for others at another place or of another seed."""
    return random.Random(str(seed)).randbytes(nb_bytes)


def binary():
    """The daemon to test, or None."""
    return os.environ.get("VSOCKD")


def sanitized(name=""):
    """Was the daemon built with a (certain) sanitizer?  (Then it is slower and bigger.)"""
    built_with = os.environ.get("VSOCKD_SANITIZED", "none")
    return built_with != "none" and name in built_with


def stop_timeout():
    """Seconds within which the daemon has to end: two of a machine that has time for it."""
    share = max(1.0, os.getloadavg()[0] / os.cpu_count())
    return 2.0 * share * (5 if sanitized() else 1)


@dataclass
class Port:
    """One guest's vdev."""

    name: str
    cid: int
    iface: str
    uds: str = None
    extra: dict = field(default_factory=dict)

    def vdev(self):
        """The argument of --vdev."""
        args = {"iface": self.iface, "cid": self.cid}
        if self.uds:
            args["uds"] = self.uds
        args.update(self.extra)
        return ",".join([self.name] + [f"{k}={v}" for k, v in args.items()])

    def client(self):
        """Does the daemon connect to the front end's socket?"""
        return str(self.extra.get("client")) == "1"

    def sockets(self):
        """Paths of the sockets that the daemon makes."""
        paths = [] if self.client() else [self.iface]
        return paths + ([self.uds, self.uds + "_seqpacket"] if self.uds else [])

    def guest_arg(self):
        """The argument of dpdk-vsock-pktgen for this guest."""
        listen = ",listen=1" if self.client() else ""
        return f"--guest=iface={self.iface},uds={self.uds},cid={self.cid}{listen}"


class Daemon(Process):
    """One process of the daemon with its own directories: `dir` for its sockets, `run_dir` for its
    log and DPDK's files.

    cids: one port for each, named vsock_vhost<n>, with `port_args` {cid: {key: value}} on top.
    eal, app: arguments before and after "--"; memory: MiB of DPDK's memory.
    uds: whether they have a host side; name: that of its socket instead of <cid>.vsock.
    program: the daemon (default: binary()); wrapper: arguments before it.
    log: file for its output; parent: where the directories are made.
    """

    def __init__(
        self,
        cids=(3,),
        port_args=None,
        eal=("-l", "0-1"),
        app=("--idle", "adaptive"),
        uds=True,
        name=None,
        program=None,
        wrapper=(),
        memory=256,
        log=None,
        parent="/tmp",
    ):
        self.dir = tempfile.mkdtemp(prefix="vs", dir=parent)  # paths have 107 bytes
        self.run_dir = tempfile.mkdtemp(prefix="vr", dir=parent)
        super().__init__(log or f"{self.run_dir}/stderr")
        self.prefix = os.path.basename(self.dir)
        self.ports = {}
        for i, cid in enumerate(cids):
            self.ports[cid] = Port(
                f"vsock_vhost{i}",
                cid,
                f"{self.dir}/{cid}.sock",
                f"{self.dir}/{name or f'{cid}.vsock'}" if uds else None,
                dict((port_args or {}).get(cid, {})),
            )
        self.eal = list(eal)
        self.app = list(app)
        self.program = str(program) if program else binary()
        self.wrapper = list(wrapper)
        self.memory = memory
        self.baseline_fds = None

    # --- life

    def command(self):
        """The command line."""
        line = [
            *self.wrapper,
            self.program,
            "--no-huge",
            "--no-pci",
            "-m",
            str(self.memory),
            *self.eal,
            "--file-prefix",
            self.prefix,
        ]
        for port in self.ports.values():
            line += ["--vdev", port.vdev()]
        return line + ["--", *self.app]

    def environment(self):
        """DPDK's own files go to run_dir."""
        return dict(os.environ, RUNTIME_DIRECTORY=self.run_dir)

    def start(self, timeout=READY_TIMEOUT, cpu=None):
        """Start and wait until every port listens and telemetry answers."""
        super().start(timeout, cpu)
        self.baseline_fds = self.nb_fds()
        return self

    def ready(self):
        """Do all sockets exist, and does telemetry list all ports?"""
        for port in self.ports.values():
            if not all(os.path.exists(p) for p in port.sockets()):
                return False
        try:
            return set(self.telemetry("/vsock/list")) >= {p.name for p in self.ports.values()}
        except (OSError, TypeError):
            return False

    def left_behind(self):
        """Paths of its sockets that exist."""
        return [p for port in self.ports.values() for p in port.sockets() if os.path.exists(p)]

    def stop(self):
        """End the process in an orderly way and check what it leaves behind."""
        self.check()
        status, seconds = self.terminate()
        text = self.stderr()
        if status != 0:
            raise ProcessError(f"exit status {status} after SIGTERM\n{text}")
        if SANITIZERS.search(text):
            raise ProcessError(f"sanitizer report\n{text}")
        if seconds > stop_timeout():
            raise ProcessError(f"took {seconds:.1f} s to end\n{text}")
        left = self.left_behind()
        if left:
            raise ProcessError(f"sockets left behind: {left}")

    def discard(self):
        """Kill the process if it runs, and remove its folders."""
        self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)
        shutil.rmtree(self.run_dir, ignore_errors=True)

    def refuses(self, words, keep=False, timeout=30):
        """Start; expect an error exit and exactly one line with all `words`.  Returns that line.
        Unless `keep` is set no socket may be left, and the daemon is discarded."""
        try:
            self.spawn()
            try:
                status = self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                raise ProcessError(f"it runs\n{self.stderr()}") from None
            text = self.stderr()
            if status <= 0:
                raise ProcessError(f"exit status {status}\n{text}")
            if SANITIZERS.search(text):
                raise ProcessError(f"sanitizer report\n{text}")
            lines = [line for line in text.splitlines() if all(w in line for w in words)]
            if len(lines) != 1:
                raise ProcessError(f"{len(lines)} lines with {words}\n{text}")
            if not keep and self.left_behind():
                raise ProcessError(f"half done: {self.left_behind()}")
            return lines[0]
        finally:
            if not keep:
                self.discard()

    # --- telemetry

    def telemetry_path(self):
        """DPDK's telemetry socket of this process."""
        return f"{self.run_dir}/dpdk/{self.prefix}/dpdk_telemetry.v2"

    def telemetry(self, command):
        """Ask one question; returns what stands under the command's name."""
        with Telemetry(self.telemetry_path()) as client:
            return client.ask(command)

    def stats(self):
        """/vsock/stats."""
        return self.telemetry("/vsock/stats")

    def drops(self):
        """Drop reasons and their counts, over all ports."""
        return self.stats()["drops"]

    def port(self, cid):
        """/vsock/port of a guest."""
        return self.telemetry(f"/vsock/port,{self.ports[cid].name}")
