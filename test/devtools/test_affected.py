# SPDX-License-Identifier: BSD-3-Clause
"""The table of `devtools/test.sh --changed` names files and tests that exist."""

import fnmatch
import json
import os
import subprocess
import sys

import planted
import pytest

sys.path.insert(0, planted.DEVTOOLS)
import affected  # noqa: E402
import run_tests  # noqa: E402

ROOT = os.path.dirname(os.path.abspath(planted.DEVTOOLS))
FILES = subprocess.run(
    ["git", "-C", ROOT, "ls-files"], check=True, stdout=subprocess.PIPE, text=True
).stdout.splitlines()


def read_build():
    """[(suite, name)] of the build that runs this test."""
    build = os.environ.get("BUILD")
    if not build:
        pytest.skip("BUILD is not set")
    output = subprocess.check_output(["meson", "introspect", "--tests", build], text=True)
    return [
        (label.split(":")[-1], test["name"])
        for test in json.loads(output)
        for label in test["suite"]
    ]


@pytest.mark.parametrize("patterns", [line[0] for line in affected.TABLE])
def test_patterns_match_files(patterns):
    for pattern in patterns.split():
        assert any(fnmatch.fnmatchcase(name, pattern) for name in FILES), pattern


def test_each_file_finds_tests():
    """All that a tracked file selects exists, so that a renamed test is noticed."""
    known = read_build()
    for path in FILES:
        for word in affected.tests_of(path):
            part, suite, pattern = (word.split(":") + ["*", "*"])[:3]
            assert part in run_tests.PARTS, word
            if part in ("fuzz", "style") or path in NO_TEST_OF_THEIR_OWN:
                continue
            assert any(
                fnmatch.fnmatchcase(s, suite) and fnmatch.fnmatchcase(name, pattern)
                for s, name in known
            ), f"{path}: {word}"


# Files whose names look like tests and are parts of others.
NO_TEST_OF_THEIR_OWN = ()


def test_source_selects_its_tests():
    words = affected.tests_of("drivers/vsock/ring/vq.c")
    assert {"gcc:unit", "gcc:system", "asan:system", "fuzz"} <= set(words)


def test_document_selects_the_test_of_documents():
    assert affected.tests_of("doc/design.md") == ["gcc:system:system_docs"]


def test_selection(tmp_path):
    """Committed, uncommitted and new files count."""

    def git(*args):
        subprocess.run(["git", "-C", tmp_path, *args], check=True)

    git("init", "-q")
    git("config", "user.email", "test@example.org")
    git("config", "user.name", "test")
    os.makedirs(tmp_path / "doc")
    (tmp_path / "doc/a.md").write_text("a\n", encoding="utf-8")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    (tmp_path / "doc/a.md").write_text("b\n", encoding="utf-8")
    assert affected.Selection(tmp_path, "HEAD").files == ["doc/a.md"]
    os.makedirs(tmp_path / "lib/wq")
    (tmp_path / "lib/wq/new.c").write_text("int a;\n", encoding="utf-8")
    selected = affected.Selection(tmp_path, "HEAD")
    assert selected.files == ["doc/a.md", "lib/wq/new.c"]
    assert selected.has("tsan", "unit", "test_wq") and not selected.has("gcc", "unit", "wire")
    assert selected.has_part("style")
