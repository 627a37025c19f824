# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures: a daemon shared by the tests of a file, a rig to play guests and host programs on it.

After every test that used a rig the daemon must be alive, have closed every descriptor that the
test made it open, and have counted the drop reasons that the test is marked with.
"""

import os
import shutil

import pytest

from pylib.daemon import Daemon
from pylib.install import alone, install
from pylib.rig import Rig, needs_daemon

DAEMONS = {"": {"cids": (3, 4)}}  # pytest tells parameters apart by identity: one object for all


class Shared:
    """The daemon of a test file; started again when a test killed it."""

    def __init__(self, **kwargs):
        self.kwargs = kwargs
        self.daemon = None

    def get(self):
        """A daemon that runs."""
        if self.daemon is None or not self.daemon.alive():
            self.drop()
            self.daemon = Daemon(**self.kwargs)
            try:
                self.daemon.start()
            except BaseException:
                self.drop()
                raise
        return self.daemon

    def drop(self):
        """Forget a daemon."""
        if self.daemon:
            self.daemon.discard()
            self.daemon = None

    def finish(self):
        """End in order."""
        try:
            if self.daemon:
                self.daemon.stop()
        finally:
            self.drop()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Let fixtures know how the test went."""
    outcome = yield
    if call.when == "call":
        item.passed = outcome.get_result().passed


def exercise(rig, request):
    """Run a test on a rig, and check the daemon after it."""
    daemon = rig.daemon
    reasons = [r for mark in request.node.iter_markers("drops") for r in mark.args]
    before = daemon.drops() if reasons else {}
    try:
        yield rig
        if reasons and daemon.alive() and getattr(request.node, "passed", False):
            after = daemon.drops()
            missing = [r for r in reasons if after[r] <= before[r]]
            assert not missing, f"not counted: {missing}\n{after}"
    finally:
        rig.close()
    assert daemon.alive(), f"the daemon died\n{daemon.stderr()}"
    settled = daemon.baseline_fds
    try:
        daemon.wait_for(lambda: daemon.nb_fds() <= settled, "descriptors are still open", 20)
    except AssertionError:
        targets = "\n".join(daemon.fd_targets())
        count, daemon.baseline_fds = daemon.nb_fds(), daemon.nb_fds()
        pytest.fail(f"{count} descriptors, {settled} before the test\n{targets}")


def pytest_generate_tests(metafunc):
    """A file sets DAEMONS = {name: arguments of Daemon} for other daemons than the default one of
    two guests (CID 3 and 4) on one poll lcore; its tests run on each."""
    if "shared" in metafunc.fixturenames:
        daemons = getattr(metafunc.module, "DAEMONS", DAEMONS)
        metafunc.parametrize(
            "shared",
            list(daemons.values()),
            indirect=True,
            scope="module",
            ids=[k or "default" for k in daemons],
        )


@pytest.fixture(scope="module")
def shared(request):
    """The file's daemon."""
    needs_daemon()
    holder = Shared(**request.param)
    yield holder
    holder.finish()


@pytest.fixture
def rig(shared, request):
    """A rig on the file's daemon."""
    yield from exercise(Rig(shared.get()), request)


@pytest.fixture
def launch(request):
    """Start daemons of one's own: launch(**arguments of Daemon) → Rig.  They are ended in order
    after the test."""
    needs_daemon()
    rigs = []

    def start(**kwargs):
        daemon = Daemon(**kwargs)
        rigs.append(Rig(daemon))
        daemon.start()
        return rigs[-1]

    try:
        yield start
        reasons = [r for mark in request.node.iter_markers("drops") for r in mark.args]
        for reason in reasons if getattr(request.node, "passed", False) else ():
            counts = [r.daemon.drops()[reason] for r in rigs if r.daemon.alive()]
            assert sum(counts) > 0, f"not counted: {reason}"
        for one in rigs:
            one.close()
            if one.daemon.alive():
                one.daemon.stop()
    finally:
        for one in rigs:
            one.close()
            one.daemon.discard()


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What "meson install" puts into place: the folder that stands for /."""
    build = os.environ.get("VSOCKD_BUILD", "")
    if not build or shutil.which("meson") is None:
        pytest.skip("meson or the build is missing")
    dest = tmp_path_factory.mktemp("dest")
    with alone(build):
        install(build, dest)
    yield dest
    shutil.rmtree(dest, ignore_errors=True)


@pytest.fixture(scope="module")
def prefix(installed):
    """The prefix of the build in that folder."""
    (found,) = installed.rglob("sbin/dpdk-vsockd")
    return found.parent.parent
