# SPDX-License-Identifier: MIT
"""A container engine of our own: the daemon, its client, and the containers that the tests start."""

import json
import os
import shutil
import subprocess
import time

import pytest

from harness import free_port, get, listens, wait_until
from terminal import Terminal


def need(*programs):
    """Skip unless we are root and have all these programs."""
    if os.geteuid() != 0:
        pytest.skip("root is missing: the container engine needs it")
    missing = [name for name in programs if not shutil.which(name)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def remove_mounts(directory):
    """Unmount what an engine has left mounted below directory."""
    with open("/proc/self/mountinfo") as file:
        points = [line.split()[4] for line in file]
    for point in reversed(points):
        if point.startswith(f"{directory}/"):
            subprocess.run(["umount", point], check=True)


class Daemon:
    """dockerd, with everything it writes under one directory."""

    def __init__(self, directory):
        self.address = f"unix://{directory}/docker.sock"
        self.log = directory / "dockerd.log"
        # Its mounts live in a mount namespace of its own and so go with it; should pytest be killed, it gets SIGTERM.
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "unshare", "--mount",
             "dockerd", "--bridge=none", "--iptables=false", "--ip-forward=false", "--host", self.address,
             "--data-root", directory / "data", "--exec-root", directory / "exec", "--pidfile", directory / "pid"],
            stdin=subprocess.DEVNULL, stdout=self.log.open("wb"), stderr=subprocess.STDOUT, start_new_session=True)

    def ended(self):
        return self.process.poll() is not None

    def last_words(self):
        return self.log.read_text().strip().rpartition("\n")[2]

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)


class Client:
    """The command line of an engine."""

    def __init__(self, *command, run_options=(), **environment):
        self.command = command
        self.run_options = run_options
        self.environment = {"PATH": os.environ["PATH"], "TERM": "xterm"} | environment

    def call(self, *args, timeout=60, **options):
        return subprocess.run([*self.command, *args], env=self.environment, timeout=timeout,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def ask(self, *args, **options):
        """What the engine answers; an error of the engine is an error of the test."""
        answer = self.call(*args, **options)
        assert answer.returncode == 0, answer.stderr.decode()
        return answer.stdout.decode().strip()

    def run_command(self, *args):
        """The words of a `run`; no network unless args ask for one, since the engine has no bridge."""
        network = () if any(arg.startswith("--network") for arg in args) else ("--network=none",)
        return ["run", *self.run_options, *network, *args]

    def run(self, *args, **options):
        """`docker run` to its end; args are options, image, command."""
        return self.call(*self.run_command("--rm", *args), text=True, **options)

    def run_on_terminal(self, *args):
        return Terminal([*self.command, *self.run_command("--rm", "-it", *args)], self.environment)

    def start(self, *args):
        return Container(self, self.ask(*self.run_command("--detach", *args)))

    def serve(self, *args):
        """A container whose server answers on a free port of this machine's loopback."""
        port = free_port()
        container = self.start("--network=host", "-e", "HOST=127.0.0.1", "-e", f"PORT={port}", *args)
        container.port = port
        wait_until(container.listens, timeout=60, what=f"somebody listening on port {port}")
        return container

    def remove_containers(self):
        containers = self.ask("ps", "--all", "--quiet").split()
        if containers:
            self.ask("rm", "--force", "--volumes", *containers)


class Container:
    def __init__(self, client, name):
        self.client = client
        self.name = name
        self.port = None

    def state(self):
        return json.loads(self.client.ask("inspect", "--format", "{{json .State}}", self.name))

    def logs(self):
        answer = self.client.call("logs", self.name, text=True)
        return answer.stdout + answer.stderr

    def wait(self):
        return int(self.client.ask("wait", self.name))

    def stop(self):
        """`docker stop`; returns the seconds that it took."""
        began = time.monotonic()
        self.client.ask("stop", self.name)
        return time.monotonic() - began

    def children(self):
        """The pids, as seen from here, of what PID 1 has started or adopted."""
        pid = self.state()["Pid"]
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(child) for child in file.read().split()]

    def server_pid(self):
        child, = self.children()
        return child

    def get(self, path):
        answer = get(self.port, path)
        assert answer.status == 200
        return answer.read().decode()

    def ask(self, *words, options=()):
        """`docker exec initd words`: a subcommand that has something to ask PID 1."""
        return self.client.call("exec", *options, self.name, "/usr/local/bin/initd", *words, text=True)

    def status(self):
        """What PID 1 tells about itself."""
        answer = self.ask("status", "--json")
        assert answer.returncode == 0, answer.stderr + self.logs()
        return json.loads(answer.stdout)

    def becomes(self, health):
        """Wait until the engine calls the container healthy, or unhealthy; what its last probe printed."""
        def found():
            state = self.state()
            assert state["Running"], self.logs()
            return state["Health"]["Status"] == health and state["Health"]["Log"]

        try:
            return wait_until(found, timeout=30)[-1]["Output"]
        except AssertionError:
            raise AssertionError(f"not {health} within 30 s: {self.state()['Health']}\n{self.logs()}")

    def listens(self):
        assert self.state()["Running"], self.logs()
        return listens(self.port)

    def whoami(self):
        return json.loads(self.get("/whoami"))
