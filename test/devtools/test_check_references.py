# SPDX-License-Identifier: BSD-3-Clause
"""devtools/check-references.sh passes on a clean tree and names what does not exist."""

import planted
import pytest

CLEAN = {
    "README.md": "`lib/ring.c` has `ring_get()`; `memcpy()` is libc's. See doc/*.md and lib/.\n",
    "doc/design.md": "The loop calls `ring_get()` of ring.c. See <sys/queue.h>.\n",
    "lib/ring.h": "/** Like ring_put(), but without a copy. */\nint ring_get(int len);\n",
    "lib/ring.c": '#include "ring.h"\nint\nring_get(int len)\n{\n\treturn len;\n}\n\n'
    "int\nring_put(void)\n{\n\treturn 0;\n}\n",
    "tool.py": '"""Reads lib/ring.c with os.walk()."""\n\n\ndef main():\n    pass  # main()\n',
    "devtools/references.txt": "other_project  function of another project\n",
    "doc/other.md": "It follows other_project().\n",
}


@pytest.fixture
def tree(tmp_path):
    made = planted.Tree(tmp_path, "check-references.sh", "references.py")
    for name, text in CLEAN.items():
        made.write(name, text)
    return made


def test_clean(tree):
    assert tree.check("check-references.sh") == (0, "")


FAULTS = {
    "a function in a document": ("doc/a.md", "See `ring_gone()`.\n", "doc/a.md:1: ring_gone()"),
    "a file in a document": ("doc/a.md", "\nSee gone.c.\n", "doc/a.md:2: gone.c: no such file"),
    "a path in a document": ("README.md", "See lib/gone/.\n", "README.md:1: lib/gone: no such"),
    "a function in a comment": ("lib/a.c", "/* As ring_gone(). */\n", "lib/a.c:2: ring_gone()"),
    "a file in a comment": ("lib/a.c", "int a; /* see gone.h */\n", "lib/a.c:2: gone.h"),
    "a function in Python": ("a.py", "# As gone_too().\n", "a.py:2: gone_too()"),
    "a docstring": ("a.py", 'def f():\n    """Calls gone_too()."""\n', "a.py:3: gone_too()"),
    "a shell comment": ("a.sh", "# See gone.py\n", "a.sh:1: gone.py"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault(tree, fault):
    name, text, line = FAULTS[fault]
    tree.write(name, text)
    status, output = tree.check("check-references.sh")
    assert status == 1 and line in output, output


def test_code_is_not_a_comment(tree):
    tree.write("lib/b.c", 'const char *a = "gone.c gone_too()";\n')
    assert tree.check("check-references.sh") == (0, "")
