# SPDX-License-Identifier: BSD-3-Clause
"""Which tests a change can affect: `devtools/test.sh --changed`."""

import fnmatch
import os
import re
import subprocess

SWITCH = "gcc:unit gcc:system asan:unit asan:system guest:guest"

# (patterns of paths, tests). The first line that matches a file counts. "*" in a pattern matches
# "/" too. A test is PART, PART:SUITE or PART:SUITE:PATTERN. "{}" is the name of the file without
# "test_" and suffix. The part style always runs.
TABLE = (
    ("doc/workqueue.md", "gcc:unit:test_wq_doc"),
    ("doc/man/* config/completion/*", "gcc:system:system_install"),
    ("*.md doc/* LICENSE", "gcc:system:system_docs"),
    ("debian/* test/service/* devtools/deb.sh devtools/systemd-image.sh", "gcc:service"),
    ("devtools/chroot.sh", "gcc:service"),
    ("config/dpdk-vsockd.* config/*.conf", "gcc:service gcc:system:system_install"),
    ("config/grafana/*", "gcc:system:system_tools"),
    ("devtools/bench*", "gcc:system:bench"),
    ("devtools/guest-image.sh", "guest:guest"),
    ("devtools/demo*", ""),
    ("devtools/* test/devtools/* .ci/* .gitignore", "gcc:unit:devtools_*"),
    ("usertools/dpdk-wq-monitor.py", "gcc:unit:test_wq_monitor gcc:system:system_install"),
    (
        "usertools/*",
        "gcc:unit:test_wq_monitor gcc:system:system_tools gcc:system:system_install"
        " guest:guest:guest_replug",
    ),
    ("test/unit/test_*.c", "gcc:unit:{} asan:unit:{}"),
    ("test/unit/*", "gcc:unit asan:unit"),
    ("test/system/test_*.py", "gcc:system:system_{} asan:system:system_{}"),
    ("test/system/*", "gcc:system asan:system"),
    ("test/guest/test_*.py", "guest:guest:guest_{}"),
    ("test/guest/*", "guest:guest"),
    ("test/pylib/*", "gcc:system guest:guest"),
    ("test/clib/*", "gcc:unit asan:unit gcc:stress"),
    ("test/stress/*", "gcc:stress:stress_* asan:stress:stress_*"),
    ("test/bench/*", "gcc:stress:wq_bench"),
    ("test/model/*", "gcc:model"),
    ("test/fuzz/*", "fuzz"),
    (
        "lib/wq/test/*",
        "gcc:unit:test_wq* asan:unit:test_wq* tsan:unit:test_wq* gcc:stress:test_wq*",
    ),
    (
        "lib/wq/*",
        "gcc:unit:test_wq* asan:unit:test_wq* tsan:unit:test_wq* gcc:stress:*wq* tsan:stress:*wq*"
        " gcc:model gcc:system",
    ),
    ("lib/vfe/*", "gcc:unit asan:unit gcc:system:pktgen_* gcc:stress:stress_*"),
    (
        "app/dpdk-vsock-pktgen/*",
        "gcc:unit:p*g* asan:unit:p*g* gcc:system:pktgen_*" " gcc:system:bench gcc:stress:stress_*",
    ),
    ("drivers/vsock/wire/* drivers/vsock/ring/*", SWITCH + " fuzz"),
    ("drivers/* app/dpdk-vsockd/* config/*.h", SWITCH),
    ("*", SWITCH),
)


def describe():
    """Returns the table as text for --help."""
    lines = []
    for patterns, tests in TABLE:
        lines.append(f"  {patterns}\n      style {tests}".rstrip())
    return "\n".join(lines)


def tests_of(path):
    """Returns the words of the table for one file."""
    for patterns, tests in TABLE:
        if any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns.split()):
            name = re.sub(r"^test_", "", os.path.splitext(os.path.basename(path))[0])
            return tests.replace("{}", name).split()
    raise AssertionError("the last line of the table matches every path")


class Selection:
    """The tests that the changes since a base can affect."""

    def __init__(self, root, base):
        self.root = root
        self.base = base or self.default_base()
        changed = self.git("diff", "--name-only", "--no-renames", self.base)
        untracked = self.git("ls-files", "--others", "--exclude-standard")
        self.files = sorted(set(changed.split("\n") + untracked.split("\n")) - {""})
        self.words = {"style"}
        for path in self.files:
            self.words.update(tests_of(path))

    def git(self, *args):
        command = ["git", "-C", self.root, *args]
        return subprocess.run(
            command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ).stdout.strip()

    def default_base(self):
        """Where the branch left its upstream; the commit before HEAD if nothing else changed."""
        head = self.git("rev-parse", "HEAD")
        base = head
        for upstream in ("@{upstream}", "origin/main"):
            try:
                base = self.git("merge-base", "HEAD", upstream)
                break
            except subprocess.CalledProcessError:
                continue
        if base == head and not self.git("status", "--porcelain"):
            base = "HEAD~1"
        return self.git("rev-parse", "--short", base)

    def has_part(self, part):
        return any(word.split(":")[0] == part for word in self.words)

    def has(self, part, suite, test):
        for word in self.words:
            wanted = (word.split(":") + ["*", "*"])[:3]
            if all(fnmatch.fnmatchcase(a, b) for a, b in zip((part, suite, test), wanted)):
                return True
        return False
