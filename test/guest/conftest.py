# SPDX-License-Identifier: BSD-3-Clause
"""What the guest tests share: images, the daemon and guests that stand for a whole file.

Environment: VSOCKD, the daemon's binary; GUEST_A and GUEST_B, the kernels of the two guests (old,
new or latest, see devtools/guest-image.sh); GUEST_IMAGE, where the images are.
"""
import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

# pylint: disable=wrong-import-position
from lab import Lab  # noqa: E402

SKIPPED = 77


def pytest_sessionfinish(session, exitstatus):
    """A file in which everything was skipped is a skipped test, not a passed one."""
    reporter = session.config.pluginmanager.get_plugin('terminalreporter')
    if exitstatus == 0 and reporter.stats.get('skipped') and not reporter.stats.get('passed'):
        session.exitstatus = SKIPPED


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    if report.when == 'call' and report.failed and 'lab' in item.funcargs:
        report.sections.append(('logs', item.funcargs['lab'].logs()))


@pytest.fixture(scope='session')
def kernels():
    return os.environ.get('GUEST_A', 'old'), os.environ.get('GUEST_B', 'new')


@pytest.fixture(scope='session')
def image(kernels):
    """The folder with the images; made when it is not there."""
    command = [os.path.join(HERE, '../../devtools/guest-image.sh'), *kernels]
    if os.environ.get('GUEST_IMAGE'):
        command[1:1] = ['--dir', os.environ['GUEST_IMAGE']]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            timeout=600, check=False)
    if result.returncode != 0:
        pytest.skip('no guest image: ' + result.stderr.strip().splitlines()[-1])
    return result.stdout.strip()


@pytest.fixture(scope='session')
def vsockd():
    path = os.environ.get('VSOCKD')
    if not path:
        pytest.skip('VSOCKD does not name the daemon')
    if not os.access(path, os.X_OK):
        pytest.skip(f'{path} cannot be run')
    return path


@pytest.fixture(scope='module')
def shared_lab(vsockd, image, kernels, tmp_path_factory):
    lab = Lab(vsockd, image, kernels, str(tmp_path_factory.mktemp('lab')))
    yield lab
    lab.close()


@pytest.fixture
def lab(shared_lab):
    """The daemon and two guests, up and running; started anew after a test has broken them."""
    shared_lab.ensure()
    yield shared_lab
    shared_lab.tidy()
