# SPDX-License-Identifier: MIT
"""A container whose server is restarted when its files change: what to write into it, and what it did about that."""

import http.client
import io
import json
import re
import socket
import tarfile
import time
from contextlib import contextmanager

from harness import free_port, wait_until

AGENT_DIR = "/app/src"
VERSION = "dev_agent/version.py"
SERVER = ("uvicorn", "dev_agent.server:app")

USERS = {"root": (), "a user": ("--user", "app")}
BROKEN = {VERSION: "VERSION = \n"}


def mounted(sources):
    return "--volume", f"{sources}:{AGENT_DIR}"


def version(number):
    """The files of another version."""
    return {VERSION: f"VERSION = {number}\n"}


def archive(files, mtime=None):
    """What Docker and Compose send into a container: files with times in whole seconds."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            member.mtime = int(time.time() if mtime is None else mtime)
            tar.addfile(member, io.BytesIO(text.encode()))
    return stream.getvalue()


def address(port):
    """The environment that initd and uvicorn are told a port of the loopback by."""
    return {"HOST": "127.0.0.1", "PORT": str(port), "UVICORN_HOST": "127.0.0.1", "UVICORN_PORT": str(port)}


class Dev:
    """A container, and why its server should have been restarted until now."""

    def __init__(self, container, port):
        self.container = container
        self.container.port = port
        self.init = container.state()["Pid"]
        self.servers = set()    # the pids until the last restart
        self.restarts = []

    @classmethod
    def run(cls, engine, image, *options, command=()):
        port = free_port()
        environment = [f"--env={name}={value}" for name, value in address(port).items()]
        return cls(engine.start("--network=host", *environment, *options, image, *command), port)

    @classmethod
    def start(cls, *args, **how):
        """The same, and waits until it answers."""
        return cls.run(*args, **how).started()

    def started(self):
        self.answers(1)
        self.servers = self.children()
        return self

    # What changes files

    def copy(self, files, mtime=None):
        """`docker cp`"""
        self.container.client.ask("cp", "-", f"{self.container.name}:{AGENT_DIR}", input=archive(files, mtime))

    def unpack(self, files):
        """`docker exec tar`"""
        self.container.client.ask("exec", "-i", self.container.name, "tar", "-x", "-C", AGENT_DIR,
                                  input=archive(files))

    def remove(self, *names):
        """`docker exec rm -rf`"""
        paths = [f"{AGENT_DIR}/{name}" for name in names]
        self.container.client.ask("exec", self.container.name, "rm", "-rf", *paths)

    # What comes of it

    # Asked again and again beside a server that starts: no client of the engine, which would hold it up.

    def children(self):
        """The pids of what PID 1 has started or adopted; none when it has ended."""
        try:
            with open(f"/proc/{self.init}/task/{self.init}/children") as file:
                return {int(pid) for pid in file.read().split()}
        except OSError:
            return set()

    def version(self):
        """None if nobody answers, or only initd, that there is no server."""
        try:
            return int(self.container.get("/version"))
        except (OSError, http.client.HTTPException, AssertionError):
            return None

    def answers(self, number):
        """Wait until this version answers."""
        try:
            wait_until(lambda: self.version() == number, timeout=30)
        except AssertionError:
            raise AssertionError(f"version {number} does not answer:\n{self.container.logs()}") from None
        return self

    def has_restarted(self, why):
        """Wait for the end of one more restart: there was exactly one, and it was for this reason."""
        self.restarts.append(why)
        try:
            wait_until(lambda: self.children() - self.servers and self.version(), timeout=30)
        except AssertionError:
            raise AssertionError(f"no restart: {why}\n{self.container.logs()}") from None
        reasons = self.log("info: restarting: (.*)")
        assert len(reasons) == len(self.restarts), self.container.logs()
        assert all(map(re.fullmatch, self.restarts, reasons)), reasons
        self.servers = self.children()

    def log(self, pattern):
        """What the log has at the beginnings of lines."""
        return re.findall(rf"^initd: {pattern}", self.container.logs(), re.M)

    def has_rest(self):
        """Nothing is left to be done: one more file is a restart of its own, for that file alone."""
        self.copy({"dev_agent/last.py": ""})
        self.has_restarted("dev_agent/last.py is new")
        assert "dev_agent/last.py" not in "".join(self.log("info: also changed: .*"))

    def waits(self):
        """Wait until there is no server, since the one with these files has failed."""
        wait_until(lambda: not self.children() and self.log("info: waiting for a change in /app/src$"), timeout=30,
                   what="waiting for a change")
        return self

    def processes(self):
        """What every process of the server has printed at its start: its version, its pid, and the pids it saw."""
        return [json.loads(line) for line in self.container.logs().splitlines() if line.startswith("{")]

    @contextmanager
    def stream(self):
        """A client of /events, from the first event on."""
        with socket.create_connection(("127.0.0.1", self.container.port), timeout=30) as client:
            client.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with client.makefile("rb") as answer:
                while not answer.readline().startswith(b"data: "):
                    pass
                yield answer
