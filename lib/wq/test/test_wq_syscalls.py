#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Queueing to a pool whose worker is awake makes no system call: a thousand times as many works, no
more calls that could wake a thread."""

import os
import re
import shutil
import subprocess
import sys
import tempfile


def futexes(program, nb):
    """Futex calls of the main thread; None where it cannot be traced."""
    with tempfile.TemporaryDirectory() as tmp:
        out = os.path.join(tmp, "counts")
        run = subprocess.run(
            ["strace", "-c", "-o", out, program, str(nb)],
            check=False,
            stderr=subprocess.PIPE,
            timeout=100,
            text=True,
        )
        if run.returncode != 0 and ("ptrace" in run.stderr or "PTRACE" in run.stderr):
            return None
        assert run.returncode == 0, run.stderr
        with open(out, encoding="ascii") as table:
            for line in table:
                fields = line.split()
                if fields and re.fullmatch(r"futex", fields[-1]):
                    return int(fields[3])
    return 0


def main():
    if not shutil.which("strace"):
        print("skipped: no strace")
        sys.exit(77)
    program = sys.argv[1]
    few, many = futexes(program, 100), futexes(program, 100000)
    if few is None or many is None:
        print("skipped: may not trace")
        sys.exit(77)
    print(f"futex calls: {few} for 100 works, {many} for 100000")
    # Calls for start, flush and end. A lock whose holder is preempted costs a call, too, which on a
    # busy machine happens some dozens of times. A call for one work in a hundred is a fault.
    assert many <= few + 1000, (few, many)


if __name__ == "__main__":
    main()
