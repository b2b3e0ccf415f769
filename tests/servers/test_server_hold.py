# SPDX-License-Identifier: MIT
"""server.hold_socket with servers that know nothing of it: they are restarted under load, and no client sees it."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import pytest

import packages
from harness import BUILD, get, wait_until
from load import Load, has_ipv6

# What tells the two builds apart is tested in tests/integration; here the servers are what differs.
pytestmark = [pytest.mark.parametrize("libc", ["musl"], indirect=True), pytest.mark.alone]

HERE = Path(__file__).parent / "held_agent"
RESTARTS = 5


class Server(NamedTuple):
    command: str                # it may name the {port}, a {room} and {here}, the directory of its sources
    processes: int = 1          # that answer
    held: str = "127.0.0.1"     # the address that is held
    needs: str = None           # a program
    drops: bool = False         # it ends without the answers that it owes, with initd or without


ON_HOST = "held_agent:app --host 127.0.0.1 --port {port}"
BIND = "-b 127.0.0.1:{port}"
ANY = "[::]" if has_ipv6() else "0.0.0.0"

SERVERS = {
    "uvicorn.run": Server("python -m held_agent.server"),
    "uvicorn.run with workers": Server("python -m held_agent.server 2", processes=2),
    "uvicorn": Server(f"uvicorn {ON_HOST}"),
    "uvicorn with workers": Server(f"uvicorn {ON_HOST} --workers 2", processes=2),
    "gunicorn": Server(f"gunicorn held_agent:wsgi {BIND} --workers 2", processes=2),
    "gunicorn with uvicorn": Server(f"gunicorn held_agent:app {BIND} -w 2 -k uvicorn_worker.UvicornWorker",
                                    processes=2),
    "granian": Server(f"granian --interface asgi {ON_HOST}"),
    "granian with workers": Server(f"granian --interface asgi {ON_HOST} --workers 2", processes=2),
    "hypercorn": Server("hypercorn held_agent:app --bind 127.0.0.1:{port}"),
    "hypercorn fd://3": Server("hypercorn held_agent:app --bind fd://3"),
    "daphne": Server("daphne -b 127.0.0.1 -p {port} held_agent:app", drops=True),
    "daphne --fd 3": Server("daphne --fd 3 held_agent:app", drops=True),
    "node": Server("node {here}/server.js", held=ANY, needs="node"),
    "node with host": Server("node {here}/server.js host", needs="node"),
    "go": Server("{room}/server", held=ANY, needs="go"),
    "static go": Server("{room}/server", held=ANY, needs="go"),
}


@pytest.fixture(scope="session")
def venv():
    return packages.venv(packages.MORE_SERVERS)


@pytest.fixture(scope="session")
def go_server(tmp_path_factory):
    """go_server(static) is the path of the server in Go."""
    built = {}

    def go_server(static):
        if static not in built:
            path = tmp_path_factory.mktemp("go") / "server"
            subprocess.run(["go", "build", "-o", path, HERE / "server.go"], check=True, cwd=path.parent, timeout=300,
                           env=os.environ | {"CGO_ENABLED": "01"[not static], "GOFLAGS": "-mod=mod",
                                             "GOCACHE": str(BUILD / "go-cache")})
            built[static] = path
        return built[static]

    return go_server


class Held:
    """A server whose socket is held."""

    def __init__(self, start, command, *options, prepare=None, **env):
        options = ("server.hold_socket=yes", "log.level=debug", *options)
        words = " ".join(f"-o {option}" for option in options)
        self.serving = start(f"{words} {command.replace('{here}', str(HERE))}", prepare, **env)
        self.run, self.port, self.room = self.serving.run, self.serving.port, self.serving.room
        self.run.logs("initd: info: ready on ", timeout=60)

    def restart(self):
        answer = self.run.ask("restart", "--wait")
        assert answer.returncode == 0, f"{answer}{self.run.transcript()}"

    def started(self):
        return [int(pid) for pid in re.findall(r"^initd: info: started pid (\d+) ", self.run.stderr, re.M)]

    def pid_that_answers(self):
        return int(get(self.port, "/").read())

    def assert_quiet(self):
        """Nothing went wrong in the log, either."""
        assert re.findall(r"^initd: (?:warn|error): .*", self.run.stderr, re.M) == []
        assert "not holding" not in self.run.stderr


@pytest.fixture
def hold(start):
    return lambda *args, **how: Held(start, *args, **how)


@pytest.fixture
def hold_server(hold, go_server):
    """hold_server(name, *options) starts one of SERVERS."""
    def hold_server(name, *options, **env):
        server = SERVERS[name]
        if server.needs and not shutil.which(server.needs):
            pytest.skip(f"needs {server.needs}")

        def prepare(room, _):
            shutil.copy(go_server("static" in name), room / "server")

        return hold(server.command, *options, prepare=prepare if server.needs == "go" else None, **env)

    return hold_server


@pytest.mark.parametrize("name", SERVERS)
def test_restarts_under_load(hold_server, name):
    held, server = hold_server(name), SERVERS[name]
    assert held.run.status()["held"] == f"{server.held}:{held.port}"
    with Load(held.port, log=lambda: held.run.stderr) as load:
        for _ in range(RESTARTS):
            held.restart()
        wait_until(lambda: len(re.findall(r"^initd: info: (the server before it|server) ended: ", held.run.stderr,
                                          re.M)) == RESTARTS, timeout=30, what="the end of the old server")
        n_answers = sum(load.answers.values())
        wait_until(lambda: sum(load.answers.values()) > n_answers + 20)
    if server.drops:
        assert not load.counts["refused"], load.explain()
        assert load.counts["failed"] <= 3 * RESTARTS, load.explain()
    else:
        load.assert_all_answered()
    assert len(load.answers) >= 1 + RESTARTS, "not every server has answered: " + load.explain()
    held.assert_quiet()
    assert len(held.started()) == 1 + RESTARTS


@pytest.mark.parametrize("command", ["uvicorn held_agent:app", "gunicorn held_agent:wsgi"])
def test_a_program_that_is_known_gets_a_descriptor_where_there_can_be_no_filter(hold, command):
    """It would listen elsewhere by itself, or not at all."""
    held = hold(command, "user.no_new_privs=no", INITD_HEALTH_TARGET="/")
    assert held.run.status()["held"] == f"127.0.0.1:{held.port}"
    with Load(held.port, log=lambda: held.run.stderr) as load:
        for _ in range(RESTARTS):
            held.restart()
    load.assert_all_answered()
    assert len(load.answers) >= 1 + RESTARTS, load.explain()
    held.assert_quiet()


OVERLAPPING = ("uvicorn.run", "uvicorn with workers", "gunicorn", "gunicorn with uvicorn", "node with host")


class Dev:
    """A server that is watched, in a room of its own."""

    def __init__(self, hold, name, *options, **env):
        server = SERVERS[name]

        def prepare(room, _):
            self.package = room / "held_agent"
            shutil.copytree(HERE, self.package, ignore=shutil.ignore_patterns("__pycache__"))
            self.file = self.package / "__init__.py"
            wait_until(lambda: time.time() - self.file.stat().st_ctime > 0.1)

        self.held = hold(server.command.replace("{here}", "{room}/held_agent"), "watch.enabled=yes",
                         "server.agent_dir={room}", "server.working_dir={room}", *options, prepare=prepare,
                         **{"PYTHONPATH": None, "PYTHONDONTWRITEBYTECODE": None} | env)
        self.run = self.held.run
        self.run.logs("initd: info: watching ")

    def edit(self, line):
        """Another first line of code."""
        self.file.write_text(f"{line}\n{(HERE / '__init__.py').read_text()}")


@pytest.mark.parametrize("name", OVERLAPPING)
def test_overlapping_servers_are_replaced_under_load(hold_server, name):
    held = hold_server(name, "watch.enabled=yes", "watch.overlap=yes", "server.agent_dir={room}")
    held.run.logs("initd: info: watching ")
    with Load(held.port, keep_alive=2, log=lambda: held.run.stderr) as load:
        for number in range(1, 1 + 3):
            held.restart()
            wait_until(lambda: held.run.stderr.count("the server before it ended: ") == number,
                       timeout=30, what="the end of the old server")
    load.assert_all_answered()
    assert not load.counts["kept_refused"] and not load.counts["kept_failed"], load.explain()
    assert len(re.findall(r"^initd: info: replacing: ", held.run.stderr, re.M)) == 3
    assert len(re.findall(r"^initd: info: pid \d+ takes over from pid \d+$", held.run.stderr, re.M)) == 3
    held.assert_quiet()


@pytest.mark.parametrize("name", ["uvicorn", "gunicorn", "gunicorn with uvicorn"])
def test_a_broken_successor_leaves_the_old_server(hold, name):
    dev = Dev(hold, name, "watch.overlap=yes")
    pid = dev.held.started()[0]
    with Load(dev.held.port) as load:
        before = set(load_some(load))
        dev.edit("broken = (")
        dev.run.logs(re.compile(rf"^initd: error: its successor ended: exit code \d+ after .*; pid {pid} serves on$",
                                re.M), timeout=30)
        load.answers.clear()
        assert set(load_some(load)) <= before
        status = dev.run.status()
        assert status["state"] in ("ready", "running")
        assert status["pid"] == pid
        assert "exit code" in status["successor"], status
        dev.edit("mended = True")
        dev.run.logs(re.compile(rf"takes over from pid {pid}$", re.M), timeout=30)
        dev.run.logs("the server before it ended: ", timeout=30)
        load.answers.clear()
        assert not set(load_some(load)) & before
    load.assert_all_answered()


def load_some(load):
    """What has been answered, when that were many."""
    wait_until(lambda: sum(load.answers.values()) > 20, what=load.explain())
    return load.answers


def test_a_hundred_restarts_of_uvicorn(hold_server):
    """200 requests a second by new connections, 100 by eight clients that keep theirs."""
    held = hold_server("uvicorn.run")
    with Load(held.port, rate=200, keep_alive=8, pause=0.08, log=lambda: held.run.stderr) as load:
        for _ in range(100):
            held.restart()
    held.assert_quiet()
    assert len(held.started()) == 101
    load.assert_all_answered()
    # A server that ends closes what is open and idle. Where a request is on its way at that moment the client finds
    # the connection lost, as behind every HTTP server, and asks once more (RFC 9112, 9.3.1): Load does so, too.
    explanation = ("a kept connection is closed by the old server at its end: at most once per client and restart; "
                   "the second try must be answered: " + load.explain())
    assert not load.counts["kept_refused"] and not load.counts["kept_failed"], explanation
    assert load.counts["kept_lost"] <= 100 * 8 / 4, explanation
    print(explanation)
