# SPDX-License-Identifier: BSD-3-Clause
"""A Linux guest in QEMU, emulated in software, and the agent that runs in it.

    guest = Guest(image_dir, 'old', workdir, 'a', vsock=[VsockDevice(path)])
    guest.start()
    replies = guest.run('connect 2 1234', 'send 16M 1', 'shut wr', 'recv eof')
    print(replies['recv']['digest'])

`run` and `spawn` take the steps that agent_*.c describe; for a job that was spawned see jobs.py.
"""
import binascii
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

from jobs import Job, PartyError, Reply, STEP_TIMEOUT

BOOT_TIMEOUT = 90
QEMU = "qemu-system-x86_64"
PR_SET_PDEATHSIG = 1

# Parts of the kernel start that are slow under emulation and that no test needs.
KERNEL_ARGS = (
    "console=ttyS0 quiet panic=0 cryptomgr.notests no_timer_check "
    "initcall_blacklist=init_kprobe_trace,load_system_certificate_list,"
    "crypto_kdf108_init"
)


class GuestError(PartyError):
    """The guest or its emulator failed; the text holds the end of the logs."""


def tail(path, lines=25):
    try:
        with open(path, "rb") as f:
            text = f.read()[-8192:].decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Qmp:
    """QEMU's control channel."""

    def __init__(self, sock):
        self.sock = sock
        self.file = sock.makefile("rb")
        self.events = []
        self.lock = threading.Lock()
        self.sock.settimeout(30)

    def start(self):
        self.read()  # greeting
        self("qmp_capabilities")

    def read(self):
        line = self.file.readline()
        if not line:
            raise GuestError("QEMU has closed its control channel")
        return json.loads(line)

    def __call__(self, command, **arguments):
        with self.lock:
            message = {"execute": command}
            if arguments:
                message["arguments"] = arguments
            self.sock.sendall(json.dumps(message).encode() + b"\n")
            while True:
                reply = self.read()
                if "event" in reply:
                    self.events.append(reply)
                elif "error" in reply:
                    raise GuestError(f'{command}: {reply["error"]["desc"]}')
                else:
                    return reply["return"]


class VsockDevice:
    """A vhost-user-vsock device and the socket of its back end."""

    def __init__(self, path, server=False, hotplug=False, **properties):
        self.path = path
        self.server = server  # True: QEMU listens and the daemon connects
        self.hotplug = hotplug  # not there at start: Guest.plug_vsock
        self.properties = properties

    def chardev(self, chardev_id):
        wait = ",server=on,wait=on" if self.server else ""
        return f"socket,id={chardev_id},path={self.path}{wait}"

    def device(self, chardev_id):
        extra = "".join(f",{k}={v}" for k, v in self.properties.items())
        return f"vhost-user-vsock-pci,id=dev-{chardev_id},chardev={chardev_id}{extra}"


class Guest:
    """One emulated machine; see the module's description."""

    def __init__(self, image_dir, kernel, workdir, name, vsock=(), memory_mib=256, args=()):
        self.image = os.path.join(image_dir, kernel)
        self.kernel = kernel
        self.name = name
        self.vsock = list(vsock)
        self.memory_mib = memory_mib
        self.args = list(args)
        self.console = os.path.join(workdir, f"{name}.console")
        self.qemu_log = os.path.join(workdir, f"{name}.qemu")
        self.proc = None
        self.qmp = None
        self.release = None
        self.hello = []  # one for each boot
        self.bad = []  # complaints of the agent about the line
        self.boot_seconds = None
        self.jobs = {}
        self.next_job = 1
        self.changed = threading.Condition()
        self.closed = False

    def command(self, ctl_fd, qmp_fd):
        size = f"{self.memory_mib}M"
        args = [
            shutil.which(QEMU) or QEMU,
            "-name",
            self.name,
            "-accel",
            "tcg",
            # QEMU 7.2 emulates cmpxchg16b wrongly: newer kernels crash on it.
            "-cpu",
            "qemu64,-cx16",
            "-machine",
            "q35,memory-backend=m0",
            "-bios",
            "qboot.rom",
            "-smp",
            "1",
            "-m",
            f"{size},slots=4,maxmem=2G",
            "-object",
            f"memory-backend-memfd,id=m0,size={size},share=on",
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-chardev",
            f"file,id=con,path={self.console}",
            "-serial",
            "chardev:con",
            "-chardev",
            f"socket,id=ctl,fd={ctl_fd}",
            "-serial",
            "chardev:ctl",
            "-chardev",
            f"socket,id=qmp,fd={qmp_fd}",
            "-mon",
            "chardev=qmp,mode=control",
            "-kernel",
            os.path.join(self.image, "vmlinux"),
            "-initrd",
            os.path.join(self.image, "initramfs"),
            "-append",
            KERNEL_ARGS,
        ]
        for i, device in enumerate(self.vsock):
            # A device behind a root port can be added and removed while the machine runs.
            args += ["-device", f"pcie-root-port,id=port{i},chassis={i + 1},slot={i + 1}"]
            if not device.hotplug:
                args += [
                    "-chardev",
                    device.chardev(f"vs{i}"),
                    "-device",
                    f'{device.device(f"vs{i}")},bus=port{i}',
                ]
        return args + self.args

    def start(self, wait=True):
        start = time.monotonic()
        self.ctl, ctl = socket.socketpair()
        qmp_mine, qmp = socket.socketpair()
        with open(self.qemu_log, "ab") as log:
            self.proc = subprocess.Popen(
                self.command(ctl.fileno(), qmp.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(ctl.fileno(), qmp.fileno()),
                preexec_fn=die_with_parent,
            )
        ctl.close()
        qmp.close()
        self.qmp = Qmp(qmp_mine)
        self.reader = threading.Thread(target=self.read_lines, daemon=True)
        self.reader.start()
        try:
            self.qmp.start()
        except (GuestError, OSError) as e:
            self.proc.wait(10)
            raise self.failure(f"QEMU ended: {tail(self.qemu_log, 1) or e}") from None
        if wait:
            self.wait_boot()
            self.boot_seconds = time.monotonic() - start
        return self

    def wait_boot(self, boot=1, timeout=BOOT_TIMEOUT):
        """Until the agent has said hello for the `boot`th time."""
        self.wait_for(lambda: len(self.hello) >= boot or None, timeout, "boot")
        self.release = self.hello[-1]["release"]

    def close(self):
        """End the emulator and everything that belongs to it."""
        self.closed = True
        if self.proc is not None:
            if self.proc.poll() is None:
                self.proc.kill()
            self.proc.wait()
            self.ctl.shutdown(socket.SHUT_RDWR)
            self.reader.join()
            self.ctl.close()
            self.qmp.file.close()
            self.qmp.sock.close()
            self.proc = None

    # -- the agent

    def read_lines(self):
        pending = b""
        while True:
            try:
                data = self.ctl.recv(65536)
            except OSError:
                data = b""
            if not data:
                break
            *lines, pending = (pending + data).split(b"\n")
            with self.changed:
                for line in lines:
                    self.take_line(line)
                self.changed.notify_all()
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def take_line(self, line):
        crc, _, rest = line.partition(b" ")
        try:
            intact = int(crc, 16) == binascii.crc_hqx(rest, 0xFFFF)
        except ValueError:
            intact = False
        if not intact:
            # A line that a reset machine was writing is cut.
            self.bad.append(f"damaged: {line!r}")
            return
        words = rest.decode(errors="replace").split(" ")
        job_id, words = int(words[0]), words[1:]
        if job_id == 0:
            if words[0] == "hello":
                for job in self.jobs.values():
                    job.exit = job.exit or "reboot"
                self.jobs.clear()
                self.hello.append(Reply("hello", True, words))
            else:
                self.bad.append(" ".join(words))
            return
        job = self.jobs.get(job_id)
        if job is None:
            return
        if words[0] == "exit":
            job.exit = words[1]
        elif words[0] == "out":
            job.out.append(" ".join(words[1:]))
        elif words[2] == "begin":
            job.waiting += 1
        elif words[2] == "part":
            job.out.append(" ".join(words[1:]))
        else:
            job.replies.append(Reply(words[1], words[2] == "ok", words[3:]))

    def send_line(self, job_id, text):
        rest = f"{job_id} {text}".encode()
        self.ctl.sendall(b"%04x %s\n" % (binascii.crc_hqx(rest, 0xFFFF), rest))

    def wait_for(self, condition, timeout, what):
        """Wait until `condition` gives something else than None."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                result = condition()
                if result is not None:
                    return result
                if self.closed:
                    raise self.failure(f"the machine ended while waiting for {what}")
                if self.bad:
                    raise self.failure(f"agent: {self.bad[0]}")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise self.failure(f"no {what} within {timeout} s")
                self.changed.wait(left)

    def failure(self, text):
        return GuestError(
            f"{self.name}: {text}\n--- console\n{tail(self.console)}\n"
            f"--- qemu\n{tail(self.qemu_log)}"
        )

    def spawn(self, *steps):
        with self.changed:
            job = Job(self, self.next_job, steps)
            self.next_job += 1
            self.jobs[job.id] = job
        self.send_line(job.id, "run " + "\t".join(steps))
        return job

    def job_go(self, job):
        self.send_line(job.id, "go")

    def job_kill(self, job):
        self.send_line(job.id, "kill")

    def end_jobs(self, timeout=20):
        """Kill what a test has left behind."""
        for job in list(self.jobs.values()):
            if job.exit is None:
                job.kill()
                job.wait(timeout, check=False)
        self.jobs = {}

    def run(self, *steps, timeout=STEP_TIMEOUT):
        return self.spawn(*steps).wait(timeout)

    def shell(self, command, timeout=STEP_TIMEOUT):
        job = self.spawn("sh " + command)
        job.wait(timeout)
        return "\n".join(job.out)

    # -- the machine

    def reboot(self):
        """Pull the reset line and wait until the system is up again."""
        boots = len(self.hello)
        self.bad.clear()
        self.qmp("system_reset")
        deadline = time.monotonic() + BOOT_TIMEOUT
        while len(self.hello) <= boots:
            self.bad.clear()
            if self.proc.poll() is not None or time.monotonic() > deadline:
                raise self.failure("did not come back after a reset")
            time.sleep(0.05)

    def virtio_name(self):
        """The name of the vsock device on the virtio bus."""
        return self.shell(
            "cd /sys/bus/virtio/drivers/vmw_vsock_virtio_transport && " "echo virtio*"
        ).split()[0]

    def unbind(self):
        name = self.virtio_name()
        self.shell(f"echo {name} > /sys/bus/virtio/drivers/vmw_vsock_virtio_transport/unbind")
        return name

    def bind(self, name):
        self.shell(f"echo {name} > /sys/bus/virtio/drivers/vmw_vsock_virtio_transport/bind")

    def stop(self):
        self.qmp("stop")

    def cont(self):
        self.qmp("cont")

    def freeze(self):
        """Stop the emulator process at any point."""
        self.proc.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.proc.send_signal(signal.SIGCONT)

    def memory_total_kib(self):
        for line in self.shell("cat /proc/meminfo").splitlines():
            if line.startswith("MemTotal:"):
                return int(line.split()[1])
        raise GuestError(f"{self.name}: no MemTotal")

    def plug_memory(self, index, mib):
        """Add a memory module to the running machine and wait until the kernel uses it."""
        before = self.memory_total_kib()
        self.qmp(
            "object-add",
            **{
                "qom-type": "memory-backend-memfd",
                "id": f"hot{index}",
                "size": mib << 20,
                "share": True,
            },
        )
        self.qmp("device_add", driver="pc-dimm", id=f"dimm{index}", memdev=f"hot{index}")
        deadline = time.monotonic() + STEP_TIMEOUT
        while self.memory_total_kib() < before + mib * 1024 * 9 // 10:
            if time.monotonic() > deadline:
                raise self.failure("memory that was added is not in use")
            time.sleep(0.2)

    def has_vsock(self, index):
        """Whether the vsock device `index` is plugged in."""
        return not self.closed and any(
            c["label"] == f"vs{index}" for c in self.qmp("query-chardev")
        )

    def vsock_connected(self, index):
        """Whether QEMU has a connection to the back end of the device `index`."""
        (chardev,) = [c for c in self.qmp("query-chardev") if c["label"] == f"vs{index}"]
        return "disconnected" not in chardev["filename"]

    def plug_vsock(self, index, reconnect=None):
        """Add the vsock device `index` to the running machine."""
        device = self.vsock[index]
        backend = {
            "type": "socket",
            "data": {
                "addr": {"type": "unix", "data": {"path": device.path}},
                "server": device.server,
            },
        }
        if device.server:
            backend["data"]["wait"] = False
        elif reconnect is not None:
            backend["data"]["reconnect"] = reconnect
        self.qmp("chardev-add", id=f"vs{index}", backend=backend)
        # A chardev that reconnects does so in the background, the first time included.
        deadline = time.monotonic() + STEP_TIMEOUT
        while not self.vsock_connected(index):
            if time.monotonic() > deadline:
                raise self.failure(f"no connection to {device.path}")
            time.sleep(0.05)
        self.qmp(
            "device_add",
            driver="vhost-user-vsock-pci",
            id=f"dev-vs{index}",
            bus=f"port{index}",
            chardev=f"vs{index}",
            **device.properties,
        )

    def wait_cid(self, cid):
        """Wait until the guest's driver has taken the CID of its vsock device."""
        deadline = time.monotonic() + STEP_TIMEOUT
        while self.run("?cid")["cid"].get("cid") != cid:
            if time.monotonic() > deadline:
                raise self.failure(f"the guest does not have CID {cid}")
            time.sleep(0.02)

    def unplug_vsock(self, index):
        """Remove the vsock device `index` from the running machine, with its driver's consent."""
        device = f"dev-vs{index}"
        self.qmp.events.clear()
        self.qmp("device_del", id=device)
        deadline = time.monotonic() + STEP_TIMEOUT
        while not any(
            event["event"] == "DEVICE_DELETED" and event.get("data", {}).get("device") == device
            for event in self.qmp.events
        ):
            if time.monotonic() > deadline:
                raise self.failure(f"{device} was not removed")
            time.sleep(0.02)
            self.qmp("query-status")  # reads the events that came before its answer
        self.qmp("chardev-remove", id=f"vs{index}")
