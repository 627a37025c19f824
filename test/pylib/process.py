# SPDX-License-Identifier: BSD-3-Clause
"""A server under test as a child process: start, log, resources, end."""

import ctypes
import os
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
READY_TIMEOUT = 40
END_TIMEOUT = 30


class ProcessError(AssertionError):
    """The process did not do what it has to; the text ends with its log."""


class Process:
    """One child process at a time; stdout and stderr go to the file `stderr_path`.

    A subclass overrides command(), and ready() where the process needs time to start.
    """

    def __init__(self, stderr_path):
        self.stderr_path = stderr_path
        self.process = None

    def command(self):
        """The command line."""
        raise NotImplementedError

    def environment(self):
        """The environment variables."""
        return dict(os.environ)

    def ready(self):
        """Can the process serve?"""
        return True

    # --- life

    def spawn(self, cpu=None):
        """Start without waiting; `cpu`: the only one that the process may use."""

        def prepare():
            # In the child: do not outlive a test that is killed.
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if cpu is not None:
                os.sched_setaffinity(0, {cpu})

        with open(self.stderr_path, "ab") as stderr:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                preexec_fn=prepare,
                env=self.environment(),
            )
        return self

    def start(self, timeout=READY_TIMEOUT, cpu=None):
        """Start and wait until it is ready."""
        self.spawn(cpu)
        self.wait_for(self.ready, "not ready", timeout)
        return self

    def wait_for(self, condition, what, timeout=20.0):
        """Wait for something that no loop of the test takes part in."""
        end = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            self.check()
            if time.monotonic() > end:
                raise ProcessError(f"{what} within {timeout} s\n{self.stderr()}")
            time.sleep(0.01)

    def alive(self):
        """Is the process running?"""
        return self.process is not None and self.process.poll() is None

    def check(self):
        """Raise if the process is not running."""
        if not self.alive():
            status = self.process.returncode if self.process else "never started"
            raise ProcessError(f"the process is gone: {status}\n{self.stderr()}")

    def terminate(self, sig=signal.SIGTERM, timeout=END_TIMEOUT):
        """Signal the process and wait for its end.  Returns (exit status, seconds)."""
        start = time.monotonic()
        self.process.send_signal(sig)
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ProcessError(
                f"still running {timeout} s after {signal.Signals(sig).name}\n" f"{self.stderr()}"
            ) from None
        return status, time.monotonic() - start

    def kill(self):
        """Kill the process if it runs."""
        if self.alive():
            self.process.kill()
            self.process.wait()

    def stderr(self):
        """The log so far."""
        try:
            with open(self.stderr_path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    # --- resources in use

    def nb_fds(self):
        """Open file descriptors."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def fd_targets(self):
        """Targets of the descriptors, for reports."""
        out = []
        base = f"/proc/{self.process.pid}/fd"
        for fd in os.listdir(base):
            try:
                out.append(os.readlink(f"{base}/{fd}"))
            except OSError:
                pass
        return sorted(out)

    def cpu_seconds(self):
        """Processor time used so far."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self, key="RssAnon"):
        """Resident memory in bytes.  The default is anonymous memory: guests' memory is shared and
        does not count.  VmRSS counts all."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith(f"{key}:"):
                    return int(line.split()[1]) * 1024
        raise ProcessError(f"no {key}")
