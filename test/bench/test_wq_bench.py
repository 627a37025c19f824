#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""wq_bench runs, briefly, and its JSON has the keys that others read."""

import json
import subprocess
import sys

KEYS = ("enqueue_ns", "works_per_s", "idle_wake_p50_us", "idle_wake_p99_us")


def bench(program, *args):
    """Results of a short run."""
    out = subprocess.run(
        [program, "--json", "--rounds", "1", "--works", "32", "--wakes", "20", *args],
        stdout=subprocess.PIPE,
        check=True,
        timeout=100,
    ).stdout
    return json.loads(out)


def main():
    results = bench(sys.argv[1], "--no-blocked")
    for name in ("wq", "bare_mpsc", "spsc_ring", *sys.argv[2:]):
        for key in KEYS:
            assert results[name][key] > 0, (name, key)
    alone = bench(sys.argv[1], "--only", "wq")
    assert list(alone) == ["wq"]
    for how in ("announced", "unannounced"):
        delays = alone["wq"]["blocked_start_us"][how]
        assert len(delays) == 8 and all(delay > 0 for delay in delays), delays


if __name__ == "__main__":
    main()
