#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Shows what a running dpdk-vsockd does: guests, the busiest connections, lcores and drops.

On a terminal it is a table that is drawn again each interval; q ends it. Elsewhere it prints plain
text. RX is from the guest, TX is to the guest.
"""

import argparse
import curses
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "share", "dpdk-vsockd")]
import vsockd_telemetry  # noqa: E402

UNITS = ("", "k", "M", "G", "T", "P")
WAITS = {
    "nothing": "-",
    "guest_program": "guest reads slowly",
    "host_program": "program reads slowly",
    "guest_buffers": "guest's RX buffers",
    "guest_answer": "guest's answer",
    "host_answer": "program's answer",
    "peer_answer": "peer's answer",
    "guest_reset": "guest's RST",
}


def short(value):
    """At most five characters: 0, 999, 1.2k, 34M."""
    unit = 0
    while value >= 999.5 and unit < len(UNITS) - 1:
        value /= 1000
        unit += 1
    text = f"{value:.1f}" if 0 < value < 9.95 and (unit or value != int(value)) else f"{value:.0f}"
    return text + UNITS[unit]


def duration(ms):
    """At most four characters: 850ms is 0.9s, then 12s, 34m, 5h, 6d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if ms >= size * 1000:
            return f"{ms // (size * 1000)}{unit}"
    return f"{ms / 1000:.1f}s" if ms < 9950 else f"{ms / 1000:.0f}s"


class Snapshot:
    """What the daemon says at one time."""

    def __init__(self, telemetry, nb_conns):
        self.at = time.monotonic()
        self.ports = telemetry.pages("/vsock/ports")
        self.stats = telemetry.ask("/vsock/stats")
        self.lcores = telemetry.numbered("/vsock/lcores")
        answer = telemetry.ask(f"/vsock/top,{nb_conns}")
        self.nb_conns = answer.pop("conns")
        answer.pop("interval_ms")
        self.conns = [answer[key] for key in sorted(answer, key=int)]


def per_second(new, old, seconds):
    """A rate; a counter that went back (a new daemon) counts from zero."""
    moved = new - old if new >= old else new
    return moved / seconds


def rates(old, new):
    """Tables of what happened per second between two snapshots, as plain values."""
    seconds = max(new.at - old.at, 1e-3)
    guests = []
    for name, port in new.ports.items():
        before = old.ports.get(name, {})
        row = {"port": name}
        row.update({k: port[k] for k in ("cid", "lcore", "connected", "conns", "pool_chunks")})
        for key, title in (
            ("from_guest_bytes", "rx_bytes_per_s"),
            ("to_guest_bytes", "tx_bytes_per_s"),
            ("from_guest_packets", "rx_packets_per_s"),
            ("to_guest_packets", "tx_packets_per_s"),
            ("drops", "drops_per_s"),
        ):
            row[title] = per_second(port[key], before.get(key, 0), seconds)
        guests.append(row)
    guests.sort(key=lambda r: (-r["rx_bytes_per_s"] - r["tx_bytes_per_s"], r["cid"]))
    lcores = []
    before = {row["id"]: row for row in old.lcores}
    for row in new.lcores:
        was = before.get(row["id"], {})
        total = per_second(row["total_cycles"], was.get("total_cycles", 0), 1)
        busy = per_second(row["busy_cycles"], was.get("busy_cycles", 0), 1)
        lcores.append(
            {
                "lcore": row["id"],
                "ports": row["ports"],
                "active_ports": row["active_ports"],
                "busy_percent": 100 * busy / total if total else 0,
                "loops_per_s": per_second(row["loops"], was.get("loops", 0), seconds),
                "sleeps_per_s": per_second(row["sleeps"], was.get("sleeps", 0), seconds),
                "free_pkts": row["free_pkts"],
            }
        )
    drops = []
    for reason, count in new.stats["drops"].items():
        if count:
            rate = per_second(count, old.stats["drops"].get(reason, 0), seconds)
            drops.append({"reason": reason, "total": count, "per_s": rate})
    drops.sort(key=lambda r: (-r["per_s"], -r["total"]))
    return {
        "interval_s": seconds,
        "nb_conns": new.nb_conns,
        "guests": guests,
        "conns": new.conns,
        "lcores": lcores,
        "drops": drops,
    }


# ---- text


def table(head, rows, flexible=0):
    """Lines of a table. Numbers are right-aligned; `flexible` is the column of names."""
    cells = [[str(c) for c in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(head)] + cells) for i in range(len(head))]
    lines = []
    for row in [list(head)] + cells:
        parts = [
            c.ljust(w) if i == flexible else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))
        ]
        lines.append(" ".join(parts).rstrip())
    return lines


def guest_lines(rows):
    """One line for each guest."""
    return table(
        (
            "GUEST",
            "CID",
            "LCORE",
            "UP",
            "CONNS",
            "RX B/s",
            "TX B/s",
            "RX pk/s",
            "TX pk/s",
            "DROP/s",
        ),
        [
            (
                r["port"],
                r["cid"],
                r["lcore"],
                "yes" if r["connected"] else "no",
                r["conns"],
                short(r["rx_bytes_per_s"]),
                short(r["tx_bytes_per_s"]),
                short(r["rx_packets_per_s"]),
                short(r["tx_packets_per_s"]),
                short(r["drops_per_s"]),
            )
            for r in rows
        ],
    )


def conn_lines(rows):
    """One line for each of the busiest connections."""
    return table(
        ("CONNECTION", "TYPE", "RX B/s", "TX B/s", "AGE", "IDLE", "PID", "STATE", "WAITS FOR"),
        [
            (
                f'{r["guest_cid"]}:{r["guest_port"]}-{r["peer_cid"]}:{r["peer_port"]}',
                "seq" if r["type"] == "seqpacket" else "str",
                short(r["rx_bytes_per_s"]),
                short(r["tx_bytes_per_s"]),
                duration(r["age_ms"]),
                duration(r["idle_ms"]),
                r["pid"] or "-",
                r["state"],
                WAITS.get(r["waits"], r["waits"]),
            )
            for r in rows
        ],
    )


def lcore_lines(rows):
    """One line for each lcore."""
    return table(
        ("LCORE", "PORTS", "ACTIVE", "BUSY%", "LOOPS/s", "SLEEPS/s", "FREE PKTS"),
        [
            (
                r["lcore"],
                r["ports"],
                r["active_ports"],
                f'{r["busy_percent"]:.0f}',
                short(r["loops_per_s"]),
                short(r["sleeps_per_s"]),
                r["free_pkts"],
            )
            for r in rows
        ],
    )


def drop_lines(rows):
    """One line for each reason that was counted."""
    return table(
        ("DROP", "PER s", "TOTAL"),
        [(r["reason"], short(r["per_s"]), r["total"]) for r in rows],
    )


def summary(tables, telemetry):
    """The first lines."""
    guests = tables["guests"]
    total = {k: sum(g[k] for g in guests) for k in ("rx_bytes_per_s", "tx_bytes_per_s")}
    up = sum(1 for g in guests if g["connected"])
    return [
        f'dpdk-vsock-top - {time.strftime("%H:%M:%S")}  pid {telemetry.info["pid"]}  '
        f'guests {up} of {len(guests)} up  connections {tables["nb_conns"]}',
        f'RX {short(total["rx_bytes_per_s"])}B/s  TX {short(total["tx_bytes_per_s"])}B/s  '
        f'drops {short(sum(d["per_s"] for d in tables["drops"]))}/s',
    ]


def fit(sections, height):
    """Lines of all sections in `height` lines: each keeps its head, and gets room in turns."""
    sections = [s for s in sections if len(s) > 1]
    room = max(height - len(sections), 2 * len(sections))  # an empty line before each
    take = [2] * len(sections)
    while sum(take) < room and any(t < len(s) for t, s in zip(take, sections)):
        for i, s in enumerate(sections):
            if take[i] < len(s) and sum(take) < room:
                take[i] += 1
    lines = []
    for count, section in zip(take, sections):
        lines.append("")
        lines += section[:count]
        if count < len(section):
            lines[-1] = f"... {len(section) - count + 1} more"
    return lines


def report(tables, telemetry, height=None):
    """All lines, in `height` lines if that is given."""
    head = summary(tables, telemetry)
    sections = [
        guest_lines(tables["guests"]),
        conn_lines(tables["conns"]),
        lcore_lines(tables["lcores"]),
        drop_lines(tables["drops"]),
    ]
    return head + fit(sections, (height - len(head)) if height else 1 << 20)


# ---- run


def snapshots(telemetry, args, wait):
    """Tables, one for each interval, as long as wait(seconds) says to go on."""
    old = Snapshot(telemetry, args.conns)
    left = args.count
    while left is None or left > 0:
        if not wait(args.interval):
            return
        new = Snapshot(telemetry, args.conns)
        yield rates(old, new)
        old = new
        left = None if left is None else left - 1


def sleep(seconds):
    """Wait; always go on."""
    time.sleep(seconds)
    return True


def run_plain(telemetry, args):
    """Text or JSON, one after the other."""
    for i, tables in enumerate(snapshots(telemetry, args, sleep)):
        if args.json:
            print(json.dumps(tables), flush=True)
        else:
            print(("\n" if i else "") + "\n".join(report(tables, telemetry)), flush=True)


def run_screen(screen, telemetry, args):
    """Draw again and again; q ends it."""
    curses.use_default_colors()
    curses.curs_set(0)

    def wait(seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            screen.timeout(max(1, int(left * 1000)))
            if screen.getch() in (ord("q"), ord("Q"), 27):
                return False
        return True

    screen.addstr(
        0, 0, "dpdk-vsock-top - waiting for the first interval; q ends"[: curses.COLS - 1]
    )
    screen.refresh()
    for tables in snapshots(telemetry, args, wait):
        height, width = screen.getmaxyx()
        screen.erase()
        lines = report(tables, telemetry, height)
        for y, line in enumerate(lines[:height]):
            head = y > 0 and (not lines[y - 1])
            screen.insnstr(y, 0, line, width, curses.A_REVERSE if head else curses.A_NORMAL)
        screen.refresh()


def parse(argv):
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    vsockd_telemetry.add_arguments(parser)
    parser.add_argument("-i", "--interval", type=float, default=1.0, help="seconds (default: 1)")
    parser.add_argument("-n", "--count", type=int, help="how often (default: for ever)")
    parser.add_argument(
        "-c", "--conns", type=int, default=25, help="connections at most, 1 to 25 (default: 25)"
    )
    parser.add_argument("-j", "--json", action="store_true", help="one JSON object each time")
    parser.add_argument("-p", "--plain", action="store_true", help="plain text, also on a terminal")
    args = parser.parse_args(argv)
    if args.interval <= 0:
        parser.error("--interval must be positive")
    if not 1 <= args.conns <= 25:
        parser.error("--conns must be from 1 to 25")
    return args


def main(argv):
    """Returns the exit status."""
    args = parse(argv)
    try:
        with vsockd_telemetry.connect(args.socket, args.file_prefix) as telemetry:
            if args.json or args.plain or not sys.stdout.isatty():
                run_plain(telemetry, args)
            else:
                curses.wrapper(run_screen, telemetry, args)
    except vsockd_telemetry.TelemetryError as error:
        print(f"dpdk-vsock-top: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
