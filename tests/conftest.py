# SPDX-License-Identifier: MIT
"""Shared by all tests: the binary under test, and the rule that a skip is a failure in strict mode."""

import os
import signal

import pytest

import qemu_user
from harness import BINARY, BUILD

STRICT = os.environ.get("INITD_TEST_STRICT") == "1"

# initd hands down what it inherits, so what nohup(1) or a shell's & ignores would be ignored by every server of
# these tests.
for ignored in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(ignored, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


def refuse_skip(report):
    if STRICT and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        if qemu_user.SKIPPED not in str(reason):
            report.outcome = "failed"
            report.longrepr = f"INITD_TEST_STRICT=1 allows no skip. {reason}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    outcome = yield
    refuse_skip(outcome.get_result())


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report():
    outcome = yield
    refuse_skip(outcome.get_result())


@pytest.fixture(scope="session")
def initd_binary():
    if not BINARY.is_file():
        pytest.skip(f"{BINARY} is missing: run make, or set INITD_BINARY")
    return BINARY


@pytest.fixture(scope="session", params=["musl", "glibc"])
def libc(request):
    return request.param


@pytest.fixture(scope="session")
def binary(libc, initd_binary):
    """Each of the two that are shipped, for tests that run with both."""
    if libc == "glibc":
        return initd_binary
    musl = BUILD / "musl" / "initd"
    if not musl.is_file():
        pytest.skip(f"{musl} is missing: run make musl")
    return musl
