# SPDX-License-Identifier: MIT
"""What a service tells its manager, as in sd_notify(3)."""

import shutil
import socket
import tempfile
from pathlib import Path

from harness import wait_until


class Notified:
    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="initd-notify-"))
        self.path = self.directory / "socket"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.setblocking(False)
        # Every user may send.
        self.directory.chmod(0o755)
        self.path.chmod(0o777)
        self.received = []

    def lines(self):
        """All lines of all messages until now."""
        try:
            while True:
                self.received += self.socket.recv(4096).decode().splitlines()
        except BlockingIOError:
            return self.received

    def hears(self, line):
        wait_until(lambda: line in self.lines(), timeout=30, what=f"{line} in {self.received}")

    def close(self):
        self.socket.close()
        shutil.rmtree(self.directory)
