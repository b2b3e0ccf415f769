# SPDX-License-Identifier: MIT
"""What initd says on stderr, in which form, and that it never waits for somebody to read it."""

import fcntl
import json
import os
import re
import signal
from datetime import datetime, timezone

import pytest

from pidns import REAL_ROOT, needs_strace

SLEEP = ["sh", "-c", "echo ready; exec sleep 1000"]
WHO = "app (999:999)" if REAL_ROOT else "root (0:0)"


def test_a_life_in_lines(initd):
    run = initd("sh", "-c", "echo ready; exec sleep 1000")
    run.says("ready")
    run.kill(signal.SIGTERM)
    assert run.wait() == 143
    assert re.fullmatch(
        rf"initd: info: started pid \d+ as {re.escape(WHO)}: sh -c echo ready; exec sleep 1000\n"
        r"initd: info: stopping: SIGTERM\n"
        r"initd: info: server ended: killed by SIGTERM after [\d.]+ m?s\n", run.stderr)


@pytest.mark.parametrize("script, level, reason", [
    ("exit 0", "info", "exit code 0"),
    ("exit 3", "error", "exit code 3"),
    ("ulimit -c 0; kill -SEGV $$", "error", "killed by SIGSEGV"),
    ("kill -KILL $$", "error", "killed by SIGKILL"),
    ("kill -HUP $$", "error", "killed by SIGHUP"),
    ("kill -34 $$", "error", "killed by SIGRTMIN"),
    ("kill -64 $$", "error", r"killed by SIGRTM\w+"),
])
def test_one_line_says_why_the_server_ended(initd, script, level, reason):
    run = initd("sh", "-c", script)
    run.wait()
    assert len(re.findall(rf"(?m)^initd: {level}: server ended: {reason}\S* after [\d.]+ m?s", run.stderr)) == 1
    assert run.stderr.count("server ended") == 1


def test_initd_writes_nothing_to_stdout(initd):
    run = initd("sh", "-c", "exit 3")
    assert run.wait() == 3
    assert run.stdout == ""


@pytest.mark.parametrize("level, said", [
    ("error", []), ("warn", []), ("info", ["started", "server ended"]), ("debug", ["started", "server ended"]),
])
def test_the_level_decides_what_is_said_of_a_success(initd, level, said):
    run = initd("-o", f"log.level={level}", "true")
    assert run.wait() == 0
    if not said:
        assert run.stderr == ""
    for part in said:
        assert part in run.stderr
    for line in run.stderr.splitlines():
        assert re.match(r"initd: (error|warn|info|debug): ", line)


def test_a_failure_is_said_at_level_error(initd):
    run = initd("-o", "log.level=error", "sh", "-c", "exit 3")
    assert run.wait() == 3
    assert re.fullmatch(r"initd: error: server ended: exit code 3 after .*\n", run.stderr)


def test_json_lines_parse_and_have_what_log_readers_read(initd):
    before = datetime.now(timezone.utc)
    run = initd("-o", "log.format=json", "-o", "log.level=debug", "-o", "server.restart=on-failure",
                "-o", "server.restart_delay=1ms", "-o", "server.restart_limit=1", "sh", "-c", "exit 3")
    assert run.wait() == 3
    lines = [json.loads(line) for line in run.stderr.splitlines()]
    assert len(lines) >= 5
    for line in lines:
        assert set(line) >= {"severity", "time", "logger", "message"}
        assert line["severity"] in {"ERROR", "WARNING", "INFO", "DEBUG"}
        assert line["logger"] == "initd"
        assert line["message"] and not line["message"].startswith("initd:")
        when = datetime.fromisoformat(line["time"].replace("Z", "+00:00"))
        assert abs((when - before).total_seconds()) < 60
    assert [line["severity"] for line in lines if line["message"].startswith("server ended")] == ["ERROR", "ERROR"]


@pytest.mark.parametrize("word", [
    '"', "\\", "\n", "\t", "\x01", "\x7f", "\x1b[2J", "żółć", "\u2028", "😀", b"\xff", b"\xe2\x82",
    b"\xed\xa0\x80", b"\xc0\x80", "x" * 100_000, "ż" * 50_000,
])
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_command_of_any_bytes_gives_one_whole_line(initd, form, word):
    run = initd("-o", f"log.format={form}", "true", word)
    assert run.wait() == 0
    raw = run.readers[2].data
    assert raw.count(b"\n") == 2, "started and ended"
    assert all(byte == 10 or byte >= 32 and byte != 127 for byte in raw), "control characters"
    assert len(raw) < 5000
    if form == "json":
        for line in raw.decode().removesuffix("\n").split("\n"):
            json.loads(line)


def test_the_log_of_a_bad_command_is_json_too(initd):
    run = initd("-o", "log.format=json", "nosuch\n\"")
    assert run.wait() == 127
    line = json.loads(run.stderr)
    assert line["severity"] == "ERROR"
    assert "not found" in line["message"]


def full_pipe():
    """A pipe into which nothing fits any more."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    try:
        while True:
            os.write(write_end, b"x" * 4096)
    except BlockingIOError:
        pass
    try:
        while True:
            os.write(write_end, b"x")
    except BlockingIOError:
        pass
    os.set_blocking(write_end, True)
    return read_end, write_end


@pytest.mark.parametrize("pid1", [True, False])
@pytest.mark.parametrize("level", ["info", "debug"])
def test_a_reader_that_is_stuck_does_not_keep_initd_from_stopping(initd, pid1, level):
    read_end, write_end = full_pipe()
    try:
        run = initd("-o", f"log.level={level}", *SLEEP, stderr=write_end, pid1=pid1)
        run.says("ready")
        for _ in range(3):
            run.kill(signal.SIGWINCH)
        run.kill(signal.SIGTERM)
        assert run.wait(5) == 143
    finally:
        os.close(read_end)
        os.close(write_end)


def test_a_reader_that_is_stuck_does_not_keep_an_error_from_its_exit_code(initd):
    read_end, write_end = full_pipe()
    try:
        assert initd("nosuch", stderr=write_end).wait(5) == 127
    finally:
        os.close(read_end)
        os.close(write_end)


def test_a_stuck_reader_finds_the_childs_descriptor_as_it_was(initd):
    """initd and the child share the open file: O_NONBLOCK for one would be O_NONBLOCK for both."""
    read_end, write_end = full_pipe()
    try:
        run = initd(*SLEEP, stderr=write_end)
        run.says("ready")
        for _ in range(20):
            run.kill(signal.SIGWINCH)
            assert not fcntl.fcntl(write_end, fcntl.F_GETFL) & os.O_NONBLOCK
        run.kill(signal.SIGTERM)
        assert run.wait(5) == 143
        assert not fcntl.fcntl(write_end, fcntl.F_GETFL) & os.O_NONBLOCK
    finally:
        os.close(read_end)
        os.close(write_end)


def test_a_stuck_terminal_does_not_keep_initd_from_stopping(initd):
    run = initd(*SLEEP, terminal=True)
    run.says("ready")
    run.type(b"\x13")       # Ctrl-S
    run.kill(signal.SIGTERM)
    assert run.process.wait(5) == 143


@pytest.mark.parametrize("pid1", [True, False])
def test_a_reader_that_is_gone_ends_nothing(initd, pid1):
    read_end, write_end = os.pipe()
    os.close(read_end)
    run = initd("-o", "server.restart=on-failure", "-o", "server.restart_delay=1ms", "-o", "server.restart_limit=2",
                "sh", "-c", "echo up; exit 3", stderr=write_end, pid1=pid1)
    os.close(write_end)
    assert run.wait() == 3
    assert run.stdout == "up\n" * 3


def test_what_initd_cannot_write_is_no_signal_for_the_child(initd, room):
    """SIGPIPE and SIGXFSZ that initd's own line causes are not to be forwarded."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    run = initd(*SLEEP, stderr=write_end)
    os.close(write_end)
    with open(room / "log", "wb") as log:
        limited = initd(*SLEEP, stderr=log, prefix=["sh", "-c", 'ulimit -f 0; exec "$@"', "sh"])
    for one in (run, limited):
        one.says("ready")
        one.kill(signal.SIGUSR1)
        assert one.wait() == 128 + signal.SIGUSR1


def test_a_stuck_reader_is_no_trouble_without_proc(initd, lab):
    read_end, write_end = full_pipe()
    try:
        run = initd(*SLEEP, stderr=write_end, mounts=lab.without_proc())
        run.says("ready")
        run.kill(signal.SIGTERM)
        assert run.wait(5) == 143
    finally:
        os.close(read_end)
        os.close(write_end)


def test_a_full_disk_as_stderr_ends_nothing(initd):
    with open("/dev/full", "wb") as full:
        run = initd("sh", "-c", "exit 3", stderr=full)
        assert run.wait() == 3


@needs_strace()
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_is_one_write(traced, form):
    trace = traced(["-e", "trace=write,writev,pwritev2,sendto,sendmsg", "-s", "100000"], "-o", f"log.format={form}",
                   "sh", "-c", "exit 3")
    assert trace.run.wait() == 3
    lines = [json.dumps(line + "\n") for line in trace.run.stderr.splitlines()]
    assert len(lines) == 2
    writes = re.findall(r'(?m)^write\(\d+, (".*"), \d+\)', trace.text())
    for line in lines:
        assert line in writes
    assert not re.search(r'(?m)^write\(\d+, ".*", \d+\) = -', trace.text())
