# SPDX-License-Identifier: BSD-3-Clause
"""What bench.sh measures: one row for each line of the table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A scenario, what it is set against, and the figure that is told."""

    name: str
    title: str
    args: str
    raw: str = ""        # the same over a Unix socket
    metric: str = "bytes_per_s"
    guests: int = 2
    least_s: float = 0   # never measured for less
    cpu: str = "packet"  # what back-end CPU time is told for: packet, connection, percent
    target: str = ""
    factor: float = 0    # the target as a multiple of raw; latencies and shares: 0

    @property
    def needs(self):
        """Guests without which there is nothing to measure."""
        if self.guests > 2:
            return self.guests
        return 2 if "guest-guest" in self.args or "guest-to-guest" in self.args else 1

    @property
    def latency(self):
        return self.metric == "round_trip_ns"


def _stream(name, title, scenario, size, metric, target="", factor=0.0):
    raw = {"guest-to-host": f"raw-unix --size {size}",
           "host-to-guest": f"raw-unix --reverse --size {size}"}.get(scenario, "")
    return Row(name, title, f"--scenario {scenario} --size {size}",
               f"--scenario {raw}" if raw else "", metric, target=target, factor=factor)


ROWS = [
    _stream("gh-64", "guest→host 64 B", "guest-to-host", "64", "messages_per_s",
            "≥ 3 × raw", 3),
    _stream("gh-4k", "guest→host 4 KiB", "guest-to-host", "4K", "bytes_per_s",
            "≥ 1.3 × raw", 1.3),
    _stream("gh-64k", "guest→host 64 KiB", "guest-to-host", "64K", "bytes_per_s",
            "≥ 0.9 × raw", 0.9),
    _stream("hg-1k", "host→guest 1 KiB writes", "host-to-guest", "1K", "bytes_per_s"),
    _stream("hg-4k", "host→guest 4 KiB writes", "host-to-guest", "4K", "bytes_per_s",
            "≥ 0.9 × raw", 0.9),
    _stream("hg-64k", "host→guest 64 KiB writes", "host-to-guest", "64K", "bytes_per_s",
            "≥ 0.9 × raw", 0.9),
    _stream("gg-64", "guest→guest 64 B", "guest-to-guest", "64", "messages_per_s",
            "≤ 100 ns CPU"),
    _stream("gg-4k", "guest→guest 4 KiB", "guest-to-guest", "4K", "bytes_per_s",
            "≤ 1.3 × memcpy + 100 ns"),
    _stream("gg-64k", "guest→guest 64 KiB", "guest-to-guest", "64K", "bytes_per_s",
            "≤ 1.3 × memcpy + 100 ns"),
    Row("rtt-gh", "round trip guest↔host 64 B", "--scenario rtt-guest-host --size 64 --wait poll",
        "--scenario raw-unix-rtt --size 64", "round_trip_ns", target="p50 ≤ raw + 4 µs"),
    Row("rtt-gg", "round trip guest↔guest 64 B",
        "--scenario rtt-guest-guest --size 64 --wait poll",
        "", "round_trip_ns", target="p50 ≤ 3 µs, p99 ≤ 10 µs"),
    Row("rtt-load", "round trip guest↔guest 1 B beside a stream",
        "--scenario rtt-guest-guest --size 1 --wait poll --load-conns 1", "", "round_trip_ns",
        target="p99 ≤ 3 × alone + a burst"),
    Row("conn-gh-1", "connections guest→host, 1 at a time", "--scenario connect-guest-host",
        "--scenario raw-unix-connect", "connections_per_s", cpu="connection"),
    Row("conn-gh-16", "connections guest→host, 16 at a time",
        "--scenario connect-guest-host --conns 16", "", "connections_per_s", cpu="connection"),
    Row("conn-hg-1", "connections host→guest, 1 at a time", "--scenario connect-host-guest",
        "", "connections_per_s", cpu="connection"),
    Row("conn-hg-16", "connections host→guest, 16 at a time",
        "--scenario connect-host-guest --conns 16", "", "connections_per_s", cpu="connection"),
    Row("idle-64", "64 idle guests, 64 idle connections",
        "--scenario idle --conns 64 --interval 500000 --size 64 --wait block", "",
        "round_trip_ns", guests=64, least_s=4, cpu="percent", target="≤ 1 % CPU"),
]

# Limits of the machine: printed above the table.
LIMITS = [
    ("memcpy-hot-4k", "memcpy 4 KiB, hot", "--scenario memcpy --size 4052", "bytes_per_s"),
    ("memcpy-hot-64k", "memcpy 64 KiB, hot", "--scenario memcpy --size 64K", "bytes_per_s"),
    ("memcpy-cold-4k", "memcpy 4 KiB, cold", "--scenario memcpy-cold --size 4052", "bytes_per_s"),
    ("memcpy-ring-4k", "memcpy 4 KiB over two rings", "--scenario memcpy-ring --size 4052",
     "bytes_per_s"),
    ("memcpy-ring-64k", "memcpy 64 KiB over two rings", "--scenario memcpy-ring --size 64K",
     "bytes_per_s"),
    ("spsc-1", "ring between two CPUs, burst 1", "--scenario spsc-ring --burst 1",
     "messages_per_s"),
    ("spsc-32", "ring between two CPUs, burst 32", "--scenario spsc-ring --burst 32",
     "messages_per_s"),
]

# The plots: throughput over the size of a message.
SWEEP_SIZES = [64, 256, 1024, 4096, 16384, 65536]
SWEEPS = [("guest-to-host", "guest→host", "--scenario raw-unix"),
          ("host-to-guest", "host→guest", "--scenario raw-unix --reverse"),
          ("guest-to-guest", "guest→guest", "--scenario memcpy-ring")]
