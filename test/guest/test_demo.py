# SPDX-License-Identifier: BSD-3-Clause
"""devtools/demo.sh as a newcomer runs it, with a few lines typed at its prompt."""
import os
import subprocess

import pytest

DEMO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../devtools/demo.sh")


def run(*args, **kwargs):
    return subprocess.run(
        [DEMO, *args], capture_output=True, text=True, timeout=500, check=False, **kwargs
    )


def test_demo(vsockd, image):
    """It ends well, explains its figures, and the prompt runs commands in the guests."""
    build = os.path.dirname(os.path.dirname(os.path.dirname(vsockd)))
    done = run("--build", build, "--shell", input="a uname -s\nb echo from-b\nnothing\nq\n")
    assert done.returncode == 0, done.stdout + done.stderr
    for text in (
        "What the counters say",
        "each byte was copied 1.00 times",
        "demo> Linux",
        "demo> from-b",
        'demo> write "a COMMAND"',
        "demo: all good",
    ):
        assert text in done.stdout, done.stdout


@pytest.mark.parametrize("option", ["--no-such-option", "--build"])
def test_wrong_use(option):
    done = run(option)
    assert done.returncode == 2 and "demo.sh: " in done.stderr
