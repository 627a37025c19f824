# SPDX-License-Identifier: BSD-3-Clause
"""Linux's own vsock tests (tools/testing/vsock of the newest kernel's source) between two guests
whose vsock goes through the daemon. A network between the guests is their control channel."""
import os
import re
import subprocess

import pytest

from daemon import Port
from guest import Guest, GuestError, VsockDevice
from lab import CID_A, CID_B, Lab

HERE = os.path.dirname(os.path.abspath(__file__))
CONTROL_PORT = 1234
SUITE_TIMEOUT = 400  # under emulation
KERNELS = ("latest", "latest")  # the tests are those of this kernel: older ones fail some of them
TEST_TIMEOUT = 120  # of one test
ATTEMPTS = 3


@pytest.fixture(scope="module")
def selftests():
    """The folder of the images, with the tests."""
    command = [os.path.join(HERE, "../../devtools/guest-image.sh"), "--selftests", *KERNELS]
    if os.environ.get("GUEST_IMAGE"):
        command[1:1] = ["--dir", os.environ["GUEST_IMAGE"]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode != 0:
        pytest.skip("no tests: " + done.stderr.strip().splitlines()[-1])
    return done.stdout.strip()


class NetworkedLab(Lab):
    """A lab whose guests also have a network with each other, and the tests in their image."""

    def make_guest(self, cid, kernel, workdir):
        image = os.path.join(self.workdir, f"image{cid}", kernel)
        os.makedirs(image)
        os.symlink(os.path.join(self.image, kernel, "vmlinux"), os.path.join(image, "vmlinux"))
        with open(os.path.join(image, "initramfs"), "wb") as out:
            for name in (f"{kernel}/initramfs", "selftests.cpio"):
                with open(os.path.join(self.image, name), "rb") as file:
                    out.write(file.read())
                out.write(b"\0" * (-out.tell() % 512))
        here, there = (os.path.join(self.workdir, f"net{c}") for c in (cid, CID_A + CID_B - cid))
        net = f"dgram,id=n0,local.type=unix,local.path={here},remote.type=unix,remote.path={there}"
        args = [
            "-netdev",
            net,
            "-device",
            f"virtio-net-pci,netdev=n0,romfile=,mac=52:54:00:00:00:{cid:02x}",
        ]
        device = VsockDevice(self.daemon.iface(cid))
        guest = Guest(
            os.path.dirname(image), kernel, workdir, f"guest{cid}", vsock=[device], args=args
        )
        guest.cid = cid
        return guest


@pytest.fixture(scope="module")
def network(vsockd, selftests, tmp_path_factory):
    """Two guests that reach each other by IP: 10.0.0.<CID>."""
    workdir = str(tmp_path_factory.mktemp("lab"))
    lab = NetworkedLab(vsockd, selftests, KERNELS, workdir, ports=[Port(CID_A), Port(CID_B)])
    lab.start()
    for guest in (lab.a, lab.b):
        for module in ("failover", "net_failover", "virtio_net", "vsock_diag", "vsock_loopback"):
            guest.shell(f"busybox insmod /modules/{module}.ko 2>/dev/null || true")
        guest.shell(f"busybox ifconfig eth0 10.0.0.{guest.cid} up")
    yield lab
    lab.close()


def listed(guest):
    """Numbers and names of the tests."""
    lines = guest.shell("/bin/vsock_test --list; true")
    return dict(re.findall(r"(?m)^(\d+)\s+(.*\S)\s*$", lines))


def run(server, client, options, timeout):
    """Run tests: the output of client and server. The client does not wait for a listener."""
    common = f"--control-port={CONTROL_PORT} {options}"
    serving = server.spawn(
        f"sh /bin/vsock_test --mode=server {common} --peer-cid={client.cid} 2>&1; true"
    )
    server.shell(
        f"i=0; until busybox netstat -ltn | busybox grep -q :{CONTROL_PORT} || [ $i -gt 200 ]; "
        "do i=$((i + 1)); busybox usleep 50000; done"
    )
    asking = client.spawn(
        f"sh /bin/vsock_test --mode=client {common} --control-host=10.0.0.{server.cid} "
        f"--peer-cid={server.cid} 2>&1; true"
    )
    texts = []
    for job in (asking, serving):
        try:
            job.wait(timeout, check=False)
        except GuestError:
            job.kill()
            job.wait(20, check=False)
        texts.append("\n".join(job.out))
    return texts


def verdicts(texts):
    """Number of a test: what each side said of it."""
    found = {}
    for text in texts:
        # A remark of the test may stand between the name and the verdict.
        for part in re.split(r"(?m)^(?=\d+ - )", text)[1:]:
            word = re.search(r"(?m)(?:^|\.\.\.)(ok|skipped)\s*$", part)
            if word:
                found.setdefault(part.split(" ", 1)[0], []).append(word.group(1))
    return found


@pytest.mark.parametrize("side", ["a serves", "b serves"])
def test_all(network, side):
    """All of them, and those that failed once more: some race with their own control channel."""
    server, client = (network.a, network.b) if side == "a serves" else (network.b, network.a)
    tests = listed(server)
    assert len(tests) > 20, tests
    results = verdicts(run(server, client, "", SUITE_TIMEOUT))
    last = {}
    for number in tests:
        for _ in range(ATTEMPTS):
            if len(results.get(number, [])) == 2:
                break
            last[number] = run(server, client, f"--pick={number}", TEST_TIMEOUT)
            results[number] = verdicts(last[number]).get(number, [])
    passed = [n for n in tests if results[n] == ["ok", "ok"]]
    skipped = [tests[n] for n in tests if results[n] == ["skipped", "skipped"]]
    print(f"{len(passed)} of {len(tests)} passed; skipped: {skipped}")
    for number in tests:
        if len(results[number]) != 2:
            for text, who in zip(last[number], ("client", "server")):
                lines = [line for line in text.splitlines() if "...skipped" not in line]
                print(f"test {number}, {who}:", *lines, sep="\n  ")
    assert len(passed) + len(skipped) == len(tests)
