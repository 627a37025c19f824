#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every scenario of the load generator at the same time through one daemon, every byte checked.

Usage: test_soak.py DAEMON PKTGEN [SECONDS]
SECONDS: of each scenario (environment VERIFY_SECONDS, or 600). At the end the daemon has to hold no
more descriptors and packet objects than before, and about as much memory.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

START_S = 60
STOP_S = 60
LCORES = "0@0,1@1,2@0"
FIRST_CID = 3
# What malloc and page tables keep, and the conversation by which this is asked.
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


class Daemon:
    def __init__(self, program, folder, nb_guests):
        self.folder = folder
        self.prefix = f"soak{os.getpid()}"
        command = [program, "--no-pci", "--no-huge", "-m", "512", "--lcores", LCORES,
                   f"--file-prefix={self.prefix}"]
        for i in range(nb_guests):
            command += ["--vdev", f"vsock_vhost{i},iface={folder}/{i}.sock,"
                                  f"cid={FIRST_CID + i},uds={folder}/{i}.vsock"]
        with open(folder / "log", "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while not (folder / f"{nb_guests - 1}.vsock").exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit("the daemon does not start:\n" + self.log())
            time.sleep(0.05)

    def log(self):
        return (self.folder / "log").read_text(errors="replace")[-3000:]

    def ask(self, command):
        runtime = os.environ.get("RUNTIME_DIRECTORY") or (
            "/var/run" if os.getuid() == 0 else os.environ.get("XDG_RUNTIME_DIR", "/tmp"))
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.settimeout(30)
            sock.connect(f"{runtime}/dpdk/{self.prefix}/dpdk_telemetry.v2")
            sock.recv(16384)
            sock.send(command.encode())
            return json.loads(sock.recv(65536))[command]

    def holdings(self):
        """What it holds: descriptors, packet objects, KiB of memory."""
        pid = self.process.pid
        status = Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1]
        return {"descriptors": len(os.listdir(f"/proc/{pid}/fd")),
                "packet objects": -sum(lcore["free_pkts"]
                                       for lcore in self.ask("/vsock/lcores").values()),
                "KiB": int(status.split()[0])}

    def drops(self):
        """What it counted as dropped, refused or reset."""
        return {name: nb for name, nb in self.ask("/vsock/stats")["drops"].items() if nb}

    def stop(self):
        """Its exit status, or what is wrong."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "none: it does not stop"


def start(pktgen, line, seconds, guests):
    command = [pktgen, "--quiet", "--verify", "--stall", "60", "--seconds", str(seconds),
               *guests, "--scenario", *line.split()]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def play(pktgen, lines, folder, seconds):
    """All at once. Returns what went wrong, by line."""
    running = []
    for i, line in enumerate(lines):
        guests = [f"--guest=iface={folder}/{k}.sock,uds={folder}/{k}.vsock,cid={FIRST_CID + k}"
                  for k in (2 * i, 2 * i + 1)]
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
    """What it holds beyond what it held before, once it has put its things in order."""
    limits = {"descriptors": 0, "packet objects": 0, "KiB": GROWTH_KIB}
    if os.environ.get("VSOCKD_SANITIZED", "none") != "none":
        del limits["KiB"]  # the sanitizers keep what is freed, and more
    deadline = time.monotonic() + 60
    while True:
        now = daemon.holdings()
        found = [f"{now[key] - before[key]} {key} more than before" for key in limits
                 if now[key] - before[key] > limits[key]]
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
    folder = Path(tempfile.mkdtemp(prefix="vsock-soak-"))
    daemon = Daemon(program, folder, 2 * len(lines))
    try:
        # Once in short, so that memory that is used for the first time is no growth.
        wrong = play(pktgen, lines, folder, min(seconds, 2))
        if not wrong:
            before = daemon.holdings()
            wrong = play(pktgen, lines, folder, seconds) + leaks(daemon, before)
        print(f"dropped, refused or reset: {daemon.drops()}")
    except OSError as error:
        wrong = [f"the daemon is gone: {error}"]
    finally:
        status = daemon.stop()
        log = daemon.log()
        shutil.rmtree(folder, ignore_errors=True)
    if status != 0:
        wrong.append(f"the daemon's exit status: {status}")
    for what in wrong:
        print(what)
    if wrong:
        print(log)
    print(f"{len(lines)} scenarios of {seconds:g} s, {len(wrong)} failures")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
