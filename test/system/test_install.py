# SPDX-License-Identifier: BSD-3-Clause
"""What "meson install" puts into place, and what "ninja uninstall" takes away: programs, tools,
service, manual pages, completion and documents."""

import os
import re
import shutil
import subprocess

import pytest
from pylib.install import alone, install

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("VSOCKD_BUILD", "")
TOOLS = (
    "dpdk-vsock-top.py",
    "dpdk-vsock-exporter.py",
    "dpdk-vsock-connect.py",
    "dpdk-vsock-replug.py",
    "dpdk-wq-monitor.py",
)
COMMANDS = ("dpdk-vsockd", "dpdk-vsock-pktgen", *TOOLS)
PAGES = {c: f"man1/{c}.1" for c in COMMANDS} | {"dpdk-vsockd": "man8/dpdk-vsockd.8"}


def run(*args, **kwargs):
    """Run a command: its output."""
    done = subprocess.run(
        list(map(str, args)), capture_output=True, text=True, timeout=120, check=False, **kwargs
    )
    assert done.returncode == 0, done
    return done.stdout


def program(prefix, command):
    """Path of an installed program."""
    return prefix / ("sbin" if command == "dpdk-vsockd" else "bin") / command


def helped(prefix, command):
    """The long options of --help."""
    text = run(program(prefix, command), "--help", env=dict(os.environ, COLUMNS="200"))
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))
    return options - ({"--vdev"} if command in TOOLS else set()), text  # the daemon's


def test_files(prefix):
    """Everything has its place."""
    for path in (
        "lib/systemd/system/dpdk-vsockd.service",
        "lib/sysusers.d/dpdk-vsockd.conf",
        "lib/tmpfiles.d/dpdk-vsockd.conf",
        "share/dpdk-vsockd/vsockd_telemetry.py",
        "share/dpdk-vsockd/grafana/dpdk-vsockd.json",
        "share/doc/dpdk-vsockd/README.md",
        "share/doc/dpdk-vsockd/LICENSE",
        "share/doc/dpdk-vsockd/telemetry.md",
        *(f"share/man/{page}" for page in PAGES.values()),
        *(f"share/bash-completion/completions/{command}" for command in COMMANDS),
    ):
        assert (prefix / path).is_file(), path
    for command in COMMANDS:
        assert os.access(program(prefix, command), os.X_OK)


@pytest.mark.parametrize("command", COMMANDS)
def test_programs_run(prefix, command):
    """From where they were installed, with their own modules."""
    options, _ = helped(prefix, command)
    assert "--help" in options
    if command in ("dpdk-vsockd", "dpdk-vsock-pktgen"):
        assert re.match(rf"{command} \d+\.\d+\.\d+", run(program(prefix, command), "--version"))


def test_unit(installed, prefix):
    """The unit starts the program that was installed, with the environment that was installed."""
    text = (prefix / "lib/systemd/system/dpdk-vsockd.service").read_text()
    settings = dict(re.findall(r"^(\w+)=(.*)$", text, re.M))
    assert settings["Type"] == "notify" and settings["RestartPreventExitStatus"] == "78"
    assert "@" not in settings["ExecStart"] + settings["EnvironmentFile"]
    assert (installed / settings["ExecStart"].split()[0].lstrip("/")).is_file()
    env = (installed / settings["EnvironmentFile"].lstrip("/")).read_text()
    given = set(re.findall(r"^(VSOCKD_\w+)=", env, re.M))
    assert given == set(re.findall(r"\$(VSOCKD_\w+)", settings["ExecStart"]))


def test_unit_is_accepted_by_systemd(prefix):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    done = subprocess.run(
        [
            "systemd-analyze",
            "verify",
            "--man=no",
            prefix / "lib/systemd/system/dpdk-vsockd.service",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [
        line
        for line in done.stderr.splitlines()
        if "dpdk-vsockd" in line and "is not executable" not in line
    ]
    assert not lines


@pytest.mark.parametrize("command", COMMANDS)
def test_manual_page(prefix, command):
    """Page and help name the same options; the page has no mistakes of form."""
    page = prefix / "share/man" / PAGES[command]
    text = page.read_text().replace("\\-", "-").replace("\\fR", "").replace("\\fB", "")
    options, _ = helped(prefix, command)
    known = {"--lcores", "--listen", "--vdev"}  # named in passing
    paged = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))
    assert options - paged == set(), "missing in the page"
    eal = {"--log-level"} if command == "dpdk-vsockd" else set()
    assert paged - options - known - eal == set(), "not in the help"
    if shutil.which("man"):
        env = dict(os.environ, LC_ALL="C.UTF-8", MANROFFSEQ="", MANWIDTH="80")
        done = subprocess.run(
            ["man", "--warnings", "-l", "-Tutf8", page],
            capture_output=True,
            text=True,
            env=env,
            check=False,
        )
        assert done.returncode == 0 and not done.stderr, done.stderr


def complete(prefix, *words):
    """What bash offers behind these words."""
    script = r"""
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
        _dpdk_vsockd "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    """
    file = prefix / "share/bash-completion/completions" / words[0]
    return set(run("bash", "-c", script, "bash", file, *words).split())


@pytest.mark.parametrize("command", COMMANDS)
def test_completion(prefix, command):
    """All options of the help are offered."""
    options, _ = helped(prefix, command)
    offered = complete(prefix, command, "--")
    if command == "dpdk-vsockd":
        offered |= complete(prefix, command, "--", "--")
    assert options - offered == set()


def test_completion_of_values(prefix):
    assert complete(prefix, "dpdk-vsockd", "--", "--idle", "a") == {"adaptive"}
    assert complete(prefix, "dpdk-vsock-pktgen", "--scenario", "guest-to-h") == {"guest-to-host"}
    keys = complete(prefix, "dpdk-vsockd", "--vdev", "vsock_vhost0,c")
    assert keys == {"vsock_vhost0,cid=", "vsock_vhost0,client="}


def test_uninstall(tmp_path):
    """Nothing is left but folders."""
    if not BUILD or shutil.which("meson") is None:
        pytest.skip("meson or the build is missing")
    with alone(BUILD):
        install(BUILD, tmp_path)
        assert [p for p in tmp_path.rglob("*") if not p.is_dir()]
        run("ninja", "-C", BUILD, "uninstall")
    assert not [p for p in tmp_path.rglob("*") if p.is_symlink() or not p.is_dir()]
