# SPDX-License-Identifier: BSD-3-Clause
"""Counts of bench.sh: they show a regression in spite of other load on the machine."""

import re
import shutil
import statistics
import sys
import time

from pylib.telemetry import Telemetry

# The load generator's memory: mapped by the daemon, but not its own.
GUEST_MEMORY = "memfd:vsock-guest"

# The functions whose instructions are counted, with all that they call.
DATA_PATH = ("from_guest_poll", "to_guest_poll", "lcore_port_flush")
POLL = "from_guest_poll"
POLL_FOUND = "lcore_port_flush_later"  # called by POLL once when it found packets, else not
SET_ASIDE = "chunk_append_segs"  # bytes for a host program that does not keep up
COUNTED = (
    ("gg-64", "--scenario guest-to-guest --size 64"),
    ("gg-4k", "--scenario guest-to-guest --size 4K"),
    ("gh-64", "--scenario guest-to-host --size 64"),
    ("gh-4k", "--scenario guest-to-host --size 4K"),
    # A window that is smaller than the socket: what is read is bounded by the guest's
    # credit and not by how far the host program has got.
    ("hg-4k", "--scenario host-to-guest --size 4K --buf-alloc 64K"),
)
IDLE = "--scenario idle --conns 1 --interval 3600000000 --size 64"
COUNT_S = 0.5

# As DPDK names the threads of lcores, in one version or another.
LCORE_THREAD = r"(rte|lcore|dpdk)-worker-?\d+"


def ask(path, *commands):
    """Asks the daemon's telemetry. None where there is none."""
    try:
        with Telemetry(path, timeout=10) as client:
            return [client.ask(command) for command in commands]
    except (OSError, ValueError, KeyError) as error:
        print(f"no telemetry: {error}", file=sys.stderr)
        return None


def lcores_cpu_ns(result):
    """CPU time of the poll lcores' threads in a result of the load generator, for each packet."""
    packets = max(result["counts"]["packets_from_guest"], result["counts"]["packets_to_guest"])
    seconds = sum(
        thread["seconds"]
        for thread in result["backend_cpu"]["threads"]
        if re.fullmatch(LCORE_THREAD, thread["name"])
    )
    return seconds * 1e9 / packets if seconds and packets else None


def totals(path):
    """All that the daemon counts, as one dictionary; with the time that lcores had until now."""
    answers = ask(path, "/vsock/stats", "/vsock/lcores")
    if answers is None:
        return None
    stats, lcores = answers
    stats["ns"] = time.monotonic_ns() * len(lcores)
    for key in ("epoll_calls", "total_cycles", "busy_cycles"):
        stats[key] = sum(lcore[key] for lcore in lcores.values())
    return stats


def since(before, after):
    return {key: after[key] - before[key] for key in after if isinstance(after[key], int)}


def per_packet(diff, result):
    """The counts of a run for each packet; None: the count does not apply."""
    packets = nb_packets(diff)
    payload = diff["guest_payload_bytes"]
    notified = diff["to_guest_notifications"] + diff["from_guest_notifications"] + diff["kicks"]
    return {
        "copies": diff["guest_copied_bytes"] / payload if payload else None,
        "calls": (diff["host_send_calls"] + diff["host_recv_calls"]) / packets,
        "epolls": diff["epoll_calls"] / packets,
        "notified": notified / packets,
        "payload": payload / packets,
        "busy_cycles": diff["busy_cycles"] / packets,
        "lcore_cpu_ns": lcores_cpu_ns(result),
    }


def nb_packets(stats):
    """Packets of the direction that has more: pieces, where the receiver's buffers are small."""
    return max(stats["from_guest_packets"], stats["to_guest_packets"], 1)


def lcore_ns(results, row, subject="counts"):
    """
    Time of the lcore for each packet: of the turns in which it found work, as its cycle counter
    has it. The lcore counts cycles all the time, asleep or not: over all runs together they give
    the cycles of a second. When others ran on its CPU it cannot have worked longer than its
    thread had the CPU.
    """
    key = (row.name, subject)
    busy, cpu_ns = median(results, key, ["busy_cycles"]), median(results, key, ["lcore_cpu_ns"])
    runs = results.get(("lcore", "time"), [])
    cycles = sum(run["total_cycles"] for run in runs)
    if busy is None or not cycles:
        return None
    busy_ns = busy * sum(run["ns"] for run in runs) / cycles
    return busy_ns if cpu_ns is None else min(busy_ns, cpu_ns)


def memory(pid):
    """Resident memory of a daemon in bytes, without the guests'."""
    total, counted = 0, True
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as smaps:
        for line in smaps:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                counted = GUEST_MEMORY not in line
            elif counted and line.startswith("Rss:"):
                total += int(line.split()[1]) << 10
    return total


# ---- instructions ----


def calls(path):
    """(caller, callee) → [number of calls, instructions with all that the callee calls]."""
    names, found = {}, {}
    caller = callee = count = None

    def name(text):
        number, _, rest = text.partition(" ")
        return names.setdefault(number, rest)

    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            line = line.rstrip("\n")
            if line.startswith("fn="):
                caller = name(line[3:])
            elif line.startswith("cfn="):
                callee = name(line[4:])
            elif line.startswith("calls="):
                count = int(line[6:].split()[0])
            elif count is not None:
                entry = found.setdefault((caller, callee), [0, 0])
                entry[0] += count
                entry[1] += int(line.split()[1])
                count = None
    return found


def called(found, callee):
    """Calls of a function by whomever, and what they cost."""
    entries = [entry for key, entry in found.items() if key[1] == callee]
    return sum(x[0] for x in entries), sum(x[1] for x in entries)


def work(found, empty_cost):
    """
    Instructions that packets cost. Two things depend on how fast the load generator is and not on
    the packets, and are taken off: polls that find nothing, and what is set aside for a host
    program that does not keep up.
    """
    polls = called(found, POLL)[0]
    empty = polls - found.get((POLL, POLL_FOUND), [0])[0]
    if polls == 0 or empty == polls:
        raise ValueError(f"{POLL} or its call of {POLL_FOUND} is not in callgrind's result")
    return (
        sum(called(found, function)[1] for function in DATA_PATH)
        - empty * empty_cost
        - called(found, SET_ASIDE)[1]
    )


def callgrind(bench, daemon, name, args, app_options=()):
    """Runs the daemon under callgrind. Returns its calls and the telemetry at the end."""
    out = bench.folder / "callgrind.out"
    backend = daemon(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"], app_options)
    try:
        backend.start()
        bench.pktgen(
            ("callgrind", name), [*args.split(), *backend.guest_args(2), "--stall=60"], COUNT_S
        )
        stats = totals(backend.telemetry_path())
    finally:
        backend.stop()
    return calls(out), stats


def instructions(bench, wanted, daemon):
    """
    Instructions per packet of the data path, counted by callgrind: the least of the runs, since a
    load generator that others keep from running makes smaller bursts, which only adds.
    """
    rows = [row for row in COUNTED if row[0] in wanted]
    if not rows:
        return
    if shutil.which("valgrind") is None:
        print("no valgrind: instructions are not counted", file=sys.stderr)
        return
    nb, cost = called(callgrind(bench, daemon, "idle", IDLE, ("--idle", "spin"))[0], POLL)
    for name, args in rows:
        counted = []
        for _ in range(1 if bench.options.quick else 2):
            found, stats = callgrind(bench, daemon, name, args)
            if stats is None:
                return
            try:
                counted.append(work(found, cost / max(nb, 1)) / nb_packets(stats))
            except ValueError as error:
                print(f"{name}: no instructions: {error}", file=sys.stderr)
                break
        if counted:
            bench.results[(name, "instructions")] = [min(counted)]


def median(results, key, path):
    """The median over the rounds of a figure named by its path; None when there is none."""
    values = []
    for result in results.get(key, []):
        for step in path:
            result = result.get(step) if isinstance(result, dict) else None
        if result is not None:
            values.append(result)
    return statistics.median(values) if values else None
