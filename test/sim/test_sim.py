# SPDX-License-Identifier: BSD-3-Clause
"""The simulator: the same seed gives the same run, and a range of seeds finds no fault."""

import re
import subprocess
import sys

NB_SEEDS = 60
NB_STEPS = 30000


def run(sim, *args, status=0):
    """Its output."""
    done = subprocess.run([sim, *args], capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == status, done.stdout[-3000:] + done.stderr
    return done.stdout


def main(sim):
    """Returns the exit status."""
    first, second, third = (run(sim, "--seed", seed, "--steps", "20000") for seed in "778")
    assert first == second, "the same seed gave two runs"
    assert first.split("hash")[1] != third.split("hash")[1], "two seeds gave the same run"
    packets, checked = map(int, re.search(r"(\d+) packets, (\d+) bytes", first).groups())
    assert packets > 500 and checked > 10000, "hardly anything happened"
    assert run(sim, "--help").startswith("Usage: vsock_sim")
    run(sim, "--no-such-option", status=2)
    print(run(sim, "--seeds", f"1-{NB_SEEDS}", "--steps", str(NB_STEPS)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
