# SPDX-License-Identifier: MIT
"""NOTIFY_SOCKET: what a service manager outside hears, and that it can do initd no harm."""

import os
import signal
import socket
import threading

import pytest

from harness import wait_until
from helpers.misbehaving import Server, answer
from pidns import needs_real_root

SHOW = ["sh", "-c", 'echo "socket=${NOTIFY_SOCKET-unset}"; exec sleep 1000']


@pytest.fixture
def server():
    """An HTTP server in this test that initd takes for its child's."""
    found = Server(answer(503))
    yield found
    found.close()


class Manager:
    """The socket of a service manager; datagrams are kept as lists of lines."""

    def __init__(self, room, kind, listens=True):
        self.name = f"@{room}/notify" if kind == "abstract" else f"{room}/notify.sock"
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.name.replace("@", "\0", 1))
        if kind == "path":
            os.chmod(self.name, 0o777)
        self.messages = []
        if listens:
            threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                message = self.sock.recv(65536)
            except OSError:
                return
            if not message:
                return
            self.messages.append(message.decode().splitlines())

    def heard(self, line):
        return sum(message.count(line) for message in self.messages)

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


@pytest.fixture
def manage(room):
    """manage(kind, ...) makes a service manager's socket that ends with the test."""
    managers = []

    def start(*args, **how):
        managers.append(Manager(room, *args, **how))
        return managers[-1]

    yield start
    for manager in managers:
        manager.close()


@pytest.fixture
def notifying(initd, server):
    """notifying(NOTIFY_SOCKET, *words): an initd whose server says 503 until the test has another answer."""

    def start(name, *words, start_interval="10ms", **how):
        run = initd("-o", f"server.port={server.port}", "-o", f"health.start_interval={start_interval}", *words, *SHOW,
                    env={"NOTIFY_SOCKET": name}, **how)
        run.says("socket=")
        return run

    return start


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_the_manager_hears_of_ready_and_of_the_stop(notifying, manage, server, kind):
    manager = manage(kind)
    run = notifying(manager.name, "-o", "health.interval=10ms")
    wait_until(lambda: len(server.connections) >= 3)
    assert manager.messages == []
    server.behave = answer()
    wait_until(lambda: manager.heard("READY=1"))
    asked = len(server.connections)
    wait_until(lambda: len(server.connections) > asked + 5)
    assert manager.heard("STOPPING=1") == 0
    run.kill(signal.SIGTERM)
    assert run.wait() == 143
    wait_until(lambda: manager.heard("STOPPING=1"))
    assert (manager.heard("READY=1"), manager.heard("STOPPING=1")) == (1, 1)
    ready = next(message for message in manager.messages if "READY=1" in message)
    assert any(line.startswith("STATUS=") and line.isprintable() for line in ready)
    assert "READY=1" not in manager.messages[-1]


def test_stopping_is_told_when_the_drain_begins(notifying, manage, server):
    manager = manage("path")
    server.behave = answer()
    run = notifying(manager.name, "-o", "server.drain_delay=30s")
    wait_until(lambda: manager.heard("READY=1"))
    run.kill(signal.SIGTERM)
    wait_until(lambda: manager.heard("STOPPING=1"))
    assert run.process.poll() is None
    run.kill(signal.SIGTERM)
    run.wait()
    assert manager.heard("STOPPING=1") == 1


def test_a_restart_is_not_told_as_another_start(notifying, manage, server):
    manager = manage("path")
    server.behave = answer()
    run = notifying(manager.name, "-o", "signals.SIGHUP=restart")
    for times in range(1, 4):
        wait_until(lambda: run.stderr.count("ready on") == times)
        run.kill(signal.SIGHUP)
    wait_until(lambda: run.stderr.count("ready on") == 4)
    run.kill(signal.SIGTERM)
    run.wait()
    wait_until(lambda: manager.heard("STOPPING=1"))
    assert manager.heard("READY=1") == 1


def test_a_server_that_was_never_ready_is_not_told_as_ready(notifying, manage):
    manager = manage("path")
    run = notifying(manager.name)
    run.kill(signal.SIGTERM)
    assert run.wait() == 143
    wait_until(lambda: manager.heard("STOPPING=1"))
    assert manager.heard("READY=1") == 0


@pytest.mark.parametrize("start_interval, interval", [("10ms", "0"), ("10ms", "1s"), ("0", "1s")])
def test_the_server_does_not_get_the_socket(notifying, manage, start_interval, interval):
    run = notifying(manage("path").name, "-o", f"health.interval={interval}", start_interval=start_interval)
    run.says("socket=unset\n")


def test_where_nobody_asks_the_socket_is_the_servers(notifying, manage):
    manager = manage("path")
    run = notifying(manager.name, start_interval="0")
    run.says(f"socket={manager.name}\n")
    run.kill(signal.SIGTERM)
    assert run.wait() == 143
    assert manager.messages == []


def test_without_a_manager_there_is_no_variable(initd, server):
    run = initd("-o", f"server.port={server.port}", *SHOW)
    run.says("socket=unset\n")


NAMES = {
    "missing": "/nonexistent/notify.sock", "missing abstract": "@nonexistent/initd/notify", "relative": "notify.sock",
    "empty": "", "a directory": "/tmp", "vsock": "vsock:2:1234", "only @": "@", "long": "/" + "x" * 300,
    "abstract and long": "@" + "x" * 300,
}


@pytest.mark.parametrize("name", NAMES)
def test_a_socket_that_is_none_is_no_error(notifying, server, name):
    server.behave = answer()
    run = notifying(NAMES[name])
    run.logs("ready on")
    run.kill(signal.SIGTERM)
    assert run.wait() == 143
    assert "initd: error" not in run.stderr


@needs_real_root
def test_a_socket_that_initd_may_not_use_is_no_error(notifying, manage, server):
    server.behave = answer()
    manager = manage("path")
    os.chmod(manager.name, 0o700)
    run = notifying(manager.name)
    run.logs("ready on")
    run.kill(signal.SIGTERM)
    assert run.wait() == 143
    assert manager.messages == []
    assert "initd: error" not in run.stderr


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_a_manager_that_does_not_listen_stops_nobody(notifying, manage, server, kind):
    server.behave = answer()
    manager = manage(kind, listens=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(manager.name.replace("@", "\0", 1))
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                sock.send(b"x" * 1000)
        run = notifying(manager.name)
        run.logs("ready on")
        run.kill(signal.SIGTERM)
        assert run.wait() == 143


def test_a_manager_that_ended_stops_nobody(notifying, manage, server):
    manager = manage("path")
    server.behave = answer()
    run = notifying(manager.name)
    wait_until(lambda: manager.heard("READY=1"))
    os.unlink(manager.name)
    run.kill(signal.SIGTERM)
    assert run.wait() == 143


def test_the_manager_of_an_initd_that_is_not_PID_1_hears_the_same(notifying, manage, server):
    manager = manage("path")
    server.behave = answer()
    run = notifying(manager.name, pid1=False)
    wait_until(lambda: manager.heard("READY=1"))
    run.kill(signal.SIGTERM)
    assert run.wait() == 143
    wait_until(lambda: manager.heard("STOPPING=1"))
