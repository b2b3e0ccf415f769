# SPDX-License-Identifier: MIT
"""watch.standby with FastAPI on uvicorn: the spare Python answers the next edit, with today's code or not at all."""

import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

import packages
import pidns
from edits import STYLES, code, in_place, rename, unlink_and_create
from harness import get, wait_until
from load import Load

# What tells the two builds apart is tested in tests/integration; here Python is what differs.
pytestmark = pytest.mark.parametrize("libc", ["musl"], indirect=True)

OWN = "%d.%d" % sys.version_info[:2]
SEED = int(os.environ.get("INITD_TEST_SEED", "5"))
EDITS = int(os.environ.get("INITD_TEST_EDITS", "200"))


def versions():
    """Our own Python, and those for which `make check` has been run before."""
    digest = packages.directory("").name
    made = packages.BUILD.glob(f"venvs/venv-3.*{digest}/.complete")
    return sorted({OWN, *(re.search(r"venv-(3\.\d+)", str(path))[1] for path in made)})


COMMANDS = {
    "-m": "python -m watched_agent.server",
    "file": "python {room}/main.py",
    "script": "uvicorn watched_agent.server:app --host 127.0.0.1 --port {port}",
}

MAIN = """\
import os

import uvicorn

from watched_agent.server import app

if __name__ == "__main__":
    uvicorn.run(app, host=os.environ["HOST"], port=int(os.environ["PORT"]))
"""


class Dev:
    """A FastAPI application in a room, watched, and with a spare Python unless options say otherwise."""

    def __init__(self, start, command, *options, **env):
        names = {option.partition("=")[0] for option in options}
        defaults = ("watch.enabled=yes", "watch.standby=yes", "log.level=debug", "server.agent_dir={room}",
                    "server.working_dir={room}")
        options = (*(option for option in defaults if option.partition("=")[0] not in names), *options)
        words = " ".join(f"-o {option}" for option in options)
        self.command = command
        self.serving = start(f"{words} {COMMANDS.get(command, command)}", self.prepare,
                             **{"PYTHONPATH": None, "PYTHONDONTWRITEBYTECODE": None} | env)
        self.run, self.port = self.serving.run, self.serving.port
        self.n_before = 0
        self.run.logs("initd: info: ready on ", timeout=60)

    def prepare(self, room, _):
        shutil.copytree(Path(__file__).with_name("watched_agent"), room / "watched_agent",
                        ignore=shutil.ignore_patterns("__pycache__"))
        (room / "main.py").write_text(MAIN)
        self.room = room
        self.file = room / "watched_agent" / "answer.py"
        # What is as new as the server may have changed while it started.
        wait_until(lambda: time.time() - self.file.stat().st_ctime > 0.1)

    def started(self):
        return [int(pid) for pid in re.findall(r"^initd: info: started pid (\d+) ", self.run.stderr, re.M)]

    def spares(self):
        return [int(pid) for pid in re.findall(r"^initd: debug: standby pid (\d+)$", self.run.stderr, re.M)]

    def warm(self):
        """Wait for a spare that is warm; its pid in the namespace."""
        def find():
            status = self.run.status()
            return status["standby"] == "warm" and status["standby_pid"]
        return wait_until(find, timeout=30, what="a warm standby")

    def edit(self, text, write=in_place):
        self.n_before = len(self.started())
        write(self.file, text)

    def ask(self):
        with suppress(OSError):
            answer = get(self.port, "/answer")
            if answer.status == 200:
                return json.loads(answer.read())
        return None

    def answers(self, text, timeout=30):
        """Wait for this answer of a server that was started after the last edit; all that came with it."""
        def right():
            found = self.ask()
            new = set(self.started()[self.n_before:])
            return found if found and found["answer"] == text and new.intersection(found["pids"]) else None
        return wait_until(right, timeout, what=f"{text}: {self.ask()}")

    def assert_quiet(self):
        assert re.findall(r"^initd: (?:warn|error): .*", self.run.stderr, re.M) == []
        assert "Traceback" not in self.run.stderr


@pytest.fixture
def dev(start):
    return lambda *args, **how: Dev(start, *args, **how)


@pytest.fixture(params=[OWN])
def venv(request):
    """For this Python: our own one's is made, that of another must be there."""
    return packages.venv() if request.param == OWN else packages.directory(f"venv-{request.param}")


def by_second(path, text):
    """Of one size and one second, as Compose may write it: Python would take yesterday's bytecode for today's."""
    rename(path, text, times=(1_700_000_000, 1_700_000_000))


# ---- Today's code, by the spare Python, and nobody notices.

@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("venv", versions(), indirect=True)
def test_an_edit_is_answered_by_the_standby_with_todays_code(dev, command):
    dev = dev(command)
    with Load(dev.port, path="/health", keep_alive=1) as load:
        for number, write in enumerate((in_place, unlink_and_create, by_second, by_second)):
            pid = dev.warm()
            dev.edit(code(f"{write.__name__[:4]}{number}"), write)
            found = dev.answers(f"{write.__name__[:4]}{number}")
            assert found["is_warm"]
            assert pid in found["pids"]
            assert dev.run.status()["pid"] == pid
            assert json.loads(found["changed"])["paths"] == [str(dev.file)]
            assert list(dev.file.parent.glob("__pycache__/answer.*.pyc")), "Python wrote no bytecode to be wrong"
    load.assert_all_answered()
    assert not load.counts["kept_refused"] and not load.counts["kept_failed"], load.explain()
    dev.assert_quiet()


def test_an_edit_before_the_standby_is_warm(dev):
    """It stops preloading then, or is passed over."""
    dev = dev("-m")
    for number in range(6):
        wait_until(lambda: len(dev.spares()) > number, what="it in the log")
        time.sleep(0.05 * number)       # so far has it come, more or less
        dev.edit(code(str(number)))
        dev.answers(str(number))
    dev.assert_quiet()


def cold_stderr(dev, venv):
    """What the command says without initd, where it fails."""
    words = [word.format(room=dev.room, port=dev.port) for word in COMMANDS[dev.command].split()]
    result = subprocess.run([venv / "bin" / words[0], *words[1:]], cwd=dev.room, capture_output=True, text=True,
                            timeout=30, env=pidns.environment_of(
                                {"HOST": "127.0.0.1", "PORT": str(dev.port), "PYTHONUNBUFFERED": "1"}))
    assert result.returncode == 1, result
    return result.stderr


BROKEN = ("import nosuch\n", "ANSWER = 1 / 0\n", "from fastapi import Nosuch\n")


def assert_told_and_mended(dev, venv, broken):
    dev.warm()
    said, n_waits = len(dev.run.stderr), dev.run.stderr.count(WAITS)
    dev.edit(broken)
    wait_until(lambda: dev.run.stderr.count(WAITS) > n_waits, timeout=30, what="waiting")
    assert dev.run.status()["state"] == "waiting"
    expected = cold_stderr(dev, venv)
    assert "Traceback" in expected
    theirs = "".join(line for line in dev.run.stderr[said:].splitlines(keepends=True)
                     if not re.match(r"initd: |INFO: ", line))
    # Twice, if it was tried again when its predecessor was gone: what never worked beside one may fail because of it.
    assert theirs in (expected, 2 * expected)
    mended = f"mended {len(dev.started())}"
    dev.edit(code(mended))
    dev.answers(mended)
    dev.run.reaches("ready")


WAITS = "initd: info: waiting for a change in "


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("venv", versions(), indirect=True)
def test_a_syntax_error_is_told_as_by_a_cold_start_and_mended(dev, command, venv):
    dev = dev(command)
    assert_told_and_mended(dev, venv, "ANSWER = (\n")
    dev.edit(code("again"))
    dev.answers("again")


@pytest.mark.parametrize("venv", versions(), indirect=True)
def test_other_errors_are_told_as_by_a_cold_start_and_mended(dev, venv):
    dev = dev("-m")
    for broken in BROKEN:
        assert_told_and_mended(dev, venv, broken)


# ---- What it has imported is not today's any more: a cold start, and the right one.

@pytest.fixture
def own_venv(venv, tmp_path):
    """A venv to be changed: its site-packages."""
    copy = tmp_path / "venv"
    shutil.copytree(venv, copy, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    return next(copy.glob("lib/python*/site-packages"))


def use(dev, name):
    """An edit by which the answer is that of a library."""
    dev.edit(f"from {name} import ANSWER\n")


def test_what_is_installed_or_changed_meanwhile_is_imported(dev, own_venv):
    dev = dev("-m", VIRTUAL_ENV=str(own_venv.parents[2]))
    dev.warm()
    (own_venv / "lately.py").write_text(code("new"))
    use(dev, "lately")
    assert not dev.answers("new")["is_warm"]

    dev.warm()      # and it has imported `lately`, since the project does
    (own_venv / "lately.py").write_text(code("changed"))
    dev.edit("from lately import ANSWER  # again\n")
    assert not dev.answers("changed")["is_warm"]

    dev.warm()
    (own_venv / "lately.py").unlink()
    (own_venv / "lately").mkdir()
    (own_venv / "lately" / "__init__.py").write_text(code("a package"))
    dev.edit("from lately import ANSWER  # and again\n")
    assert not dev.answers("a package")["is_warm"]

    pid = dev.warm()
    dev.edit("from lately import ANSWER  # nothing new\n")
    found = dev.answers("a package")
    assert found["is_warm"] and pid in found["pids"]
    dev.assert_quiet()


def kill_standby(dev):
    """Only that it is gone is waited for."""
    pid, n_ended = dev.warm(), dev.run.stderr.count("initd: debug: standby ended: ")
    os.kill(dev.run.outer(pid), signal.SIGKILL)
    wait_until(lambda: dev.run.stderr.count("initd: debug: standby ended: ") > n_ended, what="it in the log")
    return pid


def test_a_standby_that_was_killed_is_done_without(dev):
    dev = dev("-m")
    for number in range(3):
        pid = kill_standby(dev)
        dev.edit(code(f"killed {number}"))
        found = dev.answers(f"killed {number}")
        assert pid not in found["pids"]
        assert dev.run.status()["pid"] in found["pids"]
    dev.assert_quiet()


def test_a_standby_that_ends_again_and_again_is_given_up(dev):
    dev = dev("-m")
    for _ in range(3):
        kill_standby(dev)
    dev.run.logs("initd: warn: no standby any more: it ended 3 times (killed by SIGKILL)\n")
    n_spares = len(dev.spares())
    dev.edit(code("without"))
    assert not dev.answers("without")["is_warm"]
    assert len(dev.spares()) == n_spares == 3
    assert not dev.run.status()["standby"]


def slow_python(room, venv):
    """A venv with the packages of that one, whose Python takes a while until it comes to sitecustomize."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", room], check=True)
    inside = "lib/python%d.%d/site-packages" % sys.version_info[:2]
    (room / inside / "slow.pth").write_text(f"{venv / inside}\nimport time; time.sleep(0.5)\n")
    return str(room)


def test_a_standby_that_had_no_time_to_come_to_itself_is_not_given_up(dev, lab):
    dev = dev("-m", VIRTUAL_ENV=slow_python(lab.room(), packages.venv()))
    for number in range(5):
        wait_until(lambda: len(dev.spares()) > number, timeout=30, what="a young standby")
        dev.edit(code(f"young {number}"))
        assert not dev.answers(f"young {number}")["is_warm"]
        wait_until(lambda: dev.run.status()["state"] == "ready", timeout=30)
    dev.warm()
    dev.assert_quiet()


# ---- Where there is none, and what it costs.

@pytest.mark.parametrize("command, why", [
    ("sh -c python\\ -m\\ watched_agent.server", "the command is no Python"),
    ("python -I {room}/main.py", "-E, -I or -S keeps Python from sitecustomize"),
    ("python -S {room}/main.py", "-E, -I or -S keeps Python from sitecustomize"),
    ("python -uE -m watched_agent.server", "-E, -I or -S keeps Python from sitecustomize"),
], ids=["sh", "-I", "-S", "-E"])
def test_there_is_none_where_python_would_not_see_it(start, command, why):
    def prepare(room, _):
        (room / "main.py").write_text("")
        (room / "watched_agent").mkdir()

    serving = start("-o watch.enabled=yes -o watch.standby=yes -o server.agent_dir={room} " + command, prepare)
    serving.run.logs(f"initd: info: no standby: {why}\n")


def test_a_stop_while_it_is_warm(dev):
    dev = dev("-m")
    dev.warm()
    since = time.monotonic()
    dev.run.kill(signal.SIGTERM)
    assert dev.run.wait() == 143
    assert time.monotonic() - since < 1.5
    assert dev.serving.members() == []
    assert not re.search("Traceback|KeyboardInterrupt|not stopped", dev.run.stderr + dev.run.stdout)
    dev.assert_quiet()


def cpu_ticks(pid):
    """utime and stime."""
    return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))


def test_a_warm_standby_costs_no_cpu(dev):
    dev = dev("-m")
    pid = dev.run.outer(dev.warm())
    before = cpu_ticks(pid), Path(f"/proc/{pid}/status").read_text().count("Threads:\t1\n")
    switches = pidns.read_status(pid)["voluntary_ctxt_switches"]
    with Load(dev.port, rate=200, path="/health") as load:
        wait_until(lambda: load.counts["answered"] > 200, timeout=30)
        dev.run.status()
    assert (cpu_ticks(pid), Path(f"/proc/{pid}/status").read_text().count("Threads:\t1\n")) == before == (before[0], 1)
    assert pidns.read_status(pid)["voluntary_ctxt_switches"] == switches


# ---- Whatever is done, in whatever order.

@pytest.mark.alone
def test_random_edits_under_load(dev):
    """After each quiet the answer is the one that was written last, and no request has failed."""
    dev = dev("-m", "server.hold_socket=yes")
    dice = random.Random(SEED)
    number, last, history = 0, None, []
    with Load(dev.port, rate=200, path="/health", log=lambda: dev.run.stderr) as load:
        while number < EDITS:
            dev.n_before = len(dev.started())
            for _ in range(dice.choice((1, 2, 4, 6, 8))):
                number += 1
                write = dice.choice((*STYLES, by_second))
                text = f"{number:04}"
                write(dev.file, code(text))
                last, pause = text, dice.choice((0, 0, 0.01, 0.06, 0.2, 0.5))
                history.append(f"{time.monotonic() - load.began:.3f} s: {write.__name__} {text}, then {pause} s")
                time.sleep(pause)
            wait_until(lambda: (dev.ask() or {}).get("answer") == last, timeout=30,
                       what=f"{last} (INITD_TEST_SEED={SEED}): {dev.ask()}; {history[-10:]}")
            if dice.random() < 0.25:
                dev.warm()
    load.assert_all_answered()
    dev.assert_quiet()
    print(f"{len(dev.started())} servers for {number} edits: {load.explain()}")


# ---- Figures, only printed (-s): INITD_TEST_FIGURES=1, or the path of a venv with google-adk and uvicorn.

FIGURES = os.environ.get("INITD_TEST_FIGURES")
WAYS = {
    "cold": ("server.hold_socket=no", "watch.standby=no"),
    "held": ("server.hold_socket=yes", "watch.standby=no"),
    "standby": ("server.hold_socket=yes", "watch.standby=yes"),
}

ADK = """\
import google.adk.agents
import google.adk.runners
from google.adk.cli.fast_api import get_fast_api_app
"""


def milliseconds_to_new_answer(dev, text):
    """From the edit on."""
    dev.edit(code(text))
    since = time.monotonic()
    while time.monotonic() < since + 60:
        found = dev.ask()
        if found and found["answer"] == text:
            return (time.monotonic() - since) * 1000
        time.sleep(0.001)
    raise AssertionError(dev.run.transcript())


if FIGURES:
    @pytest.mark.parametrize("imports", ["fastapi", *(["adk"] if FIGURES != "1" else [])])
    def test_figures(start, imports):
        devs, env = {}, {"VIRTUAL_ENV": FIGURES} if imports == "adk" else {}
        for way, options in WAYS.items():
            devs[way] = Dev(start, "-m", *options, **env)
        if imports == "adk":
            for dev in devs.values():
                with open(dev.file.with_name("__init__.py"), "w") as file:
                    file.write(ADK)
                dev.run.logs(re.compile(r"restarting:(.*\n)+.*ready on"), timeout=60)
        taken = {way: [] for way in WAYS}
        for number in range(5 if imports == "adk" else 15):
            for way, dev in devs.items():       # interleaved
                if way == "standby":
                    dev.warm()
                wait_until(lambda: dev.run.status()["state"] == "ready", timeout=60)
                time.sleep(0.3)
                taken[way].append(milliseconds_to_new_answer(dev, f"{number:04}"))
        for way, times in taken.items():
            print(f"\n{imports} {way}: median {statistics.median(times):.0f} ms, {min(times):.0f} to {max(times):.0f}, "
                  f"standby memory {devs[way].run.status()['standby_memory_kb']} KB")
