#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Telemetry of lib/wq, and dpdk-wq-monitor.py, against a running process."""

import json
import os
import subprocess
import sys
import tempfile

EAL = ["--no-huge", "--no-pci", "-m", "64", "--no-shconf", "-l", "0", "--log-level", "3"]


def monitor(tool, sock, *args):
    """Output of the tool."""
    run = subprocess.run(
        [tool, "-s", sock, *args], stdout=subprocess.PIPE, check=True, timeout=60, text=True
    )
    return run.stdout


def check(tool, sock):
    """All that the tool can show."""
    table = json.loads(monitor(tool, sock, "-j", "-n", "1", "-i", "0.5"))
    assert len([name for name in table if name.startswith("busy")]) == 40, table.keys()
    assert "system" in table and "system_unbound" in table
    busy = table["busy0"]
    assert busy["started"] > 10, busy
    assert abs(busy["started"] - busy["completed"]) <= 20, busy
    assert table["busy1"]["started"] == 0
    one = json.loads(monitor(tool, sock, "-j", "-n", "1", "-i", "0.1", "^busy3$"))
    assert list(one) == ["busy3"]
    pools = json.loads(monitor(tool, sock, "-j", "-p"))
    assert any(pool["started"] > 0 and pool["scope"] == "bound" for pool in pools), pools
    workers = json.loads(monitor(tool, sock, "-j", "-w"))
    assert any(w["rescuer"] and w["name"] == "wq/r:busy1" for w in workers), workers
    assert any(
        w["name"].startswith("wq/0:") and w["state"] == "idle" or w["works"] > 0 for w in workers
    ), workers
    assert "busy0" in monitor(tool, sock, "-n", "1", "-i", "0.1")
    assert "seen" not in monitor(tool, sock, "-p", "-w").split("\n")[0]
    bad = subprocess.run(
        [tool, "-s", sock + ".none", "-n", "1"],
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
        text=True,
    )
    assert bad.returncode == 1 and bad.stderr.count("\n") == 1, bad


def main():
    server, tool = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as tmp:
        env = dict(os.environ, XDG_RUNTIME_DIR=tmp, RUNTIME_DIRECTORY=tmp)
        with subprocess.Popen(
            [server, *EAL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True
        ) as proc:
            line = proc.stdout.readline()
            assert line.startswith("ready "), line
            check(tool, os.path.join(line.split()[1], "dpdk_telemetry.v2"))
            proc.stdin.close()
            assert proc.wait(60) == 0


if __name__ == "__main__":
    main()
