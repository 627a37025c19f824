# SPDX-License-Identifier: BSD-3-Clause
"""The tables and the plots of bench.sh."""

import shutil
import subprocess
import sys
import time

from bench_backend import OURS
from bench_counts import lcore_ns, median
from bench_rows import BURST_LEN, LIMITS, SWEEP_SIZES, SWEEPS

BEGIN = "<!-- bench.sh: begin -->"
END = "<!-- bench.sh: end -->"
P50 = ["round_trip_ns", "p50"]
P99 = ["round_trip_ns", "p99"]

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


# ---- figures ----


def number(value):
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def times(value):
    return f"{number(value)} ×"


def nanoseconds(value):
    return f"{number(value / 1e3)} µs" if value >= 1000 else f"{number(value)} ns"


def size(value):
    for unit in ("B", "KiB"):
        if value < 1000:
            return f"{number(value)} {unit}"
        value /= 1024
    return f"{number(value)} MiB"


def or_nothing(form, value, nothing=""):
    return nothing if value is None else form(value)


def rate(metric, value):
    """A figure with its unit."""
    if value is None:
        return "–"
    if metric == "bytes_per_s":
        return f"{number(value / 1e9)} GB/s"
    return f"{number(value / 1e6)} M/s" if value >= 1e6 else f"{number(value / 1e3)} k/s"


def figure(results, row, subject):
    key = (row.name, subject)
    if not row.latency:
        return rate(row.metric, median(results, key, [row.metric]))
    p50, p99 = median(results, key, P50), median(results, key, P99)
    return "–" if p50 is None else f"{number(p50 / 1e3)} / {number(p99 / 1e3)} µs"


def ratio(results, row, subject):
    """Ours as a multiple of the other's: the median of the rounds' own ratios."""
    path = P50 if row.latency else [row.metric]
    theirs = {x["round"]: x for x in results.get((row.name, subject), [])}
    pairs = []
    for ours in results.get((row.name, OURS), []):
        a = median({0: [ours]}, 0, path)
        b = median({0: [theirs.get(ours["round"])]}, 0, path)
        if a is not None and b:
            pairs.append({"value": a / b})
    return median({0: pairs}, 0, ["value"])


def percent(results, row, subject=OURS):
    """CPU of the back end in percent of one."""
    shares = [
        {"share": 100 * x["backend_cpu"]["seconds"] / x["seconds"]}
        for x in results.get((row.name, subject), [])
        if "backend_cpu" in x
    ]
    return median({0: shares}, 0, ["share"])


def cpu(results, row, subject):
    if row.cpu == "percent":
        return or_nothing(lambda value: f"{number(value)} %", percent(results, row, subject))
    if row.latency:
        return ""
    return or_nothing(
        nanoseconds, median(results, (row.name, subject), ["backend_cpu", f"ns_per_{row.cpu}"])
    )


def burst_ns(results, row):
    """How long the stream beside the row takes for a burst."""
    stream = median(results, (row.name, OURS), ["bytes_per_s"])
    return None if not stream else BURST_LEN / stream * 1e9


def memory_each(results, row):
    """Memory for each open connection; where nothing was there before, for each guest."""
    found = results.get((row.name, "memory"))
    if not found:
        return None
    before = found[0]["start"] if found[0]["alone"] is None else found[0]["alone"]
    return (found[0]["full"] - before) / row.nb_conns


# ---- targets: each gives the figure, its limit, and how both are told; or None ----


def against_limit(value, limit, form):
    return None if value is None or limit is None else (value, limit, form)


def memcpy_limit(results, row):
    speed = median(results, (row.limits[0], "limit"), ["bytes_per_s"])
    payload = median(results, (row.name, "counts"), ["payload"])
    return None if not speed or payload is None else 1.3 * payload / speed * 1e9 + 100


def raw_plus_limit(results, row, target):
    raw = median(results, (row.name, "raw"), P50)
    return None if raw is None else raw + target.limit


def p99_limit(results, row, target):
    alone, burst = median(results, (row.name, "alone"), P99), burst_ns(results, row)
    return None if alone is None or burst is None else target.limit * alone + burst


AT_LEAST = {
    "raw": lambda results, row, target: against_limit(
        ratio(results, row, "raw"), target.limit, times
    ),
    "alone": lambda results, row, target: against_limit(
        ratio(results, row, "alone"), target.limit, times
    ),
}
AT_MOST = {
    "lcore": lambda results, row, target: against_limit(
        lcore_ns(results, row), target.limit, nanoseconds
    ),
    "memcpy": lambda results, row, target: against_limit(
        lcore_ns(results, row), memcpy_limit(results, row), nanoseconds
    ),
    "raw_plus": lambda results, row, target: against_limit(
        median(results, (row.name, OURS), P50), raw_plus_limit(results, row, target), nanoseconds
    ),
    "p50": lambda results, row, target: against_limit(
        median(results, (row.name, OURS), P50), target.limit, nanoseconds
    ),
    "p99": lambda results, row, target: against_limit(
        median(results, (row.name, OURS), P99), target.limit, nanoseconds
    ),
    "p99_alone": lambda results, row, target: against_limit(
        median(results, (row.name, OURS), P99), p99_limit(results, row, target), nanoseconds
    ),
    "percent": lambda results, row, target: against_limit(
        percent(results, row), target.limit, lambda value: f"{number(value)} %"
    ),
    "memory": lambda results, row, target: against_limit(
        memory_each(results, row), target.limit, size
    ),
}


def met(results, row):
    """Whether the row reached its targets, with the figures that say so."""
    words = []
    for target in row.targets:
        least = target.kind in AT_LEAST
        judged = (AT_LEAST if least else AT_MOST)[target.kind](results, row, target)
        if judged is None:
            words.append("–")
            continue
        value, limit, form = judged
        reached = value >= limit if least else value <= limit
        words.append(
            f"{'yes' if reached else '**no**'}: {form(value)} "
            f"({'≥' if least else '≤'} {form(limit)})"
        )
    return "; ".join(words)


# ---- tables ----


def markdown(header, lines):
    if not lines:
        return ""
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def wanted(row):
    return "; ".join(target.text for target in row.targets)


def main_table(results, rows):
    lines = [
        [
            row.title,
            figure(results, row, "raw"),
            figure(results, row, OURS),
            or_nothing(times, ratio(results, row, "raw")),
            cpu(results, row, OURS),
            wanted(row),
            met(results, row),
        ]
        for row in rows
        if not row.alone
    ]
    return markdown(["", "raw Unix socket", OURS, "of raw", "CPU each", "target", "met"], lines)


def beside_table(results, rows):
    lines = []
    for row in rows:
        if not row.alone:
            continue
        told = or_nothing(nanoseconds, burst_ns(results, row)) if row.latency else ""
        times_ns = ["", ""]
        if not row.latency and row.beside:
            times_ns = [
                or_nothing(nanoseconds, lcore_ns(results, row, subject))
                for subject in ("alone counts", "counts")
            ]
        lines.append(
            [
                row.title,
                figure(results, row, "alone"),
                figure(results, row, OURS),
                or_nothing(times, ratio(results, row, "alone")),
                " / ".join(times_ns) if all(times_ns) else "",
                told,
                wanted(row),
                met(results, row),
            ]
        )
    return markdown(
        [
            "something beside it",
            "alone",
            "beside it",
            "of alone",
            "lcore time per packet",
            "a burst",
            "target",
            "met",
        ],
        lines,
    )


def memory_table(results, rows):
    lines = []
    for row in rows:
        found = results.get((row.name, "memory"))
        if not found:
            continue
        conns = found[0]["alone"] is not None
        lines.append(
            [
                row.title,
                str(row.guests),
                f"{row.nb_conns:,}",
                size(found[0]["start"]),
                size(found[0]["alone"]) if conns else "–",
                size(found[0]["full"]),
                f"{size(memory_each(results, row))} per "
                f"{'connection' if conns else 'guest with its connection'}",
            ]
        )
    return markdown(
        [
            "resident memory, without the guests'",
            "guests",
            "connections",
            "no guest",
            "guests, one connection",
            "all open",
            "each",
        ],
        lines,
    )


def other_table(bench, rows, name, notes):
    """The table that compares with another back end; failures are appended to notes."""
    results, lines = bench.results, []
    for row in rows:
        if row.own:
            continue
        cell = figure(results, row, name)
        reasons = bench.failed.get((row.name, name))
        if reasons:
            told = "; ".join(dict.fromkeys(reasons))
            notes.append(f"[{len(notes) + 1}] {name}, {row.title}: {told}")
            nb = len(results.get((row.name, name), []))
            cell = f"{cell} ({nb} of {bench.options.rounds})" if nb else "failed"
            cell += f" [{len(notes)}]"
        each = ratio(results, row, name)
        judged = ""
        if row.peer:
            judged = "–" if each is None else "yes" if each >= row.peer else "**no**"
        lines.append(
            [
                row.title,
                figure(results, row, OURS),
                cell,
                or_nothing(times, each),
                cpu(results, row, OURS),
                cpu(results, row, name),
                f"≥ {row.peer:g} ×" if row.peer else "",
                judged,
            ]
        )
    return markdown(
        [
            f"against {name}",
            OURS,
            name,
            "ours / other",
            "CPU each, ours",
            "CPU each, other",
            "target",
            "met",
        ],
        lines,
    )


def footnotes(notes):
    if not notes:
        return ""
    return "\n".join(
        [
            "Missing or not of all rounds (what failed twice was not tried again):",
            "",
            *(f"- {note}" for note in notes),
        ]
    )


def limits_table(results):
    lines = []
    for name, title, _, metric in LIMITS:
        value = median(results, (name, "limit"), [metric])
        if value is None:
            continue
        each = median(results, (name, "limit"), ["messages_per_s"])
        lines.append([title, rate(metric, value), f"{number(1e9 / each)} ns" if each else ""])
    return markdown(["limit of the machine", "", "each"], lines)


def counts_table(results, rows):
    lines = []
    for row in rows:
        key = (row.name, "counts")
        if row.own or row.cpu != "packet" or row.latency or key not in results:
            continue
        instructions = results.get((row.name, "instructions"))
        lines.append(
            [
                row.title,
                or_nothing(nanoseconds, lcore_ns(results, row)),
                or_nothing("{:.2f}".format, median(results, key, ["copies"]), "–"),
                *(
                    or_nothing("{:.4f}".format, median(results, key, [name]))
                    for name in ("calls", "epolls", "notified")
                ),
                f"{instructions[0]:.0f}" if instructions else "",
            ]
        )
    return markdown(
        [
            "per packet, counted by the daemon",
            "lcore time",
            "copies per byte",
            "sendmsg, readv",
            "epoll",
            "notifications",
            "instructions",
        ],
        lines,
    )


INTRODUCTION = """\
Medians of {rounds} alternating rounds of {seconds:g} s, {date}, {minutes:.1f} minutes in all. \
Load generator, driver and host programs share one CPU, the back end polls on another. \
Round trips: p50 / p99. Before anything was measured, every row was run with {ours} and every byte \
checked{others}. \
Lcore time is the time of iterations with work. If other threads had the CPU of the lcore, it is \
at most the CPU time of the lcore's thread. CPU is the CPU time of the whole process, with waiting \
for the load generator, for each packet that was sent. Lcore time and counts are for each packet \
of the side that has more packets, because a packet that is larger than an RX buffer arrives in \
pieces."""
OTHERS = "; bytes through another back end are counted, but not compared"


def report(bench, rows, names, seconds):
    options, results, notes = bench.options, bench.results, []
    others = [name for name in names if name != OURS]
    words = [
        INTRODUCTION.format(
            rounds=options.rounds,
            seconds=options.seconds,
            date=time.strftime("%Y-%m-%d"),
            minutes=seconds / 60,
            ours=OURS,
            others=OTHERS if others else "",
        )
    ]
    tables = [
        main_table(results, rows),
        beside_table(results, rows),
        *(other_table(bench, rows, name, notes) for name in others),
        footnotes(notes),
        memory_table(results, rows),
        limits_table(results),
        counts_table(results, rows),
    ]
    return "\n\n".join(words + [table for table in tables if table])


def plots(results, folder):
    """One SVG for each direction. Without gnuplot there are none, and it is said."""
    if shutil.which("gnuplot") is None:
        print("no gnuplot: no plots", file=sys.stderr)
        return
    folder.mkdir(parents=True, exist_ok=True)
    for scenario, title, raw in SWEEPS:
        path = folder / f"{scenario}.svg"
        script = GNUPLOT.format(
            out=path, title=title, raw="raw Unix socket" if "raw" in raw else "memcpy alone"
        )
        for subject in (OURS, "raw"):
            for length in SWEEP_SIZES:
                value = median(results, (f"sweep-{scenario}-{length}", subject), ["bytes_per_s"])
                script += f"{length} {(value or 0) / 1e9}\n"
            script += "e\n"
        subprocess.run(["gnuplot"], input=script, text=True, check=True)
        # It leaves white space at line ends.
        lines = path.read_text(encoding="utf-8").splitlines()
        path.write_text("\n".join(line.rstrip() for line in lines) + "\n", encoding="utf-8")


def write(text, path):
    """Puts the tables between the markers of the document."""
    document = path.read_text()
    before, rest = document.split(BEGIN)
    after = rest.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
