# SPDX-License-Identifier: MIT
"""An initd with a tcp_server.py, and what the kernel tells about the sockets of both."""

import contextlib
import json
import os
import re
import signal
import socket
import struct
from pathlib import Path
from typing import NamedTuple

import pytest

from harness import free_port, wait_until
from helpers.load import Client
from helpers.watched import WATCHING, let_age, watch_options

ASK_OFTEN = ["-o", "health.start_interval=10ms"]


class Listener(NamedTuple):
    address: str
    inode: int


def listeners(port):
    """All that listen on this port, as the kernel tells."""
    found = set()
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            local, state, inode = (line.split()[n] for n in (1, 3, 9))
            host, _, number = local.partition(":")
            if state == "0A" and int(number, 16) == port:
                words = struct.unpack(f">{len(host) // 8}I", bytes.fromhex(host))
                packed = struct.pack(f"={len(words)}I", *words)
                found.add(Listener(socket.inet_ntop(family, packed), int(inode)))
    return found


def listener(port):
    """The only one, when there is only one: a socket of the last server's goes with it."""
    wait_until(lambda: len(listeners(port)) == 1, what=f"one listener: {listeners(port)}")
    return listeners(port).pop()


def cpu_seconds(pid):
    """What a process has spent so far, to the nanosecond."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def log_lines(run, text):
    return [line for line in run.stderr.splitlines() if text in line]


class Event(NamedTuple):
    pid: int
    at: float


class Serving:
    """An initd with a tcp_server.py."""

    def __init__(self, start, lab, *words, hold="auto", host="127.0.0.1", port=None, watch=None, room=None, how=None,
                 **want):
        self.port = port or free_port()
        self.host = host
        self.tree = room or lab.room()
        self.settings = self.tree / "server.json"
        self.want = {}
        self.change(**want)
        if watch is not None:
            let_age(self.tree)
            words = ["-o", f"server.agent_dir={self.tree}", *watch_options(**{"settle": "20ms"} | watch), *words]
        options = [f"server.hold_socket={hold}", f"server.port={self.port}", f"server.host={host}", "log.level=debug"]
        self.run = start(*(word for option in options for word in ("-o", option)), *ASK_OFTEN, *words,
                         *lab.helper("tcp_server.py", json.dumps({"settings": str(self.settings)})), **how or {})
        if watch is not None:
            self.run.logs(WATCHING)

    def change(self, **want):
        """Write the settings of the next server at once, as a rename does it."""
        self.want = want
        temporary = self.tree / ".server.json"
        temporary.write_text(json.dumps(want))
        temporary.chmod(0o644)
        temporary.rename(self.settings)

    def events(self, word):
        """Who said that, and when."""
        return [Event(int(pid), float(at))
                for pid, at in re.findall(rf"(?m)^{word} (\d+) ([\d.]+)$", self.run.stdout)]

    def event(self, word, n=1, timeout=10.0):
        """The n-th of them."""
        try:
            wait_until(lambda: len(self.events(word)) >= n, timeout)
        except AssertionError:
            pytest.fail(f"no `{word}` {n}{self.run.transcript()}")
        return self.events(word)[n - 1]

    def listens(self, n=1, timeout=10.0):
        """The pid of the n-th server that listens."""
        return self.event("listens", n, timeout).pid

    def ready(self, n=1):
        """Wait for the n-th time that it is ready."""
        wait_until(lambda: self.run.stderr.count("ready on") >= n, what=f"ready: {self.run.transcript()}")

    def ask(self, path="/", timeout=10):
        """One request by a connection of its own."""
        client = Client((self.host if self.host not in ("0.0.0.0", "::") else "localhost", self.port), timeout)
        with contextlib.closing(client):
            return client.ask(path, close=True)

    def logged(self, text, n=1, timeout=10.0):
        wait_until(lambda: self.run.stderr.count(text) >= n, timeout, what=f"{text!r}: {self.run.transcript()}")

    def restart(self, *words):
        process = self.run.ask("restart", *words)
        assert (process.returncode, process.stdout, process.stderr) == (0, "", ""), self.run.transcript()

    def kill_server(self, signum, pid=None):
        os.kill(self.run.outer(pid or self.events("listens")[-1].pid), signum)

    def stops(self, code=0, timeout=5.0):
        self.run.kill(signal.SIGTERM)
        assert self.run.wait(timeout) == code, self.run.transcript()
