# SPDX-License-Identifier: BSD-3-Clause
"""The real daemon as a child process: start, telemetry, resources, orderly end."""

import ctypes
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

READY_TIMEOUT = 40
PR_SET_PDEATHSIG = 1
SANITIZERS = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|"
                        r"UndefinedBehaviorSanitizer")


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


def die_with_parent():
    """In the child: do not outlive a test that is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


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


class DaemonError(AssertionError):
    """The process did not do what it has to."""


class Daemon:
    """One process of the daemon with its own directory of sockets.

    cids: one port for each, named vsock_vhost<n>, with `port_args` {cid: {key: value}} on top.
    uds: whether they have a host side; name: that of its socket instead of <cid>.vsock.
    """

    def __init__(self, cids=(3,), port_args=None, eal=("-l", "0-1"), app=("--idle", "adaptive"),
                 uds=True, name=None):
        self.dir = tempfile.mkdtemp(prefix="vs", dir="/tmp")    # paths have 107 bytes
        self.prefix = os.path.basename(self.dir)
        self.ports = {}
        for i, cid in enumerate(cids):
            self.ports[cid] = Port(f"vsock_vhost{i}", cid, f"{self.dir}/{cid}.sock",
                                   f"{self.dir}/{name or f'{cid}.vsock'}" if uds else None,
                                   dict((port_args or {}).get(cid, {})))
        self.eal = list(eal)
        self.app = list(app)
        self.process = None
        self.stderr_path = f"{self.dir}/stderr"
        self.baseline_fds = None

    # --- life

    def command(self):
        """The command line."""
        line = [binary(), "--no-huge", "-m", "256", *self.eal, "--file-prefix", self.prefix]
        for port in self.ports.values():
            line += ["--vdev", port.vdev()]
        return line + ["--", *self.app]

    def spawn(self):
        """Start without waiting."""
        env = dict(os.environ, RUNTIME_DIRECTORY=self.dir)
        with open(self.stderr_path, "ab") as stderr:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL,
                                            stdout=stderr, stderr=stderr, env=env,
                                            preexec_fn=die_with_parent)
        return self

    def start(self):
        """Start and wait until every port listens and telemetry answers."""
        self.spawn()
        self.wait_for(self.ready, "the daemon is not ready", READY_TIMEOUT)
        self.baseline_fds = self.nb_fds()
        return self

    def ready(self):
        """Do all sockets exist, and does telemetry list all ports?"""
        for port in self.ports.values():
            paths = [] if port.extra.get("client") == 1 else [port.iface]
            if port.uds:
                paths += [port.uds, port.uds + "_seqpacket"]
            if not all(os.path.exists(p) for p in paths):
                return False
        try:
            return set(self.telemetry("/vsock/list")) >= {p.name for p in self.ports.values()}
        except (OSError, TypeError):
            return False

    def wait_for(self, condition, what, timeout=20.0):
        """Wait for something that no loop of the test takes part in."""
        end = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            if self.process.poll() is not None:
                raise DaemonError(f"the daemon exited with {self.process.returncode}\n"
                                  f"{self.stderr()}")
            if time.monotonic() > end:
                raise DaemonError(f"{what} within {timeout} s\n{self.stderr()}")
            time.sleep(0.01)

    def alive(self):
        """Is the process running?"""
        return self.process is not None and self.process.poll() is None

    def terminate(self, sig=signal.SIGTERM, timeout=None):
        """Signal the process and wait for its end.  Returns (exit status, seconds)."""
        start = time.monotonic()
        self.process.send_signal(sig)
        try:
            status = self.process.wait(timeout or 30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise DaemonError(f"still running after SIGTERM\n{self.stderr()}") from None
        return status, time.monotonic() - start

    def stop(self):
        """End the process in an orderly way and check what it leaves behind."""
        if not self.alive():
            raise DaemonError(f"the daemon is gone with {self.process.returncode}\n"
                              f"{self.stderr()}")
        status, seconds = self.terminate()
        text = self.stderr()
        if status != 0:
            raise DaemonError(f"exit status {status} after SIGTERM\n{text}")
        if SANITIZERS.search(text):
            raise DaemonError(f"sanitizer report\n{text}")
        if seconds > stop_timeout():
            raise DaemonError(f"took {seconds:.1f} s to end\n{text}")
        left = [p for port in self.ports.values() for p in self.sockets_of(port)
                if os.path.exists(p)]
        if left:
            raise DaemonError(f"sockets left behind: {left}")

    @staticmethod
    def sockets_of(port):
        """Sockets that the daemon makes for a port."""
        paths = [] if port.extra.get("client") == 1 else [port.iface]
        return paths + ([port.uds, port.uds + "_seqpacket"] if port.uds else [])

    def discard(self):
        """Make sure that nothing is left, whatever happened."""
        if self.alive():
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def stderr(self):
        """What it said so far."""
        with open(self.stderr_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    # --- what it uses

    def nb_fds(self):
        """Open file descriptors."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def fd_targets(self):
        """What the descriptors are, for reports."""
        out = []
        base = f"/proc/{self.process.pid}/fd"
        for fd in os.listdir(base):
            try:
                out.append(os.readlink(f"{base}/{fd}"))
            except OSError:
                pass
        return sorted(out)

    def cpu_seconds(self):
        """Processor time used so far."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self):
        """Resident anonymous memory in bytes (guests' memory is shared and does not count)."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) * 1024
        raise DaemonError("no RssAnon")

    # --- telemetry

    def telemetry_path(self):
        """DPDK's telemetry socket of this process."""
        return f"{self.dir}/dpdk/{self.prefix}/dpdk_telemetry.v2"

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


class Telemetry:
    """Client of DPDK's telemetry socket."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(20)
        try:
            self.sock.connect(path)
            self.banner = json.loads(self.sock.recv(1024))
        except (OSError, ValueError):
            self.sock.close()
            raise

    def ask(self, command):
        """Send a command and return its value."""
        self.sock.sendall(command.encode())
        answer = json.loads(self.sock.recv(self.banner["max_output_len"]))
        return answer[command.split(",", 1)[0]]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()
