# SPDX-License-Identifier: BSD-3-Clause
"""The back ends that bench.sh measures: our daemon, and others."""

import os
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

OURS = "dpdk-vsockd"
START_S = 20
STOP_S = 60  # callgrind takes its time


class Failed(Exception):
    """A run that did not end well. The reason is what the load generator says, in one line."""

    def __init__(self, text, reason=""):
        super().__init__(text)
        self.reason = reason or text


class Backend:
    """A back end that serves guests: started once, used by every row that it can do."""

    telemetry = None

    def __init__(self, name, command, folder, nb_guests, cpu):
        self.name = name
        self.command = command
        self.folder = folder
        self.nb_guests = nb_guests
        self.cpu = cpu
        self.process = None

    def sock(self, guest):
        return self.folder / f"{guest}.sock"

    def uds(self, guest):
        return self.folder / f"{guest}.vsock"

    def start(self):
        self.folder.mkdir(parents=True)
        pin = (lambda: os.sched_setaffinity(0, {self.cpu})) if self.cpu is not None else None
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, preexec_fn=pin)
        deadline = time.monotonic() + START_S
        while not all(self.sock(i).exists() for i in range(self.nb_guests)):
            if self.process.poll() is not None or time.monotonic() > deadline:
                text = (self.folder / "log").read_text(errors="replace")
                raise Failed(f"{self.name} does not start: {text[-500:]}", "it does not start")
            time.sleep(0.05)

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def restart(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.start()

    def guest_args(self, nb, first=0):
        return [f"--guest=iface={self.sock(i)},uds={self.uds(i)},cid={3 + i}"
                for i in range(first, first + nb)]


def vsockd(options, folder, name, nb_guests, prefix=(), app_options=()):
    """The daemon of the build: main thread on CPU A, the polling one on CPU B."""
    cpu_a, cpu_b = options.cpus
    command = [*prefix, str(options.vsockd), "--no-pci", "--no-huge", "-m", "512",
               "--lcores", f"0@{cpu_a},1@{cpu_b}", f"--file-prefix=bench{os.getpid()}{name}"]
    backend = Backend(OURS, command, folder / name, nb_guests, None)
    for i in range(nb_guests):
        command += ["--vdev", f"vsock_vhost{i},iface={backend.sock(i)},cid={3 + i},"
                              f"uds={backend.uds(i)},max_conns=65536"]
    command += ["--", *app_options]
    backend.telemetry = f"bench{os.getpid()}{name}"
    return backend


def other(template, name, folder, cpu):
    words = shlex.split(template)
    backend = Backend(name or Path(words[0]).name, [], folder,
                      2 if "{sock2}" in template else 1, cpu)
    places = {"{cid}": 3, "{sock}": backend.sock(0), "{uds}": backend.uds(0),
              "{cid2}": 4, "{sock2}": backend.sock(1), "{uds2}": backend.uds(1)}
    for word in words:
        for place, value in places.items():
            word = word.replace(place, str(value))
        backend.command.append(word)
    return backend
