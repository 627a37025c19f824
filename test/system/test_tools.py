# SPDX-License-Identifier: BSD-3-Clause
"""The tools of usertools/, started as a user starts them."""

import fcntl
import http.client
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time

import pytest
from pylib.daemon import pattern

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
USERTOOLS = os.path.join(ROOT, "usertools")
TOOLS = ("dpdk-vsock-top", "dpdk-vsock-exporter", "dpdk-vsock-connect", "dpdk-vsock-replug")


def command(name, *args):
    """The command line of a tool."""
    return [sys.executable, os.path.join(USERTOOLS, name + ".py"), *map(str, args)]


def run(name, *args, status=0):
    """Run a tool to its end: (stdout, stderr)."""
    done = subprocess.run(
        command(name, *args), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == status, done
    return done.stdout, done.stderr


@pytest.fixture
def start():
    """Start a tool: start(name, *args) → Popen. It is ended with the test."""
    tools = []

    def begin(name, *args):
        pipe = subprocess.PIPE
        tools.append(subprocess.Popen(command(name, *args), stdin=pipe, stdout=pipe, stderr=pipe))
        return tools[-1]

    yield begin
    for tool in tools:
        tool.kill()
        tool.wait()
        for pipe in (tool.stdin, tool.stdout, tool.stderr):
            try:
                pipe.close()
            except BrokenPipeError:
                pass


@pytest.mark.parametrize("name", TOOLS)
def test_help(name):
    out, _ = run(name, "--help")
    assert out.startswith(f"usage: {name}.py") and len(out) > 300


@pytest.mark.parametrize("name", TOOLS)
def test_wrong_use(name):
    """One line behind the usage, and status 2."""
    _, err = run(name, "--no-such-option", status=2)
    assert err.splitlines()[-1].startswith(f"{name}.py: error: ")


@pytest.mark.parametrize("name", ["dpdk-vsock-top", "dpdk-vsock-exporter"])
def test_no_daemon(name):
    """One line that says where the daemon was looked for."""
    args = ["-n", "1"] if name.endswith("top") else ["--once"]
    _, err = run(name, "-f", "no-such-daemon", *args, status=1)
    assert err.count("\n") == 1 and "no daemon with --file-prefix no-such-daemon runs" in err
    _, err = run(name, "-s", "/nowhere", *args, status=1)
    assert err == f"{name}: /nowhere: No such file or directory\n"


# ---- top


def busy(rig):
    """A connection with traffic that goes on in a thread's place: (guest, host, conn)."""
    guest = rig.guest(3)
    host, conn = rig.host_to_guest(guest)
    return guest, host, conn


def test_top_json(rig, start):
    """The rates are those of the traffic."""
    _, host, conn = busy(rig)
    sock = rig.daemon.telemetry_path()
    tool = start("dpdk-vsock-top", "-s", sock, "-n", "1", "-i", "1", "-j")
    sent = 0
    while tool.poll() is None:
        conn.send(bytes(10_000))
        sent += 10_000
        rig.until(lambda sent=sent: len(host.rx) == sent, "data")
        rig.loop.run(0.01)
    tables = json.loads(tool.stdout.read())
    rows = {g["cid"]: g for g in tables["guests"]}
    assert rows[3]["connected"] and not rows[4]["connected"]
    assert 0 < rows[3]["rx_bytes_per_s"] < sent
    assert tables["conns"][0]["rx_bytes_per_s"] > 0 and tables["nb_conns"] == 1
    assert tables["lcores"][0]["lcore"] == 1 and 0 < tables["lcores"][0]["busy_percent"] <= 100


@pytest.mark.drops("no_conn")
def test_top_plain(rig):
    """Text for people, all tables in it."""
    guest, _, conn = busy(rig)
    conn.send(bytes(1000))
    conn.raw(7, dst_port=1)
    rig.until(lambda: guest.idle, "taken")
    out, _ = run("dpdk-vsock-top", "-s", rig.daemon.telemetry_path(), "-n", "2", "-i", "0.3")
    assert out.count("dpdk-vsock-top - ") == 2
    for text in ("GUEST ", "CONNECTION ", "LCORE ", "DROP ", "no_conn", "guests 1 of 2 up"):
        assert text in out, text
    assert re.search(rf"^3:{conn.local_port}-2:\d+ +str ", out, re.M)
    assert max(map(len, out.splitlines())) <= 80


def screen(args, rows, columns, keys):
    """Run a tool on a terminal of a size until it ends: what it wrote, and its status."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.environ.pop("LINES", None)
        os.environ.pop("COLUMNS", None)
        os.execv(args[0], args)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    text, end, typed = b"", time.monotonic() + 30, False
    while time.monotonic() < end:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                text += os.read(fd, 65536)
            except OSError:
                break
        if b"SLEEPS" in text and not typed:
            os.write(fd, keys)
            typed = True
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return text.decode(errors="replace"), os.waitstatus_to_exitcode(status)


@pytest.mark.parametrize("size", [(24, 80), (60, 200), (12, 60)], ids=str)
def test_top_on_a_terminal(rig, size):
    """It draws, and q ends it, with the terminal as it was."""
    busy(rig)
    args = command("dpdk-vsock-top", "-s", rig.daemon.telemetry_path(), "-i", "0.3")
    text, status = screen(args, *size, b"q")
    assert status == 0 and "GUEST" in text and "Traceback" not in text
    assert "\x1b[?1049l" in text, "the terminal is put back"


# ---- exporter

SAMPLE = re.compile(
    r'^(vsockd_[a-z_]+)(?:\{((?:[a-z]+="[^"\\]*",?)+)\})? (\d+(?:\.\d+)?(?:e[+-]\d+)?)$'
)


def parse(text):
    """Samples by name; the format is checked line by line."""
    samples, kinds, helps = {}, {}, set()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            helps.add(line.split()[2])
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in kinds, f"{name}: samples are not together"
            kinds[name] = kind
        else:
            match = SAMPLE.match(line)
            assert match, line
            name = match.group(1)
            assert name in kinds and name in helps, line
            assert (kinds[name] == "counter") == name.endswith("_total"), line
            samples.setdefault(name, {})[match.group(2) or ""] = float(match.group(3))
    return samples


def test_exporter_once(rig):
    """All counters of telemetry are there."""
    _, host, conn = busy(rig)
    conn.send(bytes(1000))
    rig.until(lambda: len(host.rx) == 1000, "data")
    out, _ = run("dpdk-vsock-exporter", "-s", rig.daemon.telemetry_path(), "--once")
    samples = parse(out)
    port = rig.daemon.port(3)
    label = f'port="{port["name"]}",cid="3"'
    assert samples["vsockd_up"][""] == 1
    assert samples["vsockd_port_from_guest_bytes_total"][label] == port["from_guest_bytes"]
    assert samples["vsockd_port_connections"][label] == 1
    reasons = {key.split('reason="')[1][:-1] for key in samples["vsockd_port_drops_total"]}
    assert reasons == set(port["drops"])
    # A counter that telemetry has and the exporter has not is a mistake.
    exported = {name.replace("vsockd_port_", "").replace("_total", "") for name in samples}
    names = {"conns_opened": "connections_opened", "backlog_bytes": "backlogged_bytes"}
    settings = {"name", "cid", "iface", "uds", "groups", "lcore", "buf_alloc", "max_conns"}
    levels = {"connected", "active", "conns", "pool_chunks", "from_guest_in_flight", "drops"}
    for key in set(port) - settings - levels:
        assert names.get(key, key) in exported, key


def test_exporter_agrees_with_promtool(rig):
    """The judge of the format."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (package prometheus)")
    out, _ = run("dpdk-vsock-exporter", "-s", rig.daemon.telemetry_path(), "--once")
    done = subprocess.run(
        [promtool, "check", "metrics"], input=out, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done


def fetch(where):
    """GET /metrics: (status, text)."""
    if where.startswith("http"):
        conn = http.client.HTTPConnection(where.split("/")[2], timeout=20)
    else:
        conn = http.client.HTTPConnection("localhost", timeout=20)
        conn.sock = socket.socket(socket.AF_UNIX)
        conn.sock.settimeout(20)
        conn.sock.connect(where)
    conn.request("GET", "/metrics")
    answer = conn.getresponse()
    text = answer.read().decode()
    conn.close()
    return answer.status, text


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_exporter_serves(launch, start, kind, tmp_path):
    """Up, then the daemon ends, then it is there again."""
    rig = launch()
    listen = "tcp:127.0.0.1:0" if kind == "tcp" else f"unix:{tmp_path}/metrics.sock"
    path = rig.daemon.telemetry_path()
    tool = start("dpdk-vsock-exporter", "-s", path, "-l", listen)
    try:
        line = tool.stderr.readline().decode()
        assert line.startswith("dpdk-vsock-exporter: metrics at "), line
        where = line.split()[3] if kind == "tcp" else listen[5:]
        status, text = fetch(where)
        assert status == 200 and parse(text)["vsockd_up"][""] == 1
        rig.daemon.stop()
        status, text = fetch(where)
        assert status == 200 and parse(text) == {"vsockd_up": {"": 0.0}}
        rig.daemon.start()
        assert parse(fetch(where)[1])["vsockd_up"][""] == 1
    finally:
        tool.send_signal(signal.SIGTERM)
        assert tool.wait(20) == 0
    assert not os.path.exists(f"{tmp_path}/metrics.sock")


@pytest.mark.parametrize("address", ["tcp:0.0.0.0:0", "tcp:1.2.3.4:5", "unix:", "tcp:127.0.0.1:x"])
@pytest.mark.parametrize("name", ["dpdk-vsock-exporter", "dpdk-vsock-connect"])
def test_listen_on_loopback_only(name, address):
    args = ["/nowhere", "1"] if name.endswith("connect") else []
    _, err = run(name, *args, "--listen", address, status=1)
    assert err.count("\n") == 1 and f"--listen {address}: " in err


def test_dashboard(rig):
    """Each metric and label of the dashboard is in the exporter's output."""
    out, _ = run("dpdk-vsock-exporter", "-s", rig.daemon.telemetry_path(), "--once")
    samples = parse(out)
    with open(os.path.join(ROOT, "config/grafana/dpdk-vsockd.json"), encoding="utf-8") as file:
        text = file.read()
    dashboard = json.loads(text)
    used = set(re.findall(r"vsockd_[a-z_]+", text))
    assert len(used) > 12 and used <= set(samples), used - set(samples)
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            (name, *_) = re.findall(r"vsockd_[a-z_]+", target["expr"])
            labels = re.findall(r'([a-z]+)="', "".join(samples[name]))
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                assert label in labels, (panel["title"], label)
    boxes = [tuple(p["gridPos"][k] for k in "xywh") for p in dashboard["panels"]]
    assert len(set(boxes)) == len(boxes) and all(x + w <= 24 for x, _, w, _ in boxes)


# ---- connect


def talk(tool, loop, data):
    """Feed standard input from a thread, so that the test's loop can play the guest."""

    def feed():
        tool.stdin.write(data)
        tool.stdin.close()

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    out = []
    reader = threading.Thread(target=lambda: out.append(tool.stdout.read()), daemon=True)
    reader.start()
    return thread, reader, out


def test_connect_stdio(rig, start):
    """Both directions with a half-close: the end of the input is told, the answer still comes."""
    guest = rig.guest(3)
    listener = guest.listen(22)
    there, back = pattern(700_000), pattern(300_000)
    tool = start("dpdk-vsock-connect", rig.path(3), "22")
    _, reader, out = talk(tool, rig.loop, there)
    rig.until(lambda: listener.conns and listener.conns[0].rx == there, "the input")
    conn = listener.conns[0]
    rig.until(lambda: conn.peer_shutdown, "the end of the input")
    conn.send(back)
    conn.shutdown(3)
    rig.until(lambda: not reader.is_alive(), "the output")
    assert out == [back]
    rig.until(lambda: tool.poll() is not None, "end")
    assert tool.returncode == 0


def test_connect_ends_with_the_guest(rig, start):
    """The guest closes while the input is open: the tool does not wait for it."""
    guest = rig.guest(3)
    listener = guest.listen(22)
    tool = start("dpdk-vsock-connect", rig.path(3), "22")
    rig.until(lambda: listener.conns, "connection")
    listener.conns[0].send(b"bye")
    rig.until(lambda: listener.conns[0].sent, "sent")
    listener.conns[0].shutdown(3)
    rig.until(lambda: tool.poll() is not None, "end")
    assert tool.stdout.read() == b"bye" and tool.returncode == 0


def test_connect_is_refused(rig, start):
    guest = rig.guest(3)
    tool = start("dpdk-vsock-connect", rig.path(3), "23")
    rig.until(lambda: tool.poll() is not None, "end")
    err = tool.stderr.read().decode()
    assert tool.returncode == 1 and err.count("\n") == 1
    assert "port 23: refused: no guest is there, or nothing listens in it" in err
    assert guest
    _, err = run("dpdk-vsock-connect", "/nowhere", "23", status=1)
    assert err == "dpdk-vsock-connect: /nowhere: port 23: No such file or directory\n"


def test_connect_waits(rig, start):
    """--wait: the guest listens a little later."""
    guest = rig.guest(3)
    tool = start("dpdk-vsock-connect", "--wait", "20", rig.path(3), "24")
    rig.loop.run(0.5)
    assert tool.poll() is None
    listener = guest.listen(24)
    rig.until(lambda: listener.conns, "connection")
    listener.conns[0].shutdown(3)
    rig.until(lambda: tool.poll() is not None, "end")
    assert tool.returncode == 0


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_connect_listens(rig, start, tmp_path, kind):
    """Programs that know no CONNECT: several at a time."""
    guest = rig.guest(3)
    listener = guest.listen(25)
    address = "tcp:127.0.0.1:0" if kind == "tcp" else f"unix:{tmp_path}/s"
    tool = start("dpdk-vsock-connect", "--listen", address, rig.path(3), "25")
    try:
        line = tool.stderr.readline().decode()
        assert "forwards to port 25" in line
        clients = []
        for _ in range(5):
            sock = socket.socket(socket.AF_INET if kind == "tcp" else socket.AF_UNIX)
            if kind == "tcp":
                sock.connect(("127.0.0.1", int(line.split()[1].rsplit(":", 1)[1])))
            else:
                sock.connect(f"{tmp_path}/s")
            sock.settimeout(20)
            clients.append(rig.keep(sock))
        rig.until(lambda: len(listener.conns) == 5, "connections")
        for i, conn in enumerate(listener.conns):
            conn.send(b"%d" % i)
        got = set()
        for sock in clients:
            rig.until(lambda sock=sock: select.select([sock], [], [], 0)[0], "data")
            got.add(sock.recv(10))
            sock.sendall(b"answer")
            sock.shutdown(socket.SHUT_WR)
        assert got == {b"0", b"1", b"2", b"3", b"4"}
        rig.until(lambda: all(c.rx == b"answer" for c in listener.conns), "answers")
        for conn in list(listener.conns):
            conn.shutdown(3)
        for sock in clients:
            rig.until(lambda sock=sock: select.select([sock], [], [], 0)[0], "end")
            assert sock.recv(10) == b""
    finally:
        tool.send_signal(signal.SIGTERM)
        assert tool.wait(20) == 0
    assert not os.path.exists(f"{tmp_path}/s")


# ---- replug


class Monitor:
    """QEMU's monitor, as far as the tool uses it."""

    def __init__(self, path, lets_go=True):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(path)
        self.sock.listen(1)
        self.lets_go = lets_go
        self.devices = {"vsock0"}
        self.chardevs = {"vsock0-char"}
        self.calls = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        """Answer one client."""
        client, _ = self.sock.accept()
        with self.sock, client, client.makefile("rw") as file:
            self.talk(file)

    def talk(self, file):
        """Greet, and answer until the client goes."""

        def say(what):
            file.write(json.dumps(what) + "\r\n")
            file.flush()

        say({"QMP": {"version": {}, "capabilities": []}})
        for line in file:
            call = json.loads(line)
            name, args = call["execute"], call.get("arguments", {})
            self.calls.append((name, args))
            answer, error = {}, None
            if name == "qom-list" and args["path"].rsplit("/", 1)[1] not in self.devices:
                error = "not found"
            elif name == "query-chardev":
                answer = [{"label": c} for c in self.chardevs]
            elif name == "chardev-remove":
                if self.devices:
                    error = "is busy"
                self.chardevs.discard(args["id"])
            elif name == "chardev-add":
                self.chardevs.add(args["id"])
            say({"error": {"desc": error}} if error else {"return": answer})
            if name == "device_del" and self.lets_go:
                self.devices.discard(args["id"])
                say({"event": "DEVICE_DELETED", "data": {"device": args["id"]}})


def test_replug(tmp_path):
    """The four steps in their order; a second run, or one after half of it, works, too."""
    monitor = Monitor(f"{tmp_path}/qmp")
    out, _ = run("dpdk-vsock-replug", f"{tmp_path}/qmp", "/run/x.sock", "-b", "port0")
    assert out == "vsock0: plugged in again, connected to /run/x.sock\n"
    names = [name for name, _ in monitor.calls if not name.startswith("q")]
    assert names == ["device_del", "chardev-remove", "chardev-add", "device_add"]
    assert monitor.calls[-1][1] == {
        "driver": "vhost-user-vsock-pci",
        "id": "vsock0",
        "chardev": "vsock0-char",
        "bus": "port0",
    }
    addr = monitor.calls[-2][1]["backend"]["data"]["addr"]
    assert addr == {"type": "unix", "data": {"path": "/run/x.sock"}}


def test_replug_when_the_guest_does_not_let_go(tmp_path):
    Monitor(f"{tmp_path}/qmp", lets_go=False)
    _, err = run("dpdk-vsock-replug", f"{tmp_path}/qmp", "/x", "-t", "0.3", status=1)
    assert err.count("\n") == 1 and "has not let go of the device within 0.3 s" in err


def test_replug_without_qemu(tmp_path):
    _, err = run("dpdk-vsock-replug", f"{tmp_path}/qmp", "/x", status=1)
    assert err == f"dpdk-vsock-replug: {tmp_path}/qmp: No such file or directory\n"
