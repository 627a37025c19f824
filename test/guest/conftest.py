# SPDX-License-Identifier: BSD-3-Clause
"""Shared by the guest tests: images, the daemon, and guests that run for a whole file.

Environment: VSOCKD, the daemon's binary; GUEST_A and GUEST_B, the kernels of the two guests (old,
new or latest, see devtools/guest-image.sh); GUEST_IMAGE, where the images are.
"""
import os
import subprocess

import pytest

from lab import Lab, Machines

HERE = os.path.dirname(os.path.abspath(__file__))
SKIPPED = 77


def pytest_sessionfinish(session, exitstatus):
    """A file in which everything was skipped is a skipped test, not a passed one."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == 0 and reporter.stats.get("skipped") and not reporter.stats.get("passed"):
        session.exitstatus = SKIPPED


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    item.failed = getattr(item, "failed", False) or report.failed
    if report.failed:
        for lab in item.funcargs.get("labs", [item.funcargs.get("shared_lab")]):
            if lab is not None:
                report.sections.append(("logs", lab.logs()))


@pytest.fixture(scope="session")
def kernels():
    return os.environ.get("GUEST_A", "old"), os.environ.get("GUEST_B", "new")


@pytest.fixture(scope="session")
def image(kernels):
    """The folder with the images; made when it is not there."""
    command = [os.path.join(HERE, "../../devtools/guest-image.sh"), *kernels]
    if os.environ.get("GUEST_IMAGE"):
        command[1:1] = ["--dir", os.environ["GUEST_IMAGE"]]
    result = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600, check=False
    )
    if result.returncode != 0:
        pytest.skip("no guest image: " + result.stderr.strip().splitlines()[-1])
    return result.stdout.strip()


@pytest.fixture(scope="session")
def vsockd():
    path = os.environ.get("VSOCKD")
    if not path:
        pytest.skip("VSOCKD does not name the daemon")
    if not os.access(path, os.X_OK):
        pytest.skip(f"{path} cannot be run")
    return path


@pytest.fixture(scope="session")
def machines():
    """The running guests that labs hand on to each other."""
    idle = Machines()
    yield idle
    idle.close()


@pytest.fixture(scope="module")
def shared_lab(request, vsockd, image, kernels, machines, tmp_path_factory):
    """The lab of one file, which says by its LAB how it differs from the usual one."""
    options = getattr(request.module, "LAB", {})
    lab = Lab(
        vsockd, image, kernels, str(tmp_path_factory.mktemp("lab")), machines=machines, **options
    )
    yield lab
    lab.close(reuse=True)


@pytest.fixture
def lab(shared_lab, request):
    """The daemon and two guests, up and running; started anew after a test that failed."""
    shared_lab.ensure()
    yield shared_lab
    if request.node.failed:
        shared_lab.close()
    else:
        shared_lab.tidy()


@pytest.fixture
def labs(request):
    """The labs of one test; their logs are shown when it fails."""
    made = []
    yield made
    for lab in made:
        lab.close(reuse=not request.node.failed)


@pytest.fixture
def make_lab(vsockd, image, kernels, machines, tmp_path, labs, shared_lab):
    def make(**kwargs):
        # Two labs at the same time would need two pairs of guests.
        shared_lab.close(reuse=True)
        labs.append(Lab(vsockd, image, kernels, str(tmp_path), machines=machines, **kwargs))
        return labs[-1].start()

    return make
