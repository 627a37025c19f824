# SPDX-License-Identifier: BSD-3-Clause
"""Every command of README.md and doc/ is run, or its parts are, on this checkout.

Each command line of a code block must have a handler here. Paths in /tmp and /run/vsockd become
those of the test.
"""

import glob
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import xml.etree.ElementTree

import pytest
from pylib.daemon import pattern, sanitized

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("VSOCKD_BUILD", "")
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "config/README.md"]
DOCUMENTS += sorted(os.path.relpath(p, ROOT) for p in glob.glob(os.path.join(ROOT, "doc/*.md")))


def blocks(name):
    """Code blocks of a document: (language, text). Indented ones have no language."""
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        text = file.read()
    found = re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", text)
    rest = re.sub(r"(?ms)^```\w*\n.*?^```$", "", text)
    for match in re.finditer(r"(?m)(?:^    .*\n(?:\n(?=    ))?)+", "\n" + rest):
        found.append(("", re.sub(r"(?m)^    ", "", match.group(0))))
    return found


PROGRAM = re.compile(
    r"^(\$ )?(?:env |sudo )?(?:\./)?(devtools/[\w.-]+|meson|ninja|apt-get|dpkg-[\w.]+|dpdk-[\w.-]+|"
    r"build/[\w./]+|"
    r"socat|ssh|qemu-system-x86_64|export|test_wq_torture|systemctl|journalctl)\b"
)


def commands():
    """All command lines: (document, line)."""
    for name in DOCUMENTS:
        for language, text in blocks(name):
            if language not in ("", "sh"):
                continue
            for line in re.sub(r"\\\n\s*", "", text).splitlines():
                line = line.split("  # ")[0].split(" # ")[0].strip()
                if language == "sh" or PROGRAM.match(line):
                    yield name, line.removeprefix("$ ")


def run(line, status=0, **kwargs):
    """Run a command line of a shell: its output."""
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, timeout=300, check=False, **kwargs
    )
    assert done.returncode == status, (line, done)
    return done.stdout + done.stderr


class World:
    """An installed copy of the programs, and a daemon with the guest of the documents."""

    def __init__(self, launch, prefix, shared, tmp):
        self.launch = launch
        self.shared = str(shared)  # by all lines
        self.tmp = str(tmp)
        bins = [os.path.join(prefix, d) for d in ("bin", "sbin")]
        self.env = dict(os.environ, PATH=os.pathsep.join(bins + [os.environ["PATH"]]))
        self.rig = None

    def started(self):
        """The rig of a daemon that was started as the documents say."""
        if self.rig is None:
            self.rig = self.launch(cids=(3, 4))
        return self.rig

    def here(self, line):
        """The line with the paths and the prefix of this test."""
        rig = self.started()
        line = line.replace("/tmp/vm3.vsock", rig.path(3)).replace(
            "/run/vsockd/vm3.vsock", rig.path(3)
        )
        line = line.replace("/tmp/vm3.sock", rig.daemon.ports[3].iface)
        return line.replace("/tmp/vm3.qmp", f"{self.tmp}/qmp")

    def popen(self, line, **kwargs):
        """Start it."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            ["bash", "-c", "exec " + line],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=self.env,
            **kwargs,
        )


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A folder for all lines of the documents."""
    folder = tmp_path_factory.mktemp("shared")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def world(launch, prefix, shared, tmp_path):
    return World(launch, prefix, shared, tmp_path)


def finish(tool, status=0):
    """End a tool that was started."""
    tool.send_signal(signal.SIGTERM)
    try:
        assert tool.wait(30) == status, tool.stderr.read()
    finally:
        for pipe in (tool.stdin, tool.stdout, tool.stderr):
            pipe.close()


# ---- handlers: what a line has to do


def script(_world, line):
    """A script of devtools knows its options; it is too long to be run here."""
    words = shlex.split(line)
    text = run(f"{words[0]} --help", cwd=ROOT)
    for word in words[1:]:
        if word.startswith("--"):
            assert word.split("=")[0] in text, line


def packages(_world, line):
    """devtools/test-deb.sh and test/service do this in a Debian of their own."""
    with open(os.path.join(ROOT, "debian/control"), encoding="utf-8") as file:
        names = set(re.findall(r"(?m)^Package: (.*)$", file.read()))
    words = [re.sub(r".*/|_\*\.deb$", "", w) for w in shlex.split(line)[2:] if w != "-y"]
    assert set(words) == names


def meson(world, line):
    """The build from source, on a copy of the checkout."""
    if sanitized() or shutil.which("ccache") is None:
        pytest.skip("once, with a compiler cache, is enough")
    copy = f"{world.shared}/checkout"
    if not os.path.exists(copy):
        os.mkdir(copy)
        run(f"git -c safe.directory='*' ls-files -z | xargs -0 cp --parents -t {copy}", cwd=ROOT)
    env = dict(os.environ, CC="ccache gcc", DESTDIR=f"{world.shared}/dest")
    if not line.startswith("meson setup"):
        run("test -d build || meson setup -Dtests=false build && ninja -C build", cwd=copy, env=env)
    run(line, cwd=copy, env=env)


def daemon(world, line):
    """It starts as it stands, says that it is ready, and ends with status 0."""
    line = line.replace("/tmp/", world.tmp + "/")
    env = dict(world.env, RUNTIME_DIRECTORY=world.tmp)
    with subprocess.Popen(
        ["bash", "-c", "exec " + line], stderr=subprocess.PIPE, text=True, env=env
    ) as process:
        text = ""
        for text_line in process.stderr:
            text += text_line
            if "vsock: ready" in text_line:
                break
        process.terminate()
        assert process.wait(30) == 0, text
        process.stderr.read()
    assert "vsock: ready: 1 guest" in text


def once(world, line):
    """A tool that shows the daemon, once."""
    rig = world.started()
    out = run(f"{world.here(line)} -s {rig.daemon.telemetry_path()} -n 1", env=world.env)
    assert len(out) > 50


def exporter(world, line):
    rig = world.started()
    out = run(f"{line} -s {rig.daemon.telemetry_path()} --once", env=world.env)
    assert "vsockd_up 1" in out


def pktgen(world, line):
    """With the sockets of this test."""
    rig = world.started()
    for name, cid in (("a", 3), ("b", 4)):
        line = line.replace(f"/run/vsockd/{name}.sock", rig.daemon.ports[cid].iface)
        line = line.replace(f"/run/vsockd/{name}.vsock", rig.path(cid))
    line = line.replace("$(pidof dpdk-vsockd)", str(rig.daemon.process.pid))
    line = re.sub(r"--seconds \d+", "--seconds 0.5", line)
    assert "ok" in run(line, env=world.env)


def host_to_guest(world, line):
    """socat talks to a guest: the line CONNECT, OK, and bytes both ways."""
    rig = world.started()
    guest = rig.guest(3)
    listener = guest.listen(5000)
    tool = world.popen(world.here(line))
    tool.stdin.write(b"CONNECT 5000\n")
    tool.stdin.flush()
    rig.until(lambda: listener.conns, "connection")
    assert tool.stdout.readline().startswith(b"OK ")
    listener.conns[0].send(b"hello\n")
    rig.until(lambda: guest.idle, "sent")
    assert tool.stdout.readline() == b"hello\n"
    tool.stdin.close()
    rig.until(lambda: listener.conns[0].peer_shutdown, "end of input")
    listener.conns[0].shutdown(3)
    rig.until(lambda: tool.poll() is not None, "end")
    tool.stdout.close()
    tool.stderr.close()


def guest_to_host(world, line):
    """socat serves the guest's connections."""
    rig = world.started()
    guest = rig.guest(3)
    tool = world.popen(world.here(line))
    path = rig.path(3, 5000)
    rig.until(lambda: os.path.exists(path), "listener")
    conn = guest.connect(5000)
    rig.until(lambda: conn.open, "connection")
    conn.send(b"echo")
    rig.until(lambda: conn.rx == b"echo", "echo")
    conn.shutdown(3)
    rig.until(lambda: conn.closed, "end")
    finish(tool, status=128 + signal.SIGTERM)
    if os.path.exists(path):
        os.unlink(path)


def in_guest(_world, line):
    """Runs in a guest: test/guest uses such addresses."""
    assert re.fullmatch(r"socat - VSOCK-CONNECT:2:\d+", line)


def ssh(world, line):
    """The ProxyCommand carries a banner of the guest; ssh itself is not needed for that."""
    rig = world.started()
    (proxy,) = (w.split("=", 1)[1] for w in shlex.split(line) if w.startswith("ProxyCommand="))
    guest = rig.guest(3)
    listener = guest.listen(22)
    tool = world.popen(world.here(proxy))
    rig.until(lambda: listener.conns, "connection")
    listener.conns[0].send(b"SSH-2.0-test\r\n")
    rig.until(lambda: guest.idle, "sent")
    assert tool.stdout.readline() == b"SSH-2.0-test\r\n"
    listener.conns[0].shutdown(3)
    rig.until(lambda: tool.poll() is not None, "end")
    finish(tool)


def forward(world, line):
    """A TCP client of loopback reaches the guest."""
    rig = world.started()
    guest = rig.guest(3)
    listener = guest.listen(80)
    tool = world.popen(world.here(line).replace("127.0.0.1:8080", "127.0.0.1:0"))
    port = int(tool.stderr.readline().split()[1].rsplit(b":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        client.sendall(pattern(1000))
        rig.until(lambda: listener.conns and listener.conns[0].rx == pattern(1000), "data")
        listener.conns[0].shutdown(3)
        rig.until(lambda: guest.idle, "end")
    finish(tool)


def replug(world, line):
    """Without QEMU: its arguments are right, and the failure is one line. test/guest has a QEMU."""
    text = run(world.here(line), status=1, env=world.env)
    assert text == f"dpdk-vsock-replug: {world.tmp}/qmp: No such file or directory\n"


def qemu(world, line):
    """QEMU accepts the options and connects, without a system to boot."""
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("QEMU is not installed")
    rig = world.started()
    line = world.here(line).replace(" ...", " -S -display none -nodefaults -accel tcg")
    tool = world.popen(line)
    try:
        rig.daemon.wait_for(
            lambda: "front end: connected" in rig.daemon.stderr() or tool.poll() is not None,
            "no connection",
        )
        assert tool.poll() is None, tool.stderr.read()
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(20)
            monitor.connect(f"{world.tmp}/qmp")
            assert b'"QMP"' in monitor.recv(65536)
    finally:
        tool.kill()
        tool.wait()
        for pipe in (tool.stdin, tool.stdout, tool.stderr):
            pipe.close()
    rig.daemon.wait_for(lambda: "disconnected" in rig.daemon.stderr(), "still connected")


def exported(_world, line):
    """Variables of the sanitizers, as devtools sets them."""
    name = re.match(r"export (\w+)=", line).group(1)
    with open(os.path.join(ROOT, "devtools/builds.py"), encoding="utf-8") as file:
        assert name in file.read()


def torture(_world, line):
    """A program of the build."""
    assert glob.glob(f"{BUILD}/**/{line.split()[0]}", recursive=True), line


def simulator(_world, line):
    """Its options are right. test/sim runs it."""
    programs = glob.glob(f"{BUILD}/test/sim/vsock_sim")
    if not programs:
        pytest.skip("this build has no simulator")
    text = run(f"{programs[0]} --help")
    for word in shlex.split(line)[1:]:
        assert not word.startswith("--") or word in text, word


HANDLERS = (
    (r"devtools/", script),
    (r"apt-get ", packages),
    (r"meson test -C BUILD", lambda world, line: None),  # as devtools/test.sh does
    (r"meson |ninja ", meson),
    (r"dpdk-vsockd ", daemon),
    (r"dpdk-vsock-top\.py|dpdk-wq-monitor\.py", once),
    (r"dpdk-vsock-exporter\.py", exporter),
    (r"dpdk-vsock-pktgen ", pktgen),
    (r"dpdk-vsock-connect\.py --listen", forward),
    (r"dpdk-vsock-replug\.py", replug),
    (r"socat - UNIX-CONNECT", host_to_guest),
    (r"socat UNIX-LISTEN", guest_to_host),
    (r"socat - VSOCK-CONNECT", in_guest),
    (r"ssh ", ssh),
    (r"qemu-system-x86_64 ", qemu),
    (r"export ", exported),
    (r"test_wq_torture ", torture),
    (r"build/test/sim/vsock_sim ", simulator),
)


def test_documents_have_commands():
    assert len(list(commands())) > 20


@pytest.mark.parametrize("name,line", list(commands()))
def test_command(world, name, line):
    """One line of a document."""
    for start, handler in HANDLERS:
        if re.match(start, line):
            if line.startswith("socat") and shutil.which("socat") is None:
                pytest.skip("socat is not installed")
            handler(world, line)
            return
    pytest.fail(f"{name}: no handler runs: {line}")


def test_libvirt():
    """The XML is well formed, and its arguments are those of the QEMU command."""
    (text,) = (t for _, t in blocks("README.md") if "<domain" in t)
    tree = xml.etree.ElementTree.fromstring(text.replace("...", ""))
    values = [e.get("value") for e in tree.iter() if e.tag.endswith("}arg")]
    assert values[0::2] == ["-chardev", "-device"]
    assert values[3].startswith("vhost-user-vsock-pci,")
