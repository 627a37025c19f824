# SPDX-License-Identifier: BSD-3-Clause
"""The packages and the service in a Debian guest with systemd: install, start, kill, watchdog,
wrong configuration, SIGHUP, stop, purge.

Environment: SERVICE_CACHE, a folder for the image (default: as devtools/systemd-image.sh).
"""

import os
import re
import subprocess
import sys
import time

SKIPPED = 77
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEVTOOLS = os.path.join(ROOT, "devtools")
HERE = os.path.dirname(os.path.abspath(__file__))
TIMEOUT = 900
KERNEL_ARGS = (
    "console=ttyS0 quiet panic=0 cryptomgr.notests no_timer_check systemd.getty_auto=no "
    "systemd.unit=multi-user.target systemd.journald.forward_to_console=no "
    "initcall_blacklist=init_kprobe_trace,load_system_certificate_list,crypto_kdf108_init"
)
UNIT = """[Unit]
Description=test of the service
After=multi-user.target

[Service]
Type=oneshot
ExecStart=/guest.sh
StandardOutput=file:/dev/ttyS1
ExecStopPost=/bin/systemctl poweroff -ff
TimeoutStartSec=infinity

[Install]
WantedBy=default.target
"""


def wanted():
    """Names of the checks of guest.sh."""
    with open(os.path.join(HERE, "guest.sh"), encoding="utf-8") as file:
        return re.findall(r"(?m)^check (\w+) ", file.read()) + ["end"]


def output(*command, timeout=600, may_fail=True):
    """Last line of what a script prints. Without a network there is no image: that is a skip."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode == 0:
        return done.stdout.strip().splitlines()[-1]
    text = (done.stderr + done.stdout).strip()[-1000:]
    if may_fail or "packages: " in text:
        print(f"skipped: {command[0]}: {text}")
        sys.exit(SKIPPED)
    print(f"{command[0]} failed: {text}")
    sys.exit(1)


def make_initramfs(work, base, debs):
    """The image, and behind it what is of this run: the kernel unpacks both."""
    tree = os.path.join(work, "tree")
    wants = os.path.join(tree, "etc/systemd/system/multi-user.target.wants")
    os.makedirs(os.path.join(tree, "debs"))
    os.makedirs(wants)
    for deb in debs:
        subprocess.run(["cp", deb, os.path.join(tree, "debs")], check=True)
    subprocess.run(["cp", os.path.join(HERE, "guest.sh"), tree], check=True)
    with open(os.path.join(tree, "etc/systemd/system/service-test.service"), "w") as file:
        file.write(UNIT)
    os.symlink("../service-test.service", os.path.join(wants, "service-test.service"))
    image = os.path.join(work, "initramfs")
    with open(image, "wb") as out:
        with open(base, "rb") as file:
            while data := file.read(1 << 20):
                out.write(data)
        out.write(b"\0" * (-out.tell() % 512))
        out.flush()
        script = 'cd "$1" && find . | cpio -o -H newc --quiet -R 0:0'
        subprocess.run(["sh", "-c", script, "sh", tree], stdout=out, check=True)
    return image


def boot(work, kernel, initramfs):
    """Run the guest to its end; what it wrote to its second serial port."""
    log = os.path.join(work, "checks")
    console = os.path.join(work, "console")
    command = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "Nehalem", "-machine", "q35"]
    command += ["-bios", "qboot.rom", "-smp", "2", "-m", "1024", "-nodefaults", "-no-user-config"]
    command += ["-display", "none", "-no-reboot", "-serial", f"file:{console}"]
    command += ["-serial", f"file:{log}", "-kernel", kernel, "-initrd", initramfs]
    command += ["-append", KERNEL_ARGS]
    begin = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as qemu:
        try:
            qemu.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            qemu.kill()
    print(f"the guest ran for {time.monotonic() - begin:.0f} s")
    texts = []
    for path in (log, console):
        with open(path, encoding="utf-8", errors="replace") as file:
            texts.append(file.read().replace("\r", ""))
    return texts


def main(work):
    """Returns the exit status."""
    if os.geteuid() != 0:
        print("skipped: the image is made by root")
        return SKIPPED
    debs = os.path.join(work, "debs")
    output(os.path.join(DEVTOOLS, "deb.sh"), "--no-lintian", "--out", debs, may_fail=False)
    names = sorted(os.listdir(debs))
    packages = [os.path.join(debs, n) for n in names if n.endswith(".deb") and "dbgsym" not in n]
    cache = os.environ.get("SERVICE_CACHE")
    options = ["--dir", cache] if cache else []
    base = output(os.path.join(DEVTOOLS, "systemd-image.sh"), *options, *packages)
    kernel = output(os.path.join(DEVTOOLS, "guest-image.sh"), "old") + "/old/vmlinux"
    checks, console = boot(work, kernel, make_initramfs(work, base, packages))
    print(checks)
    results = dict(re.findall(r"(?m)^## (\w+) (\d+)$", checks))
    failed = [name for name in wanted() if results.get(name) != "0"]
    if failed:
        print(f"failed: {' '.join(failed)}\n--- console\n{console[-4000:]}")
        return 1
    print(f"{len(results) - 1} checks passed")
    return 0


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory(prefix="vsock-service-") as folder:
        sys.exit(main(folder))
