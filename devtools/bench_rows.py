# SPDX-License-Identifier: BSD-3-Clause
"""The measurements of bench.sh: one row for each line of the tables."""

import re
import resource
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Target:
    """The target of a row; bench_report.TARGETS judges each kind."""

    text: str
    kind: str
    limit: float = 0


@dataclass(frozen=True)
class Row:
    """A scenario, its baseline, and the figure to report."""

    name: str
    title: str
    args: str
    raw: str = ""  # the same over a Unix socket
    alone: str = ""  # the same without what stands beside it
    metric: str = "bytes_per_s"
    guests: int = 2  # of the load generator that measures
    beside: int = 0  # further guests, with an idle connection each, but not when alone
    nb_conns: int = 0  # idle connections, but not when alone
    least_s: float = 0  # never measured for less
    cpu: str = "packet"  # unit of the back-end CPU time: packet, connection, percent
    targets: tuple = ()
    peer: float = 0  # what it has to reach as a multiple of another back end
    own: bool = False  # has a daemon of its own, and no other back end does it
    quick: bool = True  # is part of --quick

    @property
    def needs(self):
        """Guests without which there is nothing to measure."""
        if self.guests > 2:
            return self.guests
        return 2 if "guest-guest" in self.args or "guest-to-guest" in self.args else 1

    @property
    def latency(self):
        return self.metric == "round_trip_ns"

    @property
    def limits(self):
        """Names of the limits of the machine that its targets are judged by."""
        return [f"memcpy-ring-{self.name[3:]}" for x in self.targets if x.kind == "memcpy"]


def _raw(factor):
    return Target(f"≥ {factor:g} × raw", "raw", factor)


def _lcore(limit_ns):
    return Target(f"≤ {limit_ns:g} ns of lcore time", "lcore", limit_ns)


_MEMCPY = Target("≤ 1.3 × memcpy + 100 ns of lcore time", "memcpy")
_WITHIN_5 = Target("within 5 % of alone", "alone", 0.95)
_EACH_1K = Target("≤ 1 KiB each", "memory", 1024)


def _stream(name, title, scenario, size, metric, *targets, peer=0.0):
    raw = {
        "guest-to-host": f"--scenario raw-unix --size {size}",
        "host-to-guest": f"--scenario raw-unix --reverse --size {size}",
    }.get(scenario, "")
    return Row(
        name,
        title,
        f"--scenario {scenario} --size {size}",
        raw,
        metric=metric,
        targets=targets,
        peer=peer,
    )


def _connect(name, title, args, raw=""):
    return Row(
        name, title, f"--scenario {args}", raw, metric="connections_per_s", cpu="connection", peer=2
    )


def _idle(nb, quick):
    return Row(
        f"idle-{nb}",
        f"{nb} idle guests, {nb} idle connections",
        f"--scenario idle --conns {nb} --interval 500000 --size 64 --wait block",
        metric="round_trip_ns",
        guests=nb,
        nb_conns=nb,
        least_s=4,
        cpu="percent",
        targets=(Target("≤ 1 % CPU", "percent", 1),),
        own=True,
        quick=quick,
    )


def _many(name, title, scenario, nb, guests):
    stream = f"--scenario {scenario} --size 4K --conns 1"
    return Row(
        name,
        title,
        f"{stream} --idle-conns {nb} --opening 128",
        alone=stream,
        guests=guests,
        nb_conns=nb,
        targets=(_WITHIN_5, _EACH_1K),
        own=True,
        quick=False,
    )


# Both ends of a host connection are descriptors: of the daemon, and of the load generator.
HOST_CONNS = max(1, min(15000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 500))

ROWS = [
    _stream("gh-64", "guest→host 64 B", "guest-to-host", "64", "messages_per_s", _raw(3)),
    _stream(
        "gh-4k", "guest→host 4 KiB", "guest-to-host", "4K", "bytes_per_s", _raw(1.3), _lcore(1200)
    ),
    _stream("gh-64k", "guest→host 64 KiB", "guest-to-host", "64K", "bytes_per_s", _raw(0.9)),
    _stream("hg-1k", "host→guest 1 KiB writes", "host-to-guest", "1K", "bytes_per_s"),
    _stream(
        "hg-4k",
        "host→guest 4 KiB writes",
        "host-to-guest",
        "4K",
        "bytes_per_s",
        _raw(0.9),
        _lcore(1200),
    ),
    _stream("hg-64k", "host→guest 64 KiB writes", "host-to-guest", "64K", "bytes_per_s", _raw(0.9)),
    _stream("gg-64", "guest→guest 64 B", "guest-to-guest", "64", "messages_per_s", _lcore(100)),
    _stream("gg-4k", "guest→guest 4 KiB", "guest-to-guest", "4K", "bytes_per_s", _MEMCPY, peer=10),
    _stream(
        "gg-64k", "guest→guest 64 KiB", "guest-to-guest", "64K", "bytes_per_s", _MEMCPY, peer=10
    ),
    Row(
        "rtt-gh",
        "round trip guest↔host 64 B",
        "--scenario rtt-guest-host --size 64 --wait poll",
        "--scenario raw-unix-rtt --size 64",
        metric="round_trip_ns",
        targets=(Target("p50 ≤ raw + 4 µs", "raw_plus", 4000),),
    ),
    Row(
        "rtt-gg",
        "round trip guest↔guest 64 B",
        "--scenario rtt-guest-guest --size 64 --wait poll",
        metric="round_trip_ns",
        targets=(Target("p50 ≤ 3 µs", "p50", 3000), Target("p99 ≤ 10 µs", "p99", 10000)),
    ),
    Row(
        "rtt-load",
        "round trip guest↔guest 1 B beside a stream",
        "--scenario rtt-guest-guest --size 1 --wait poll --load-conns 1",
        alone="--scenario rtt-guest-guest --size 1 --wait poll",
        metric="round_trip_ns",
        targets=(Target("p99 ≤ 3 × alone + a burst", "p99_alone", 3),),
    ),
    _connect(
        "conn-gh-1",
        "connections guest→host, 1 at a time",
        "connect-guest-host",
        "--scenario raw-unix-connect",
    ),
    _connect("conn-gh-16", "connections guest→host, 16 at a time", "connect-guest-host --conns 16"),
    _connect("conn-hg-1", "connections host→guest, 1 at a time", "connect-host-guest"),
    _connect("conn-hg-16", "connections host→guest, 16 at a time", "connect-host-guest --conns 16"),
    _idle(64, True),
    _idle(256, False),
    Row(
        "among-256",
        "guest→guest 64 B, 254 idle guests beside it",
        "--scenario guest-to-guest --size 64",
        alone="--scenario guest-to-guest --size 64",
        metric="messages_per_s",
        beside=254,
        targets=(_WITHIN_5,),
        own=True,
        quick=False,
    ),
    _many(
        "conns-gg",
        "guest→guest 4 KiB, 100,000 open connections beside it",
        "guest-to-guest",
        100000,
        4,
    ),
    _many(
        "conns-gh",
        f"guest→host 4 KiB, {HOST_CONNS:,} open host connections beside it",
        "guest-to-host",
        HOST_CONNS,
        2,
    ),
]


def _burst_len():
    """Bytes that the switch takes from a guest before it looks at the next one."""
    limits = Path(__file__).resolve().parent.parent / "config" / "vsock_limits.h"
    found = re.search(r"#define LIMIT_BURST_LEN \((\d+)u \* 1024\)", limits.read_text())
    return int(found[1]) << 10


# Bytes of a stream that may precede a message of another connection.
BURST_LEN = _burst_len()

# Limits of the machine.
LIMITS = [
    ("memcpy-hot-4k", "memcpy 4 KiB, hot", "--scenario memcpy --size 4052", "bytes_per_s"),
    ("memcpy-hot-64k", "memcpy 64 KiB, hot", "--scenario memcpy --size 64K", "bytes_per_s"),
    ("memcpy-cold-4k", "memcpy 4 KiB, cold", "--scenario memcpy-cold --size 4052", "bytes_per_s"),
    (
        "memcpy-ring-4k",
        "memcpy 4 KiB over two rings",
        "--scenario memcpy-ring --size 4052",
        "bytes_per_s",
    ),
    (
        "memcpy-ring-64k",
        "memcpy 64 KiB over two rings",
        "--scenario memcpy-ring --size 64K",
        "bytes_per_s",
    ),
    (
        "spsc-1",
        "ring between two CPUs, burst 1",
        "--scenario spsc-ring --burst 1",
        "messages_per_s",
    ),
    (
        "spsc-32",
        "ring between two CPUs, burst 32",
        "--scenario spsc-ring --burst 32",
        "messages_per_s",
    ),
]

# The plots: throughput over the size of a message.
SWEEP_SIZES = [64, 256, 1024, 4096, 16384, 65536]
SWEEPS = [
    ("guest-to-host", "guest→host", "--scenario raw-unix"),
    ("host-to-guest", "host→guest", "--scenario raw-unix --reverse"),
    ("guest-to-guest", "guest→guest", "--scenario memcpy-ring"),
]
