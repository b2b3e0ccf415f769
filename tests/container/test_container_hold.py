# SPDX-License-Identifier: MIT
"""Containers whose socket outlives their servers: no client is refused, whatever restarts them."""

import http.client
import threading
import time

import pytest

from dev_container import BROKEN, SERVER, USERS, VERSION, Dev, mounted, version
from harness import wait_until

one_libc = pytest.mark.parametrize("libc", ["musl"], indirect=True)

CONTAINERS = {
    "root": (),
    "a user": USERS["a user"],
    "an unknown user": ("--user", "4321"),
    "without capabilities": ("--cap-drop=ALL", "--cap-add=SETUID", "--cap-add=SETGID"),
    "hardened": ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", *USERS["a user"]),
}
ROLLING = ("-o", "server.hold_socket=yes", "-o", "watch.overlap=yes", "-o", "watch.enabled=no")


class Client(threading.Thread):
    """Asks for the version every 5 ms, each time by a new connection, until the block ends."""

    def __init__(self, port):
        super().__init__()
        self.port, self.answers, self.failures, self.ends = port, [], [], threading.Event()

    def run(self):
        while not self.ends.wait(0.005):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            try:
                connection.request("GET", "/version")
                answer = connection.getresponse()
                self.answers.append((answer.status, answer.read()))
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
            finally:
                connection.close()

    def __enter__(self):
        self.start()
        wait_until(lambda: self.answers)
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.join()


def nobody_was_refused(client, *bodies):
    assert not client.failures, (client.failures[:5], len(client.failures), len(client.answers))
    assert {status for status, _ in client.answers} == {200}
    seen = [body for _, body in client.answers]
    assert [body for i, body in enumerate(seen) if i == 0 or seen[i - 1] != body] == list(bodies)


@pytest.mark.parametrize("options", CONTAINERS.values(), ids=CONTAINERS)
def test_a_change_refuses_nobody(docker, dev, sources, options):
    mount = mounted(sources) if "--read-only" in options else ()
    agent = Dev.start(docker, dev, *options, *mount)
    assert agent.container.status()["held"] == f"127.0.0.1:{agent.container.port}"
    with Client(agent.container.port) as client:
        if mount:
            (sources / VERSION).write_text("VERSION = 2\n")
        else:
            agent.copy(version(2))
        agent.answers(2).has_restarted(f"{VERSION} changed")
    nobody_was_refused(client, b"1", b"2")
    assert not agent.log("(?:info|warn): not holding .*")


@one_libc
def test_a_change_in_podman_refuses_nobody(podman, podman_dev):
    agent = Dev.start(podman, podman_dev)
    with Client(agent.container.port) as client:
        agent.copy(version(2))
        agent.answers(2).has_restarted(f"{VERSION} changed")
    nobody_was_refused(client, b"1", b"2")


@pytest.mark.parametrize("options", [CONTAINERS["root"], CONTAINERS["a user"]], ids=["root", "a user"])
def test_a_rolling_restart(docker, dev, options):
    agent = Dev.start(docker, dev, *options, command=(*ROLLING, "-o", "signals.SIGHUP=restart", *SERVER))
    wait_until(lambda: agent.log("info: ready on .*"))
    with Client(agent.container.port) as client:
        for _ in range(3):
            before = agent.container.status()["pid"]
            answer = agent.container.ask("restart", "--wait")
            assert answer.returncode == 0, answer.stderr
            assert agent.container.status()["pid"] != before
        docker.ask("kill", "--signal=HUP", agent.container.name)
        wait_until(lambda: len(agent.log("info: pid .* takes over from pid .*")) == 4)
    nobody_was_refused(client, b"1")


@one_libc
def test_a_broken_successor_changes_nothing(docker, dev):
    agent = Dev.start(docker, dev, command=("-o", "watch.overlap=yes", *SERVER))
    wait_until(lambda: agent.log("info: ready on .*"))
    with Client(agent.container.port) as client:
        agent.copy(BROKEN)
        wait_until(lambda: agent.log("error: its successor ended: exit code 1 .*"))
        assert agent.container.status()["successor"].startswith("exit code 1")
        agent.copy(version(2))
        agent.answers(2)
    nobody_was_refused(client, b"1", b"2")


@one_libc
def test_who_comes_while_there_is_no_server_is_told_why(docker, dev):
    agent = Dev.start(docker, dev)
    agent.copy(BROKEN)
    agent.waits()
    connection = http.client.HTTPConnection("127.0.0.1", agent.container.port, timeout=20)
    connection.request("GET", "/version")
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Retry-After")) == (503, "1")
    assert "waits for a change" in answer.read().decode()
    agent.copy(version(2))
    agent.answers(2)


@pytest.mark.parametrize("options", [(), CONTAINERS["hardened"]], ids=["root", "hardened"])
def test_a_standby_becomes_the_server(docker, dev, sources, options):
    mount = mounted(sources) if options else ()
    agent = Dev.start(docker, dev, *options, *mount, command=("-o", "watch.standby=yes", *SERVER))

    def warm():
        status = agent.container.status()
        return status["standby"] == "warm" and status

    with Client(agent.container.port) as client:
        for number in (2, 3):
            standby = wait_until(warm)["standby_pid"]
            (sources / VERSION).write_text(f"VERSION = {number}\n") if mount else agent.copy(version(number))
            wait_until(lambda: agent.container.status()["pid"] == standby)
            wait_until(lambda: client.answers[-1][1] == b"%d" % number)
    nobody_was_refused(client, b"1", b"2", b"3")
    wait_until(warm)
    began = time.monotonic()
    agent.container.stop()
    assert time.monotonic() - began < 3, agent.container.logs()
    assert "Traceback" not in agent.container.logs()
