#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every scenario of the load generator at the same time through one daemon, every byte checked.

Usage: pktgen_soak.py DAEMON PKTGEN [SECONDS]
SECONDS: of each scenario (environment VERIFY_SECONDS, or 600). At the end the daemon has to hold no
more descriptors and packet objects than before, and about as much memory.
"""

import os
import subprocess
import sys
import time

from pylib.daemon import Daemon, sanitized
from pylib.process import ProcessError

START_S = 60
STOP_S = 60
LCORES = "0@0,1@1,2@0"
FIRST_CID = 3
# Margin for malloc, page tables, and the telemetry request itself.
GROWTH_KIB = 16 * 1024

# Scenarios with two guests each.
RUNS = """
guest-to-host --size 64,1500,64K --conns 8
guest-to-host --type seqpacket --size 1,5000,60000 --conns 3
host-to-guest --size 64,1500,64K --conns 8 --shape 3776
guest-to-guest --size 64,4K,64K --conns 8 --duplex
guest-to-guest --size 64K --ring-size 8 --event-idx off --conns 3
guest-to-guest --type seqpacket --size 1,64,3000,200000 --conns 5 --shape fragments
rtt-guest-host --size 1,60000
rtt-host-guest --size 64
rtt-guest-guest --size 1 --load-conns 2
connect-guest-host --conns 4
connect-host-guest --conns 4
connect-guest-guest --conns 4
idle --conns 50 --interval 10000
mixed --conns 30 --duplex --size 64,1500,64K --shape header-split --indirect on
"""


def holdings(daemon):
    """Resources of the daemon: descriptors, packet objects, KiB of memory."""
    return {
        "descriptors": daemon.nb_fds(),
        "packet objects": -sum(
            lcore["free_pkts"] for lcore in daemon.telemetry("/vsock/lcores").values()
        ),
        "KiB": daemon.resident("VmRSS") // 1024,
    }


def drops(daemon):
    """Counters of packets and connections that were dropped, refused or reset."""
    return {name: nb for name, nb in daemon.drops().items() if nb}


def start(pktgen, line, seconds, guests):
    command = [
        pktgen,
        "--quiet",
        "--verify",
        "--stall",
        "60",
        "--seconds",
        str(seconds),
        *guests,
        "--scenario",
        *line.split(),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def play(daemon, pktgen, lines, seconds):
    """All at once. Returns what went wrong, by line."""
    running = []
    for i, line in enumerate(lines):
        guests = [daemon.ports[FIRST_CID + k].guest_arg() for k in (2 * i, 2 * i + 1)]
        running.append((line, start(pktgen, line, seconds, guests)))
    wrong = []
    deadline = time.monotonic() + seconds + 300
    for line, process in running:
        try:
            text = process.communicate(timeout=max(1, deadline - time.monotonic()))[0]
        except subprocess.TimeoutExpired:
            process.kill()
            text = process.communicate()[0] + "does not end"
        told = " ".join(text.split("\n")[2:4]).split()
        print(f"{line}: exit status {process.returncode}; {' '.join(told)}", flush=True)
        if process.returncode != 0:
            wrong.append(f"{line}: {text.strip()}")
    return wrong


def leaks(daemon, before):
    """Resources beyond those of before, after the daemon has freed the connections."""
    limits = {"descriptors": 0, "packet objects": 0, "KiB": GROWTH_KIB}
    if sanitized():
        del limits["KiB"]  # the sanitizers keep what is freed, and more
    deadline = time.monotonic() + 60
    while True:
        now = holdings(daemon)
        found = [
            f"{now[key] - before[key]} {key} more than before"
            for key in limits
            if now[key] - before[key] > limits[key]
        ]
        if not found or time.monotonic() > deadline:
            print(f"before {before}, after {now}")
            return found
        time.sleep(0.5)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    program, pktgen = sys.argv[1:3]
    seconds = float(sys.argv[3] if len(sys.argv) > 3 else os.environ.get("VERIFY_SECONDS", 600))
    lines = RUNS.split("\n")[1:-1]
    cids = range(FIRST_CID, FIRST_CID + 2 * len(lines))
    daemon = Daemon(cids, program=program, eal=("--lcores", LCORES), app=(), memory=512)
    wrong = []
    try:
        daemon.start(START_S)
        # Once in short, so that memory that is used for the first time is no growth.
        wrong = play(daemon, pktgen, lines, min(seconds, 2))
        if not wrong:
            before = holdings(daemon)
            wrong = play(daemon, pktgen, lines, seconds) + leaks(daemon, before)
        print(f"dropped, refused or reset: {drops(daemon)}")
        status, _ = daemon.terminate(timeout=STOP_S)
        if status != 0:
            wrong.append(f"the daemon's exit status: {status}")
    except (OSError, ProcessError) as error:
        wrong.append(f"the daemon is gone: {error}")
    finally:
        log = daemon.stderr()[-3000:]
        daemon.discard()
    for what in wrong:
        print(what)
    if wrong:
        print(log)
    print(f"{len(lines)} scenarios of {seconds:g} s, {len(wrong)} failures")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
