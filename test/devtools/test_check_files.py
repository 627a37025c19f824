# SPDX-License-Identifier: BSD-3-Clause
"""devtools/check-files.sh passes on a clean tree and names each planted fault."""

import planted
import pytest


@pytest.fixture
def tree(tmp_path):
    made = planted.Tree(tmp_path, "check-files.sh")
    made.write("app/main.c", "int main(void) { return 0; }\n")
    made.write("empty.txt", "")
    made.write("devtools/run.sh", "#!/bin/bash\n# SPDX-License-Identifier: BSD-3-Clause\necho\n")
    (made.path / "devtools/run.sh").chmod(0o755)
    return made


def test_clean(tree):
    assert tree.check("check-files.sh") == (0, "")


FAULTS = {
    "test/unit/ts": ("\x7fELF\0\0\1", "test/unit/ts: a binary file"),
    "app/long.c": ("int a; /* " + 100 * "x" + " */\n", "app/long.c:2: 113 columns"),
    "app/space.c": ("int a; \n", "white space at line ends"),
    "notes.md": ("see /" + "home/user/notes\n", "absolute paths of a machine"),
    "bad.sh": ("#!/bin/bash\n# SPDX-License-Identifier: BSD-3-Clause\nif\n", "does not parse"),
    "tool.py": ("def f(:\n", "tool.py: invalid syntax"),
    "plain.sh": ("#!/bin/bash\necho\n", "plain.sh: no SPDX line"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault(tree, name):
    text, line = FAULTS[name]
    tree.write(name, text)
    status, output = tree.check("check-files.sh")
    assert status == 1 and line in output, output


def test_not_executable(tree):
    (tree.path / "devtools/run.sh").chmod(0o644)
    status, output = tree.check("check-files.sh")
    assert status == 1 and "devtools/run.sh: has an interpreter line" in output
