#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Sum up a testlog.json of `meson test`.

Prints "PASSED FAILED SKIPPED" on standard output; on standard error the end of the log of each
test that failed, and why each skipped one was skipped. A test that is a run of pytest counts as
its cases.
"""

import argparse
import json
import re
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
SKIPPED = {"SKIP", "IGNORED"}
PYTEST_LAST_LINE = re.compile(r"^=+ (.*) in [0-9.]+s.* =+$|^(\d+ \w+.*) in [0-9.]+s", re.MULTILINE)
PYTEST_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)\b")
PYTEST_FIELD = {
    "passed": 0,
    "xfailed": 0,
    "failed": 1,
    "error": 1,
    "errors": 1,
    "xpassed": 1,
    "skipped": 2,
}


def pytest_counts(output):
    """[passed, failed, skipped] of pytest's last line, or None when there is none."""
    lines = list(PYTEST_LAST_LINE.finditer(output))
    if not lines:
        return None
    counts = [0, 0, 0]
    for number, what in PYTEST_COUNT.findall(lines[-1].group(0)):
        counts[PYTEST_FIELD[what]] += int(number)
    return counts if sum(counts) else None


def count(test):
    """[passed, failed, skipped] of one test of meson, whose own verdict always stands."""
    result = test["result"]
    counts = pytest_counts(test.get("stdout") or "")
    if result in SKIPPED:
        return [0, 0, max(1, counts[2] if counts else 0)]
    if result in PASSED:
        return counts if counts and not counts[1] else [1, 0, 0]
    if counts and counts[1]:
        return counts
    return [counts[0] if counts else 0, 1, counts[2] if counts else 0]


def tail(text, nb_lines):
    lines = text.rstrip().splitlines()
    if len(lines) > nb_lines:
        lines = [f"[{len(lines) - nb_lines} lines before]"] + lines[-nb_lines:]
    return "".join(f"    {line}\n" for line in lines)


def report(test, counts, nb_lines, out):
    """Print the log of a test that failed, or the reason of a skipped test."""
    name = test["name"].split(":", 1)[-1]  # without the project
    stdout, stderr = test.get("stdout") or "", test.get("stderr") or ""
    if counts[1]:
        out.write(
            f"  {name}: {test['result']}, exit status {test.get('returncode')}, "
            f"{test.get('duration', 0):.1f} s\n"
        )
        for stream, text in (("stdout", stdout), ("stderr", stderr)):
            if text.strip():
                out.write(f"   {stream}:\n" + tail(text, nb_lines))
    elif test["result"] in SKIPPED:
        lines = (stderr.strip() or stdout.strip() or "no reason given").splitlines()
        out.write(f"  {name}: skipped: {lines[-1]}\n")
    elif counts[2]:
        for line in re.findall(r"^SKIPPED .*", stdout, re.MULTILINE) or ["(pytest -rs says why)"]:
            out.write(f"  {name}: {line}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=60, help="lines of each log (default 60)")
    parser.add_argument("log", help="testlog.json")
    args = parser.parse_args()

    total = [0, 0, 0]
    with open(args.log, encoding="utf-8", errors="replace") as log:
        for line in log:
            test = json.loads(line)
            counts = count(test)
            total = [a + b for a, b in zip(total, counts)]
            report(test, counts, args.lines, sys.stderr)
    print(*total)


if __name__ == "__main__":
    main()
