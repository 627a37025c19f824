#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The measurements of bench.sh, which see for the options."""

import argparse
import contextlib
import fnmatch
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import bench_counts
import bench_report
from bench_backend import START_S, STOP_S, Failed, other, vsockd
from bench_rows import LIMITS, ROWS, SWEEP_SIZES, SWEEPS

STALL_S = 20
OTHER_STALL_S = 5
OTHER_FAILURES = 2
VERIFY_S = 0.3


class Bench:
    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.results = {}  # (row, subject) → list of JSON objects
        self.failed = {}  # (row, other back end) → why each time, in one line
        self.round = 0

    def command(self, args, seconds, stall=STALL_S):
        cpu_a, cpu_b = self.options.cpus
        command = [
            str(self.options.pktgen),
            "--json",
            "--quiet",
            f"--cpu={cpu_a}",
            f"--seconds={seconds}",
            f"--warmup={min(0.2, seconds / 4)}",
            f"--stall={stall}",
            *args,
        ]
        if any("raw-unix" in arg or "spsc" in arg for arg in args):
            command.append(f"--peer-cpu={cpu_b}")
        return command

    def one_line(self, text):
        """Of an error: without the names of this run's files."""
        return " ".join(re.sub(re.escape(str(self.folder)) + r"\S*/", "", text).split())

    def ended(self, command, status, out, err):
        if status == 0:
            return
        try:
            result = json.loads(out)
            reason = f"{result['result']}: {result['detail']}"
        except (ValueError, KeyError):
            reason = err.strip() or f"exit status {status}"
        raise Failed(
            f"{' '.join(command)}: exit status {status}: {err.strip()}", self.one_line(reason)
        )

    def pktgen(self, key, args, seconds=None, stall=STALL_S):
        """Runs the load generator; its JSON joins the results under the key."""
        seconds = seconds or self.options.seconds
        command = self.command(args, seconds, stall)
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=seconds + 120, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise Failed(str(error), "the load generator does not come to an end") from error
        self.ended(command, done.returncode, done.stdout, done.stderr)
        result = json.loads(done.stdout)
        result["round"] = self.round
        self.results.setdefault(key, []).append(result)
        if self.options.keep:
            path = Path(self.options.keep)
            path.mkdir(parents=True, exist_ok=True)
            nb = len(self.results[key])
            (path / f"{key[0]}.{key[1]}.{nb}.json").write_text(done.stdout)
        return result

    def through(self, row, backend, alone=False):
        """One measurement of a row; of ours, with what the daemon counts meanwhile."""
        guests = min(row.guests, backend.nb_guests)
        args = [
            *(row.alone if alone else row.args).split(),
            *backend.guest_args(guests),
            f"--backend-pid={backend.process.pid}",
        ]
        counted = backend.ours and self.options.counts
        before = bench_counts.totals(backend.telemetry_path()) if counted else None
        result = self.pktgen(
            (row.name, "alone" if alone else backend.name),
            args,
            max(self.options.seconds, row.least_s),
            STALL_S if backend.ours else OTHER_STALL_S,
        )
        after = bench_counts.totals(backend.telemetry_path()) if before else None
        if after:
            diff = bench_counts.since(before, after)
            self.results.setdefault(("lcore", "time"), []).append(diff)
            self.results.setdefault((row.name, "alone counts" if alone else "counts"), []).append(
                bench_counts.per_packet(diff, result)
            )

    @contextlib.contextmanager
    def idle_guests(self, row, backend):
        """The guests that stand beside those of the row, each pair with idle connections."""
        if not row.beside:
            yield
            return
        args = [
            "--scenario=idle",
            f"--conns={row.beside}",
            "--interval=3600000000",
            "--wait=block",
            *backend.guest_args(row.beside, row.guests),
        ]
        command = self.command(args, 3600)
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            deadline = time.monotonic() + START_S
            while True:
                stats = bench_counts.ask(backend.telemetry_path(), "/vsock/stats")
                if stats and stats[0]["conns"] >= row.beside:
                    break
                if stats is None or process.poll() is not None or time.monotonic() > deadline:
                    raise Failed(f"{row.name}: the idle guests are not there")
                time.sleep(0.1)
            time.sleep(0.5)  # the rest of the connections
            yield
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=STOP_S)
            self.ended(command, process.returncode, out, err)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def run_row(self, row, backends):
        if row.raw:
            self.pktgen((row.name, "raw"), row.raw.split())
        for backend in backends:
            if backend.ours:
                # Ours has to work.
                if row.alone:
                    self.through(row, backend, alone=True)
                with self.idle_guests(row, backend):
                    self.through(row, backend)
            else:
                self.try_other(row, backend)

    def try_other(self, row, backend):
        """Skip rows that it cannot run, and rows that failed twice; the report says so."""
        reasons = self.failed.setdefault((row.name, backend.name), [])
        if backend.nb_guests < row.needs:
            reasons[:] = [f"needs {row.needs} guests"]
            return
        if len(reasons) == OTHER_FAILURES:
            return
        try:
            if backend.process is None:
                backend.restart()
            self.through(row, backend)
        except Failed as error:
            ended = backend.process.poll() if backend.process else None
            reasons.append(
                error.reason + ("" if ended is None else f" (it ended with status {ended})")
            )
            print(f"{backend.name}: {row.name}: {error}", file=sys.stderr)
            backend.stop()  # what is left of this row must not spoil the next one


def chosen(options):
    """Rows that match; the large ones are not part of --quick unless they are asked for."""
    return [
        row
        for row in ROWS
        if fnmatch.fnmatch(row.name, options.only)
        and (row.quick or not options.quick or options.only != "*")
    ]


def verify_args(row, backend, alone=False):
    return [
        *(row.alone if alone else row.args).split(),
        *backend.guest_args(row.guests),
        "--verify",
    ]


def verify(bench, rows, backend):
    """Every byte once, before anything is measured."""
    for row in rows:
        bench.pktgen(("verify", row.name), verify_args(row, backend), VERIFY_S)


@contextlib.contextmanager
def peak_memory(backend):
    """Watches how much memory the daemon has. Yields a list that holds the most at the end."""
    peak = [bench_counts.memory(backend.process.pid)]
    over = threading.Event()

    def watch():
        while not over.wait(0.1):
            peak[0] = max(peak[0], bench_counts.memory(backend.process.pid))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def weigh(bench, row, backend):
    """Every byte once for a row with a daemon of its own; and the memory that it takes."""
    start = bench_counts.memory(backend.process.pid)
    alone = [None]
    seconds = VERIFY_S if row.metric != "round_trip_ns" else 1.2  # time for some probes
    if row.alone:
        with peak_memory(backend) as alone:
            bench.pktgen(("verify", row.name), verify_args(row, backend, True), seconds)
    with bench.idle_guests(row, backend), peak_memory(backend) as full:
        bench.pktgen(("verify", row.name), verify_args(row, backend), seconds)
    if row.nb_conns:
        bench.results[row.name, "memory"] = [{"start": start, "alone": alone[0], "full": full[0]}]


def limits_of(options, rows):
    """Limits of the machine that were asked for, or that a row's target needs."""
    needed = [name for row in rows for name in row.limits]
    return [
        limit for limit in LIMITS if fnmatch.fnmatch(limit[0], options.only) or limit[0] in needed
    ]


def limits(bench, options, rows):
    for name, _, args, _ in limits_of(options, rows):
        bench.pktgen((name, "limit"), args.split(), options.seconds / 2)


def sweep(bench, options, backend):
    for _ in range(max(1, options.rounds // 2)):
        for scenario, _, raw in SWEEPS:
            for size in SWEEP_SIZES:
                name = f"sweep-{scenario}-{size}"
                bench.pktgen((name, "raw"), [*raw.split(), f"--size={size}"], options.seconds / 2)
                bench.pktgen(
                    (name, backend.name),
                    [f"--scenario={scenario}", f"--size={size}", *backend.guest_args(2)],
                    options.seconds / 2,
                )


def make_backends(options, folder):
    backends = [vsockd(options, folder, 2)]
    for i, (template, name) in enumerate(options.others):
        backend = other(template, name, folder, options.cpus[1])
        if backend.name in [known.name for known in backends]:
            backend.name += f" ({i + 2})"
        backends.append(backend)
    return backends


def measure_shared(bench, options, rows, backends):
    """The rows of two guests: in alternating rounds, all back ends up all the time."""
    if not rows and not limits_of(options, rows):
        return
    try:
        for backend in backends:
            backend.start()
        verify(bench, rows, backends[0])
        for i in range(options.rounds):
            bench.round = i
            limits(bench, options, rows)
            for row in rows:
                bench.run_row(row, backends)
            print(f"round {i + 1} of {options.rounds}", file=sys.stderr)
        if not options.quick and options.only == "*":
            sweep(bench, options, backends[0])
    finally:
        for backend in backends:
            backend.stop()


def measure_own(bench, options, folder, row):
    """A row with a daemon of its own."""
    backend = vsockd(options, folder, row.guests + row.beside)
    try:
        backend.start()
        weigh(bench, row, backend)
        for bench.round in range(options.rounds if row.alone else 1):
            bench.run_row(row, [backend])
        print(row.name, file=sys.stderr)
    finally:
        backend.stop()


def measure(bench, options, folder):
    rows = chosen(options)
    backends = make_backends(options, folder)
    measure_shared(bench, options, [row for row in rows if not row.own], backends)
    for row in rows:
        if row.own:
            measure_own(bench, options, folder, row)
    if options.counts:
        bench_counts.instructions(
            bench, [row.name for row in rows], lambda *how: vsockd(options, folder, 2, *how)
        )
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
    options.seconds = options.seconds or (0.4 if options.quick else 1.5)
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
    except Failed as error:
        print(f"bench.sh: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = bench_report.report(bench, rows, names, time.monotonic() - start)
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
