# SPDX-License-Identifier: MIT
"""The fixtures of the tests with real servers: their packages, and any number of them below initd."""

import pytest

import packages
import pidns
from harness import wait_until
from serving import Serving


@pytest.fixture(scope="session")
def venv():
    return packages.venv()


@pytest.fixture(scope="module")
def lab(binary):
    yield from pidns.open_lab(binary)


@pytest.fixture
def start(lab, venv):
    """start(command, **how) starts a server as Serving does; what is left of it ends with the test."""
    started = []

    def start(*args, **how):
        started.append(Serving(lab, venv, *args, **how))
        return started[-1]

    yield start
    for serving in started:
        print(serving.run.transcript())
        serving.close()


@pytest.fixture
def serve(start):
    """The same, and waits until it listens."""
    def serve(*args, **how):
        serving = start(*args, **how)
        wait_until(serving.listens, timeout=60, what="somebody listening")
        return serving

    return serve
