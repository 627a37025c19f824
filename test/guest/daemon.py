# SPDX-License-Identifier: BSD-3-Clause
"""The daemon under test as a process, and its telemetry."""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from guest import die_with_parent, tail

START_TIMEOUT = 30


class DaemonError(Exception):
    """The daemon failed; the text holds the end of its log."""


class Port:
    """A guest of the daemon: the devargs that the tests care for."""

    def __init__(self, cid, client=False, **devargs):
        self.cid = cid
        self.client = client
        self.devargs = devargs


class Daemon:
    """dpdk-vsockd with the ports `ports`, in a folder of its own under `workdir`."""

    def __init__(self, binary, workdir, ports, lcores=2, app_args=('--idle', 'adaptive')):
        self.binary = binary
        self.workdir = workdir
        self.ports = list(ports)
        self.lcores = lcores    # the main lcore and those that poll
        self.app_args = list(app_args)
        # Paths of Unix sockets are short.
        self.dir = tempfile.mkdtemp(prefix='vsockd-', dir='/tmp')
        self.prefix = os.path.basename(self.dir)
        self.log = os.path.join(workdir, 'daemon.log')
        self.uds = {port.cid: os.path.join(self.dir, f'{port.cid}.vsock') for port in self.ports}
        self.proc = None

    def iface(self, cid):
        return os.path.join(self.dir, f'{cid}.sock')

    def command(self):
        # The main lcore has the first CPU, those that poll share the second one.
        cpus = sorted(os.sched_getaffinity(0))
        polled = cpus[min(1, len(cpus) - 1)]
        lcores = ','.join([f'0@{cpus[0]}'] + [f'{i}@{polled}' for i in range(1, self.lcores)])
        args = [self.binary, '--no-pci', '--no-huge', '-m', '256', '--lcores', lcores,
                '--file-prefix', self.prefix]
        for i, port in enumerate(self.ports):
            vdev = (f'vsock_vhost{i},iface={self.iface(port.cid)},cid={port.cid},'
                    f'uds={self.uds[port.cid]},client={int(port.client)}')
            args += ['--vdev', vdev + ''.join(f',{k}={v}' for k, v in port.devargs.items())]
        return args + ['--'] + self.app_args

    def start(self):
        if not os.access(self.binary, os.X_OK):
            raise DaemonError(f'{self.binary} cannot be run')
        with open(self.log, 'ab') as log:
            self.proc = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                         stderr=log, preexec_fn=die_with_parent)
        expected = [self.iface(port.cid) for port in self.ports if not port.client]
        expected += self.uds.values()
        deadline = time.monotonic() + START_TIMEOUT
        while not all(os.path.exists(path) for path in expected):
            self.check()
            if time.monotonic() > deadline:
                raise DaemonError(f'the sockets of the daemon did not appear\n{tail(self.log)}')
            time.sleep(0.02)
        return self

    def check(self):
        """Raise if the daemon is not alive."""
        if self.proc is None or self.proc.poll() is not None:
            status = self.proc.returncode if self.proc else 'never started'
            raise DaemonError(f'the daemon is gone ({status})\n{tail(self.log)}')

    def stop(self, timeout=30):
        """End it as an operator would; exit status and seconds."""
        start = time.monotonic()
        self.proc.send_signal(signal.SIGTERM)
        try:
            status = self.proc.wait(timeout)
        except subprocess.TimeoutExpired:
            raise DaemonError(f'still there {timeout} s after SIGTERM\n{tail(self.log)}') from None
        return status, time.monotonic() - start

    def close(self):
        if self.proc is not None and self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        # EAL's own folder outlives it.
        shutil.rmtree(self.run_dir(), ignore_errors=True)
        shutil.rmtree(self.dir, ignore_errors=True)

    def run_dir(self):
        run = '/var/run' if os.geteuid() == 0 else os.environ.get('XDG_RUNTIME_DIR', '/tmp')
        return os.path.join(run, 'dpdk', self.prefix)

    def cpu_seconds(self):
        """What it has used of the CPUs."""
        with open(f'/proc/{self.proc.pid}/stat', encoding='ascii') as f:
            fields = f.read().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def telemetry(self, command):
        """The answer of DPDK's telemetry to `command`."""
        path = os.path.join(self.run_dir(), 'dpdk_telemetry.v2')
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.settimeout(10)
            sock.connect(path)
            limit = json.loads(sock.recv(1024))['max_output_len']
            sock.sendall(command.encode())
            answer = json.loads(sock.recv(limit))
        return answer[command.split(',')[0]]
