#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks the Spin models: each must hold, and each of its mutants must fail.

A mutant is a macro, named in the model's head, that leaves out a step of the algorithm. Macros
named by "also:" are other sizes, which must hold too.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile


def verify(model, mutant):
    """Errors that an exhaustive search finds, up to one; and its states."""
    with tempfile.TemporaryDirectory() as tmp:
        define = [f"-D{mutant}"] if mutant else []
        subprocess.run(
            ["spin", *define, "-a", model],
            cwd=tmp,
            check=True,
            timeout=60,
            stdout=subprocess.DEVNULL,
        )
        subprocess.run(
            ["cc", "-O2", "-w", "-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=4096", "-o", "pan", "pan.c"],
            cwd=tmp,
            check=True,
            timeout=120,
        )
        out = subprocess.run(
            ["./pan", "-m1000000", "-w22"],
            cwd=tmp,
            check=True,
            timeout=280,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
    errors = int(re.search(r"errors: (\d+)", out).group(1))
    assert "max search depth too small" not in out, (model, mutant)
    assert errors or "Search not completed" not in out, (model, mutant, out)
    states = int(float(re.search(r"(\S+) states, stored", out).group(1)))
    return errors, states


def main():
    if not shutil.which("spin"):
        print("skipped: no spin")
        sys.exit(77)
    bad = 0
    for model in sys.argv[1:]:
        model = os.path.abspath(model)
        with open(model, encoding="ascii") as text:
            source = text.read()
        mutants = re.search(r"mutants: (.*)", source).group(1).split()
        also = re.search(r"also: (.*)", source)
        for mutant in [None, *(also.group(1).split() if also else []), *mutants]:
            errors, states = verify(model, mutant)
            wrong = (errors == 0) == (mutant in mutants)
            bad += wrong
            print(
                f'{os.path.basename(model):14} {mutant or "as it is":20} errors {errors}'
                f' states {states}{"  WRONG" if wrong else ""}',
                flush=True,
            )
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
