# SPDX-License-Identifier: BSD-3-Clause
"""The options of devtools/test.sh."""

import argparse

import affected
import builds

PARTS = ("style", "gcc", "clang", "asan", "tsan", "fuzz", "guest")

DESCRIPTION = """\
Installs missing packages, builds, and runs tests. The last line says how many passed and failed.
The exit status is 0 only if at least one test passed and none failed.

Without options: style, the release build with its unit and system tests, Linux guests in QEMU, and
the AddressSanitizer build with unit and system tests.
"""
EPILOG = f"""\
parts:
  style   format, headers, files, layers, ...: devtools/check-*.sh
  gcc     release build; unit, system; --full adds stress, model (the models of lib/wq) and service
          (the packages in a Debian guest with systemd; needs root)
  clang   build, warnings are errors; unit
  asan    AddressSanitizer and UBSan; unit, system; --full adds stress
  tsan    ThreadSanitizer; unit, system, stress
  fuzz    each target of test/fuzz for a bounded time
  guest   real Linux guests in QEMU, with the build of gcc

--changed runs, for changed files in these folders:
{affected.describe()}
Logs are in DIR/logs, one folder for each build and suite.
"""


def positive(text):
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="devtools/test.sh",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    lists = {"action": "append", "default": [], "type": lambda text: text.split(",")}
    parser.add_argument("--full", action="store_true", help="run every part and suite but long")
    parser.add_argument(
        "--changed",
        nargs="?",
        const="",
        metavar="BASE",
        help="run only what the changes since BASE, uncommitted ones included, can affect"
        " (default: where the branch left its upstream or origin/main, otherwise HEAD~1)",
    )
    parser.add_argument(
        "--only",
        metavar="PART[,PART]",
        **lists,
        help="run only these parts, with the suites of --full (may be repeated)",
    )
    parser.add_argument(
        "--suites",
        metavar="SUITE[,SUITE]",
        **lists,
        help="run these suites of meson.build in each wanted build (may be repeated)",
    )
    parser.add_argument(
        "--suite-seconds", type=positive, metavar="N", help="limit for one suite (default: none)"
    )
    parser.add_argument(
        "--repeat", type=positive, default=1, metavar="N", help="run each test N times"
    )
    parser.add_argument(
        "--build-root",
        default=f"{builds.ROOT}/build-test",
        metavar="DIR",
        help="folder of the builds and logs (default: build-test in the checkout)",
    )
    parser.add_argument(
        "--fuzz-seconds",
        type=positive,
        default=20,
        metavar="N",
        help="for each target (default 20)",
    )
    parser.add_argument(
        "--lines",
        type=positive,
        default=60,
        metavar="N",
        help="lines to show of each failing test's log (default 60)",
    )
    parser.add_argument("--no-packages", action="store_true", help="install nothing")
    options = parser.parse_args(argv)
    options.only = sum(options.only, [])
    options.suites = sum(options.suites, [])
    for part in options.only:
        if part not in PARTS:
            parser.error(f"no part {part}")
    return options
