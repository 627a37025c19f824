# SPDX-License-Identifier: BSD-3-Clause
"""Helpers of the tests in Python: the daemon as a process, and peers that talk to it.

Import them as pylib.<module>: test/ is on the path of pytest (pytest.ini), and of scripts by
PYTHONPATH (meson.build, devtools/bench.sh, devtools/demo.sh).
"""
