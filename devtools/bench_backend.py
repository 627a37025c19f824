# SPDX-License-Identifier: BSD-3-Clause
"""The back ends that bench.sh measures: our daemon, and others."""

import os
import shlex
import shutil
import tempfile
from pathlib import Path

from pylib.daemon import Daemon, Port
from pylib.process import Process, ProcessError

OURS = "dpdk-vsockd"
FIRST_CID = 3
START_S = 20
STOP_S = 60  # callgrind takes its time


class Failed(Exception):
    """A run that did not end well. The reason is what the load generator says, in one line."""

    def __init__(self, text, reason=""):
        super().__init__(text)
        self.reason = reason or text


class Other(Process):
    """Another back end: a command line with the paths of its sockets."""

    def __init__(self, words, folder, nb_guests):
        self.words = words
        self.dir = Path(tempfile.mkdtemp(prefix="other", dir=folder))
        super().__init__(str(self.dir / "log"))
        self.ports = {
            cid: Port("", cid, f"{self.dir}/{cid}.sock", f"{self.dir}/{cid}.vsock")
            for cid in range(FIRST_CID, FIRST_CID + nb_guests)
        }

    def command(self):
        places = {}
        for suffix, port in zip(("", "2"), self.ports.values()):
            places[f"{{cid{suffix}}}"] = port.cid
            places[f"{{sock{suffix}}}"] = port.iface
            places[f"{{uds{suffix}}}"] = port.uds
        line = []
        for word in self.words:
            for place, value in places.items():
                word = word.replace(place, str(value))
            line.append(word)
        return line

    def ready(self):
        return all(os.path.exists(port.iface) for port in self.ports.values())

    def discard(self):
        self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


class Backend:
    """A back end that serves guests: started once, used by every row that it can do.

    launch: makes its process; cpu: where it has to run, if it does not choose by itself.
    """

    def __init__(self, name, nb_guests, launch, cpu=None):
        self.name = name
        self.nb_guests = nb_guests
        self.launch = launch
        self.cpu = cpu
        self.ours = name == OURS
        self.server = None

    @property
    def process(self):
        return self.server.process if self.server else None

    def telemetry_path(self):
        return self.server.telemetry_path()

    def start(self):
        self.server = self.launch()
        try:
            self.server.start(START_S, self.cpu)
        except ProcessError as error:
            raise Failed(
                f"{self.name} does not start: {str(error)[-500:]}", "it does not start"
            ) from error

    def stop(self):
        if self.server is None:
            return
        try:
            if self.server.alive():
                self.server.terminate(timeout=STOP_S)
        except ProcessError:
            pass  # it was killed
        self.server.discard()
        self.server = None

    def restart(self):
        self.stop()
        self.start()

    def guest_args(self, nb, first=0):
        ports = list(self.server.ports.values())
        return [port.guest_arg() for port in ports[first : first + nb]]


def vsockd(options, folder, nb_guests, wrapper=(), app_options=()):
    """The daemon of the build: main thread on CPU A, the polling one on CPU B."""
    cpu_a, cpu_b = options.cpus
    cids = range(FIRST_CID, FIRST_CID + nb_guests)

    def launch():
        return Daemon(
            cids,
            {cid: {"max_conns": 65536} for cid in cids},
            program=options.vsockd,
            eal=("--lcores", f"0@{cpu_a},1@{cpu_b}"),
            app=app_options,
            memory=512,
            wrapper=wrapper,
            parent=folder,
        )

    return Backend(OURS, nb_guests, launch)


def other(template, name, folder, cpu):
    words = shlex.split(template)
    nb_guests = 2 if "{sock2}" in template else 1
    return Backend(
        name or Path(words[0]).name, nb_guests, lambda: Other(words, folder, nb_guests), cpu
    )
