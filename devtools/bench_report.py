# SPDX-License-Identifier: BSD-3-Clause
"""The table and the plots of bench.sh."""

import shutil
import subprocess
import sys
import time

from bench_counts import median, per_packet
from bench_rows import LIMITS, SWEEP_SIZES, SWEEPS

BEGIN = "<!-- bench.sh: begin -->"
END = "<!-- bench.sh: end -->"
OURS = "dpdk-vsockd"

GNUPLOT = """
set terminal svg size 720,420 font "sans,13" background "white"
set output "{out}"
set title "{title}"
set logscale x 2
set xlabel "bytes of a message"
set ylabel "GB/s"
set yrange [0:*]
set key left top
set grid
plot "-" using 1:2 with linespoints lw 2 pt 7 title "dpdk-vsockd", \\
     "-" using 1:2 with linespoints lw 2 pt 5 title "{raw}"
"""


def number(value):
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def rate(metric, value):
    """A figure with its unit."""
    if value is None:
        return "–"
    if metric == "bytes_per_s":
        return f"{number(value / 1e9)} GB/s"
    return f"{number(value / 1e6)} M/s" if value >= 1e6 else f"{number(value / 1e3)} k/s"


def latency(results, key):
    p50 = median(results, key, ["round_trip_ns", "p50"])
    p99 = median(results, key, ["round_trip_ns", "p99"])
    return "–" if p50 is None else f"{number(p50 / 1e3)} / {number(p99 / 1e3)} µs"


def figure(results, row, subject):
    key = (row.name, subject)
    if row.latency:
        return latency(results, key)
    return rate(row.metric, median(results, key, [row.metric]))


def ratio(results, row):
    """Ours as a multiple of raw: the median of the rounds' own ratios."""
    path = ["round_trip_ns", "p50"] if row.latency else [row.metric]
    ours = results.get((row.name, OURS), [])
    raws = results.get((row.name, "raw"), [])
    pairs = [{"ratio": median({0: [a]}, 0, path) / median({0: [b]}, 0, path)}
             for a, b in zip(ours, raws) if median({0: [b]}, 0, path)]
    value = median({0: pairs}, 0, ["ratio"])
    return "" if value is None else f"{number(value)} ×"


def cpu(results, row, subject):
    key = (row.name, subject)
    if row.cpu == "percent":
        shares = [{"share": 100 * x["backend_cpu"]["seconds"] / x["seconds"]}
                  for x in results.get(key, []) if "backend_cpu" in x]
        value = median({0: shares}, 0, ["share"])
        return "" if value is None else f"{number(value)} %"
    value = median(results, key, ["backend_cpu", f"ns_per_{row.cpu}"])
    if value is None or row.latency:
        return ""
    return f"{number(value / 1e3)} µs" if value >= 1000 else f"{number(value)} ns"


def markdown(header, lines):
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main_table(results, rows, names):
    others = [name for name in names if name != OURS]
    header = ["", "raw Unix socket", OURS, "of raw", "CPU each", "target"]
    for name in others:
        header += [name, "CPU each"]
    lines = []
    for row in rows:
        line = [row.title, figure(results, row, "raw"), figure(results, row, OURS),
                ratio(results, row), cpu(results, row, OURS), row.target]
        for name in others:
            line += [figure(results, row, name), cpu(results, row, name)]
        lines.append(line)
    return markdown(header, lines)


def limits_table(results):
    lines = []
    for name, title, _, metric in LIMITS:
        value = median(results, (name, "limit"), [metric])
        if value is None:
            continue
        each = median(results, (name, "limit"), ["messages_per_s"])
        lines.append([title, rate(metric, value), f"{number(1e9 / each)} ns" if each else ""])
    return markdown(["limit of the machine", "", "each"], lines) if lines else ""


def counts_table(results, rows):
    lines = []
    for row in rows:
        counted = results.get((row.name, "counts"))
        instructions = results.get((row.name, "instructions"))
        if not counted:
            continue
        copies, calls, epolls, notified = per_packet(counted[0])
        lines.append([row.title, "–" if copies is None else f"{copies:.2f}", f"{calls:.4f}",
                      f"{epolls:.4f}", f"{notified:.4f}",
                      f"{instructions[0]:.0f}" if instructions else ""])
    if not lines:
        return ""
    return markdown(["per packet, counted by the daemon", "copies per byte",
                     "sendmsg, readv", "epoll", "notifications", "instructions"], lines)


def report(results, rows, names, options, seconds):
    words = [f"Medians of {options.rounds} alternating rounds of {options.seconds:g} s, "
             f"{time.strftime('%Y-%m-%d')}, {seconds / 60:.1f} minutes in all. Load generator, "
             "driver and host programs share one CPU, the back end polls on another. "
             "Round trips: p50 / p99. Every row was run with every byte checked first.", "",
             main_table(results, rows, names)]
    for table in (limits_table(results), counts_table(results, rows)):
        if table:
            words += ["", table]
    return "\n".join(words)


def plots(results, folder):
    """One SVG for each direction. Without gnuplot there are none, and it is said."""
    if shutil.which("gnuplot") is None:
        print("no gnuplot: no plots", file=sys.stderr)
        return
    folder.mkdir(parents=True, exist_ok=True)
    for scenario, title, raw in SWEEPS:
        script = GNUPLOT.format(out=folder / f"{scenario}.svg", title=title,
                                raw="raw Unix socket" if "raw" in raw else "memcpy alone")
        for subject in (OURS, "raw"):
            for size in SWEEP_SIZES:
                value = median(results, (f"sweep-{scenario}-{size}", subject), ["bytes_per_s"])
                script += f"{size} {(value or 0) / 1e9}\n"
            script += "e\n"
        subprocess.run(["gnuplot"], input=script, text=True, check=True)


def write(text, path):
    """Puts the tables between the markers of the document."""
    document = path.read_text()
    before, rest = document.split(BEGIN)
    after = rest.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
