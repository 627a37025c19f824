# SPDX-License-Identifier: BSD-3-Clause
"""Run pytest on the given files the way meson wants it: exit status 77 says skipped, with a reason.
"""

import importlib.util
import os
import sys

SKIPPED = 77


def main(args):
    """Returns the exit status."""
    if importlib.util.find_spec("pytest") is None:
        print("skipped: pytest is not installed (package python3-pytest)")
        return SKIPPED
    daemon = os.environ.get("VSOCKD")
    if daemon and not os.access(daemon, os.X_OK):
        print(f"skipped: {daemon} was not built")
        return SKIPPED
    import pytest

    here = os.path.dirname(os.path.abspath(__file__))
    ini = os.path.join(os.path.dirname(here), "pytest.ini")
    return pytest.main(
        ["-p", "no:cacheprovider", "-q", "--durations=5", "--rootdir", here, "-c", ini, *args]
    )


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.exit(main(sys.argv[1:]))
