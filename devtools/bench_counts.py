# SPDX-License-Identifier: BSD-3-Clause
"""Counts of bench.sh: what shows a regression whatever the noise of the machine."""

import json
import os
import re
import shutil
import socket
import statistics
import sys

# What the guest's packets run through; the callgrind row counts their instructions alone.
DATA_PATH = ["from_guest_poll", "to_guest_poll", "lcore_port_flush"]


def ask(prefix, *commands):
    """Asks the daemon's telemetry. None where there is none."""
    runtime = os.environ.get("RUNTIME_DIRECTORY") or (
        "/var/run" if os.getuid() == 0 else os.environ.get("XDG_RUNTIME_DIR", "/tmp"))
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.settimeout(10)
            sock.connect(f"{runtime}/dpdk/{prefix}/dpdk_telemetry.v2")
            sock.recv(16384)
            answers = []
            for command in commands:
                sock.send(command.encode())
                answers.append(json.loads(sock.recv(65536))[command.split(",")[0]])
            return answers
    except (OSError, ValueError, KeyError) as error:
        print(f"no telemetry: {error}", file=sys.stderr)
        return None


def totals(prefix):
    answers = ask(prefix, "/vsock/stats", "/vsock/lcores")
    if answers is None:
        return None
    stats, lcores = answers
    stats["epoll_calls"] = sum(lcore["epoll_calls"] for lcore in lcores.values())
    stats["wakeups_sent"] = sum(lcore["wakeups_sent"] for lcore in lcores.values())
    return stats


def telemetry(bench, rows, backend):
    """One more run of each stream: what the daemon counted, for each packet."""
    for row in rows:
        if row.cpu != "packet" or row.latency:
            continue
        before = totals(backend.telemetry)
        bench.through(row, backend)
        # Its figures belong to no round.
        bench.results[(row.name, backend.name)].pop()
        after = totals(backend.telemetry)
        if before is None or after is None:
            return
        diff = {key: after[key] - before[key] for key in after if isinstance(after[key], int)}
        bench.results[(row.name, "counts")] = [diff]


def per_packet(diff):
    """(copies per byte or None, socket calls, epoll calls, notifications) of a counted run."""
    packets = max(diff["from_guest_packets"], diff["to_guest_packets"], 1)
    copies = None
    if diff["guest_payload_bytes"] > 0:
        copies = diff["guest_copied_bytes"] / diff["guest_payload_bytes"]
    notified = diff["to_guest_notifications"] + diff["from_guest_notifications"] + diff["kicks"]
    return (copies, (diff["host_send_calls"] + diff["host_recv_calls"]) / packets,
            diff["epoll_calls"] / packets, notified / packets)


def instructions(bench, options, daemon):
    """Instructions per packet of the data path, counted by callgrind."""
    if shutil.which("valgrind") is None:
        print("no valgrind: instructions are not counted", file=sys.stderr)
        return
    for name, args in (("gg-64", "--scenario guest-to-guest --size 64"),
                       ("gg-4k", "--scenario guest-to-guest --size 4K"),
                       ("gh-64", "--scenario guest-to-host --size 64")):
        out = bench.folder / "callgrind.out"
        toggles = [f"--toggle-collect={function}" for function in DATA_PATH]
        backend = daemon(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
                          "--collect-atstart=no", *toggles])
        try:
            backend.start()
            bench.pktgen(("callgrind", name),
                         [*args.split(), *backend.guest_args(2), "--stall=60"], 1)
            stats = totals(backend.telemetry)
        finally:
            backend.stop()
            shutil.rmtree(backend.folder, ignore_errors=True)
        match = re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE)
        if match is None or stats is None:
            continue
        packets = max(stats["from_guest_packets"], 1)
        bench.results[(name, "instructions")] = [int(match[1]) / packets]
        out.unlink()


def median(results, key, path):
    """The median over the rounds of a figure named by its path; None when there is none."""
    values = []
    for result in results.get(key, []):
        for step in path:
            result = result.get(step) if isinstance(result, dict) else None
        if result is not None:
            values.append(result)
    return statistics.median(values) if values else None
