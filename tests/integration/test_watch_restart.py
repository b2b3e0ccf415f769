# SPDX-License-Identifier: MIT
"""What a change of the watched tree does to the server, in every state, and what is said about it."""

import json
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest

from harness import free_port, wait_until
from helpers.watched import BACKENDS, NOBODY_ASKS, WATCHING, Watched, let_age, watch_options
from helpers.writers import docker, docker_remove, in_place, write
from pidns import Run, needs_real_root, read_process, read_status

SLEEP = 'echo up; exec sleep 1000'
TIME = r"\d+(\.\d+)? m?s"
FAST = ["-o", "server.restart_delay=1ms", "-o", "server.restart_delay_max=5ms"]


@pytest.fixture
def tree(room):
    """A directory that is watched; what a test writes beside it is not."""
    path = room / "tree"
    path.mkdir()
    path.chmod(0o777)
    write(path / "x.py")
    write(path / "y.py")
    return path


@pytest.fixture
def watching(initd, tree):
    """watching(script, *options, **how): initd watches the tree for this shell script."""

    def start(script=SLEEP, *words, command=None, options=(), **how):
        let_age(tree)
        run = initd(*NOBODY_ASKS, *watch_options(tree, **{"settle": "20ms"} | dict(options)), *words,
                    *(command or ["sh", "-c", script]), **how)
        run.logs(WATCHING)
        return run

    return start


def ups(run):
    return run.stdout.count("up\n")


def wait_for_ups(run, n):
    """The n-th start, seen from both sides."""
    wait_until(lambda: ups(run) >= n and run.stderr.count("started pid") >= n, what=f"start {n}: {run.transcript()}")


def ends_in_time(run, code, timeout=5.0):
    """A SIGTERM ends it with this code, and no other server is started."""
    started = run.stderr.count("started pid")
    run.kill(signal.SIGTERM)
    assert run.wait(timeout) == code, run.transcript()
    assert run.stderr.count("started pid") == started


def lines(run, word):
    """What its log lines say behind this word."""
    return [line.partition(word)[2] for line in run.stderr.splitlines() if word in line]


# What takes ten seconds, beside the other tests

class Slow:
    """A tree that is never quiet, and a server that restarts itself."""

    def __init__(self, lab):
        self.runs = []

        def start(*words, **how):
            self.runs.append(Run(lab, words, **how))
            return self.runs[-1]

        self.tree = lab.room()
        file = write(self.tree / "x.py")
        self.busy = Watched(start, lab, self.tree, options={"settle": "1s"})
        self.took = None
        self.ended = threading.Event()
        self.writer = threading.Thread(target=self.write, args=[file])
        self.writer.start()

        self.loop = lab.room()
        script = f"echo $$ > {self.loop}/self.py; echo up; exec sleep 1000"
        self.looping = start(*NOBODY_ASKS, *watch_options(self.loop, settle="10ms"), "sh", "-c", script)

    def write(self, file):
        begun, n = time.monotonic(), 0
        while self.busy.run.stderr.count("started pid") < 2 and not self.ended.wait(0.05):
            in_place(file, f"{n}\n")
            n += 1
        self.took = time.monotonic() - begun

    def close(self):
        self.ended.set()
        self.writer.join()
        for run in self.runs:
            run.close()


@pytest.fixture(scope="module", autouse=True)
def slow(lab):
    found = Slow(lab)
    yield found
    found.close()


# The log

def test_the_first_line_tells_what_is_watched(watching, tree):
    for n in range(5):
        write(tree / f"api/v{n}/x.py")
    write(tree / "api/x.html")
    write(tree / ".git/x.py")
    run = watching()
    assert re.search(rf"info: watching {tree} \(7 directories, 7 files, inotify\)", run.stderr), run.stderr


def test_the_first_line_tells_the_backend(watching, tree):
    run = watching(options=BACKENDS["poll"])
    assert re.search(rf"info: watching {tree} \(1 directory, 2 files, poll(ing)?\b.*\)", run.stderr), run.stderr


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name, action, said", [
    ("x.py", in_place, "x.py changed"),
    ("x.py", docker, "x.py changed"),
    ("x.py", lambda path, _: path.unlink(), "x.py was removed"),
    ("new.py", in_place, "new.py is new"),
    ("deep/new.py", write, "deep/new.py is new"),
])
def test_the_log_names_the_file(watching, tree, backend, name, action, said):
    run = watching(options=BACKENDS[backend])
    run.says("up\n")
    action(tree / name, "new\n")
    wait_for_ups(run, 2)
    assert lines(run, "info: restarting: ") == [said]
    assert "also changed" not in run.stderr
    order = [run.stderr.index(word) for word in (f"restarting: {said}", "server ended")]
    assert order == sorted(order) and order[-1] < run.stderr.rindex("started pid")


def test_the_log_names_three_more_files_and_counts_the_others(watching, tree):
    names = {f"m{n}.py" for n in range(9)}
    for name in names:
        write(tree / name)
    run = watching(options={"settle": "150ms"})
    run.says("up\n")
    for name in names:
        in_place(tree / name, "new\n")
    wait_for_ups(run, 2)
    first, = lines(run, "info: restarting: ")
    more, = lines(run, "info: also changed: ")
    match = re.fullmatch(r"(m\d\.py), (m\d\.py), (m\d\.py) \(\+5 more\)", more)
    assert match, more
    said = {first.removesuffix(" changed"), *match.groups()}
    assert len(said) == 4 and said <= names
    assert run.stderr.index("also changed") < run.stderr.rindex("started pid")


def test_the_log_names_two_files_without_a_count(watching, tree):
    run = watching(options={"settle": "150ms"})
    run.says("up\n")
    for name in ("x.py", "y.py"):
        in_place(tree / name, "new\n")
    wait_for_ups(run, 2)
    assert lines(run, "info: restarting: ") == ["x.py changed"]
    assert lines(run, "info: also changed: ") == ["y.py"]


# INITD_CHANGED

TELLS = 'echo "told ${INITD_CHANGED-null}"; echo up; exec sleep 1000'


def told(run):
    """What each server was told: a dict, or None."""
    said = run.stdout.rpartition("\n")[0].split("\n")
    return [json.loads(line.removeprefix("told ")) for line in said if line.startswith("told ")]


def test_the_server_is_told_only_after_a_change(watching, tree):
    run = watching(TELLS, "-o", "signals.SIGHUP=restart", "-o", "server.restart=on-failure", *FAST)
    run.says("up\n")
    in_place(tree / "x.py", "new\n")
    wait_for_ups(run, 2)
    run.kill(signal.SIGHUP)
    wait_for_ups(run, 3)
    docker_remove(tree / "x.py")
    wait_for_ups(run, 4)
    assert run.ask("restart", "--wait").returncode == 0
    wait_for_ups(run, 5)
    write(tree / "z.py", "new\n")
    wait_for_ups(run, 6)
    os.kill(run.child_pid(), signal.SIGKILL)        # the policy starts it again
    wait_for_ups(run, 7)
    assert told(run) == [None, {"n": 1, "paths": [f"{tree}/x.py"]}, None, {"n": 1, "paths": [f"{tree}/x.py"]}, None,
                         {"n": 1, "paths": [f"{tree}/z.py"]}, None]


@pytest.mark.parametrize("n, length", [(16, 10), (17, 10), (100, 10), (16, 200), (40, 240)])
def test_the_server_is_told_at_most_16_paths_and_2_kb(watching, tree, n, length):
    run = watching(TELLS, options={"settle": "150ms"})
    run.says("up\n")
    names = {f"{tree}/{number:03}{'x' * (length - 6)}.py" for number in range(n)}
    for name in names:
        with open(name, "w") as file:
            file.write("new\n")
    wait_for_ups(run, 2)
    found = told(run)[1]
    assert found["n"] == n
    assert len(run.stdout.split("\n")[2].removeprefix("told ")) <= 2048
    assert len(set(found["paths"])) == len(found["paths"]) <= 16
    assert set(found["paths"]) <= names
    if length == 10:
        assert len(found["paths"]) == 16
    else:
        assert len(found["paths"]) >= 4


# The old server

def test_the_old_server_gets_stop_signal(watching, tree):
    run = watching("trap 'echo int; exit' INT; trap 'echo term' TERM; echo up; while :; do sleep 0.01; done",
                   "-o", "server.stop_signal=SIGINT")
    run.says("up\n")
    in_place(tree / "x.py", "new\n")
    wait_for_ups(run, 2)
    assert run.stdout == "up\nint\nup\n"


def test_the_old_server_gets_a_term_otherwise(watching, tree):
    run = watching("trap 'echo term; exit' TERM; echo up; while :; do sleep 0.01; done")
    run.says("up\n")
    in_place(tree / "x.py", "new\n")
    wait_for_ups(run, 2)
    assert run.stdout == "up\nterm\nup\n"


def test_a_server_that_is_suspended_is_restarted_at_once(watching, tree):
    run = watching("trap 'echo term; exit' TERM; echo up; while :; do sleep 0.01; done")
    run.says("up\n")
    child = run.child_pid()
    os.kill(child, signal.SIGSTOP)
    wait_until(lambda: read_status(child)["State"].startswith("T"))
    in_place(tree / "x.py", "new\n")
    wait_for_ups(run, 2)
    assert run.stdout == "up\nterm\nup\n"
    assert "SIGKILL" not in run.stderr


def test_a_server_that_does_not_stop_is_killed_after_watch_stop_timeout(watching, tree):
    run = watching("trap '' TERM; echo up; sleep 1000 & wait; wait", "-o", "server.stop_timeout=1h",
                   options={"stop_timeout": "200ms"})
    run.says("up\n")
    old = [process.pid for process in run.processes()]
    begun = time.monotonic()
    in_place(tree / "x.py", "new\n")
    wait_for_ups(run, 2)
    assert 0.2 <= time.monotonic() - begun < 5
    assert "not stopped after 200 ms: SIGKILL to its process group" in run.stderr
    assert not [pid for pid in old if read_process(pid)]


def test_other_restarts_keep_their_own_timeout(watching):
    run = watching("trap '' TERM; echo up; exec sleep 1000", "-o", "server.stop_timeout=200ms",
                   "-o", "signals.SIGHUP=restart", options={"stop_timeout": "1h"})
    run.says("up\n")
    run.kill(signal.SIGHUP)
    wait_for_ups(run, 2)
    assert "not stopped after 200 ms" in run.stderr


@pytest.mark.parametrize("trap", ["", "trap '' TERM;"], ids=["willing", "stubborn"])
def test_the_old_group_is_gone_before_the_new_server_starts(watching, tree, room, trap):
    """As uvicorn's workers, of which the old main process takes no leave."""
    script = f"""
        if [ -e {room}/old ]; then
            read old < {room}/old
            kill -0 $old 2> /dev/null && echo "old lives" || echo "old gone"
            echo up; exec sleep 1000
        fi
        sh -c "{trap} echo \\$\\$ > {room}/new; mv {room}/new {room}/old; exec sleep 1000" &
        while [ ! -e {room}/old ]; do sleep 0.01; done
        echo up; exec sleep 1000"""
    run = watching(script)
    run.says("up\n")
    in_place(tree / "x.py", "new\n")
    wait_for_ups(run, 2)
    assert run.stdout == "up\nold gone\nup\n"


def test_a_daemon_of_another_group_survives(watching, tree, room):
    script = f"""
        [ -e {room}/daemon ] || setsid sh -c "echo \\$\\$ > {room}/new; mv {room}/new {room}/daemon; exec sleep 1000" &
        while [ ! -e {room}/daemon ]; do sleep 0.01; done
        read daemon < {room}/daemon
        kill -0 $daemon && echo "daemon lives"
        echo up; exec sleep 1000"""
    run = watching(script)
    run.says("up\n")
    in_place(tree / "x.py", "new\n")
    wait_for_ups(run, 2)
    assert run.stdout == "daemon lives\nup\n" * 2


def test_the_old_server_stops_at_the_first_change_and_the_new_one_starts_when_it_is_quiet(watching, tree):
    run = watching(TELLS, options={"settle": "400ms"})
    run.says("up\n")
    in_place(tree / "x.py", "new\n")
    run.logs("server ended")
    for n in range(30):
        assert run.stderr.count("started pid") == 1
        write(tree / f"more{n}.py")
        time.sleep(0.02)        # a long `git checkout`: no wait for anything
    wait_for_ups(run, 2)
    assert told(run)[1]["n"] == 31
    assert run.stderr.count("restarting: ") == 1


def test_directories_and_same_bytes_keep_it_from_being_quiet(watching, tree):
    """A tree that is being unpacked: what does not count itself tells that more is to come."""
    run = watching(options={"settle": "400ms"})
    run.says("up\n")
    in_place(tree / "x.py", "new\n")
    run.logs("server ended")
    for n in range(30):
        assert run.stderr.count("started pid") == 1
        (tree / f"d{n}").mkdir()
        time.sleep(0.02)
    wait_for_ups(run, 2)


def test_what_is_ignored_does_not_keep_it_from_starting(watching, tree):
    run = watching(options={"settle": "100ms"})
    run.says("up\n")
    in_place(tree / "x.py", "new\n")
    begun = time.monotonic()
    while ups(run) < 2:
        assert time.monotonic() - begun < 5, run.transcript()
        write(tree / "server.log", f"{time.monotonic()}\n")
        write(tree / "__pycache__/x.pyc")
        (tree / "__pycache__/x.pyc").unlink()
        time.sleep(0.005)       # a writer that never rests


def test_edits_while_the_old_server_stops_belong_to_the_same_restart(watching, tree):
    run = watching("trap 'echo term' TERM; trap exit USR1; echo told ${INITD_CHANGED-null}; echo up; "
                   "while :; do sleep 0.01; done")
    run.says("up\n")
    in_place(tree / "x.py", "new\n")
    run.says("term\n")
    in_place(tree / "y.py", "new\n")
    (tree / "x.py").unlink()
    write(tree / "z.py")
    run.kill(signal.SIGUSR1)
    wait_for_ups(run, 2)
    assert told(run)[1]["n"] == 3
    assert run.stderr.count("restarting: ") == 1


def test_a_change_that_is_taken_back_while_the_server_stops_restarts_all_the_same(watching, tree):
    run = watching("trap 'echo term' TERM; trap exit USR1; echo up; while :; do sleep 0.01; done")
    run.says("up\n")
    in_place(tree / "x.py", "new\n")
    run.says("term\n")
    in_place(tree / "x.py", "old\n")
    run.kill(signal.SIGUSR1)
    wait_for_ups(run, 2)
    in_place(tree / "y.py", "new\n")
    run.says("term\nup\nterm\n")
    assert run.stderr.count("restarting: ") == 2


# Stopping in every phase

STUBBORN = "trap '' TERM; echo up; exec sleep 1000"
LEAVES_A_CHILD = """
    trap 'exit 5' TERM
    sh -c "trap '' TERM; echo up; exec sleep 1000" &
    while :; do sleep 0.01; done"""


def test_a_stop_while_a_stubborn_server_is_restarted(watching, tree):
    run = watching(STUBBORN, "-o", "server.stop_timeout=200ms", options={"stop_timeout": "1h"})
    run.says("up\n")
    in_place(tree / "x.py", "new\n")
    run.logs("restarting: x.py changed")
    assert run.status()["state"] == "restarting"
    ends_in_time(run, 137)


def test_a_stop_while_a_slow_server_is_restarted(watching, tree):
    run = watching("trap 'echo term; sleep 0.3; exit 4' TERM; echo up; while :; do sleep 0.01; done")
    run.says("up\n")
    in_place(tree / "x.py", "new\n")
    run.says("term\n")
    ends_in_time(run, 4)
    assert run.stdout.count("up\n") == 1


def test_a_stop_while_the_old_group_is_cleared(watching, tree):
    run = watching(LEAVES_A_CHILD)
    run.says("up\n")
    in_place(tree / "x.py", "new\n")
    run.logs("server ended")
    assert run.status()["state"] == "restarting"
    ends_in_time(run, 5, timeout=3)


@pytest.mark.parametrize("trap, options, code", [
    ("", [], 143),
    ("trap 'exit 0' TERM;", [], 0),
    ("trap 'exit 7' TERM;", [], 7),
    ("", ["-o", "server.success_codes=0,143"], 0),
    ("trap 'exit 7' TERM;", ["-o", "server.restart=always"], 7),
])
def test_a_stop_while_the_tree_settles(watching, tree, trap, options, code):
    run = watching(f"{trap} echo up; while :; do sleep 0.01; done", *options, options={"settle": "1h"})
    run.says("up\n")
    in_place(tree / "x.py", "new\n")
    run.logs("server ended")
    wait_until(lambda: not run.processes())
    assert run.status()["state"] == "restarting"
    in_place(tree / "y.py", "new\n")
    ends_in_time(run, code, timeout=3)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_stop_while_it_waits(watching, tree, signum):
    run = watching("exit 3")
    run.logs("waiting for a change")
    run.kill(signum)
    assert run.wait(3) == 3
    assert run.stderr.count("started pid") == 1


def test_a_change_while_initd_drains_or_stops_is_too_late(watching, tree):
    run = watching("trap 'echo term' TERM; trap 'exit 6' USR1; echo up; while :; do sleep 0.01; done",
                   "-o", "server.drain_delay=30s")
    run.says("up\n")
    run.kill(signal.SIGTERM)
    run.logs("after a drain of 30 s")
    in_place(tree / "x.py", "new\n")
    run.kill(signal.SIGTERM)
    run.says("term\n")
    in_place(tree / "y.py", "new\n")
    run.kill(signal.SIGUSR1)
    assert run.wait() == 6
    wait_until(lambda: ups(run) == 1)
    assert "restarting" not in run.stderr


def test_a_stop_in_the_moment_of_a_change_always_ends(watching, tree):
    """The signal meets whatever phase it is in."""
    for n in range(8):
        run = watching()
        run.says("up\n")
        in_place(tree / "x.py", f"new {n}\n")
        time.sleep(n * 0.012)       # not a wait: the moments are the cases
        run.kill(signal.SIGTERM)
        assert run.wait(5) == 143, run.transcript()


# A server that ends by itself

@pytest.mark.parametrize("script, options, code", [
    ("exit 0", [], 0),
    ("exit 3", ["-o", "server.success_codes=0,3"], 0),
    ("kill $$", ["-o", "server.success_codes=143"], 0),
])
def test_a_success_ends_initd(initd, tree, script, options, code):
    run = initd(*NOBODY_ASKS, *watch_options(tree), *options, "sh", "-c", script)
    assert run.wait() == code
    assert "waiting" not in run.stderr


@pytest.mark.parametrize("script, code", [("exit 3", 3), ("exit 1", 1), ("kill -SEGV $$", 139), ("kill -INT $$", 130),
                                          ("exit 130", 130), ("kill $$", 143)])
def test_a_failure_waits_for_a_change(watching, tree, script, code):
    run = watching(f"echo up; {script}")
    run.logs(f"waiting for a change in {tree}\n")
    for n in range(2):
        assert run.status()["state"] == "waiting"
        in_place(tree / f"{'xy'[n]}.py", "new\n")
        wait_until(lambda: run.stderr.count("waiting for a change") == n + 2)
    wait_until(lambda: ups(run) == 3)
    ends_in_time(run, code, 3)


def test_waiting_is_said_in_one_line_after_the_end(watching, tree):
    run = watching("exit 3")
    run.logs("waiting for a change")
    ended, waiting = run.stderr.splitlines()[-2:]
    assert "error: server ended" in ended and "3" in ended
    assert waiting == f"initd: info: waiting for a change in {tree}"


def test_a_failure_while_it_runs_waits_too(watching, tree):
    run = watching("trap 'exit 9' USR1; echo up; while :; do sleep 0.01; done")
    run.says("up\n")
    run.kill(signal.SIGUSR1)
    run.logs("waiting for a change")
    in_place(tree / "x.py", "new\n")
    wait_for_ups(run, 2)
    assert run.reaches("running")["starts"] == 2


def test_a_syntax_error_is_mended_by_the_next_edit(initd, lab, tree):
    write(tree / "app.py", "print('up', flush=True)\nimport time\ntime.sleep(1000)\n")
    run = initd(*NOBODY_ASKS, *watch_options(tree), lab.python, "-I", "-S", str(tree / "app.py"))
    run.says("up\n")
    in_place(tree / "app.py", "print('up\n")
    run.logs("SyntaxError")
    run.logs("waiting for a change")
    in_place(tree / "app.py", "raise RuntimeError('still wrong')\n")
    run.logs("still wrong")
    wait_until(lambda: run.stderr.count("waiting for a change") == 2)
    in_place(tree / "app.py", "print('mended', flush=True)\nimport time\ntime.sleep(1000)\n")
    run.says("mended\n")
    ends_in_time(run, 143)


def test_what_is_no_change_does_not_end_the_waiting(watching, tree):
    run = watching("echo up; exit 3")
    run.logs("waiting for a change")
    in_place(tree / "x.py", "old\n")
    write(tree / "x.html", "new\n")
    write(tree / "__pycache__/x.pyc", "new\n")
    in_place(tree / "y.py", "new\n")
    wait_until(lambda: run.stderr.count("waiting for a change") == 2)
    wait_until(lambda: ups(run) == 2)
    assert lines(run, "x.py") == []


def test_a_removed_file_ends_the_waiting(watching, tree):
    run = watching("echo up; exit 3")
    run.logs("waiting for a change")
    docker_remove(tree / "x.py")
    wait_until(lambda: run.stderr.count("waiting for a change") == 2)
    assert lines(run, "x.py") == [" was removed"]


def test_a_burst_while_it_waits_is_one_start(watching, tree):
    run = watching('echo "told ${INITD_CHANGED-null}"; echo up; exit 3', options={"settle": "250ms"})
    run.logs("waiting for a change")
    for n in range(100):
        docker(tree / f"m{n}.py", "new\n")
    wait_until(lambda: run.stderr.count("waiting for a change") == 2)
    wait_until(lambda: ups(run) == 2)
    assert told(run)[1]["n"] == 100


def test_a_change_while_the_server_was_failing_starts_it(watching, tree):
    """A server that takes a while to fail, and an edit during that while."""
    run = watching("trap 'echo term; exit 3' TERM; echo up; while :; do sleep 0.01; done")
    run.says("up\n")
    in_place(tree / "x.py", "new\n")
    wait_for_ups(run, 2)
    assert "waiting for a change" not in run.stderr


def test_a_server_that_missed_a_file_that_comes_back_unchanged_is_started_again(watching, tree, room):
    """It was away in the very moment in which the server looked: a sync, a `git stash`."""
    run = watching(f"""
        touch {room}/begun
        while [ ! -e {room}/go ]; do sleep 0.01; done
        [ -e {tree}/x.py ] || exit 3
        echo up; exec sleep 1000""", options={"settle_removed": "10s"})
    wait_until((room / "begun").exists)
    docker_remove(tree / "x.py")
    write(room / "go")
    run.logs("waiting for a change")
    docker(tree / "x.py", "old\n")
    run.says("up\n")
    ends_in_time(run, 143)


def test_what_the_failed_server_left_in_its_group_is_cleared(watching, room):
    run = watching(f"sh -c 'trap \"\" TERM; touch {room}/on; exec sleep 1000' & "
                   f"while [ ! -e {room}/on ]; do sleep 0.01; done; exit 3")
    run.logs("waiting for a change")
    wait_until(lambda: not run.processes())
    ends_in_time(run, 3, 3)


def test_orphans_are_reaped_while_it_waits(watching, room):
    run = watching(f"setsid sh -c 'touch {room}/on; exec sleep 1000' & "
                   f"while [ ! -e {room}/on ]; do sleep 0.01; done; exit 3")
    run.logs("waiting for a change")
    left = wait_until(run.processes)
    os.kill(left[0].pid, signal.SIGKILL)
    wait_until(lambda: not run.processes())
    ends_in_time(run, 3, 3)


def test_a_signal_that_means_restart_ends_the_waiting(watching):
    run = watching("echo up; exit 3", "-o", "signals.SIGHUP=restart")
    run.logs("waiting for a change")
    run.kill(signal.SIGHUP)
    wait_until(lambda: run.stderr.count("waiting for a change") == 2)
    wait_until(lambda: ups(run) == 2)


def test_other_signals_do_not_end_the_waiting(watching, tree):
    run = watching("echo up; exit 3")
    run.logs("waiting for a change")
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH):
        run.kill(number)
    in_place(tree / "x.py", "new\n")
    wait_until(lambda: run.stderr.count("waiting for a change") == 2)
    wait_until(lambda: ups(run) == 2)


def test_initd_restart_ends_the_waiting(watching, room):
    run = watching(f"echo up; [ -e {room}/good ] && exec sleep 1000; exit 3")
    run.logs("waiting for a change")
    # Nobody asks this server whether it is ready: whoever waits is told of the start, or of the end.
    assert run.ask("restart", "--wait").returncode in (0, 1)
    wait_until(lambda: run.stderr.count("waiting for a change") == 2)
    write(room / "good")
    process = run.ask("restart", "--wait")
    assert process.returncode == 0, process
    wait_until(lambda: ups(run) == 3)
    assert run.status()["state"] == "running"


@pytest.mark.parametrize("key, signum", [(b"\x03", signal.SIGINT), (b"\x1c", signal.SIGQUIT)])
@pytest.mark.parametrize("script", ["exec sleep 1000", "trap 'exit 130' INT; trap 'exit 131' QUIT; sleep 1000 & wait"],
                         ids=["dies", "exits"])
def test_the_keys_that_end_a_program_end_initd(initd, tree, key, signum, script):
    run = initd(*NOBODY_ASKS, *watch_options(tree), "sh", "-c", f"ulimit -c 0; echo ready; {script}", terminal=True)
    run.says("ready")
    run.says(WATCHING)
    run.type(key)
    assert run.wait() == 128 + signum
    assert "waiting" not in run.stdout


@pytest.mark.parametrize("mode, code", [(0o644, 126), (None, 127)])
def test_a_first_start_that_cannot_be_executed_ends_initd(initd, tree, mode, code):
    if mode:
        write(tree / "server.sh", "#!/bin/sh\n").chmod(mode)
    run = initd(*NOBODY_ASKS, *watch_options(tree), str(tree / "server.sh"))
    assert run.wait() == code
    assert "waiting" not in run.stderr


def test_a_later_start_that_cannot_be_executed_waits(watching, lab, tree):
    script = lab.script(tree / "server.sh", "#!/bin/sh\necho up\nexec sleep 1000\n")
    run = watching(command=[str(script)], options={"include": "default,*.sh"})
    run.says("up\n")
    script.unlink()
    run.logs("waiting for a change")
    assert run.status()["state"] == "waiting"
    lab.script(script, "#!/bin/sh\necho up\nexec sleep 1000\n")
    wait_for_ups(run, 2)
    ends_in_time(run, 143)


# Together with server.restart

@pytest.mark.parametrize("policy", ["on-failure", "always"])
def test_the_policy_comes_first_and_waiting_where_it_gives_up(watching, tree, policy):
    run = watching("echo up; exit 3", *FAST, "-o", f"server.restart={policy}", "-o", "server.restart_limit=2")
    run.logs("waiting for a change")
    wait_until(lambda: ups(run) == 3)
    in_place(tree / "x.py", "new\n")
    wait_until(lambda: run.stderr.count("waiting for a change") == 2)
    # A fresh slate: it may fail as often again.
    wait_until(lambda: ups(run) == 6)
    assert re.findall(r"\(restart (\d of \d)\)", run.stderr) == ["1 of 2", "2 of 2"] * 2
    ends_in_time(run, 3, 3)


def test_a_change_during_the_back_off_starts_at_once_with_a_fresh_slate(watching, tree):
    run = watching('echo "told ${INITD_CHANGED-null}"; echo up; exit 3', "-o", "server.restart=on-failure",
                   "-o", "server.restart_delay=30s", "-o", "server.restart_delay_max=1h")
    for n in range(1, 4):
        wait_until(lambda: run.stderr.count("starting again in 30 s (restart 1)") == n)
        in_place(tree / "x.py", f"new {n}\n")
    wait_until(lambda: run.stderr.count("starting again in 30 s (restart 1)") == 4)
    change = {"n": 1, "paths": [f"{tree}/x.py"]}
    assert told(run) == [None, change, change, change]
    ends_in_time(run, 3, 3)


def test_a_success_with_the_policy_always_is_started_again(watching, room, tree):
    run = watching(f"echo up; [ -e {room}/once ] || {{ touch {room}/once; exit 0; }}; exec sleep 1000", *FAST,
                   "-o", "server.restart=always")
    wait_for_ups(run, 2)
    in_place(tree / "x.py", "new\n")
    wait_for_ups(run, 3)
    assert "waiting" not in run.stderr


def test_changes_do_not_count_for_the_limit(watching, tree):
    run = watching(SLEEP, "-o", "server.restart=on-failure", "-o", "server.restart_limit=1")
    for n in range(4):
        wait_for_ups(run, n + 1)
        in_place(tree / f"{'xy'[n % 2]}.py", f"new {n}\n")
    wait_for_ups(run, 5)
    assert run.status()["restarts"] == 0


# Other restarts in between

def test_a_signal_that_means_restart_still_restarts(watching, tree):
    run = watching(SLEEP, "-o", "signals.SIGHUP=restart")
    run.says("up\n")
    run.kill(signal.SIGHUP)
    wait_for_ups(run, 2)
    in_place(tree / "x.py", "new\n")
    wait_for_ups(run, 3)
    assert lines(run, "restarting: ") == ["SIGHUP", "x.py changed"]


@pytest.mark.parametrize("below", ["", "v1"])
def test_a_directory_that_comes_back_when_the_server_ends_is_still_watched(watching, tree, below):
    """Both are told to an initd that has no time to look at the directory before it starts the next server."""
    write(tree / "api" / below / "a.py")
    run = watching(SLEEP, "-o", "signals.SIGHUP=restart")
    run.says("up\n")
    server = run.child_pid()
    run.kill(signal.SIGSTOP)
    wait_until(lambda: read_process(run.pid).state == "T")
    (tree / "api").rename(tree / ".api")
    (tree / ".api").rename(tree / "api")
    run.kill(signal.SIGHUP)
    os.kill(server, signal.SIGKILL)
    run.kill(signal.SIGCONT)
    wait_for_ups(run, 2)
    write(tree / "api" / below / "b.py")
    wait_for_ups(run, 3)
    assert lines(run, "restarting: ") == ["SIGHUP", f"{Path('api', below, 'b.py')} is new"]


def test_a_change_during_another_restart_is_taken_along(watching, tree):
    run = watching("trap 'echo term' TERM; trap exit USR1; echo told ${INITD_CHANGED-null}; echo up; "
                   "while :; do sleep 0.01; done", "-o", "signals.SIGHUP=restart")
    run.says("up\n")
    run.kill(signal.SIGHUP)
    run.says("term\n")
    in_place(tree / "x.py", "new\n")
    # The event is in the queue before the signal that ends the server.
    run.kill(signal.SIGUSR1)
    wait_for_ups(run, 2)
    assert told(run)[1] == {"n": 1, "paths": [f"{tree}/x.py"]}
    in_place(tree / "y.py", "new\n")
    wait_until(lambda: run.stdout.count("term\n") == 2)
    wait_until(lambda: ups(run) == 2)


def test_restarts_that_are_asked_for_while_it_settles_lose_nothing(watching, tree):
    run = watching(TELLS, "-o", "signals.SIGHUP=restart", options={"settle": "300ms"})
    run.says("up\n")
    in_place(tree / "x.py", "new\n")
    run.logs("server ended")
    run.kill(signal.SIGHUP)
    process = run.ask("restart", "--wait")
    assert process.returncode == 0, process
    in_place(tree / "y.py", "new\n")
    wait_until(lambda: told(run)[-1] == {"n": 1, "paths": [f"{tree}/y.py"]})
    assert [change for change in told(run) if change] == [
        {"n": 1, "paths": [f"{tree}/x.py"]}, {"n": 1, "paths": [f"{tree}/y.py"]}]


# initd status, healthcheck

def test_status_tells_what_is_watched(watching, tree):
    for n in range(3):
        write(tree / f"v{n}/x.py")
    run = watching()
    run.says("up\n")
    found = run.status()
    assert found["watch_paths"] == str(tree)
    assert found["watch_backend"] == "inotify"
    assert (found["watch_directories"], found["watch_files"], found["watch_restarts"]) == (4, 5, 0)
    assert (found["last_change"], found["last_change_ms"]) == (None, None)
    assert re.search(rf"^watch +{tree} by inotify: 4 directories, 5 files, 0 restarts$",
                     run.ask("status").stdout, re.M), run.ask("status").stdout

    write(tree / "v3/z.py")
    wait_for_ups(run, 2)
    found = run.reaches("running")
    assert (found["watch_directories"], found["watch_files"], found["watch_restarts"]) == (5, 6, 1)
    assert found["last_change"].startswith("v3/z.py")
    assert 0 <= found["last_change_ms"] < found["uptime_ms"]
    assert found["starts"] == 2

    (tree / "v3/z.py").unlink()
    (tree / "v3").rmdir()
    wait_for_ups(run, 3)
    found = run.reaches("running")
    assert (found["watch_directories"], found["watch_files"], found["watch_restarts"]) == (4, 5, 2)
    # A long line is broken.
    text = re.sub(r",?\n +", ", ", run.ask("status").stdout)
    assert re.search(rf"^watch +{tree} by inotify: 4 directories, 5 files, 2 restarts, v3/z.py was removed {TIME} ago$",
                     text, re.M), text


def test_status_tells_that_nothing_is_watched(initd, tree):
    run = initd(*NOBODY_ASKS, "sh", "-c", SLEEP)
    run.says("up\n")
    run.hears()
    found = run.status()
    assert found["watch_backend"] is None
    assert found["watch_paths"] is None
    assert "inotify" not in run.ask("status").stdout


def test_status_tells_of_polling(watching):
    assert watching(options=BACKENDS["poll"]).status()["watch_backend"] == "poll"


def test_only_restarts_by_a_change_are_counted_as_such(watching, tree):
    run = watching(SLEEP, "-o", "signals.SIGHUP=restart")
    run.says("up\n")
    run.kill(signal.SIGHUP)
    wait_for_ups(run, 2)
    in_place(tree / "x.py", "new\n")
    wait_for_ups(run, 3)
    found = run.reaches("running")
    assert (found["watch_restarts"], found["starts"]) == (1, 3)


def test_the_states_of_a_restart(watching, tree):
    run = watching(LEAVES_A_CHILD, options={"settle": "2s"})
    run.says("up\n")
    assert run.status()["state"] == "running"
    in_place(tree / "x.py", "new\n")
    run.logs("restarting: ")
    assert run.status()["state"] == "restarting"
    run.logs("server ended")
    assert run.status()["state"] == "restarting"    # CLEARING
    wait_until(lambda: not run.processes())
    assert run.status()["state"] == "restarting"    # SETTLING
    wait_for_ups(run, 2)
    assert run.reaches("running")["watch_restarts"] == 1


def test_a_server_that_waits_is_unhealthy(watching):
    run = watching("exit 3")
    run.logs("waiting for a change")
    process = run.ask("healthcheck")
    assert process.returncode == 1
    assert re.fullmatch(r"unhealthy: .*waits for a change.*\n", process.stdout), process


def test_status_tells_how_the_server_ended_while_it_waits(watching):
    run = watching("exit 3")
    run.logs("waiting for a change")
    found = run.status()
    assert (found["state"], found["pid"]) == ("waiting", None)
    assert "3" in found["last_exit"]
    assert re.search(r"^state +waiting", run.ask("status").stdout, re.M)


def test_readiness_is_said_again_after_a_change(initd, lab, tree):
    port = free_port()
    let_age(tree)
    run = initd("-o", f"server.port={port}", "-o", "health.start_interval=10ms", *watch_options(tree),
                *lab.helper("http_server.py", port))
    run.logs("ready on")
    in_place(tree / "x.py", "new\n")
    wait_until(lambda: run.stderr.count("ready on") == 2)
    assert run.reaches("ready")["watch_restarts"] == 1
    assert run.ask("healthcheck").returncode == 0


# A server that restarts itself

def suspects(run):
    return [line for line in run.stderr.splitlines() if line.startswith("initd: warn: ")]


@pytest.fixture
def writes_itself(watching, tree, room):
    """initd with a server that writes tree/self.py at each start, with other bytes each time."""
    (room / "count").write_text("0\n")
    (room / "count").chmod(0o666)
    script = f"""
        read n < {room}/count; n=$((n + 1)); echo $n > {room}/count
        echo "told ${{INITD_CHANGED-null}}"; echo up; echo $n > {tree}/self.py; exec sleep 1000"""
    return lambda *words, **how: watching(script, *words, **{"options": {"settle": "10ms"}} | how)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_server_that_restarts_itself_is_noticed_and_named(writes_itself, tree, backend):
    run = writes_itself("-o", "signals.SIGHUP=restart", options=BACKENDS[backend] | {"settle": "10ms"})
    wait_until(lambda: suspects(run), what=f"a warning: {run.transcript()}")
    assert len(suspects(run)) == 1 and "self.py" in suspects(run)[0], run.stderr
    wait_until(lambda: (tree / "self.py").read_text() == "6\n")
    # Any other change restarts at once, and takes it along.
    in_place(tree / "x.py", "new\n")
    wait_for_ups(run, 7)
    wait_until(lambda: (tree / "self.py").read_text() == "7\n")
    # So does whoever asks for it.
    run.kill(signal.SIGHUP)
    wait_for_ups(run, 8)
    assert run.ask("restart", "--wait").returncode == 0
    wait_until(lambda: (tree / "self.py").read_text() == "9\n")
    in_place(tree / "y.py", "new\n")
    wait_for_ups(run, 10)
    paths = [change and {path.removeprefix(f"{tree}/") for path in change["paths"]} for change in told(run)]
    assert paths[1:6] == [{"self.py"}] * 5
    assert paths[6] == {"self.py", "x.py"}
    assert paths[9] == {"self.py", "y.py"}
    wait_until(lambda: ups(run) == 10)
    assert len(suspects(run)) == 1
    ends_in_time(run, 143)


def test_two_files_in_turn_are_no_loop(watching, tree):
    run = watching(options={"settle": "10ms"})
    for n in range(12):
        wait_for_ups(run, n + 1)
        in_place(tree / f"{'xy'[n % 2]}.py", f"{n}\n")
    wait_for_ups(run, 13)
    assert suspects(run) == []


def test_a_person_who_saves_one_file_often_is_no_loop(initd, lab, tree):
    """The server has answered before each of the edits."""
    port = free_port()
    let_age(tree)
    run = initd("-o", f"server.port={port}", "-o", "health.start_interval=10ms", *watch_options(tree, settle="10ms"),
                *lab.helper("http_server.py", port))
    for n in range(7):
        wait_until(lambda: run.stderr.count("ready on") == n + 1, what=run.transcript())
        in_place(tree / "x.py", f"new {n}\n")
    wait_until(lambda: run.stderr.count("ready on") == 8)
    assert suspects(run) == []


def test_a_state_file_that_the_server_writes_is_a_loop_although_it_answers(initd, lab, tree):
    port = free_port()
    in_place(tree / "state.json", "\n")
    (tree / "state.json").chmod(0o666)
    let_age(tree)
    run = initd("-o", f"server.port={port}", "-o", "health.start_interval=10ms", *watch_options(tree, settle="10ms"),
                *lab.helper("http_server.py", port))
    for n in range(6):
        wait_until(lambda: run.stderr.count("ready on") == n + 1, what=run.transcript())
        in_place(tree / "state.json", f"{n}\n")     # the server may write it, and nobody can tell who did
    wait_until(lambda: suspects(run))
    assert "state.json" in suspects(run)[0]
    assert run.stderr.count("ready on") == 6
    in_place(tree / "x.py", "new\n")
    wait_until(lambda: run.stderr.count("ready on") == 7)


@needs_real_root
def test_what_the_server_cannot_write_is_no_loop(initd, lab, tree):
    port = free_port()
    in_place(tree / "state.json", "\n")
    let_age(tree)
    run = initd("-o", f"server.port={port}", "-o", "health.start_interval=10ms", *watch_options(tree, settle="10ms"),
                *lab.helper("http_server.py", port))
    for n in range(8):
        wait_until(lambda: run.stderr.count("ready on") == n + 1, what=run.transcript())
        in_place(tree / "state.json", f"{n}\n")
    wait_until(lambda: run.stderr.count("ready on") == 9)
    assert suspects(run) == []


# What was started with the first of these tests

def test_a_tree_that_is_never_quiet_delays_the_start_for_ten_seconds_at_most(slow):
    slow.writer.join(15)
    assert slow.took is not None, slow.busy.run.transcript()
    assert 9 < slow.took < 14
    slow.busy.runs_the_tree()


def test_a_change_that_is_held_restarts_when_the_server_has_lived_for_ten_seconds(slow):
    run = slow.looping
    wait_until(lambda: run.stderr.count("restarting: self.py") >= 6, 15, what=f"the held restart: {run.transcript()}")
    lives = lines(run, "server ended: killed by SIGTERM after ")
    assert all(re.fullmatch(r"\d+ ms|[0-4]\.\d+ s", life) for life in lives[:5]), lives
    assert re.fullmatch(r"1[0-2](\.\d+)? s", lives[5]), lives
    assert len(suspects(run)) == 1
    wait_until(lambda: run.stderr.count("started pid") == 7)
    ends_in_time(run, 143)
