# SPDX-License-Identifier: MIT
"""Which signals reach the child, how often and when, and what initd makes of the ones that mean stop."""

import os
import re
import select
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness import wait_until
from pidns import (kill_quietly, needs_real_root, needs_strace, open_gate, read_process, read_status, sanitizer,
                   signal_set)

STOP = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
FAULTS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS, signal.SIGABRT}
# 32 and 33 belong to the C library's threads.
EXCLUDED = {*FAULTS, signal.SIGCHLD, signal.SIGTTIN, signal.SIGTTOU, 32, 33}
FORWARDED = [number for number in range(1, 65) if number not in {*EXCLUDED, signal.SIGKILL, signal.SIGSTOP}]

# A sanitizer's own handlers for these would end initd.
UNGUARDED = sanitizer("handle_segv=0:handle_sigbus=0:handle_sigfpe=0")

SLEEP = ["sh", "-c", "echo ready; exec sleep 1000"]
STUBBORN = ["sh", "-c", 'trap "" TERM INT; echo ready; exec sleep 1000']


def name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


@pytest.fixture
def recorder(initd, lab):
    """recorder(*options, end=N, **how) starts a child that says what it gets, and ends by N."""

    def start(*options, end=0, **how):
        run = initd(*options, *lab.helper("record_signals.py", end), **how)
        run.says("ready")
        return run

    return start


def received(run, marker=64):
    """What the child got until now. The marker's high number keeps it behind all others in every queue."""
    run.kill(marker)
    run.says(f"got {marker}\n")
    found = [int(number) for number in re.findall(r"got (\d+)\n", run.stdout)]
    return found[:found.index(marker)]


# Forwarding

@pytest.mark.parametrize("number", FORWARDED, ids=name)
def test_this_signal_reaches_the_child_once(recorder, number):
    run = recorder()
    run.kill(number)
    run.says(f"got {number}\n")
    got = received(run, 63 if number == 64 else 64)
    assert got.count(number) == 1
    assert set(got) == ({number, signal.SIGCONT} if number in STOP else {number})


@pytest.mark.parametrize("number", sorted(EXCLUDED), ids=name)
def test_this_signal_is_nobodys_and_initd_lives(recorder, number):
    run = recorder(env=UNGUARDED)
    run.kill(number)
    assert received(run) == []


def test_a_child_can_neither_kill_nor_stop_nor_crash_initd(initd, lab):
    numbers = [int(number) for number in (signal.SIGKILL, signal.SIGSTOP, *FAULTS)]
    run = initd(*lab.helper("attack.py")[:-1], "-c", f"import os, sys\nfor n in {numbers}: os.kill(1, n)\nsys.exit(3)",
                env=UNGUARDED)
    assert run.wait() == 3


@needs_strace()
@pytest.mark.parametrize("number, sent", [
    (signal.SIGHUP, ["SIGHUP"]),
    (signal.SIGCONT, ["SIGCONT"]),
    (signal.SIGTERM, ["SIGTERM", "SIGCONT"]),
])
def test_each_signal_is_sent_once(traced, lab, number, sent):
    trace = traced(["-e", "trace=kill,tgkill,tkill,pidfd_send_signal"], *lab.helper("record_signals.py"))
    run = trace.run
    run.says("ready")
    run.kill(number)
    run.says(f"got {number:d}\n")
    received(run)
    os.kill(run.child_pid(), signal.SIGKILL)
    assert run.wait() == 137
    found = re.findall(r"(?m)^\w+\(.*?(SIG\w+)", trace.text())
    assert found[:found.index("SIGRT_32")] == sent


def test_every_forwarded_signal_at_once_arrives(recorder):
    run = recorder()
    # The kernel lets a CONT and a TSTP that wait remove each other.
    numbers = [number for number in FORWARDED if number not in (signal.SIGCONT, signal.SIGTSTP)]
    for number in numbers:
        run.kill(number)
    for number in numbers:
        run.says(f"got {number}\n")


def test_initd_is_told_by_its_own_child(initd, lab):
    run = initd("sh", "-c", 'trap "echo usr1; exit 4" USR1; kill -USR1 1; while :; do sleep 0.01; done')
    assert run.wait() == 4
    assert run.stdout == "usr1\n"


# signals.*

def test_a_signal_can_become_another(recorder):
    run = recorder("-o", "signals.SIGHUP=SIGUSR2")
    run.kill(signal.SIGHUP)
    run.says(f"got {signal.SIGUSR2:d}\n")
    assert received(run) == [signal.SIGUSR2]


def test_a_signal_can_become_a_real_time_signal(recorder):
    run = recorder("-o", "signals.SIGHUP=SIGRTMIN+3")
    run.kill(signal.SIGHUP)
    run.says(f"got {signal.SIGRTMIN + 3:d}\n")


def test_a_signal_can_be_ignored(recorder):
    run = recorder("-o", "signals.SIGUSR1=ignore", "-o", "signals.SIGTERM=ignore")
    run.kill(signal.SIGUSR1)
    run.kill(signal.SIGTERM)
    assert received(run) == []


def test_a_signal_can_mean_stop(recorder):
    run = recorder("-o", "signals.SIGUSR1=stop", "-o", "server.stop_signal=SIGINT", "-o", "server.restart=always",
                   end=signal.SIGINT)
    run.kill(signal.SIGUSR1)
    assert run.wait() == 0, "a stop is no reason to start again"
    assert f"got {signal.SIGINT:d}\n" in run.stdout


def test_a_stop_signal_that_becomes_another_still_means_stop(recorder):
    run = recorder("-o", "signals.SIGTERM=SIGINT", "-o", "server.restart=always", end=signal.SIGINT)
    run.kill(signal.SIGTERM)
    assert run.wait() == 0, "a stop is no reason to start again"
    assert f"got {signal.SIGTERM:d}\n" not in run.stdout


def test_a_signal_can_mean_restart(initd):
    run = initd("-o", "signals.SIGHUP=restart", *SLEEP)
    run.says("ready\n")
    first = run.child_pid()
    run.kill(signal.SIGHUP)
    run.says("ready\nready\n")
    assert run.child_pid() != first
    assert read_process(first) is None
    run.kill(signal.SIGTERM)
    assert run.wait() == 143


def test_a_signal_name_in_the_file_decides(recorder):
    run = recorder(config="[signals]\nhup = usr2\n")
    run.kill(signal.SIGHUP)
    run.says(f"got {signal.SIGUSR2:d}\n")


# Stop

@pytest.mark.parametrize("number", sorted(STOP), ids=name)
def test_initd_ends_with_the_child_that_it_told_to_stop(initd, number):
    run = initd(*SLEEP)
    run.says("ready")
    run.kill(number)
    assert run.wait() == 128 + number
    assert f"stopping: {name(number)}" in run.stderr


def test_a_child_that_stops_cleanly_gives_its_own_code(recorder):
    run = recorder(end=signal.SIGTERM)
    run.kill(signal.SIGTERM)
    assert run.wait() == 0


@pytest.mark.parametrize("value", ["SIGQUIT", "QUIT", "sigquit"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=name)
def test_stop_signal_is_what_the_child_gets(recorder, number, value):
    run = recorder("-o", f"server.stop_signal={value}")
    run.kill(number)
    run.says(f"got {signal.SIGQUIT:d}\n")
    assert set(received(run)) == {signal.SIGQUIT, signal.SIGCONT}


def test_a_second_term_is_forwarded_again(recorder):
    run = recorder()
    for times in (1, 2, 3):
        run.kill(signal.SIGTERM)
        wait_until(lambda: run.stdout.count(f"got {signal.SIGTERM:d}\n") == times)


def test_another_stop_signal_during_the_stop_is_forwarded_too(recorder):
    run = recorder()
    run.kill(signal.SIGTERM)
    run.says(f"got {signal.SIGTERM:d}\n")
    run.kill(signal.SIGINT)
    run.says(f"got {signal.SIGINT:d}\n")


def test_other_signals_are_forwarded_during_the_stop(recorder):
    run = recorder()
    run.kill(signal.SIGTERM)
    run.says(f"got {signal.SIGTERM:d}\n")
    run.kill(signal.SIGUSR1)
    run.says(f"got {signal.SIGUSR1:d}\n")


def test_a_child_that_ignores_the_stop_is_killed_with_its_group_after_stop_timeout(initd):
    run = initd("-o", "server.stop_timeout=300ms", "sh", "-c",
                'trap "" TERM; sleep 1000 & echo ready; exec sleep 1000')
    run.says("ready")
    wait_until(lambda: len(run.processes()) == 2)
    begun = time.monotonic()
    run.kill(signal.SIGTERM)
    assert run.wait() == 137
    assert 0.29 <= time.monotonic() - begun < 1.3, "the group is gone, nothing had to be waited for"
    assert re.search(r"initd: warn\w*: not stopped after 300 ms: SIGKILL to its process group", run.stderr)


def test_without_stop_timeout_nobody_is_killed(initd):
    run = initd(*STUBBORN)
    run.says("ready")
    run.kill(signal.SIGTERM)
    run.logs("stopping: SIGTERM")
    assert len(run.processes()) == 1
    os.kill(run.child_pid(), signal.SIGKILL)
    assert run.wait() == 137
    assert "SIGKILL to its process group" not in run.stderr


def test_a_further_term_does_not_put_stop_timeout_off(initd):
    run = initd("-o", "server.stop_timeout=500ms", *STUBBORN)
    run.says("ready")
    begun = time.monotonic()
    run.kill(signal.SIGTERM)
    while run.process.poll() is None and time.monotonic() < begun + 5:
        kill_quietly(run.pid, signal.SIGTERM)
        time.sleep(0.02)
    assert run.wait() == 137
    assert time.monotonic() - begun < 4


@pytest.mark.parametrize("option", ["server.stop_timeout=1000h", "server.stop_timeout=2000000s"])
def test_a_long_stop_timeout_is_not_a_short_one(initd, option):
    run = initd("-o", option, *STUBBORN)
    run.says("ready")
    run.kill(signal.SIGTERM)
    run.logs("stopping: SIGTERM")
    run.kill(signal.SIGUSR1)
    assert run.wait() == 128 + signal.SIGUSR1
    assert "SIGKILL" not in run.stderr


def test_a_drain_delay_lets_the_server_serve_first(recorder):
    run = recorder("-o", "server.drain_delay=400ms", end=signal.SIGTERM)
    begun = time.monotonic()
    run.kill(signal.SIGTERM)
    assert run.wait() == 0
    assert 0.39 <= time.monotonic() - begun < 5
    assert "stopping: SIGTERM, after a drain of 400 ms" in run.stderr


def test_other_signals_reach_a_draining_server(recorder):
    run = recorder("-o", "server.drain_delay=30s")
    run.kill(signal.SIGTERM)
    run.logs("after a drain of 30 s")
    run.kill(signal.SIGUSR1)
    run.says(f"got {signal.SIGUSR1:d}\n")
    assert received(run) == [signal.SIGUSR1]


def test_a_second_term_ends_the_drain(recorder):
    run = recorder("-o", "server.drain_delay=30s", end=signal.SIGTERM)
    run.kill(signal.SIGTERM)
    run.logs("after a drain of 30 s")
    run.kill(signal.SIGTERM)
    assert run.wait() == 0


def test_a_server_that_ends_during_the_drain_ends_the_drain(recorder):
    run = recorder("-o", "server.drain_delay=30s", "-o", "server.restart=always", end=signal.SIGUSR1)
    run.kill(signal.SIGTERM)
    run.logs("after a drain of 30 s")
    run.kill(signal.SIGUSR1)
    assert run.wait() == 0


def test_stop_timeout_begins_after_the_drain(initd):
    run = initd("-o", "server.drain_delay=400ms", "-o", "server.stop_timeout=300ms", *STUBBORN)
    run.says("ready")
    begun = time.monotonic()
    run.kill(signal.SIGTERM)
    assert run.wait() == 137
    assert 0.69 <= time.monotonic() - begun < 5     # libuv counts in whole milliseconds


def test_a_stopped_child_is_continued_so_that_it_can_end(initd):
    run = initd("sh", "-c", "echo ready; kill -STOP $$; sleep 1000")
    run.says("ready")
    child = run.child_pid()
    wait_until(lambda: read_process(child).state == "T")
    run.kill(signal.SIGTERM)
    assert run.wait() == 143


def test_a_stopped_child_is_not_taken_for_an_ended_one(initd):
    run = initd("sh", "-c", "echo ready; kill -STOP $$; echo again; exit 6")
    run.says("ready")
    child = run.child_pid()
    wait_until(lambda: read_process(child).state == "T")
    run.kill(signal.SIGCONT)
    assert run.wait() == 6


@pytest.mark.parametrize("option, count", [("yes", 2), ("no", 1)])
def test_signal_group_decides_who_gets_a_signal(initd, lab, option, count):
    record = " ".join(lab.helper("record_signals.py"))
    run = initd("-o", f"server.signal_group={option}", "sh", "-c", f"{record} & exec {record}")
    wait_until(lambda: run.stdout.count("ready") == 2)
    run.kill(signal.SIGUSR1)
    wait_until(lambda: run.stdout.count("got 10\n") >= count)
    run.kill(64)
    wait_until(lambda: run.stdout.count("got 64\n") >= count)
    assert run.stdout.count("got 10\n") == count


def test_the_child_leads_its_own_process_group(initd):
    run = initd(*SLEEP)
    run.says("ready")
    child = read_process(run.child_pid())
    assert child.pgrp == child.pid
    assert child.session == read_process(run.pid).session


# Storms and first moments

def test_a_storm_of_signals_loses_no_kind_and_leaves_nothing_behind(recorder):
    run = recorder()
    pid, before = run.pid, read_status(run.pid)
    kinds = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
    for turn in range(10_000):
        os.kill(pid, kinds[turn % 3])
    for number in (*kinds, signal.SIGRTMAX):
        run.kill(number)
        run.says(f"got {number:d}\n")
    after = read_status(pid)
    assert int(after["VmRSS"].split()[0]) < int(before["VmRSS"].split()[0]) + 1024
    assert run.stderr.count("stopping:") == 1, "the stop was asked for many times, and said once"

    def idle():
        switches = read_status(pid)["voluntary_ctxt_switches"]
        time.sleep(0.2)
        return read_status(pid)["voluntary_ctxt_switches"] == switches
    wait_until(idle, what="initd to sleep")


def begin(initd, lab, *argv, **inherit):
    """Start an initd; returns it and its pid at the moment of its exec."""
    room = lab.room()
    for fifo in ("mark", "gate"):
        os.mkfifo(room / fifo)
    end = os.open(room / "mark", os.O_RDONLY | os.O_NONBLOCK)
    try:
        run = initd(*argv, inherit={**inherit, "exec_mark": f"{room}/mark", "wait_for": f"{room}/gate"})
        pid = run.pid_before_exec()
        open_gate(room / "gate")
        mark = select.poll()
        mark.register(end, select.POLLIN)
        assert mark.poll(10_000)
        return run, pid
    finally:
        os.close(end)


def ended(run, seconds):
    try:
        wait_until(lambda: run.process.poll() is not None, seconds)
        return True
    except AssertionError:
        return False


@pytest.mark.parametrize("delay", [0, 100, 200, 300, 400, 600, 800, 1000, 1300, 1700, 2200, 3000, 5000])
def test_a_term_so_many_us_after_the_exec_leaves_nobody_behind(initd, lab, delay):
    for _ in range(4):
        run, pid = begin(initd, lab, "sleep", "1000")
        until = time.perf_counter() + delay / 1e6
        while time.perf_counter() < until:
            pass
        os.kill(pid, signal.SIGTERM)
        # The kernel drops what comes before main() has blocked it; then there is a child, and it can be stopped.
        if not ended(run, 0.5):
            assert run.child_pid()
            os.kill(pid, signal.SIGTERM)
        assert run.wait() == 143


def test_no_term_is_lost_from_the_moment_that_initd_blocks_it(initd, lab):
    for _ in range(20):
        run, pid = begin(initd, lab, "sleep", "1000")
        while signal.SIGTERM not in signal_set(read_status(pid)["SigBlk"]):
            assert run.process.poll() is None
        os.kill(pid, signal.SIGTERM)
        assert run.wait() == 143


def test_no_signal_is_lost_where_all_were_blocked_from_the_start(initd, lab):
    for _ in range(5):
        run, pid = begin(initd, lab, *lab.helper("record_signals.py", signal.SIGTERM), block="all")
        os.kill(pid, signal.SIGTERM)
        code = run.wait()
        assert code == 143 or code == 0 and "got 15\n" in run.stdout


SYSTEM_CALLS = ["execve", "setpgid", "rt_sigprocmask"]


@needs_strace()
@pytest.mark.parametrize("group", ["no", "yes"])
@pytest.mark.parametrize("call", SYSTEM_CALLS)
def test_a_term_between_fork_and_exec_ends_the_child(traced, call, group):
    trace = traced(["-f", "-e", f"trace={call}", "-e", f"inject={call}:delay_enter=150000"],
                   "-o", f"server.signal_group={group}", "/bin/sleep", "1000")
    run = trace.run
    # The fork is seen, the exec has not happened: the child is still called initd.
    wait_until(lambda: any(process.comm == "initd" for process in run.processes()), what="a forked child")
    run.kill(signal.SIGTERM)
    assert run.wait() == 143


@needs_strace()
def test_a_term_before_the_fork_ends_initd_without_a_child_left(traced):
    trace = traced(["-f", "-e", "trace=clone,clone3,fork,vfork", "-e",
                    "inject=clone,clone3,fork,vfork:delay_enter=300000"], "/bin/sleep", "1000")
    run = trace.run
    wait_until(lambda: signal.SIGTERM in signal_set(read_status(run.pid)["SigBlk"]))
    run.kill(signal.SIGTERM)
    assert run.wait() == 143


# What initd inherits

# glibc's posix_spawn, with which make starts us, leaves its own signals ignored; Python cannot change that.
OF_GLIBC = {32, 33}


def dispositions(run):
    assert run.wait() == 0, run.transcript()
    found = dict(line.split(":\t") for line in run.stdout.splitlines())
    return signal_set(found["SigIgn"]) - OF_GLIBC, signal_set(found["SigBlk"])


SHOW = ["grep", "^Sig[BI]", "/proc/self/status"]


def test_a_child_inherits_nothing_ignored_or_blocked_by_default(initd):
    assert dispositions(initd(*SHOW, inherit={"ignore": []})) == (set(), set())


@pytest.mark.parametrize("ignore, block", [
    ({1, 2, 13}, {10}),
    ({signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}, {signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}),
    ({signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ}, {signal.SIGTERM, signal.SIGCHLD, 40, 64}),
])
def test_what_was_ignored_and_blocked_arrives_in_the_child_exactly(initd, ignore, block):
    found = dispositions(initd(*SHOW, inherit={"ignore": sorted(map(int, ignore)), "block": sorted(map(int, block))}))
    assert found == (ignore, block)


def test_all_signals_blocked_arrive_as_all_blocked(initd):
    ignored, blocked = dispositions(initd(*SHOW, inherit={"block": "all"}))
    assert blocked == {int(number) for number in signal.valid_signals()} - {signal.SIGKILL, signal.SIGSTOP}


@pytest.mark.parametrize("pid1", [True, False])
@pytest.mark.parametrize("inherit", [
    {"ignore": [int(signal.SIGCHLD)]}, {"block": "all"}, {"ignore": [int(signal.SIGCHLD)], "block": "all"},
    {"ignore": list(map(int, signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}))},
])
def test_initd_learns_of_the_childs_end_whatever_it_inherits(initd, inherit, pid1):
    assert initd("sh", "-c", "exit 7", inherit=inherit, pid1=pid1).wait() == 7


@pytest.mark.parametrize("inherit", [{"ignore": [15]}, {"block": [15]}])
def test_a_term_that_was_ignored_or_blocked_for_initd_is_still_forwarded(initd, lab, inherit):
    run = initd(*lab.helper("record_signals.py", 15), inherit=inherit)
    run.says("ready")
    run.kill(signal.SIGTERM)
    assert run.wait() == 0


# Signals that cannot be sent

@needs_real_root
def test_a_child_that_initd_may_not_signal_is_waited_for(initd, lab):
    if os.statvfs(lab.dir).f_flag & os.ST_NOSUID:
        pytest.skip(f"needs a file system without nosuid under {lab.dir.parent}")
    python = lab.room() / "python"
    shutil.copy(Path(lab.python).resolve(), python)
    python.chmod(0o4755)
    code = ("import os, signal, sys; os.setuid(0); signal.pthread_sigmask(signal.SIG_BLOCK, [10]);"
            "print('ready', flush=True); signal.sigwait([10]); sys.exit(5)")
    try:
        run = initd("-o", "user.no_new_privs=no", str(python), "-I", "-S", "-c", code, inherit={"uid": 65534})
        run.says("ready")
        child = run.child_pid()
        assert read_status(child)["Uid"].split()[0] == "0"
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGTERM):
            run.kill(number)
        run.logs("stopping: SIGTERM")
        os.kill(child, signal.SIGUSR1)
        assert run.wait() == 5
    finally:
        python.unlink()


@needs_strace()
@pytest.mark.parametrize("error", ["EPERM", "ESRCH"])
def test_an_error_of_kill_is_never_fatal(traced, lab, error):
    calls = "kill,tgkill,tkill,pidfd_send_signal,rt_sigqueueinfo"
    trace = traced(["-e", f"trace={calls}", "-e", f"inject={calls}:error={error}"], *SLEEP)
    run = trace.run
    run.says("ready")
    child = run.child_pid()
    for number in (signal.SIGHUP, signal.SIGTERM):
        run.kill(number)
    run.logs("stopping: SIGTERM")
    os.kill(child, signal.SIGUSR1)
    assert run.wait() == 128 + signal.SIGUSR1


# Whose end is whose

def test_every_exit_code_of_the_child_is_initds(initd):
    def code(number):
        return initd("sh", "-c", f"exit {number}").wait()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(code, range(256)))
    assert found == list(range(256))


DEADLY = sorted(set(range(1, 65)) - {signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH, signal.SIGSTOP,
                                     signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU} - OF_GLIBC)


def test_a_child_killed_by_a_signal_gives_128_and_the_signal(initd, lab):
    def end(number):
        run = initd(lab.python, "-I", "-S", "-c", f"import os, resource, signal\n"
                    f"resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
                    f"if {number} in (2, 13, 25): signal.signal({number}, signal.SIG_DFL)\n"
                    f"os.kill(os.getpid(), {number})")
        return run.wait(), run.stderr

    with ThreadPoolExecutor(4) as pool:
        found = dict(zip(DEADLY, pool.map(end, DEADLY)))
    assert {number: code for number, (code, _) in found.items()} == {number: 128 + number for number in DEADLY}
    for number in (signal.SIGSEGV, signal.SIGKILL, signal.SIGHUP):
        assert f"killed by {name(number)}" in found[number][1]


def test_initd_dies_with_the_parent_that_asked_for_it(initd):
    run = initd(*SLEEP)
    run.says("ready")
    pid = run.pid
    # unshare --kill-child sets PDEATHSIG, which a change of ids clears unless somebody cares.
    run.process.kill()
    wait_until(lambda: (process := read_process(pid)) is None or process.state == "Z" or process.comm != "initd")


def test_a_child_hears_of_the_sudden_death_of_an_initd_that_is_not_pid_1(initd, lab):
    run = initd(*lab.helper("record_signals.py"), pid1="lingers")
    run.says("ready")
    run.kill(signal.SIGKILL)
    run.says("got 15\n")


@needs_real_root
def test_a_child_hears_of_the_sudden_death_of_a_non_root_initd(initd, lab):
    run = initd(*lab.helper("record_signals.py"), pid1="lingers", inherit={"uid": 65534})
    run.says("ready")
    run.kill(signal.SIGKILL)
    run.says("got 15\n")


def test_an_initd_that_is_not_pid_1_ends_as_one_that_is(initd):
    run = initd(*SLEEP, pid1=False)
    run.says("ready")
    run.kill(signal.SIGTERM)
    assert run.wait() == 143


def test_a_restart_while_draining_changes_nothing_of_the_stop(initd, lab):
    run = initd("-o", "server.drain_delay=300ms", "-o", "signals.SIGHUP=restart",
                *lab.helper("record_signals.py", int(signal.SIGINT)))
    run.says("ready")
    run.kill(signal.SIGINT)
    run.logs("stopping: SIGINT")
    run.kill(signal.SIGHUP)
    assert run.wait() == 0
    assert f"got {signal.SIGINT:d}" in run.stdout and f"got {signal.SIGTERM:d}" not in run.stdout
