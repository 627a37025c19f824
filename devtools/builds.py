# SPDX-License-Identifier: BSD-3-Clause
"""The builds that devtools/test.sh tests: their options, packages and environment."""

import glob
import os
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NAMES = ("gcc", "asan", "tsan", "clang", "fuzz")  # the order in which they are built

# The list of peers to compare with has no place in instrumented builds.
OPTIONS = {
    "gcc": ["--buildtype=release"],
    "clang": ["--native-file", f"{ROOT}/config/clang.ini"],
    "asan": ["--native-file", f"{ROOT}/config/asan-ubsan.ini", "-Dbench_peers=disabled"],
    "tsan": ["--native-file", f"{ROOT}/config/tsan.ini", "-Dbench_peers=disabled"],
    "fuzz": ["--native-file", f"{ROOT}/config/fuzz.ini", "-Dfuzz=true", "-Dbench_peers=disabled"],
}
CLANG = ("clang", "fuzz")

# The sanitizers end a process by SIGABRT, so that no expected exit status hides their reports. The
# stress tests run at full length only in the build of gcc.
ABORT = "halt_on_error=1:abort_on_error=1:disable_coredump=1"
ENVIRONMENT = {
    "asan": {
        "ASAN_OPTIONS": f"{ABORT}:detect_leaks=1:detect_stack_use_after_return=1"
        ":strict_string_checks=1",
        "UBSAN_OPTIONS": f"{ABORT}:print_stacktrace=1",
        "STRESS_SECONDS": "2",
    },
    "tsan": {
        "TSAN_OPTIONS": f"{ABORT}:second_deadlock_stack=1:suppressions={ROOT}/config/tsan.supp",
        "STRESS_SECONDS": "2",
    },
    "fuzz": {
        "ASAN_OPTIONS": "abort_on_error=1:disable_coredump=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    },
}


def output_of(*command):
    return subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True).stdout.strip()


class Build:
    """One build folder."""

    def __init__(self, name, root):
        self.name = name
        self.folder = f"{root}/{name}"
        self.ccache = shutil.which("ccache")

    def stamp(self):
        """Returns what a configuration depends on."""
        parts = [ROOT, *OPTIONS[self.name], os.environ.get("CC", ""), self.ccache or ""]
        for path in sorted(glob.glob(f"{ROOT}/config/*.ini")) + [f"{ROOT}/meson_options.txt"]:
            with open(path, encoding="utf-8") as file:
                parts.append(file.read())
        parts.append(output_of("gcc", "--version").partition("\n")[0])
        parts.append(output_of("meson", "--version"))
        parts.append(output_of("pkg-config", "--modversion", "libdpdk"))
        return "\n".join(parts)

    def is_configured(self):
        try:
            with open(f"{self.folder}/setup.stamp", encoding="utf-8") as file:
                return file.read() == self.stamp()
        except FileNotFoundError:
            return False

    def set_configured(self):
        with open(f"{self.folder}/setup.stamp", "w", encoding="utf-8") as file:
            file.write(self.stamp())

    def setup_command(self):
        """Returns the command that configures the build anew."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(os.path.dirname(self.folder), exist_ok=True)
        options = list(OPTIONS[self.name])
        if self.ccache and self.name in CLANG:
            native = f"{self.folder}.ccache.ini"  # overrides the compiler of the file in config/
            with open(native, "w", encoding="utf-8") as file:
                file.write("[binaries]\nc = ['ccache', 'clang']\n")
            options += ["--native-file", native]
        return ["meson", "setup", *options, self.folder, ROOT]

    def environment(self):
        """Returns the variables for its set-up and compilers."""
        return {
            "CC": os.environ.get("CC") or ("ccache gcc" if self.ccache else "gcc"),
            "CCACHE_BASEDIR": ROOT,
        }

    def targets(self):
        """Returns the targets to build; none means all."""
        if self.name != "fuzz":
            return []
        sources = sorted(glob.glob(f"{ROOT}/test/fuzz/fuzz_*.c"))
        return [f"test/fuzz/{os.path.basename(source)[:-2]}" for source in sources]

    def test_prefix(self):
        """Returns the command that its tests run under.

        Where the kernel spreads mappings wider than the layouts of the sanitizers allow, it must
        not.
        """
        try:
            with open("/proc/sys/vm/mmap_rnd_bits", encoding="ascii") as file:
                bits = int(file.read())
        except OSError:
            bits = 28
        prefix = ["setarch", "-R"]
        if self.name in ("asan", "tsan") and bits > 28:
            run = subprocess.run(prefix + ["true"], stderr=subprocess.DEVNULL, check=False)
            return prefix if run.returncode == 0 else []
        return []
