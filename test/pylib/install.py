# SPDX-License-Identifier: BSD-3-Clause
"""Installs a build into a folder."""

import contextlib
import fcntl
import os
import subprocess


@contextlib.contextmanager
def alone(build):
    """No other test installs meanwhile: meson remembers only the last installation of a build."""
    with open(os.path.join(build, "install.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install(build, dest):
    """`meson install` into `dest`, which stands for /. Inside of alone()."""
    subprocess.run(
        ["meson", "install", "-C", build, "--no-rebuild", "--destdir", dest],
        stdout=subprocess.DEVNULL,
        timeout=120,
        check=True,
    )
