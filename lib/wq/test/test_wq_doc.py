#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The examples of doc/workqueue.md compile without a warning, and run."""

import os
import re
import subprocess
import sys
import tempfile

HEAD = "#include <assert.h>\n#include <stdio.h>\n#include <stdlib.h>\n"


def main():
    doc, include, lib, sanitize, *cc = sys.argv[1:]
    with open(doc, encoding="utf-8") as text:
        blocks = re.findall(r"^```c\n(.*?)^```$", text.read(), re.MULTILINE | re.DOTALL)
    assert len(blocks) > 5, len(blocks)
    assert sum("main(" in block for block in blocks) == 1
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"]
    if sanitize != "none":
        flags.append(f"-fsanitize={sanitize}")
    with tempfile.TemporaryDirectory() as tmp:
        source, program = os.path.join(tmp, "doc.c"), os.path.join(tmp, "doc")
        with open(source, "w", encoding="utf-8") as out:
            out.write(HEAD + "\n".join(blocks))
        subprocess.run(
            [*cc, *flags, f"-I{include}", source, lib, "-o", program], check=True, timeout=100
        )
        subprocess.run([program], check=True, timeout=60)


if __name__ == "__main__":
    main()
