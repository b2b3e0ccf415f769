# SPDX-License-Identifier: MIT
"""A terminal: Ctrl-C, Ctrl-Z and job control work as without initd."""

import fcntl
import os
import re
import signal
import struct
import termios

from harness import wait_until
from pidns import read_process

CTRL_C, CTRL_Z, CTRL_BACKSLASH = b"\x03", b"\x1a", b"\x1c"


def test_ctrl_c_reaches_the_child_exactly_once(initd, lab):
    run = initd(*lab.helper("record_signals.py"), terminal=True)
    run.says("ready")
    run.type(CTRL_C)
    run.says("got 2\r\n")
    run.kill(64)
    run.says("got 64\r\n")
    assert run.stdout.count("got 2\r\n") == 1


def test_ctrl_c_ends_what_it_ends_without_initd(initd):
    run = initd("sh", "-c", "echo ready; exec sleep 1000", terminal=True)
    run.says("ready")
    run.type(CTRL_C)
    assert run.wait() == 130


def test_ctrl_backslash_reaches_the_child(initd):
    run = initd("sh", "-c", "ulimit -c 0; echo ready; exec sleep 1000", terminal=True)
    run.says("ready")
    run.type(CTRL_BACKSLASH)
    assert run.wait() == 131


def test_the_child_has_the_foreground(initd):
    run = initd("sh", "-c", "echo ready; exec sleep 1000", terminal=True)
    run.says("ready")
    child = [process.pid for process in run.processes()]
    assert [os.tcgetpgrp(run.terminal)] == child


def test_the_child_has_the_foreground_before_it_begins(initd, lab):
    show = "import os; print(os.tcgetpgrp(0) == os.getpgrp() == os.getpid())"
    for _ in range(10):
        run = initd(lab.python, "-I", "-S", "-c", show, terminal=True)
        assert run.wait() == 0
        assert "True" in run.stdout


def test_a_child_that_reads_the_terminal_at_once_is_not_stopped(initd):
    run = initd("head", "-n", "1", terminal=True)
    wait_until(lambda: run.processes())
    run.type(b"words\n")
    assert run.wait() == 0
    assert run.stdout.count("words") == 2, "the echo of the terminal and the child's"


def test_a_restarted_child_has_the_foreground_too(initd):
    run = initd("-o", "server.restart=on-failure", "-o", "server.restart_delay=1ms", "-o", "server.restart_limit=1",
                "sh", "-c", "echo ready; read x; echo read $x; exit 1", terminal=True)
    for times in (1, 2):
        wait_until(lambda: len(re.findall("ready\r\n", run.stdout)) == times)
        run.type(b"words\n")
        wait_until(lambda: run.stdout.count("read words") == times)
    assert run.wait() == 1


def test_ctrl_z_stops_the_child_and_cont_continues_it(initd):
    run = initd("cat", terminal="stdio")
    run.type(b"one\n")
    run.says("one\r\none\r\n")
    child = run.processes()[0].pid
    run.type(CTRL_Z)
    wait_until(lambda: read_process(child).state == "T")
    wait_until(lambda: read_process(run.pid).state == "S")
    run.kill(signal.SIGCONT)
    wait_until(lambda: read_process(child).state == "S")
    run.type(b"two\n")
    run.says("two\r\ntwo\r\n")
    run.type(CTRL_Z)
    wait_until(lambda: read_process(child).state == "T")
    run.kill(signal.SIGTERM)
    assert run.wait() == 143


def test_cont_continues_all_that_ctrl_z_stopped(initd):
    run = initd("sh", "-c", "cat; exit 4", terminal="stdio")
    run.type(b"one\n")
    run.says("one\r\none\r\n")
    run.type(CTRL_Z)
    wait_until(lambda: [process.state for process in run.processes()] == ["T", "T"])
    run.kill(signal.SIGCONT)
    wait_until(lambda: [process.state for process in run.processes()] == ["S", "S"])
    run.type(b"two\n")
    run.says("two\r\ntwo\r\n")
    run.type(b"\x04")
    assert run.wait() == 4


def test_an_interactive_shell_has_job_control(initd):
    run = initd("bash", "--norc", "--noprofile", "-i", terminal=True, env={"PS1": "prompt> ", "TERM": "dumb"})
    run.says("prompt> ")
    run.type(b"sleep 1000\n")
    wait_until(lambda: any(process.comm == "sleep" for process in run.processes()))
    run.type(CTRL_Z)
    run.says("Stopped")
    run.type(b"jobs; fg\n")
    wait_until(lambda: any(process.comm == "sleep" and process.state == "S" for process in run.processes()))
    run.type(CTRL_C)
    wait_until(lambda: not any(process.comm == "sleep" for process in run.processes()))
    run.type(b"echo st''ill; exit 5\n")
    assert run.wait() == 5
    assert "still\r\n" in run.stdout
    assert "job control" not in run.stdout


def test_an_initd_that_leads_no_session_gives_the_terminal_to_its_child_and_back(initd):
    run = initd("sh", "-c", "echo ready; exec sleep 1000", terminal=True,
                prefix=["/bin/sh", "-c", '"$@"; echo "code $?"; read line; echo "read $line"; exit 9', "sh"])
    run.says("ready")
    run.type(CTRL_C)
    run.says("code 130")
    run.type(b"words\n")
    run.says("read words")
    assert run.wait() == 9


def test_a_terminal_that_hangs_up_ends_the_child(initd):
    run = initd("sh", "-c", "echo ready; exec sleep 1000", terminal="stdio")
    run.says("ready")
    run.readers[1].close()
    assert run.process.wait(5) == 129


def test_a_background_job_does_not_take_the_foreground(initd, lab):
    record = " ".join(lab.helper("record_signals.py"))
    # The second initd is an ordinary job of a shell with job control, which the first one runs.
    run = initd("bash", "--norc", "--noprofile", "-i", terminal=True,
                env={"PS1": "prompt> ", "TERM": "dumb", "AGENT_DIR": "/"})
    run.says("prompt> ")
    shell = os.tcgetpgrp(run.terminal)
    run.type(f"{lab.binary} {record} < /dev/tty &\n".encode())
    run.says("ready")
    assert os.tcgetpgrp(run.terminal) == shell
    run.type(CTRL_C)
    run.says(re.compile("\\^C.*prompt> ", re.S))
    run.type(b"echo st''ill\n")
    run.says("still\r\n")
    assert "got 2\r\n" not in run.stdout


def test_stdin_without_a_terminal_is_no_trouble_beside_one(initd):
    run = initd("sh", "-c", "exit 3", terminal=True, prefix=["/bin/sh", "-c", 'exec "$@" < /dev/null', "sh"])
    assert run.wait() == 3


def test_a_new_window_size_reaches_the_child_once(initd, lab):
    run = initd(*lab.helper("record_signals.py"), terminal=True)
    run.says("ready")
    fcntl.ioctl(run.terminal, termios.TIOCSWINSZ, struct.pack("4H", 50, 100, 0, 0))
    run.says("got 28\r\n")
    run.kill(64)
    run.says("got 64\r\n")
    assert run.stdout.count("got 28\r\n") == 1
