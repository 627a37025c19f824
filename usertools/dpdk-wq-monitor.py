#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Shows what the workqueues of a running dpdk-vsockd do, per second.

For each workqueue: works in flight, works started and completed per second, CPU time in percent of
one CPU, and per second: CPU hogs, works found blocked, wake-ups because a work blocked, calls for
the rescuer and works rescued.
"""

import argparse
import json
import os
import re
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "share", "dpdk-vsockd")]
import vsockd_telemetry  # noqa: E402

RATES = (
    ("started", "start/s"),
    ("completed", "done/s"),
    ("cpu_hogs", "hogs/s"),
    ("blocked", "blk/s"),
    ("woken", "woken/s"),
    ("mayday", "mayday/s"),
    ("rescued", "resc/s"),
)


def by_name(wqs):
    """Workqueues by name; equal names are added up."""
    result = {}
    for wq in wqs:
        if wq["name"] not in result:
            result[wq["name"]] = dict(wq)
            continue
        for key, value in wq.items():
            if isinstance(value, int) and key not in ("flags", "max_active"):
                result[wq["name"]][key] += value
    return result


def rates(before, after, seconds):
    """Per workqueue, what happened per second between two snapshots."""
    result = {}
    for name, new in after.items():
        old = before.get(name, {})
        row = {"in_flight": new["in_flight"], "delayed": new["delayed"]}
        for key, _ in RATES:
            # A workqueue may have gone and come back under its name.
            row[key] = max(0, new[key] - old.get(key, 0)) / seconds
        row["cpu_percent"] = max(0, new["cpu_us"] - old.get("cpu_us", 0)) / seconds / 1e4
        result[name] = row
    return result


def print_rates(table, out):
    """One line per workqueue."""
    head = f'{"workqueue":24} {"infl":>6} {"timer":>6} {"CPU%":>6}'
    print(head + "".join(f" {title:>9}" for _, title in RATES), file=out)
    for name, row in sorted(table.items()):
        line = f'{name:24.24} {row["in_flight"]:6} {row["delayed"]:6} {row["cpu_percent"]:6.1f}'
        print(line + "".join(f" {row[key]:9.1f}" for key, _ in RATES), file=out)
    print(file=out, flush=True)


def print_rows(rows, out):
    """Pools or workers as a table."""
    if not rows:
        return
    keys = list(rows[0])
    widths = [max(len(str(row[key])) for row in rows + [dict(zip(keys, keys))]) for key in keys]
    for row in [dict(zip(keys, keys))] + rows:
        print(" ".join(f"{str(row[key]):>{width}}" for key, width in zip(keys, widths)), file=out)


def matching(wqs, patterns):
    """Those whose names match one of the patterns; all without patterns."""
    if not patterns:
        return wqs
    return [wq for wq in wqs if any(re.search(p, wq["name"]) for p in patterns)]


def watch(telemetry, args, out):
    """Rates, every interval."""
    before = by_name(matching(telemetry.numbered("/wq/list"), args.workqueue))
    then = time.monotonic()
    left = args.count
    while left is None or left > 0:
        time.sleep(args.interval)
        after = by_name(matching(telemetry.numbered("/wq/list"), args.workqueue))
        now = time.monotonic()
        table = rates(before, after, now - then)
        if args.json:
            print(json.dumps(table), file=out, flush=True)
        else:
            print_rates(table, out)
        before, then = after, now
        if left is not None:
            left -= 1


def parse(argv):
    """Command line."""
    parser = argparse.ArgumentParser(description="workqueues of a running dpdk-vsockd")
    vsockd_telemetry.add_arguments(parser)
    parser.add_argument("-i", "--interval", type=float, default=1.0, help="seconds")
    parser.add_argument("-n", "--count", type=int, help="how often; default: for ever")
    parser.add_argument("-j", "--json", action="store_true", help="one JSON object a time")
    parser.add_argument("-p", "--pools", action="store_true", help="list the pools, once")
    parser.add_argument("-w", "--workers", action="store_true", help="list the workers, once")
    parser.add_argument("workqueue", nargs="*", help="regular expressions; default: all")
    args = parser.parse_args(argv)
    if args.interval <= 0:
        parser.error("--interval must be positive")
    return args


def main(argv):
    """Returns the exit status."""
    args = parse(argv)
    try:
        telemetry = vsockd_telemetry.connect(args.socket, args.file_prefix)
        if not args.pools and not args.workers:
            watch(telemetry, args, sys.stdout)
        for wanted, command in ((args.pools, "/wq/pools"), (args.workers, "/wq/workers")):
            if not wanted:
                continue
            rows = telemetry.numbered(command)
            if args.json:
                print(json.dumps(rows))
            else:
                print_rows(rows, sys.stdout)
    except (vsockd_telemetry.TelemetryError, KeyError) as error:
        print(f"dpdk-wq-monitor: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
