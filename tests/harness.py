# SPDX-License-Identifier: MIT
"""What every kind of test needs: waiting for a condition, ports, and requests."""

import http.client
import os
import socket
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"

# The one under test.
BINARY = Path(os.environ.get("INITD_BINARY", BUILD / "initd")).resolve()


def wait_until(condition, timeout=10.0, what=None):
    """Return the first true result of condition(); fail when there was none within timeout seconds."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what or condition}")
        time.sleep(0.01)


def free_port():
    """A TCP port of the loopback that nobody holds now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def listens(port):
    """Whether somebody accepts connections on this port of the loopback."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def get(port, path):
    """GET path from this port of the loopback, by no proxy; the body is still to be read."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    client.request("GET", path)
    return client.getresponse()
