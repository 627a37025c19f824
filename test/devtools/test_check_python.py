# SPDX-License-Identifier: BSD-3-Clause
"""devtools/check-python.sh passes on a clean tree and names each planted fault."""

import shutil

import planted
import pytest

CODE = 'def f(a):\n    return a + "x"\n'


@pytest.fixture
def tree(tmp_path):
    if not shutil.which("black") or not shutil.which("flake8"):
        pytest.skip("black or flake8 is not installed")
    made = planted.Tree(tmp_path, "check-python.sh", "../pyproject.toml", "../.flake8")
    for name in ("pyproject.toml", ".flake8"):
        shutil.move(made.path / "devtools" / name, made.path / name)
    made.write("good.py", CODE)
    status, output = made.check("check-python.sh")
    if status == 77:
        pytest.skip(output.strip())
    assert (status, output) == (0, "")
    return made


def test_not_formatted(tree):
    tree.write("bad.py", "def f( a ):\n    return a+'x'\n")
    status, output = tree.check("check-python.sh")
    assert status == 1 and "bad.py" in output
    assert tree.check("check-python.sh", "--fix")[0] == 0
    assert tree.check("check-python.sh") == (0, "")


def test_unused_import(tree):
    tree.write("bad.py", "import os\n")
    status, output = tree.check("check-python.sh")
    assert status == 1 and "bad.py:2:1: F401" in output


def test_program_without_suffix(tree):
    tree.write("tool", "#!/usr/bin/python3\nimport os\n")
    status, output = tree.check("check-python.sh")
    assert status == 1 and "tool:2:1: F401" in output
