# SPDX-License-Identifier: BSD-3-Clause
"""Mistakes on the command line: one clear line that names the key and the value, and an exit status
that is not 0; nothing half done is left behind."""

import subprocess

import pytest
from pylib.daemon import Daemon, sanitized
from pylib.rig import needs_daemon

TIMEOUT = 30


@pytest.fixture(autouse=True)
def _daemon_is_there():
    needs_daemon()


BAD_ARGS = [
    ("cid", "0"),
    ("cid", "1"),
    ("cid", "2"),
    ("cid", "4294967295"),
    ("cid", "4294967299"),
    ("cid", "18446744073709551615"),
    ("cid", "-3"),
    ("cid", "x"),
    ("cid", "3x"),
    ("cid", ""),
    ("bogus", "1"),
    ("dgram", "on"),
    ("rate", "1000"),
    ("conn_rate", "10"),
    ("client", "2"),
    ("client", "yes"),
    ("client", ""),
    ("buf_alloc", "0"),
    ("buf_alloc", "4095"),
    ("buf_alloc", "17M"),
    ("buf_alloc", "1G"),
    ("buf_alloc", "-1"),
    ("buf_alloc", "x"),
    ("max_conns", "0"),
    ("max_conns", "-1"),
    ("max_conns", "many"),
    ("groups", ""),
    ("groups", "a++b"),
    ("groups", "+"),
    ("groups", "a b"),
    ("lcore", "0"),
    ("lcore", "7"),
    ("lcore", "-1"),
    ("lcore", "x"),
    ("iface", ""),
    ("uds", ""),
    ("iface", "/tmp/" + "x" * 103),
    ("uds", "/tmp/" + "x" * 103),
    ("uds", "/tmp/" + "x" * 92),
    ("iface", "/nonexistent/a.sock"),
    ("uds", "/nonexistent/a.vsock"),
    ("iface", "/proc/a.sock"),
    ("uds", "/proc/a.vsock"),
]


if sanitized("thread"):
    # Each is a start of the process, which takes seconds there, and has one thread at work.
    BAD_ARGS = BAD_ARGS[::6]


@pytest.mark.parametrize("key,value", BAD_ARGS, ids=[f"{k}={v[:24]}" for k, v in BAD_ARGS])
def test_bad_devarg(key, value):
    daemon = Daemon()
    port = daemon.ports[3]
    if key in ("iface", "uds", "cid"):
        setattr(port, key, value)
    else:
        port.extra[key] = value
    if key == "uds" and not value:
        port.uds = None
        port.extra["uds"] = ""
    # A long value may be shortened in the line.
    line = daemon.refuses([key, value[:90]])
    assert port.name in line


@pytest.mark.parametrize("key", ["iface", "cid"])
def test_missing_key(key):
    daemon = Daemon()
    port = daemon.ports[3]
    args = {"iface": port.iface, "cid": 3, "uds": port.uds}
    del args[key]
    port.vdev = lambda: ",".join([port.name] + [f"{k}={v}" for k, v in args.items()])
    daemon.refuses([port.name, key])


def test_key_without_value():
    daemon = Daemon()
    port = daemon.ports[3]
    base = port.vdev()
    port.vdev = lambda: base + ",lcore"
    daemon.refuses([port.name, "lcore"])


def test_key_twice():
    daemon = Daemon()
    port = daemon.ports[3]
    base = port.vdev()
    port.vdev = lambda: base + ",cid=4"
    daemon.refuses([port.name, "cid", "4"])


def test_cid_in_use():
    daemon = Daemon(cids=(3, 4))
    daemon.ports[4].cid = 3
    daemon.refuses(["vsock_vhost1", "cid", "3"])


@pytest.mark.parametrize("key", ["iface", "uds"])
def test_path_in_use(key):
    daemon = Daemon(cids=(3, 4))
    path = getattr(daemon.ports[3], key)
    setattr(daemon.ports[4], key, path)
    daemon.refuses(["vsock_vhost1", key, path])


@pytest.mark.parametrize(
    "words,app",
    [
        (["--idle", "sometimes"], ("--idle", "sometimes")),
        (["--idle"], ("--idle",)),
        (["--spin-us", "soon"], ("--spin-us", "soon")),
        (["--spin-us", "-1"], ("--spin-us", "-1")),
        (["--slow-cpus", "x"], ("--slow-cpus", "x")),
        (["--slow-cpus", "9999"], ("--slow-cpus", "9999")),
        (["--slow-cpus", "3-1"], ("--slow-cpus", "3-1")),
        (["--bogus"], ("--bogus",)),
        (["stray"], ("stray",)),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, tuple) else "",
)
def test_bad_option(words, app):
    Daemon(app=app).refuses(words)


def test_no_poll_lcore():
    """-l 0 leaves no lcore to poll."""
    Daemon(eal=("-l", "0")).refuses(["poll lcore"])


def pinned(daemon, cpu):
    """The process may use one CPU only."""
    command = daemon.command
    daemon.command = lambda: ["taskset", "-c", str(cpu), *command()]
    return daemon


def test_no_cpu_for_the_slow_path():
    """One CPU, polled: an error under spin that says what to do about it."""
    daemon = pinned(Daemon(eal=("--lcores", "0@0,1@0"), app=("--idle", "spin")), 0)
    line = daemon.refuses(["slow"])
    assert "--slow-cpus" in line or "spin" in line


def test_one_cpu_is_enough_for_adaptive():
    """The same under adaptive is a warning, and works."""
    daemon = pinned(Daemon(eal=("--lcores", "0@0,1@0")), 0)
    try:
        daemon.start()
        text = daemon.stderr()
        assert sum("slow" in line.lower() for line in text.splitlines()) == 1, text
        daemon.stop()
    finally:
        daemon.discard()


def test_slow_cpus_may_be_polled():
    """--slow-cpus may name a polled CPU: one warning, and it works, under spin as well."""
    for app in (("--idle", "adaptive"), ("--idle", "spin")):
        daemon = Daemon(app=(*app, "--slow-cpus", "1"))
        try:
            daemon.start()
            text = daemon.stderr()
            assert sum("slow" in line.lower() for line in text.splitlines()) == 1, text
            daemon.stop()
        finally:
            daemon.discard()


def test_no_guests():
    """A daemon without a vdev runs (guests can be plugged in later) or says what is missing."""
    daemon = Daemon(cids=())
    try:
        daemon.spawn()
        daemon.wait_for(lambda: daemon.ready() or daemon.process.poll() is not None, "ready", 40)
        daemon.stop()
    except AssertionError:
        assert daemon.process.poll() not in (None, 0) and daemon.stderr().strip()
    finally:
        daemon.discard()


def test_help():
    """--help after -- prints the options and ends with 0."""
    daemon = Daemon(cids=())
    try:
        done = subprocess.run(
            [*daemon.command()[:-2], "--help"],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
            env=daemon.environment(),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "--idle" in done.stdout + done.stderr
    finally:
        daemon.discard()


def test_in_memory_and_huge_pages():
    """--in-memory needs huge pages; where the machine has none it says so and ends."""
    daemon = Daemon()
    base = daemon.command
    daemon.command = lambda: [base()[0], "--in-memory", *base()[2:]]
    try:
        daemon.spawn()
        daemon.wait_for(lambda: daemon.ready() or daemon.process.poll() is not None, "ready", 40)
        daemon.stop()
    except AssertionError:
        if daemon.process.poll() is None or not daemon.stderr().strip():
            raise
        assert daemon.process.returncode != 0
        pytest.skip("no huge pages on this machine")
    finally:
        daemon.discard()
