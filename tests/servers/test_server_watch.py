# SPDX-License-Identifier: MIT
"""Real servers in a dev container: a file changes, and the next answer comes from the new code."""

import http.client
import json
import os
import re
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from edits import STYLES, code, in_place, rename, unlink_and_create
from harness import get, wait_until
from serving import SERVERS

# What tells the two builds apart is tested in tests/integration; here the servers are what differs.
one_libc = pytest.mark.parametrize("libc", ["musl"], indirect=True)

class Dev:
    """A server that is watched, and the file that its answer comes from."""

    def __init__(self, start, server, *options, **env):
        options = ("watch.enabled=yes", "server.agent_dir={room}", "server.working_dir={room}", *options)
        command = " ".join([*(f"-o {option}" for option in options), SERVERS[server].command])
        self.serving = start(command.replace("fastapi_agent", "watched_agent"), self.prepare,
                             **{"PYTHONPATH": None, "PYTHONDONTWRITEBYTECODE": None} | env)
        self.run = self.serving.run
        self.n_before = 0

    def prepare(self, room, _):
        shutil.copytree(Path(__file__).with_name("watched_agent"), room / "watched_agent",
                        ignore=shutil.ignore_patterns("__pycache__"))
        self.room = room
        self.file = room / "watched_agent" / "answer.py"
        # What is as new as the server may have changed while it started.
        wait_until(lambda: time.time() - self.file.stat().st_ctime > 0.1)

    def ask(self):
        """What the server answers, None while nobody does."""
        with suppress(OSError, http.client.HTTPException):
            answer = get(self.serving.port, "/answer")
            if answer.status == 200:
                return json.loads(answer.read())
        return None

    def edit(self, write, text):
        self.n_before = len(self.started())
        write(self.file, text)

    def answers(self, text, timeout=60):
        """Wait for this answer of a server that was started after the last edit; all that came with it.

        A worker of the one before may answer with new code too, if it was still importing it.
        """
        def right():
            found = self.ask()
            new = set(self.started()[self.n_before:])
            return found if found and found["answer"] == text and new.intersection(found["pids"]) else None
        try:
            return wait_until(right, timeout)
        except AssertionError:
            pytest.fail(f"never {text}: {self.ask()}{self.run.transcript()}")

    def is_up(self):
        """Wait until it answers and its files are watched."""
        self.run.logs("initd: info: watching ")
        self.answers("one")

    def started(self):
        """The pids of all servers until now, as they are in their namespace."""
        return [int(pid) for pid in re.findall(r"^initd: info: started pid (\d+) ", self.run.stderr, re.M)]

    def restarts(self):
        """Why, as the log says it."""
        return re.findall(r"^initd: info: restarting: (.*)", self.run.stderr, re.M)


@pytest.fixture
def dev(start):
    def dev(*args, **how):
        found = Dev(start, *args, **how)
        found.is_up()
        return found

    return dev


@pytest.mark.parametrize("libc, server", [*(("musl", name) for name in SERVERS), ("glibc", "uvicorn")],
                         indirect=["libc"])
def test_the_next_answer_is_the_new_codes(dev, server):
    dev = dev(server)
    for number, write in enumerate(STYLES, 1):
        dev.edit(write, code(write.__name__))
        found = dev.answers(write.__name__)
        assert found["others"] == [], "of the old server there is somebody left"
        assert json.loads(found["changed"]) == {"n": 1, "paths": [str(dev.file)]}
        status = dev.run.status()
        assert status["watch_restarts"] == number
        assert status["last_change"] == "watched_agent/answer.py changed"
    assert dev.restarts() == ["watched_agent/answer.py changed"] * len(STYLES)
    assert len(dev.started()) == 1 + len(STYLES)
    assert "initd: warn" not in dev.run.stderr
    assert "initd: error" not in dev.run.stderr


@one_libc
def test_polling_does_the_same(dev):
    dev = dev("uvicorn", "watch.backend=poll", "watch.poll_interval=50ms")
    for write in STYLES:
        dev.edit(write, code(write.__name__))
        dev.answers(write.__name__)
    assert dev.run.status()["watch_backend"] == "poll"
    assert dev.restarts() == ["watched_agent/answer.py changed"] * len(STYLES)


@one_libc
@pytest.mark.parametrize("server", SERVERS)
def test_an_open_stream_does_not_keep_the_old_server(dev, server):
    """A server waits for its clients; one that reads events for ever would keep it from ending at all."""
    dev = dev(server, "watch.stop_timeout=700ms", "server.hold_socket=no")
    stream = get(dev.serving.port, "/events")
    assert stream.readline() == b"data: tick\n"
    since = time.monotonic()
    dev.edit(unlink_and_create, code("two"))
    dev.run.logs("initd: warn: not stopped after 700 ms: SIGKILL to its process group")
    assert time.monotonic() - since >= 0.7
    assert dev.answers("two")["others"] == []
    with suppress(OSError, http.client.HTTPException):      # it may end in the middle of a chunk
        stream.read()
    assert len(dev.restarts()) == 1
    assert dev.run.status()["watch_restarts"] == 1


# uvicorn's own supervisor starts workers again and again; the others give up.
@one_libc
@pytest.mark.parametrize("server", ["uvicorn", "gunicorn"])
def test_a_syntax_error_is_waited_for(dev, server):
    dev = dev(server)
    dev.edit(in_place, "ANSWER = (\n")
    dev.run.logs(f"initd: info: waiting for a change in {dev.room}\n", timeout=60)
    assert "SyntaxError" in dev.run.stderr
    assert re.search(r"^initd: error: server ended: exit code [13] after ", dev.run.stderr, re.M)
    assert dev.run.status()["state"] == "waiting"
    check = dev.run.ask("healthcheck")
    assert check.returncode == 1
    assert "waits for a change" in check.stdout
    # What happens to other files that count is a reason to try, too.
    (dev.room / "settings.toml").write_text("")
    wait_until(lambda: dev.run.stderr.count("initd: info: waiting for a change") == 2, timeout=60)
    dev.edit(in_place, code("two"))
    dev.answers("two")
    dev.run.reaches("ready")


@one_libc
def test_a_syntax_error_in_workers_is_recovered_from(dev):
    dev = dev("uvicorn with workers")
    dev.edit(in_place, "ANSWER = (\n")
    dev.run.logs("SyntaxError", timeout=60)
    dev.edit(in_place, code("two"))
    dev.answers("two")


@one_libc
def test_workers_whose_supervisor_was_killed_are_gone_while_a_change_is_waited_for(dev):
    dev = dev("uvicorn with workers")
    os.kill(dev.run.child_pid(), signal.SIGKILL)
    dev.run.logs("initd: info: waiting for a change in ", timeout=60)
    assert dev.serving.members() == [dev.run.pid]
    dev.edit(in_place, code("two"))
    assert dev.answers("two")["others"] == []


@one_libc
@pytest.mark.parametrize("server", ["uvicorn", "gunicorn"])
def test_a_server_that_hangs_when_it_starts_is_replaced(dev, server):
    dev = dev(server, "watch.stop_timeout=500ms", "server.hold_socket=no")
    dev.edit(in_place, 'import time\n\nprint("hangs", flush=True)\ntime.sleep(1000)\n')
    wait_until(lambda: len(dev.started()) == 2 and "hangs\n" in dev.run.stdout, timeout=60)
    dev.edit(in_place, code("two"))
    assert dev.answers("two")["others"] == []
    assert len(dev.restarts()) == 2


@one_libc
def test_two_edits_of_one_size_in_one_second(dev):
    """Compose sets whole seconds, and Python takes bytecode for fresh whose second and size are right."""
    dev = dev("uvicorn")
    second = int(time.time())

    def rename_of_this_second(path, text):
        rename(path, text, times=(second, second))

    for text in ("two", "six", "ten"):
        dev.edit(rename_of_this_second, code(text))
        dev.answers(text)
        assert list(dev.file.parent.glob("__pycache__/answer.*.pyc")), "Python wrote no bytecode to be wrong"
    assert len(dev.restarts()) == 3


@one_libc
def test_the_same_bytes_restart_nothing(dev):
    dev = dev("uvicorn")
    for write in STYLES:
        dev.edit(write, code("one"))
    (dev.room / "notes.md").write_text("no pattern includes it")
    # Whatever would come of that has come when a change after it has.
    dev.file.with_name("other.py").write_text("")
    wait_until(lambda: len(dev.started()) == 2, timeout=60)
    dev.answers("one")
    assert dev.restarts() == ["watched_agent/other.py is new"]
