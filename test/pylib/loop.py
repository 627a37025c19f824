# SPDX-License-Identifier: BSD-3-Clause
"""The test's own event loop: everything that a test plays runs in its one thread."""

import os
import select
import time

POLLIN = select.POLLIN
POLLOUT = select.POLLOUT

# Long, since it is only reached on failure; a developer may want to wait for less.
PATIENCE = float(os.environ.get("VSOCK_TEST_PATIENCE", "30"))


class Timeout(AssertionError):
    """Something that had to happen did not."""


class Loop:
    """Polls the descriptors of its actors and lets them work.

    An actor has fds() → {fd: poll events}, service(fd), and describe() for error reports.
    """

    def __init__(self):
        self.actors = []

    def add(self, actor):
        """Take part from now on."""
        self.actors.append(actor)
        return actor

    def remove(self, actor):
        """Take part no more."""
        if actor in self.actors:
            self.actors.remove(actor)

    def step(self, timeout):
        """Wait at most `timeout` seconds for something, and handle it.  Returns whether anything
        happened."""
        poller = select.poll()
        owner = {}
        for actor in self.actors:
            for fd, events in actor.fds().items():
                poller.register(fd, events)
                owner[fd] = actor
        ready = poller.poll(max(0, timeout) * 1000)
        for fd, _ in ready:
            actor = owner[fd]
            if actor in self.actors and fd in actor.fds():
                actor.service(fd)
        return bool(ready)

    def until(self, condition, what="the condition", timeout=None):
        """Run until condition() is true and return its value; fail after `timeout` seconds
        (default PATIENCE)."""
        timeout = PATIENCE if timeout is None else timeout
        end = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            left = end - time.monotonic()
            if left <= 0:
                raise Timeout(f"{what}: not within {timeout} s\n{self.report()}")
            self.step(min(left, 0.05))

    def steady(self, condition, what, seconds=0.2):
        """Run until condition() has been true for a while without a break."""
        since = None

        def held():
            nonlocal since
            if not condition():
                since = None
            elif since is None:
                since = time.monotonic()
            return since is not None and time.monotonic() - since >= seconds

        self.until(held, what)

    def run(self, seconds):
        """Run for a while: to see that something does not happen."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.step(left)

    def report(self):
        """The state of the actors, for the message of a failure."""
        return "\n".join(a.describe() for a in self.actors)
