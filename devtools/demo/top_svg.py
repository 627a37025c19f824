# SPDX-License-Identifier: BSD-3-Clause
"""The part of devtools/top-svg.sh that runs the programs and draws the screen."""

import fcntl
import html
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

import pyte
from pylib.daemon import Daemon

COLUMNS, LINES = 100, 26
CHAR_WIDTH, LINE_HEIGHT, MARGIN = 8.4, 17, 12
SECONDS = 6
COLOURS = {"text": "#d8dee9", "back": "#1d2430", "head": "#88c0d0"}


def load(build, daemon):
    """Streams from a guest to the host and between guests, and a program that reads slowly."""
    pktgen = os.path.join(build, "app/dpdk-vsock-pktgen/dpdk-vsock-pktgen")
    ports = daemon.ports
    common = ["--seconds", str(SECONDS + 4), "--quiet"]
    runs = (
        ["--scenario", "mixed", "--conns", "4", "--rate", "400M", ports[3].guest_arg()],
        ["--scenario", "guest-to-guest", "--conns", "2", "--rate", "900M"]
        + [ports[4].guest_arg(), ports[5].guest_arg()],
    )
    return [
        subprocess.Popen(
            [pktgen, *run, *common], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for run in runs
    ]


def screen_of(command):
    """Run a command on a terminal for a while: its screen."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    pid, fd = pty.fork()
    if pid == 0:
        time.sleep(0.2)  # the size is set meanwhile
        os.environ["TERM"] = "linux"
        os.execv(command[0], command)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if select.select([fd], [], [], 0.1)[0]:
            stream.feed(os.read(fd, 65536))
    lines = list(screen.display)
    os.write(fd, b"q")
    os.waitpid(pid, 0)
    os.close(fd)
    return lines


def svg(lines):
    """The screen as text in an SVG."""
    while lines and not lines[-1].strip():
        lines.pop()
    width = COLUMNS * CHAR_WIDTH + 2 * MARGIN
    height = len(lines) * LINE_HEIGHT + 2 * MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
        f'font-family="monospace" font-size="14">',
        f'<rect width="100%" height="100%" rx="6" fill="{COLOURS["back"]}"/>',
    ]
    for i, line in enumerate(lines):
        if not line.strip():
            continue
        head = i == 0 or not lines[i - 1].strip()
        text = html.escape(line.rstrip())
        out.append(
            f'<text x="{MARGIN}" y="{MARGIN + (i + 1) * LINE_HEIGHT - 4}" xml:space="preserve" '
            f'textLength="{len(line.rstrip()) * CHAR_WIDTH:.1f}" '
            f'fill="{COLOURS["head" if head else "text"]}">{text}</text>'
        )
    return "\n".join(out + ["</svg>"]) + "\n"


def main(build, path):
    """Returns the exit status."""
    daemon = Daemon(
        cids=(3, 4, 5), program=os.path.join(build, "app/dpdk-vsockd/dpdk-vsockd"), memory=256
    )
    runs = []
    try:
        daemon.start()
        runs = load(build, daemon)
        time.sleep(1)
        top = ["/usr/bin/python3", "usertools/dpdk-vsock-top.py", "-s", daemon.telemetry_path()]
        lines = screen_of(top + ["-c", "6"])
        with open(path, "w", encoding="utf-8") as file:
            file.write(svg(lines))
    finally:
        for run in runs:
            run.terminate()
            run.wait()
        daemon.discard()
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
