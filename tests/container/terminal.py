# SPDX-License-Identifier: MIT
"""A program on a terminal, and somebody who types."""

import os
import pty
import select
import subprocess
import time


class Terminal:
    CTRL_C = "\x03"
    CTRL_Z = "\x1a"

    def __init__(self, argv, env):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(argv, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)
        self.output = ""
        self.seen = 0

    def type(self, text):
        os.write(self.master, text.encode())

    def says(self, text, timeout=20):
        """Wait until text stands in the output after what was waited for before."""
        deadline = time.monotonic() + timeout
        while (found := self.output.find(text, self.seen)) < 0:
            assert self.read(deadline - time.monotonic()), f"no {text!r} in:\n{self.output}"
        self.seen = found + len(text)

    def read(self, timeout):
        """Take what has been written; false at the end, or when nothing came in time."""
        if not select.select([self.master], [], [], max(timeout, 0))[0]:
            return False
        try:
            data = os.read(self.master, 4096)
        except OSError:  # Linux says EIO when the other side is gone.
            return False
        self.output += data.decode(errors="replace")
        return True

    def wait(self, timeout=20):
        """Read to the end; returns the exit code."""
        deadline = time.monotonic() + timeout
        while self.read(deadline - time.monotonic()):
            pass
        return self.process.wait(timeout=max(deadline - time.monotonic(), 1))

    def close(self):
        os.close(self.master)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
