# SPDX-License-Identifier: BSD-3-Clause
"""Small trees with planted faults, for the tests of the check scripts."""

import json
import os
import shutil
import subprocess

DEVTOOLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../devtools")
SPDX = {
    ".c": "/* SPDX-License-Identifier: BSD-3-Clause */\n",
    ".h": "/* SPDX-License-Identifier: BSD-3-Clause */\n",
    ".py": "# SPDX-License-Identifier: BSD-3-Clause\n",
}


class Tree:
    """A repository in a temporary folder with copies of the given scripts of devtools/."""

    def __init__(self, path, *scripts):
        self.path = path
        self.compiled = []
        os.makedirs(path / "devtools")
        for script in scripts:
            shutil.copy(os.path.join(DEVTOOLS, script), path / "devtools")
        self.git("init", "-q")

    def git(self, *args):
        subprocess.run(["git", "-C", self.path, *args], check=True, timeout=60)

    def write(self, name, text):
        """Create a tracked file. Sources and scripts get their SPDX line."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SPDX.get(path.suffix, "") + text, encoding="utf-8")
        self.git("add", "-f", name)

    def build(self):
        """Compile every .c file as meson does, and return the build folder."""
        build = self.path / "build"
        build.mkdir(exist_ok=True)
        commands = []
        for source in sorted(self.path.glob("*/**/*.c")):
            output = str(source.relative_to(self.path)).replace("/", "_") + ".o"
            include = [
                f"-I{self.path}/{folder}"
                for folder in ("drivers/vsock", "lib/wq", "lib/vfe", "config")
            ]
            command = ["cc", "-w", *include, "-c", str(source), "-o", output]
            subprocess.run(command, cwd=build, check=True, timeout=60)
            commands.append({"directory": str(build), "file": str(source), "arguments": command})
        (build / "compile_commands.json").write_text(json.dumps(commands), encoding="utf-8")
        return str(build)

    def check(self, script, *args):
        """Run a check script; returns its exit status and its output."""
        run = subprocess.run(
            [self.path / "devtools" / script, *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return run.returncode, run.stdout
