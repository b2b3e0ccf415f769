# SPDX-License-Identifier: MIT
"""Which descriptors the child has, which initd keeps, and what happens where some are missing."""

import itertools
import json
import os
import select
from pathlib import Path

import pytest

from harness import wait_until
from pidns import needs_real_root

SLEEP = ["sh", "-c", "echo ready; exec sleep 1000"]


@pytest.fixture
def descriptors(lab, room):
    """words that make the child write down its descriptors, and a function that reads that."""
    path = room / "descriptors"

    def read():
        return {int(number): found for number, found in json.loads(path.read_text()).items()}

    return lab.helper("descriptors.py", path), read


CLOSED = [closed for n in range(4) for closed in itertools.combinations((0, 1, 2), n)]


@pytest.mark.parametrize("pid1", [True, False])
@pytest.mark.parametrize("closed", CLOSED, ids=str)
def test_closed_standard_streams_are_dev_null_for_the_child(initd, descriptors, closed, pid1):
    words, read = descriptors
    run = initd(*words, inherit={"close": closed}, pid1=pid1)
    assert run.wait() == 0, run.transcript()
    found = read()
    assert set(found) == {0, 1, 2}
    for number in closed:
        assert found[number][0] == "/dev/null"
        access = found[number][1] & os.O_ACCMODE
        assert access in ((os.O_RDONLY, os.O_RDWR) if number == 0 else (os.O_WRONLY, os.O_RDWR))


@pytest.mark.parametrize("closed", CLOSED[1:], ids=str)
def test_closed_standard_streams_do_not_change_how_an_error_ends(initd, closed):
    run = initd("nosuch", inherit={"close": closed})
    assert run.wait() == 127
    assert run.stdout == ""
    if 2 not in closed:
        assert run.stderr.count("\n") == 1


@pytest.mark.parametrize("limit", range(3, 41))
def test_few_descriptors_are_enough_or_an_error_never_a_crash(initd, lab, limit):
    run = initd("true", inherit={"nofile": limit})
    code = run.wait()
    if limit == 3 and lab.sanitized:
        assert code == 127, "the dynamic linker's"
    elif limit >= 32:
        assert code == 0, run.transcript()
    else:
        assert code == 71, run.transcript()
        assert run.stderr.startswith("initd: error: ") and run.stderr.count("\n") == 1
        assert "32" in run.stderr


def test_the_childs_limit_of_descriptors_is_the_one_that_initd_got(initd):
    run = initd("sh", "-c", "ulimit -Sn; ulimit -Hn", inherit={"nofile": 123})
    assert run.wait() == 0
    assert run.stdout == "123\n123\n"


def test_the_child_has_no_descriptor_of_initds(initd, descriptors):
    words, read = descriptors
    assert initd(*words).wait() == 0
    assert set(read()) == {0, 1, 2}


def test_a_restarted_child_has_no_descriptor_of_initds(initd, descriptors):
    words, read = descriptors
    run = initd("-o", "server.restart=always", "-o", "server.restart_delay=1ms", "-o", "server.restart_limit=2", *words)
    run.wait()
    assert run.stderr.count("started pid") == 3
    assert set(read()) == {0, 1, 2}


def test_no_stream_of_the_childs_becomes_non_blocking(initd, descriptors):
    words, read = descriptors
    assert initd(*words).wait() == 0
    for number, (_, flags) in read().items():
        assert not flags & os.O_NONBLOCK, number


@pytest.fixture
def watched_pipe(room):
    """The reading end of a FIFO, and what makes initd inherit its writing end as descriptor 7."""
    fifo = room / "fifo"
    os.mkfifo(fifo)
    fifo.chmod(0o666)
    end = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    yield end, {"open": [[7, str(fifo)]]}
    os.close(end)


def at_end(fd):
    poll = select.poll()
    poll.register(fd, 0)
    return bool(poll.poll(0))


@pytest.mark.parametrize("pid1", [True, False])
def test_an_inherited_pipe_reaches_the_child_and_ends_with_the_childs_copy(initd, watched_pipe, pid1):
    end, inherit = watched_pipe
    run = initd("sh", "-c", "echo hello >&7; exec 7>&-; echo closed; exec sleep 1000", inherit=inherit, pid1=pid1)
    run.says("closed")
    wait_until(lambda: at_end(end), what="the end of the pipe: initd holds it")
    assert os.read(end, 100) == b"hello\n"
    assert run.process.poll() is None


@needs_real_root
def test_initd_keeps_nothing_that_it_inherited(initd, watched_pipe, room):
    end, inherit = watched_pipe
    inherit["open"] += [[number, str(room / "file")] for number in (3, 50, 200)]
    (room / "file").touch()
    run = initd(*SLEEP, inherit=inherit)
    run.says("ready")

    def held():
        return {os.readlink(path) for path in Path(f"/proc/{run.pid}/fd").iterdir()}
    wait_until(lambda: not held() & {str(room / "file"), str(room / "fifo")})
    assert {os.readlink(path) for path in Path(f"/proc/{run.child_pid()}/fd").iterdir()} >= {str(room / "file")}


@pytest.mark.parametrize("pid1", [True, False])
def test_LISTEN_PID_becomes_the_childs(initd, pid1):
    run = initd("sh", "-c", 'echo "$LISTEN_PID $$ $LISTEN_FDS"; echo socket >&3', pid1=pid1,
                inherit={"open": [[3, "/dev/null"]], "listen_fds": 1})
    assert run.wait() == 0, run.transcript()
    listen_pid, pid, count = run.stdout.split()
    assert listen_pid == pid != "1"
    assert count == "1"


@pytest.mark.parametrize("count", ["", "x", "-1", "0", "99999999999", "4294967297"])
def test_a_LISTEN_FDS_that_is_no_number_is_no_trouble(initd, count):
    run = initd("-o", "server.restart=on-failure", "-o", "server.restart_delay=1ms", "-o", "server.restart_limit=1",
                "sh", "-c", "echo up; exit 3", inherit={"listen_fds": count})
    assert run.wait() == 3
    assert run.stdout == "up\nup\n"


def test_LISTEN_PID_of_somebody_else_is_left_alone(initd):
    run = initd("printenv", "LISTEN_PID", env={"LISTEN_PID": "4711", "LISTEN_FDS": "1"})
    assert run.wait() == 0
    assert run.stdout == "4711\n"


def test_a_listening_descriptor_survives_restarts_with_a_new_LISTEN_PID(initd):
    run = initd("-o", "server.restart=on-failure", "-o", "server.restart_delay=1ms", "-o", "server.restart_limit=2",
                "sh", "-c", 'echo "$LISTEN_PID" "$$"; readlink /proc/self/fd/3 /proc/self/fd/4; exit 1',
                inherit={"open": [[3, "/dev/null"], [4, "/dev/zero"]], "listen_fds": 2})
    assert run.wait() == 1
    lines = run.stdout.splitlines()
    assert len(lines) == 9, run.transcript()
    pids = set()
    for pair, third, fourth in zip(lines[0::3], lines[1::3], lines[2::3]):
        assert pair.split()[0] == pair.split()[1]
        pids.add(pair.split()[0])
        assert (third, fourth) == ("/dev/null", "/dev/zero")
    assert len(pids) == 3


@needs_real_root
def test_a_hundred_restarts_leave_no_descriptor_behind(initd):
    run = initd("-o", "server.restart=always", "-o", "server.restart_delay=1ms", "-o", "server.restart_delay_max=1ms",
                "sh", "-c", "echo up; sleep 0.005")

    def held():
        return len(os.listdir(f"/proc/{run.pid}/fd"))
    wait_until(lambda: run.stdout.count("up") >= 3)
    before = held()
    wait_until(lambda: run.stdout.count("up") >= 100)
    # One more or less while a child is being started.
    wait_until(lambda: held() == before)


@needs_real_root
def test_initds_own_directory_is_the_root_while_the_childs_is_kept(initd, room):
    run = initd(*SLEEP, cwd=room)
    run.says("ready")
    wait_until(lambda: os.readlink(f"/proc/{run.pid}/cwd") == "/")
    assert os.readlink(f"/proc/{run.child_pid()}/cwd") == str(room)


@needs_real_root
def test_a_restarted_child_starts_where_the_first_did(initd, room):
    run = initd("-o", "server.restart=on-failure", "-o", "server.restart_delay=1ms", "-o", "server.restart_limit=1",
                "sh", "-c", "pwd; exit 1", cwd=room)
    assert run.wait() == 1
    assert run.stdout == f"{room}\n{room}\n"


@needs_real_root
def test_a_working_directory_that_the_user_cannot_enter_is_an_error(initd, room):
    (room / "roots").mkdir(mode=0o700)
    run = initd("-o", f"server.working_dir={room}/roots", "touch", f"{room}/mark")
    assert run.wait() == 78
    assert run.stderr.startswith("initd: error: ") and run.stderr.count("\n") == 1
    assert f"{room}/roots" in run.stderr
    assert not (room / "mark").exists()


def test_initd_needs_no_proc(initd, lab):
    run = initd("sh", "-c", "echo ready; exec sleep 1000", mounts=lab.without_proc())
    run.says("ready")
    run.kill(15)
    assert run.wait() == 143


def test_a_directory_that_is_gone_is_no_obstacle(initd, lab):
    gone = lab.room()
    run = initd("echo", "fine", cwd=gone, prefix=["sh", "-c", f'rmdir {gone}; exec "$@"', "sh"])
    assert run.wait() == 0, run.transcript()
    assert run.stdout == "fine\n"


def test_the_umask_of_initd_is_the_childs(initd):
    run = initd("sh", "-c", "umask", prefix=["sh", "-c", 'umask 027; exec "$@"', "sh"])
    assert run.wait() == 0
    assert run.stdout == "0027\n"


def test_other_limits_reach_the_child_unchanged(initd):
    show = "ulimit -t; ulimit -s; ulimit -f"
    run = initd("sh", "-c", show, prefix=["sh", "-c", 'ulimit -t 5; ulimit -s 4096; ulimit -f 1000; exec "$@"', "sh"])
    assert run.wait() == 0
    assert run.stdout == "5\n4096\n1000\n"
