# SPDX-License-Identifier: MIT
"""The fixtures of the integration tests: a lab for all, a room and any number of initds for each."""

import pytest

import pidns
import qemu_user
from harness import BINARY


def pytest_collection_modifyitems(items):
    if BINARY.is_file() and qemu_user.is_foreign(BINARY):
        qemu_user.mark(items)


@pytest.fixture(scope="session")
def lab(initd_binary):
    yield from pidns.open_lab(initd_binary)


@pytest.fixture
def room(lab):
    """A directory that every uid can write to."""
    return lab.room()


@pytest.fixture
def initd(lab):
    """initd(*argv, **how) starts one; what is left of them ends with the test."""
    runs = []

    def start(*argv, **how):
        run = pidns.Run(lab, argv, **how)
        runs.append(run)
        return run

    yield start
    for run in runs:
        run.close()
        print(run.transcript())


@pytest.fixture
def traced(initd, lab):
    """traced(strace's words, *argv, **how): the same under strace."""
    traces = []

    def start(words, *argv, **how):
        traces.append(pidns.Trace(initd, lab, words, *argv, **how))
        return traces[-1]

    yield start
    for trace in traces:
        trace.close()
