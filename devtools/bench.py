#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The measurements of bench.sh, which see for the options."""

import argparse
import fnmatch
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bench_counts
import bench_report
from bench_rows import LIMITS, ROWS, SWEEP_SIZES, SWEEPS

START_S = 20
STOP_S = 60  # callgrind takes its time


class Failed(Exception):
    """A run that did not end well."""


class Backend:
    """A back end that serves guests: started once, used by every row that it can do."""

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
        log = open(self.folder / "log", "wb")
        pin = (lambda: os.sched_setaffinity(0, {self.cpu})) if self.cpu is not None else None
        self.process = subprocess.Popen(self.command, stdout=log, stderr=log, preexec_fn=pin)
        log.close()
        deadline = time.monotonic() + START_S
        while not all(self.sock(i).exists() for i in range(self.nb_guests)):
            if self.process.poll() is not None or time.monotonic() > deadline:
                text = (self.folder / "log").read_text(errors="replace")
                raise Failed(f"{self.name} does not start: {text[-500:]}")
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

    def guest_args(self, nb):
        return [f"--guest=iface={self.sock(i)},uds={self.uds(i)},cid={3 + i}" for i in range(nb)]


def vsockd(options, folder, name, nb_guests, prefix=()):
    """The daemon of the build: main thread on CPU A, the polling one on CPU B."""
    cpu_a, cpu_b = options.cpus
    command = [*prefix, str(options.vsockd), "--no-pci", "--no-huge", "-m", "512",
               "--lcores", f"0@{cpu_a},1@{cpu_b}", f"--file-prefix=bench{os.getpid()}{name}"]
    backend = Backend("dpdk-vsockd", command, folder / name, nb_guests, None)
    for i in range(nb_guests):
        command += ["--vdev", f"vsock_vhost{i},iface={backend.sock(i)},cid={3 + i},"
                              f"uds={backend.uds(i)}"]
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


class Bench:
    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.results = {}  # (row, subject) → list of JSON objects

    def pktgen(self, key, args, seconds=None):
        """Runs the load generator; its JSON joins the results under the key."""
        cpu_a, cpu_b = self.options.cpus
        seconds = seconds or self.options.seconds
        command = [str(self.options.pktgen), "--json", "--quiet", f"--cpu={cpu_a}",
                   f"--seconds={seconds}", f"--warmup={min(0.2, seconds / 4)}", "--stall=20",
                   *args]
        if any("raw-unix" in arg or "spsc" in arg for arg in args):
            command.append(f"--peer-cpu={cpu_b}")
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 120,
                              check=False)
        if done.returncode != 0:
            raise Failed(f"{' '.join(command)}: exit status {done.returncode}: "
                         f"{done.stderr.strip()}")
        result = json.loads(done.stdout)
        self.results.setdefault(key, []).append(result)
        if self.options.keep:
            path = Path(self.options.keep)
            path.mkdir(parents=True, exist_ok=True)
            nb = len(self.results[key])
            (path / f"{key[0]}.{key[1]}.{nb}.json").write_text(done.stdout)
        return result

    def through(self, row, backend):
        guests = min(row.guests, backend.nb_guests)
        args = [*row.args.split(), *backend.guest_args(guests),
                f"--backend-pid={backend.process.pid}"]
        return self.pktgen((row.name, backend.name), args,
                           max(self.options.seconds, row.least_s))

    def run_row(self, row, backends, others_failed):
        if row.raw:
            self.pktgen((row.name, "raw"), row.raw.split())
        for backend in backends:
            if backend.nb_guests < row.needs or (row.name, backend.name) in others_failed:
                continue
            try:
                self.through(row, backend)
            except (Failed, subprocess.TimeoutExpired) as error:
                # Ours has to work; what others cannot do is left out and said.
                if backend.name == "dpdk-vsockd":
                    raise
                print(f"{backend.name}: {row.name}: {error}", file=sys.stderr)
                others_failed.add((row.name, backend.name))


def chosen(options):
    return [row for row in ROWS if fnmatch.fnmatch(row.name, options.only)]


def verify(bench, rows, backend):
    """Every byte once, before anything is measured."""
    for row in rows:
        if row.guests <= backend.nb_guests:
            bench.pktgen(("verify", row.name),
                         [*row.args.split(), *backend.guest_args(row.guests), "--verify"], 0.3)


def limits(bench, options):
    for name, _, args, _ in LIMITS:
        if fnmatch.fnmatch(name, options.only):
            bench.pktgen((name, "limit"), args.split())


def sweep(bench, options, backend):
    for _ in range(max(1, options.rounds // 2)):
        for scenario, _, raw in SWEEPS:
            for size in SWEEP_SIZES:
                name = f"sweep-{scenario}-{size}"
                bench.pktgen((name, "raw"), [*raw.split(), f"--size={size}"])
                bench.pktgen((name, backend.name),
                             [f"--scenario={scenario}", f"--size={size}",
                              *backend.guest_args(2)])


def measure(bench, options, folder):
    rows = chosen(options)
    many = [row for row in rows if row.guests > 2]
    few = [row for row in rows if row.guests <= 2]
    backends = [vsockd(options, folder, "two", 2)]
    for i, (template, name) in enumerate(options.others):
        backend = other(template, name, folder / f"other{i}", options.cpus[1])
        if backend.name in [known.name for known in backends]:
            backend.name += f" ({i + 2})"
        backends.append(backend)
    failed = set()
    try:
        for backend in backends:
            backend.start()
        verify(bench, few, backends[0])
        for i in range(options.rounds):
            limits(bench, options)
            for row in few:
                bench.run_row(row, backends, failed)
            print(f"round {i + 1} of {options.rounds}", file=sys.stderr)
        if options.counts:
            bench_counts.telemetry(bench, few, backends[0])
        if not options.quick and options.only == "*":
            sweep(bench, options, backends[0])
    finally:
        for backend in backends:
            backend.stop()
    for row in many:
        backend = vsockd(options, folder, row.name, row.guests)
        try:
            backend.start()
            bench.run_row(row, [backend], failed)
        finally:
            backend.stop()
    if options.counts:
        bench_counts.instructions(bench, options, lambda prefix: vsockd(
            options, folder, "callgrind", 2, prefix))
    return rows, [backend.name for backend in backends]


class AddOther(argparse.Action):
    def __call__(self, parser, options, value, option_string=None):
        if option_string == "--name":
            if not options.others:
                parser.error("--name stands behind an --other")
            options.others[-1] = (options.others[-1][0], value)
        else:
            options.others.append((value, None))


def parse(argv):
    parser = argparse.ArgumentParser(prog="bench.sh", add_help=False)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--other", "--name", action=AddOther, dest="others", default=[])
    parser.add_argument("--only", default="*")
    parser.add_argument("--cpus")
    parser.add_argument("--no-counts", dest="counts", action="store_false")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--keep")
    options = parser.parse_args(argv)
    options.others = list(options.others)
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or (0.4 if options.quick else 2)
    cpus = sorted(os.sched_getaffinity(0))
    if options.cpus:
        cpus = [int(cpu) for cpu in options.cpus.split(",")]
    options.cpus = (cpus[0], cpus[1] if len(cpus) > 1 else cpus[0])
    options.vsockd = options.build / "app/dpdk-vsockd/dpdk-vsockd"
    options.pktgen = options.build / "app/dpdk-vsock-pktgen/dpdk-vsock-pktgen"
    if not chosen(options) and not any(fnmatch.fnmatch(x[0], options.only) for x in LIMITS):
        parser.error(f"no row matches {options.only}")
    return options


def main(argv):
    options = parse(argv)
    folder = Path(tempfile.mkdtemp(prefix="vsock-bench-"))
    bench = Bench(options, folder)
    start = time.monotonic()
    try:
        rows, names = measure(bench, options, folder)
    except (Failed, subprocess.TimeoutExpired) as error:
        print(f"bench.sh: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = bench_report.report(bench.results, rows, names, options, time.monotonic() - start)
    print(text)
    if options.write:
        root = Path(__file__).resolve().parent.parent
        if not options.quick and options.only == "*":
            bench_report.plots(bench.results, root / "doc" / "img")
        bench_report.write(text, root / "doc" / "performance.md")
    return 0


if __name__ == "__main__":
    # A list that AddOther appends to must not be shared by two calls.
    sys.exit(main(sys.argv[1:]))
