#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The figures of the watcher beside its peers, in one interleaved run: FastAPI on uvicorn, and a large tree."""

import argparse
import contextlib
import ctypes
import fcntl
import hashlib
import itertools
import json
import os
import queue
import random
import re
import resource
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from figures import BUILDS, CHILD, ENVIRONMENT, GATED, HERE, OUT, ROOT, become_root, kilobytes_of, machine, snapshot

sys.path.insert(0, str(ROOT / "tests"))
import packages

VENVS = ROOT / "build" / "venvs"
WATCHERS = HERE / "watchers.txt"
NODEMON = "3.1.14"
PORT = 8000
HOST = "127.0.0.1"
UVICORN = ["uvicorn", "app.main:app", "--host", HOST, "--port", str(PORT), "--log-level", "warning"]

MODULES = 100
ALONE = 2  # times that the server is run alone before each watcher
START_S = 60  # the first start of a server, of bytecode too
ANSWER_S = 10
# Before each edit, since the answer to the one before: longer than any watcher polls, and of no fixed phase.
PAUSE_S = (0.3, 0.8)
WATCHING_S = 1  # what a watcher gets to set up its watches after the first answer
AFTERMATH_S = 1.5  # in which one change may restart the server again

DIRECTORIES = 1000
FILES = 10  # in each
SETTLE_S = 6  # nodemon's watches take 4
SETUPS = 9
TURNS = 4

FLOOR_INOTIFY = "floor, inotify"
FLOOR_POLL = "floor, poll 1 s"
INITD = "initd"
INITD_APART = "initd, hold_socket=no"
INITD_OVERLAP = "initd, overlap"
INITD_STANDBY = "initd, standby"
VARIANTS = {INITD: (), INITD_APART: ("server.hold_socket=no",), INITD_OVERLAP: ("watch.overlap=yes",),
            INITD_STANDBY: ("watch.standby=yes",)}
INITD_POLL = "initd, poll 1 s"
INITD_OFF = "initd, not watching"
STATRELOAD = "uvicorn --reload (StatReload)"
WATCHFILES = "uvicorn --reload (watchfiles)"
WATCHMEDO = "watchmedo auto-restart"
ENTR = "entr -r"
NODEMON_TERM = "nodemon --signal SIGTERM"
PEERS = (STATRELOAD, WATCHFILES, WATCHMEDO, ENTR, NODEMON_TERM)
# Waits for the end of its shell, not of the server: for a while there are two, and the port is the faster one's.
NODEMON_EARLY = "nodemon, overlapping"


# ---- what there is ----


def compile_programs():
    """With musl where that is installed: the floor's memory is that of a bare static binary."""
    OUT.mkdir(parents=True, exist_ok=True)
    compiler = shutil.which("musl-gcc") or "gcc"
    for name in ("child", "asker", "watch_floor"):
        flags = ["-static", "-O2", "-Wall", "-Wextra", "-Wconversion"]
        subprocess.run([compiler, *flags, "-o", OUT / name, HERE / f"{name}.c"], check=True)


def last_line(error):
    return (error.stderr.strip().splitlines() or [str(error)])[-1]


def watchers_packages():
    """Beside the venv, not in it: uvicorn --reload takes watchfiles wherever it finds it."""
    digest = hashlib.sha256(WATCHERS.read_bytes()).hexdigest()[:12]

    def make(path):
        words = [sys.executable, "-m", "pip", "install", "--quiet", "--target", path, "--requirement", WATCHERS]
        subprocess.run(words, capture_output=True, text=True, check=True)

    return packages.made(VENVS / ("watchers-%d.%d-%s" % (*sys.version_info[:2], digest)), make)


def find_nodemon():
    found = shutil.which("nodemon")
    if found:
        return found

    def make(path):
        words = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", path, f"nodemon@{NODEMON}"]
        subprocess.run(words, capture_output=True, text=True, check=True)

    return str(packages.made(VENVS / f"nodemon-{NODEMON}", make) / "node_modules" / ".bin" / "nodemon")


@dataclass(frozen=True)
class Watcher:
    """How a server that is restarted after changes below a tree is run."""

    name: str
    before: tuple = ()  # the words before the server's, and after; {tree} is what it watches
    after: tuple = ()
    env: dict = field(default_factory=dict)
    shell: str = ""  # what makes the server's words one of a shell's
    is_init: bool = False
    reads_list: bool = False  # of the files, from its stdin
    fixed_server: bool = False  # knows no other server than uvicorn
    has_server: bool = True
    rest_s: float = 0  # between two edits, for what it does meanwhile

    def words(self, tree, server):
        before = [word.format(tree=tree) for word in self.before]
        after = [word.format(tree=tree) for word in self.after]
        return [*before, *([self.shell.format(" ".join(server))] if self.shell else server), *after]


def initd_watcher(name, initd, *options):
    words = [initd, "-o", "user.name=0", "-o", "server.agent_dir={tree}"]
    for option in options:
        words += ["-o", option]
    # A spare Python imports what FastAPI needs.
    return Watcher(name, (*words, "--"), is_init=True, rest_s=2 if name == INITD_STANDBY else 0)


def find_watchers(options, initd):
    """Those that can be run, and for each other one the reason why not."""
    found = {name: initd_watcher(name, initd, "watch.enabled=yes", *words) for name, words in VARIANTS.items()}
    skipped = {}
    if options.only_initd:
        return [*found.values()], skipped
    found[STATRELOAD] = Watcher(STATRELOAD, after=("--reload", "--reload-dir", "{tree}"), fixed_server=True)
    try:
        env = {"PYTHONPATH": str(watchers_packages())}
    except subprocess.CalledProcessError as error:
        skipped |= {name: f"pip: {last_line(error)}" for name in (WATCHFILES, WATCHMEDO)}
    else:
        found[WATCHFILES] = Watcher(WATCHFILES, after=found[STATRELOAD].after, env=env, fixed_server=True)
        words = ("python", "-m", "watchdog.watchmedo", "auto-restart", "--directory", "{tree}", "--recursive",
                 "--pattern", "**/*.py", "--signal", "SIGTERM", "--")
        found[WATCHMEDO] = Watcher(WATCHMEDO, words, env=env)
    entr = shutil.which("entr")
    if entr:
        found[ENTR] = Watcher(ENTR, (entr, "-n", "-r"), reads_list=True)
    else:
        skipped[ENTR] = "not in PATH"
    try:
        # With its own delay it started twice for a batch.
        words = (find_nodemon(), "--quiet", "--signal", "SIGTERM", "--delay", "0.1", "--watch", "{tree}", "--ext", "py",
                 "--exec")
        found[NODEMON_TERM] = Watcher(NODEMON_TERM, words, shell="exec {}")
        found[NODEMON_EARLY] = Watcher(NODEMON_EARLY, words, shell="{}")
    except FileNotFoundError:
        skipped[NODEMON_TERM] = "no nodemon and no npm in PATH"
    except subprocess.CalledProcessError as error:
        skipped[NODEMON_TERM] = f"npm: {last_line(error)}"
    return [*found.values()], skipped


def own_network():
    """A network with nothing but a loopback: no port here is taken, and no client's own port can be the server's."""
    clone_newnet, siocgifflags, siocsifflags, iff_up = 0x40000000, 0x8913, 0x8914, 1
    if ctypes.CDLL(None, use_errno=True).unshare(clone_newnet) < 0:
        raise OSError(ctypes.get_errno(), "unshare of the network")
    with socket.socket() as sock:
        name, flags = struct.unpack_from("16sh", fcntl.ioctl(sock, siocgifflags, struct.pack("16sh14x", b"lo", 0)))
        fcntl.ioctl(sock, siocsifflags, struct.pack("16sh14x", name, flags | iff_up))


# ---- processes ----


class Running(NamedTuple):
    process: subprocess.Popen
    pid: int  # of the watcher itself
    started_ns: int


def children(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def only_child(pid, process):
    deadline = time.monotonic() + ANSWER_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            for child in children(pid):
                return child
        time.sleep(0.001)
    raise RuntimeError(f"{' '.join(map(str, process.args))}: has ended, or has not begun")


@contextlib.contextmanager
def running(watcher, tree, server, env, cwd, stderr=subprocess.DEVNULL):
    """The watcher in a PID namespace, which ends with the block: as PID 1 if it is an init, else below a shell."""
    unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]
    shell = [] if watcher.is_init else ["sh", "-c", '"$@"; exit $?', "sh"]
    with contextlib.ExitStack() as stack:
        stdin = subprocess.DEVNULL
        if watcher.reads_list:
            stdin = stack.enter_context(tempfile.TemporaryFile())
            stdin.write(b"".join(os.fsencode(path) + b"\n" for path in sorted(tree.rglob("*.py"))))
            stdin.seek(0)
        started_ns = time.monotonic_ns()
        process = stack.enter_context(subprocess.Popen(
            [*unshare, *shell, *watcher.words(tree, server)], cwd=cwd, env=env | watcher.env, stdin=stdin,
            stdout=subprocess.DEVNULL, stderr=stderr))
        init = only_child(process.pid, process)
        try:
            yield Running(process, init if watcher.is_init else only_child(init, process), started_ns)
        finally:
            # The namespace is empty when its PID 1 has been reaped, and that is when unshare ends.
            with contextlib.suppress(ProcessLookupError):
                os.kill(init, signal.SIGKILL)


# ---- from the edit to the answer ----


class Answer(NamedTuple):
    """The first with a new number."""

    number: int
    ns: int
    last_ns: int  # of the last old one
    failed: int  # requests that got none since the last new number


class Asker:
    def __init__(self):
        self.process = subprocess.Popen([OUT / "asker", str(PORT)], stdout=subprocess.PIPE, text=True)
        self.answers = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.answers.put(Answer(*map(int, line.split())))

    def first(self, number, timeout):
        """The first answer with this number, all that failed up to it included; None if there is none in time."""
        deadline, failed = time.monotonic() + timeout, 0
        while True:
            try:
                answer = self.answers.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                return None
            failed += answer.failed
            if answer.number >= number:
                return answer._replace(failed=failed)

    def close(self):
        self.process.kill()
        self.process.wait()


def in_place(path, text):
    path.write_text(text)


def as_docker(path, text):
    """The Engine's archive PUT, which `docker compose watch` syncs with."""
    path.unlink()
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    os.chown(path, 0, 0)
    path.chmod(0o644)
    os.utime(path)


def by_rename(path, text):
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.replace(path)


STYLES = {"in place": in_place, "docker": as_docker, "rename": by_rename}

# Counts the servers that came so far as to read it, also those that never answered.
PACKAGE = """\
import os

with open(os.environ["STARTS"], "ab") as file:
    file.write(b".")
"""
MAIN = """\
from fastapi import FastAPI

from app import {modules}

app = FastAPI()


@app.get("/health")
async def health():
    return {{"number": NUMBER + sum(module.NUMBER for module in ({modules}))}}


"""
MODULE = "".join(f'''\
def function_{number}(first, second=None):
    """Stands for the code of a module."""
    return first if second is None else first + second


''' for number in range(8))


class Project:
    """A FastAPI application that answers with the sum of the numbers in all its files."""

    def __init__(self, room):
        self.tree = room / "src"
        self.starts_file = room / "starts"
        self.starts_file.touch()
        (self.tree / "app").mkdir(parents=True)
        (self.tree / "app" / "__init__.py").write_text(PACKAGE)
        names = [f"module_{number}" for number in range(MODULES)]
        texts = {"main": MAIN.format(modules=", ".join(names))} | dict.fromkeys(names, MODULE)
        self.texts = {self.tree / "app" / f"{name}.py": text for name, text in texts.items()}
        self.numbers = dict.fromkeys(self.texts, 0)
        self.main = next(iter(self.texts))
        self.change(in_place, self.texts)

    @property
    def number(self):
        return sum(self.numbers.values())

    @property
    def starts(self):
        return self.starts_file.stat().st_size

    def change(self, write, paths):
        """Returns the time of the last one's end."""
        for path in paths:
            self.numbers[path] += 1
            number = self.numbers[path]
            # Longer by one each time: a file as old in seconds and as long has valid bytecode.
            write(path, f"{self.texts[path]}NUMBER = {number}  #{'.' * number}\n")
        return time.monotonic_ns()

    def edit(self, style):
        return self.change(STYLES[style], [self.main])

    def batch(self):
        return self.change(as_docker, self.texts)


class Edit(NamedTuple):
    """All but the starts is None where no answer came."""

    ms: float | None
    outage_ms: float | None
    failed: int | None
    starts: int


def pause():
    time.sleep(random.uniform(*PAUSE_S))


class Latency:
    """The project, who asks it, and all samples."""

    def __init__(self, options, project, server, env):
        self.options = options
        self.project = project
        self.server = server
        self.env = env
        self.asker = Asker()
        self.alone = []  # start and stop
        self.edits = {}  # by watcher and style
        self.batches = {}

    def floor(self):
        """uvicorn alone: milliseconds from spawn to the first answer, and from SIGTERM to its end."""
        self.project.edit("in place")
        began_ns = time.monotonic_ns()
        with subprocess.Popen(self.server, cwd=self.project.tree, env=self.env) as process:
            try:
                answer = self.asker.first(self.project.number, START_S)
                if not answer:
                    raise RuntimeError("uvicorn does not answer")
                start_ns = answer.ns - began_ns
                pause()
                began_ns = time.monotonic_ns()
                process.terminate()
                process.wait(ANSWER_S)
                return start_ns / 1e6, (time.monotonic_ns() - began_ns) / 1e6
            finally:
                process.kill()

    def follow(self, change, aftermath_s=0):
        """One change, and what becomes of it."""
        starts = self.project.starts
        written_ns = change()
        answer = self.asker.first(self.project.number, ANSWER_S)
        pause()
        time.sleep(aftermath_s)
        starts = self.project.starts - starts
        if not answer:
            return Edit(None, None, None, starts)
        return Edit((answer.ns - written_ns) / 1e6, (answer.ns - answer.last_ns) / 1e6, answer.failed, starts)

    def block(self, watcher):
        """The watcher's edits and one batch; what it does not answer ends the block."""
        styles = list(STYLES) * self.options.edits
        random.shuffle(styles)
        # Written while nobody runs: so the first answer of all has a new number too.
        self.project.edit("in place")
        with running(watcher, self.project.tree, self.server, self.env, self.project.tree):
            if not self.asker.first(self.project.number, START_S):
                raise RuntimeError(f"{watcher.name}: the server does not answer")
            time.sleep(WATCHING_S + watcher.rest_s)
            for style in styles:
                edit = self.follow(lambda: self.project.edit(style))
                self.edits.setdefault((watcher.name, style), []).append(edit)
                if edit.ms is None:
                    return
                time.sleep(watcher.rest_s)
            self.batches.setdefault(watcher.name, []).append(self.follow(self.project.batch, AFTERMATH_S))

    def take(self, watchers, notes):
        """Whoever does not work is noted and left out."""
        watchers = list(watchers)
        self.floor()  # the first makes all the bytecode
        for number in range(self.options.blocks):
            random.shuffle(watchers)
            for watcher in list(watchers):
                self.alone += [self.floor() for _ in range(ALONE)]
                try:
                    self.block(watcher)
                except RuntimeError as error:
                    notes.append(str(error))
                    watchers.remove(watcher)
            if self.options.progress:
                print(f"block {number + 1} of {self.options.blocks}", file=sys.stderr)


def spread(values):
    """Median, quartiles and extremes."""
    low, _, high = statistics.quantiles(values, method="inclusive") if len(values) > 1 else [*values] * 3
    return {"median": statistics.median(values), "q1": low, "q3": high, "min": min(values), "max": max(values)}


def figures_of(edits):
    """Medians are of those that were answered."""
    answered = [edit for edit in edits if edit.ms is not None]
    figures = {
        "n": len(edits),
        "missed": len(edits) - len(answered),
        "starts": max(edit.starts for edit in edits),
        "starts_min": min(edit.starts for edit in edits),
    }
    if not answered:
        return figures
    return figures | spread([edit.ms for edit in answered]) | {
        "outage": statistics.median(edit.outage_ms for edit in answered),
        "failed": statistics.median(edit.failed for edit in answered),
        "failed_max": max(edit.failed for edit in answered),
        "samples": [edit.ms for edit in answered],
    }


def latency_figures(latency):
    start_ms, stop_ms = zip(*latency.alone)
    floor = {"stop": spread(stop_ms), "start": spread(start_ms)}
    floor_ms = floor["stop"]["median"] + floor["start"]["median"]
    cells = {}
    for (name, style), edits in latency.edits.items():
        own = cells.setdefault(name, {})[style] = figures_of(edits)
        if "median" in own:
            own["over_floor"] = own["median"] - floor_ms
    return {
        "floor": floor,
        "floor_samples": {"start": start_ms, "stop": stop_ms},
        "edits": cells,
        "batches": {name: figures_of(edits) for name, edits in latency.batches.items()},
    }


def measure_latency(options, watchers, project, env, notes):
    latency = Latency(options, project, UVICORN, env)
    try:
        latency.take(watchers, notes)
    finally:
        latency.asker.close()
    return latency_figures(latency)


# ---- a large tree in which nothing happens ----


def grow(tree):
    for number in range(DIRECTORIES):
        directory = tree / f"package_{number % 50}" / f"part_{number}" if number >= 50 else tree / f"package_{number}"
        directory.mkdir(parents=True)
        for name in range(FILES):
            (directory / f"module_{name}.py").write_text(f"NUMBER = {number * FILES + name}\n{MODULE}"[:1024])


def read_tasks(pid, name):
    """That file of each thread that there is."""
    texts = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            texts.append((task / name).read_text())
    return texts


def cpu_ns(pid):
    return sum(int(text.split()[0]) for text in read_tasks(pid, "schedstat"))


def ticks(pid):
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return int(user) + int(system)


def switches(pid):
    pattern = re.compile(r"^voluntary_ctxt_switches:\t(\d+)$", re.MULTILINE)
    return sum(int(pattern.search(text)[1]) for text in read_tasks(pid, "status"))


def watches(pid):
    count = 0
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            count += path.read_text().count("inotify wd:")
    return count


class Lines:
    """What a process says on its stderr, and when."""

    def __init__(self, file):
        self.file = file
        self.seen = []
        self.more = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.file:
            with self.more:
                self.seen.append((time.monotonic_ns(), line))
                self.more.notify()

    def time_of(self, pattern, timeout=ANSWER_S):
        def found():
            return next((ns for ns, line in self.seen if re.search(pattern, line)), None)

        with self.more:
            self.more.wait_for(found, timeout)
            ns = found()
        if ns is None:
            raise RuntimeError(f"no line with {pattern!r}: {self.text()}")
        return ns

    def text(self):
        return "".join(line for _, line in self.seen)


@dataclass
class Lab:
    """The large tree, and what runs beside it."""

    options: argparse.Namespace
    tree: Path
    project: Project
    env: dict
    # The connections of the server before would be in the way of the next one's.
    ports: Iterator = field(default_factory=lambda: itertools.count(PORT + 1))

    @contextlib.contextmanager
    def started(self, watcher):
        port = str(next(self.ports))
        server = UVICORN if watcher.fixed_server else [CHILD, "serve", port] if watcher.has_server else []
        env = self.env | {"PORT": port}
        with running(watcher, self.tree, server, env, self.project.tree, subprocess.PIPE) as run:
            lines = Lines(os.fdopen(os.dup(run.process.stderr.fileno()), errors="replace"))
            try:
                yield run, lines
            except OSError as error:
                raise RuntimeError(f"{error}: {lines.text()}") from error

    def settle(self, run, counts):
        """Milliseconds from the start: of the last time it did anything, and of the last watch."""
        used = number = busy_ns = last_ns = 0
        while time.monotonic_ns() < run.started_ns + SETTLE_S * 1e9:
            for _ in range(5):
                used, before = cpu_ns(run.pid), used
                busy_ns = time.monotonic_ns() if used != before else busy_ns
                time.sleep(0.01)
            # Reading them holds up whoever adds more, so only where there is no other way.
            if counts:
                number, before = watches(run.pid), number
                last_ns = time.monotonic_ns() if number != before else last_ns
        return {
            "busy_ms": (busy_ns - run.started_ns) / 1e6,
            "busy_cpu_ms": used / 1e6,
            "setup_ms": (last_ns - run.started_ns) / 1e6 if last_ns else None,
        }

    def idle(self, watcher, seconds, counts=True):
        with self.started(watcher) as (run, lines):
            figures = self.settle(run, counts)
            before = cpu_ns(run.pid), ticks(run.pid), switches(run.pid), time.monotonic()
            time.sleep(seconds)
            after = cpu_ns(run.pid), ticks(run.pid), switches(run.pid), time.monotonic()
            if run.process.poll() is not None:
                raise RuntimeError(f"ended: {lines.text()}")
            used_ns, used_ticks, wakeups, elapsed = (new - old for old, new in zip(before, after))
            memory = kilobytes_of(run.pid)
            return figures | {
                "watches": watches(run.pid),
                "cpu_percent": used_ns / elapsed / 1e7,
                "ticks": used_ticks,
                "wakeups": wakeups,
                "seconds": seconds,
                "rss_kb": memory["Rss"],
                "pss_kb": memory["Pss"],
                "threads": len(read_tasks(run.pid, "comm")),
            }

    def in_turns(self, watchers):
        """Percent of a core that each takes: in turns, so that what else the machine does is the same for all."""
        samples = [[] for _ in watchers]
        with contextlib.ExitStack() as stack:
            pids = [stack.enter_context(self.started(watcher))[0].pid for watcher in watchers]
            time.sleep(SETTLE_S)
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            for _ in range(TURNS):
                for pid, own in zip(pids, samples):
                    os.kill(pid, signal.SIGCONT)
                    time.sleep(1)  # for what it has missed
                    before, began = cpu_ns(pid), time.monotonic()
                    time.sleep(max(1, self.options.seconds // TURNS))
                    own.append((cpu_ns(pid) - before) / (time.monotonic() - began) / 1e7)
                    os.kill(pid, signal.SIGSTOP)
        return samples

    def setup_ms(self, watcher):
        """From the server's start, or where there is none from its own, to the line that says that it watches."""
        with self.started(watcher) as (run, lines):
            watching_ns = lines.time_of("watching")
            return (watching_ns - (lines.time_of("started pid") if watcher.has_server else run.started_ns)) / 1e6


def measure_idle(options, watchers, project, env, initd, notes):
    figures = {}
    floors = [Watcher(name, (str(OUT / "watch_floor"), how, "{tree}"), is_init=True, has_server=False)
              for name, how in ((FLOOR_INOTIFY, "inotify"), (FLOOR_POLL, "poll"))]
    own = [
        *watchers[:1],
        initd_watcher(INITD_POLL, initd, "watch.enabled=yes", "watch.backend=poll", "watch.poll_interval=1s"),
        initd_watcher(INITD_OFF, initd, "watch.enabled=no"),
    ]
    # With a parent of its own, for initd looks at that too.
    with tempfile.TemporaryDirectory() as room:
        tree = Path(room) / "tree"
        grow(tree)
        lab = Lab(options, tree, project, env)
        for watcher in (*own, *floors, *(peer for peer in watchers if peer.name in PEERS)):
            try:
                figures[watcher.name] = lab.idle(watcher, options.seconds, counts=watcher not in own)
            except (RuntimeError, OSError) as error:
                notes.append(f"{watcher.name}: {error}")
        try:
            setups = zip(*((lab.setup_ms(own[0]), lab.setup_ms(floors[0])) for _ in range(SETUPS)))
            for name, samples in zip((INITD, FLOOR_INOTIFY), setups):
                figures[name] |= {"setup_ms": statistics.median(samples), "setup_samples": samples}
            for name, samples in zip((INITD_POLL, FLOOR_POLL), lab.in_turns((own[1], floors[1]))):
                figures[name] |= {"cpu_percent": statistics.median(samples), "cpu_samples": samples}
        except (RuntimeError, OSError, KeyError) as error:
            notes.append(f"idle: {error!r}")
    return figures


# ---- the tables ----


def text_of(value, digits=0):
    if value is None or isinstance(value, str):
        return value or "-"
    return f"{value:.{digits}f}"


def print_table(rows):
    widths = [max(map(len, column)) for column in zip(*rows)]
    for first, *rest in rows:
        print(first.ljust(widths[0]), *(word.rjust(width) for word, width in zip(rest, widths[1:])), sep="  ")
    print()


def range_of(own, low, high):
    return f"{own[low]:.0f}-{own[high]:.0f}" if low in own else "-"


def spread_of(own):
    return [text_of(own.get("median")), range_of(own, "q1", "q3"), range_of(own, "min", "max")]


def ratio_of(own, base):
    return own["median"] / base["median"] if "median" in own and "median" in base else None


def print_latency(figures):
    spreads = ["median", "quartiles", "extremes"]
    print_table([["server alone, ms", *spreads], *([name, *spread_of(own)] for name, own in figures["floor"].items())])

    rows = [["edit to answer, ms", "style", "n", "missed", *spreads, "over", "x initd", "outage", "failed", "starts"]]
    edits = figures["edits"]
    for name in filter(edits.get, (*VARIANTS, *PEERS, NODEMON_EARLY)):
        for style in filter(edits[name].get, STYLES):
            own = edits[name][style]
            ratio = ratio_of(own, edits.get(INITD, {}).get(style, {}))
            rows.append([
                name, style, str(own["n"]), str(own["missed"]), *spread_of(own), text_of(own.get("over_floor")),
                text_of(ratio, 2), text_of(own.get("outage")), text_of(own.get("failed")), str(own["starts"])])
    print_table(rows)

    rows = [[f"{MODULES + 1} files as Docker writes them, ms", "n", "missed", *spreads, "failed", "starts"]]
    for name in filter(figures["batches"].get, (*VARIANTS, *PEERS, NODEMON_EARLY)):
        own = figures["batches"][name]
        rows.append([name, str(own["n"]), str(own["missed"]), *spread_of(own), text_of(own.get("failed")),
                     range_of(own, "starts_min", "starts")])
    print_table(rows)


IDLE_COLUMNS = (
    ("watches", "watches", 0),
    ("setup_ms", "setup ms", 0),
    ("busy_ms", "busy ms", 0),
    ("busy_cpu_ms", "cpu ms", 0),
    ("cpu_percent", "cpu %", 2),
    ("ticks", "ticks", 0),
    ("wakeups", "wakeups", 0),
    ("rss_kb", "RSS kB", 0),
    ("pss_kb", "PSS kB", 0),
    ("threads", "threads", 0),
)


def print_idle(figures, seconds):
    rows = [[f"idle for {seconds} s", *(head for _, head, _ in IDLE_COLUMNS)]]
    rows += [[name, *(text_of(own.get(key), digits) for key, _, digits in IDLE_COLUMNS)]
             for name, own in figures.items()]
    print_table(rows)


LEGEND = f"""\
server alone: uvicorn, spawn to first answer and SIGTERM to end, asked as often as the others
edit: from its end to the first answer of the new code, asked every 5 ms on a new connection
over: beyond the medians of stop + start; outage: from the last old answer to the first new one
missed: not within {ANSWER_S} s; failed: requests without an answer, per edit (median); starts: servers begun (most)
idle: {DIRECTORIES} directories with {FILES} files of 1 KB in each
setup: server's start to the line of initd (of the floor: its own start), median of {SETUPS}; else start to last watch
busy, cpu: start to when it last did anything in the first {SETTLE_S} s, and the processor time for that
cpu %, ticks, wakeups: of the watcher's process, without its server"""


# ---- the gate ----


def latency_limits(figures):
    edits = figures["edits"]
    for style in STYLES:
        own = edits.get(INITD, {}).get(style, {})
        if "median" not in own:
            yield False, f"{style}: not measured"
            continue
        yield own["over_floor"] <= 70, f"{style}: {own['over_floor']:.0f} ms beyond stop + start, <= 70"
        for name, ratio in ((name, ratio_of(own, edits[name].get(style, {}))) for name in PEERS if name in edits):
            if ratio is not None:
                yield ratio < 1, f"{style}: {ratio:.2f} of {name}, < 1"
        yield from held_limits(figures, style)


def held_limits(figures, style):
    edits, start_ms = figures["edits"], figures["floor"]["start"]["median"]
    held, standby = (edits.get(name, {}).get(style, {}) for name in (INITD, INITD_STANDBY))
    if "median" in held:
        beyond = held["median"] - start_ms
        yield beyond <= 90, f"{style}, held socket: {beyond:.0f} ms beyond a cold start, <= 90"
    if "median" in standby:
        yield standby["median"] <= 110, f"{style}, standby: {standby['median']:.0f} ms, <= 110"
        for name in (STATRELOAD, WATCHFILES):
            ratio = ratio_of(standby, edits.get(name, {}).get(style, {}))
            if ratio is not None:
                yield ratio <= 0.25, f"{style}, standby: {ratio:.2f} of {name}, <= 0.25"


def count_limits(figures):
    cells = {style: figures["edits"].get(INITD, {}).get(style) for style in STYLES}
    cells[f"{MODULES + 1} files"] = figures["batches"].get(INITD)
    for what, own in cells.items():
        if own:
            yield own["starts_min"] == own["starts"] == 1, f"{what}: {range_of(own, 'starts_min', 'starts')} starts, 1"
            yield own["missed"] == 0, f"{what}: {own['missed']} without an answer, 0"
        else:
            yield False, f"{what}: not measured"
    for name in (INITD, INITD_OVERLAP, INITD_STANDBY):
        for style in STYLES:
            failed = figures["edits"].get(name, {}).get(style, {}).get("failed_max")
            yield failed == 0, f"{style}, {name}: at most {failed} failed requests, 0"


def idle_limits(figures):
    own, poll = figures.get(INITD), figures.get(INITD_POLL)
    if not own or not poll:
        yield False, "idle: not measured"
        return
    yield own["ticks"] == 0, f"ticks: {own['ticks']}, 0"
    yield own["wakeups"] == 0, f"wakeups: {own['wakeups']}, 0"
    most = DIRECTORIES + 8  # the root, and what tells that it was replaced
    yield DIRECTORIES < own["watches"] <= most, f"watches: {own['watches']}, {DIRECTORIES + 1}-{most}"
    yield own["rss_kb"] <= 1024, f"RSS: {own['rss_kb']} kB, <= 1024"
    others = {name: other["rss_kb"] for name, other in figures.items() if name in PEERS}
    if others:
        name = min(others, key=others.get)
        yield own["rss_kb"] < others[name], f"RSS: {own['rss_kb']} kB, < {others[name]} ({name})"


def time_limits(figures):
    """Where the machine is slower, or busier, than that of the limits: so many times the least that it costs there."""
    for what, name, floor, figure, most, ratio in (
            ("setup ms", INITD, FLOOR_INOTIFY, "setup_ms", 30, 30 / 17),
            ("polling, cpu %", INITD_POLL, FLOOR_POLL, "cpu_percent", 1, 1.25)):
        value, least = (figures.get(key, {}).get(figure) for key in (name, floor))
        if value is None or not least:
            yield False, f"{what}: not measured"
        else:
            yield (value <= most or value <= ratio * least,
                   f"{what}: {value:.2f}, <= {most}, or {value / least:.2f} of the floor's, <= {ratio:.2f}")


def print_gate(limits):
    passed = True
    for holds, line in limits:
        print("ok  " if holds else "FAIL", line)
        passed = passed and holds
    return passed


# ---- the command line ----


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures there too")
    parser.add_argument("--blocks", type=int, default=4, help="times that each watcher is started (default: 4)")
    parser.add_argument("--edits", type=int, default=5, help="of each style in each of them (default: 5)")
    parser.add_argument("--seconds", type=int, default=20, help="of idleness (default: 20)")
    parser.add_argument("--initd", type=Path, default=BUILDS[GATED], help="another binary")
    parser.add_argument("--only-initd", action="store_true", help="without the peers")
    parser.add_argument("--only", choices=("latency", "idle"), help="half of it")
    parser.add_argument("--progress", action="store_true", help="say on stderr how far it is")
    parser.add_argument("--gate", nargs="?", const="all", choices=("all", "counts"),
                        help="exit 1 beyond the limits; counts: only what does not depend on the load")
    options = parser.parse_args()
    if min(options.blocks, options.edits, options.seconds) < 1:
        parser.error("expected 1 or more")
    return options


def outrank_others():
    """And all that is started here does; a nice value would hold within one session only. False where it may not."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        return True
    return False


def load():
    return float(Path("/proc/loadavg").read_text().split()[0])


def environment(venv, project):
    node = os.path.dirname(shutil.which("node") or "")
    return ENVIRONMENT | {
        "PATH": ":".join(filter(None, (f"{venv}/bin", ENVIRONMENT["PATH"], node))),
        "VIRTUAL_ENV": str(venv),
        "HOST": HOST,
        "PORT": str(PORT),
        "STARTS": str(project.starts_file),
    }


def main():
    options = parse_options()
    become_root()
    compile_programs()
    initd = snapshot(options.initd, "initd-watch")
    # entr opens each file.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    watchers, skipped = find_watchers(options, initd)
    try:
        venv = packages.venv()
    except packages.pytest.skip.Exception as error:
        sys.exit(f"no uvicorn: {error}")
    own_network()

    latency, idle, loads = {}, {}, [load()]
    notes = [] if outrank_others() else ["no real-time priority: the load of the machine is measured too"]
    with tempfile.TemporaryDirectory() as room:
        project = Project(Path(room))
        env = environment(venv, project)
        if options.only != "idle":
            latency = measure_latency(options, watchers, project, env, notes)
            loads.append(load())
            print_latency(latency)
        if options.only != "latency":
            idle = measure_idle(options, watchers, project, env, initd, notes)
            loads.append(load())
            print_idle(idle, options.seconds)

    print(LEGEND, end="\n\n")
    for line in [*(f"skipped {name}: {reason}" for name, reason in skipped.items()), *notes]:
        print(line)
    print("load average before, between and after:", *loads)
    if options.json:
        figures = {"machine": machine(), "load": loads, "latency": latency, "idle": idle, "skipped": skipped}
        options.json.write_text(json.dumps(figures | {"notes": notes}, indent=2) + "\n")
    if options.gate:
        limits = []
        if options.only != "idle":
            limits += [*count_limits(latency), *(latency_limits(latency) if options.gate == "all" else ())]
        if options.only != "latency":
            limits += [*idle_limits(idle), *(time_limits(idle) if options.gate == "all" else ())]
        return 0 if print_gate(limits) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
