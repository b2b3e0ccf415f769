# SPDX-License-Identifier: MIT
"""`docker compose watch`, the real one, with a dev container: edit on the host, and the answer is another one."""

import json
import os
import signal
import subprocess
import time

import pytest

from dev_container import AGENT_DIR, BROKEN, VERSION, Dev, address, version
from engine import Container
from harness import free_port, wait_until

pytestmark = pytest.mark.parametrize("libc", ["musl"], indirect=True)


class Project:
    """A directory with a project of Compose: the sources, and one service that has them synchronized."""

    def __init__(self, docker, image, sources, **watch):
        self.docker = docker
        self.directory = directory = sources.parent
        self.sources = sources
        self.port = free_port()
        rule = {"action": "sync", "path": "./src", "target": AGENT_DIR} | watch
        service = {"image": image, "pull_policy": "never", "network_mode": "host", "environment": address(self.port),
                   "develop": {"watch": [rule]}}
        (directory / "compose.yaml").write_text(json.dumps({"name": "dev", "services": {"agent": service}}))
        # Where Compose notes which project is watched.
        self.environment = docker.environment | {"XDG_RUNTIME_DIR": str(directory), "HOME": str(directory)}
        self.log = directory / "compose.log"
        self.watcher = None

    def compose(self, *words):
        return [*self.docker.command, "compose", "--project-directory", str(self.directory), *words]

    def call(self, *words):
        return subprocess.run(self.compose(*words), env=self.environment, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=60)

    def watch(self):
        """`docker compose watch`; the service."""
        with open(self.log, "wb") as log:
            self.watcher = subprocess.Popen(self.compose("watch"), env=self.environment, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        wait_until(lambda: "Watch enabled" in self.log.read_text() or self.watcher.poll() is not None, timeout=30)
        assert self.watcher.poll() is None, self.log.read_text()
        return Dev(Container(self.docker, self.call("ps", "--quiet").stdout.strip()), self.port).started()

    def end(self):
        if self.watcher and self.watcher.poll() is None:
            os.killpg(self.watcher.pid, signal.SIGINT)      # As a terminal does: docker hands nothing on to its plugin.
            self.watcher.wait(timeout=30)
            print(self.log.read_text())

    def write(self, files):
        for name, text in files.items():
            (self.sources / name).parent.mkdir(exist_ok=True)
            (self.sources / name).write_text(text)


@pytest.fixture
def project(docker, dev, compose_plugin, sources):
    """project(**watch): one with these words in its rule; its watch ends with the test."""
    projects = []

    def make(**watch):
        projects.append(Project(docker, dev, sources, **watch))
        return projects[-1]

    yield make
    for one in projects:
        one.end()


def test_compose_watch_each_edit_is_one_restart_and_the_new_code_answers(project):
    here = project()
    agent = here.watch()
    here.write(version(2))
    agent.answers(2).has_restarted(f"{VERSION} changed")
    here.write({"dev_agent/extra.py": "x = 1\n"})
    agent.has_restarted("dev_agent/extra.py is new")
    (here.sources / "dev_agent/extra.py").rename(here.sources / "dev_agent/other.py")
    agent.has_restarted("dev_agent/(extra.py was removed|other.py is new)")
    (here.sources / "dev_agent/other.py").unlink()
    agent.has_restarted("dev_agent/other.py was removed")
    here.write({f"many/n{n}.py": "" for n in range(99)} | version(3))
    agent.answers(3).has_restarted(f"(many/n.*[.]py is new|{VERSION} changed)")
    here.write(BROKEN)
    agent.waits()
    here.write(version(4))
    agent.answers(4)
    files = agent.container.client.ask("exec", agent.container.name, "find", AGENT_DIR, "-name", "*.py").split()
    assert set(files) == {f"{AGENT_DIR}/{file.relative_to(here.sources)}" for file in here.sources.rglob("*.py")}


def test_compose_watch_an_initial_sync_of_the_same_bytes_restarts_nothing(project):
    here = project(initial_sync=True)
    # Files older than the image are left out.
    for file in here.sources.rglob("*.py"):
        os.utime(file, (time.time(), time.time()))
    agent = here.watch()
    assert f"C {AGENT_DIR}/{VERSION}" in agent.container.client.ask("diff", agent.container.name).splitlines()
    here.write(version(2))
    agent.answers(2).has_restarted(f"{VERSION} changed")


def test_compose_run_a_one_shot_command_ends_with_its_own_code(project):
    result = project().call("run", "--rm", "agent", "sh", "-c", "exit 42")
    assert result.returncode == 42, result.stderr
