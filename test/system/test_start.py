# SPDX-License-Identifier: BSD-3-Clause
"""The first command: what the daemon chooses by itself, what it says, and how a start fails."""

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess

import pytest
from pylib.daemon import Daemon, sanitized
from pylib.rig import needs_daemon

EX_CONFIG = 78
TIMEOUT = 60


@pytest.fixture(autouse=True)
def _daemon_is_there():
    needs_daemon()


class Bare(Daemon):
    """A daemon with nothing but what `words` says; {guest} stands for the --vdev of a guest."""

    def __init__(self, *words, wrapper=(), environment=None, **more):
        super().__init__(wrapper=wrapper, **more)
        self.words = words
        self.extra = environment or {}
        for path in (self.dir, self.run_dir):
            os.chmod(path, 0o777)

    def command(self):
        words = []
        for word in self.words:
            words += ["--vdev", self.ports[3].vdev()] if word == "{guest}" else [word]
        return [*self.wrapper, self.program, *words]

    def environment(self):
        return {**super().environment(), **self.extra}

    def telemetry_path(self):
        prefix = re.search(r"dpdk-vsock-top.py -f ([^\s)]+)", self.stderr())
        folder = self.environment()["RUNTIME_DIRECTORY"]
        return f"{folder}/dpdk/{prefix[1]}/dpdk_telemetry.v2" if prefix else "/nonexistent"


@contextlib.contextmanager
def started(*words, **more):
    daemon = Bare(*words, **more)
    try:
        yield daemon.start()
    finally:
        daemon.discard()


def ends(*words, status=EX_CONFIG, **more):
    """The daemon ends with a status; returns its last line, which no usage text follows."""
    daemon = Bare(*words, **more)
    try:
        daemon.spawn()
        assert daemon.process.wait(TIMEOUT) == status, daemon.stderr()
        lines = daemon.stderr().splitlines()
        assert len(lines) < 25, daemon.stderr()
        assert not daemon.left_behind()
        return lines[-1]
    finally:
        daemon.discard()


def as_nobody():
    """A wrapper that runs the daemon as a plain user, or a skip."""
    if os.getuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv")
    user = pwd.getpwnam("nobody")
    ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    program = Daemon().program
    if subprocess.run(["setpriv", *ids, "test", "-x", program], check=False).returncode != 0:
        pytest.skip("a plain user cannot reach the program")
    return ["setpriv", *ids]


# ---- it starts ----


def test_vdev_alone():
    with started("{guest}") as daemon:
        text = daemon.stderr()
        assert "ready: 1 guest;" in text
        if "--no-huge" in text:
            assert "memory: less than 256 MiB of huge pages are free" in text
        daemon.stop()


def test_plain_user():
    with started("{guest}", wrapper=as_nobody()) as daemon:
        daemon.stop()


def test_two_side_by_side():
    """The second one takes another file prefix, and says which."""
    with started("{guest}") as first:
        with started("{guest}", environment={"RUNTIME_DIRECTORY": first.run_dir}) as second:
            # The files of both lie in the folder of the first.
            assert "-f vsockd)\n" in first.stderr()
            assert f"-f vsockd-{second.process.pid})\n" in second.stderr()
            second.stop()
        first.stop()


def test_prefix_in_use():
    with started("{guest}") as first:
        line = ends(
            "--file-prefix=vsockd",
            "{guest}",
            status=1,
            environment={"RUNTIME_DIRECTORY": first.run_dir},
        )
        assert "--file-prefix vsockd: another DPDK process uses it" in line


@pytest.mark.parametrize("words", [["-l", "0-3"], ["-l0-3"]], ids=["apart", "together"])
def test_missing_cpus_are_shared(words):
    """Of -l 0-3 the process may use two CPUs or one."""
    cpus = sorted(os.sched_getaffinity(0))[:2]
    allowed = ",".join(map(str, cpus))
    with started(*words, "{guest}", wrapper=["taskset", "-c", allowed]) as daemon:
        text = daemon.stderr()
        assert text.count("the lcores share CPU") == 1
        assert len(daemon.telemetry("/vsock/lcores")) == 3
        daemon.stop()


def test_one_cpu():
    cpu = str(min(os.sched_getaffinity(0)))
    with started("{guest}", wrapper=["taskset", "-c", cpu]) as daemon:
        daemon.stop()


def test_no_guest_is_told():
    daemon = Bare()
    try:
        daemon.spawn()
        daemon.wait_for(lambda: "there is no guest (add --vdev" in daemon.stderr(), "the warning")
        assert "ready: 0 guests" in daemon.stderr()
        assert daemon.terminate()[0] == 0
    finally:
        daemon.discard()


def test_another_vdev_is_no_guest():
    daemon = Bare("--vdev", "net_null0")
    try:
        daemon.spawn()
        daemon.wait_for(lambda: "there is no guest" in daemon.stderr(), "the warning")
        assert daemon.terminate()[0] == 0
    finally:
        daemon.discard()


# ---- it does not start ----


def test_missing_cpus_under_spin():
    cpus = sorted(os.sched_getaffinity(0))
    missing = max(cpus) + 1
    line = ends("-l", f"{cpus[0]},{missing}", "{guest}", "--", "--idle", "spin")
    assert f"may not use CPU {missing}" in line and "--idle adaptive" in line


def test_option_in_front_of_the_dashes():
    line = ends("{guest}", "--idle", "spin")
    assert "--idle: an application option in front of" in line


def test_unknown_eal_option():
    assert "EAL: start failed" in ends("--bogus", "{guest}")


def test_stray_word():
    assert "stray: unexpected argument" in ends("stray", "{guest}")


def test_bad_vdev_is_the_last_line():
    line = ends("--vdev", "vsock_vhost0,iface=/tmp/x.sock,cid=")
    assert "vsock_vhost0: cid=: the value is empty" in line


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    "second", ["iface={}/x.sock,uds={}/vm_7", "iface={}/vm_7", "iface={}/x.sock,uds={}/./vm_7"]
)
def test_paths_that_another_guest_could_reach(tmp_path, second, order):
    """A guest connects to <uds>_<port>: nothing of another guest may have such a name."""
    guests = [f"iface={tmp_path}/a.sock,uds={tmp_path}/vm", second.format(tmp_path, tmp_path)]
    words = []
    for i, guest in enumerate(guests[::order]):
        words += ["--vdev", f"vsock_vhost{i},cid={3 + i},{guest}"]
    assert "whose guest could reach it" in ends(*words)


def test_too_little_memory():
    assert "see -m" in ends("--no-huge", "-m", "8", "{guest}", status=1)


@pytest.mark.skipif(sanitized(), reason="the sanitizer needs descriptors of its own")
def test_too_few_descriptors():
    line = ends("{guest}", status=1, wrapper=["prlimit", "--nofile=20:20"])
    assert "RLIMIT_NOFILE" in line and "-m" not in line


# ---- help ----


def query(*words):
    """Run the daemon with words that it answers at once."""
    return subprocess.run(
        [Daemon().program, *words], capture_output=True, text=True, timeout=TIMEOUT, check=False
    )


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--", "--help"], ["-l", "0", "--help"]])
def test_help_begins_with_examples(words):
    done = query(*words)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.count("  dpdk-vsockd ") == 3
    assert "EAL: " not in done.stdout


def test_help_of_eal():
    done = query("--help-eal")
    assert done.returncode == 0 and "--file-prefix" in done.stdout


def test_version_without_eal():
    done = query("--version")
    assert done.returncode == 0 and done.stderr == ""
    assert re.fullmatch(r"dpdk-vsockd \d+\.\d+\.\d+ \(DPDK [\d.]+\)\n", done.stdout)


# ---- signals, the service manager, the journal ----


def test_sighup_is_ignored():
    with started("{guest}") as daemon:
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for(lambda: "SIGHUP: ignored" in daemon.stderr(), "the line")
        assert daemon.telemetry("/vsock/list") == ["vsock_vhost0"]
        daemon.stop()
        assert daemon.stderr().count("SIGHUP") == 1


@pytest.mark.parametrize("abstract", [False, True])
def test_notify(abstract, tmp_path):
    """READY, the watchdog's food, and STOPPING, in this order."""
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.settimeout(TIMEOUT)
    name = f"@vsockd-test-{os.getpid()}" if abstract else f"{tmp_path}/notify"
    manager.bind("\0" + name[1:] if abstract else name)
    environment = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "600000"}
    with manager, started("{guest}", environment=environment) as daemon:
        assert manager.recv(4096) == b"READY=1\nSTATUS=0 of 1 guests connected"
        for _ in range(3):
            assert manager.recv(4096) == b"WATCHDOG=1\nSTATUS=0 of 1 guests connected"
        daemon.stop()
        text = manager.recv(4096)
        while text.startswith(b"WATCHDOG=1\n"):
            text = manager.recv(4096)
        assert text.startswith(b"STOPPING=1\n")


def test_watchdog_of_another_process_is_not_fed(tmp_path):
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.settimeout(TIMEOUT)
    manager.bind(f"{tmp_path}/notify")
    environment = {
        "NOTIFY_SOCKET": f"{tmp_path}/notify",
        "WATCHDOG_USEC": "30000",
        "WATCHDOG_PID": "1",
    }
    with manager, started("{guest}", environment=environment) as daemon:
        assert manager.recv(4096).startswith(b"READY=1\n")
        daemon.stop()
        assert manager.recv(4096).startswith(b"STOPPING=1\n")


def test_priorities_for_the_journal():
    """Where stderr is the journal each line begins with its priority; elsewhere none does."""
    daemon = Bare("{guest}", "--log-level=vsock:debug")
    try:
        stat = os.stat(daemon.dir)
        with open(daemon.stderr_path, "wb"):
            pass
        stat = os.stat(daemon.stderr_path)
        daemon.extra["JOURNAL_STREAM"] = f"{stat.st_dev}:{stat.st_ino}"
        daemon.start()
        daemon.stop()
        lines = daemon.stderr().splitlines()
        assert lines and all(re.match(r"<[2-7]>\S", line) for line in lines), lines
        assert "<5>vsock: ready: 1 guest" in daemon.stderr()
        assert len(set(lines)) == len(lines)
    finally:
        daemon.discard()
    with started("{guest}") as plain:
        assert "<" not in plain.stderr()
        plain.stop()
