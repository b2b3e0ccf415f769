# SPDX-License-Identifier: MIT
"""When a server that ended is started again, how soon, how often, and what ends that."""

import os
import re
import signal
import subprocess
import time

import pytest

from harness import wait_until
from pidns import needs_real_root, needs_strace, read_process, sanitizer

FAST = ["-o", "server.restart_delay=1ms", "-o", "server.restart_delay_max=5ms"]


@pytest.fixture
def ending(initd, room):
    """ending([codes], *options): a child that ends with the next of the codes at each start, and says `run N`."""

    def start(codes, *options, **how):
        (room / "codes").write_text("".join(f"{code}\n" for code in codes))
        (room / "codes").chmod(0o666)
        (room / "count").write_text("0\n")
        (room / "count").chmod(0o666)
        script = f"""
            read n < {room}/count; n=$((n + 1)); echo $n > {room}/count; echo run $n
            code=$(sed -n "${{n}}p" {room}/codes)
            case "$code" in sleep) exec sleep 1000 ;; -*) kill $code $$ ;; *) exit "$code" ;; esac"""
        return initd(*options, "sh", "-c", script, **how)

    return start


def runs(run):
    return run.stdout.count("run ")


@pytest.mark.parametrize("policy, codes, expected, count", [
    ("no", [0, 0], 0, 1),
    ("no", [3, 0], 3, 1),
    ("on-failure", [0, 0], 0, 1),
    ("on-failure", [3, 0], 0, 2),
    ("on-failure", [3, 255, 1, 0], 0, 4),
    ("on-failure", ["-9", "-15", "-11", 0], 0, 4),
])
def test_the_policy_decides(ending, policy, codes, expected, count):
    run = ending(codes, *FAST, "-o", f"server.restart={policy}")
    assert run.wait() == expected
    assert runs(run) == count


def test_always_means_after_a_success_too(ending):
    run = ending([0, 3, 0, "sleep"], *FAST, "-o", "server.restart=always")
    run.says("run 4\n")
    run.kill(signal.SIGTERM)
    assert run.wait() == 143
    assert runs(run) == 4


@pytest.mark.parametrize("codes, first, expected, count", [
    ("0,143", 143, 0, 1),
    ("0,143", 3, 0, 2),
    ("143", 143, 0, 1),
    ("3, 4,5", 4, 0, 1),
    ("0,143", "-15", 0, 1),
    ("0,139", "-11", 0, 1),
])
def test_success_codes_are_no_failure_and_reported_as_0(ending, codes, first, expected, count):
    run = ending([first, 0, 0], *FAST, "-o", "server.restart=on-failure", "-o", f"server.success_codes={codes}")
    assert run.wait() == expected
    assert runs(run) == count


def test_a_stop_by_term_can_be_a_success(initd):
    run = initd("-o", "server.success_codes=0,143", "sh", "-c", "echo ready; exec sleep 1000")
    run.says("ready")
    run.kill(signal.SIGTERM)
    assert run.wait() == 0


def test_the_delay_doubles_up_to_its_maximum(ending):
    run = ending([1] * 6, "-o", "server.restart=on-failure", "-o", "server.restart_delay=20ms",
                 "-o", "server.restart_delay_max=100ms", "-o", "server.restart_limit=5")
    begun = time.monotonic()
    assert run.wait() == 1
    assert re.findall(r"starting again in (\S+ \S+) \(restart (\d of \d)\)", run.stderr) == [
        ("20 ms", "1 of 5"), ("40 ms", "2 of 5"), ("80 ms", "3 of 5"), ("100 ms", "4 of 5"), ("100 ms", "5 of 5")]
    assert 0.34 <= time.monotonic() - begun < 3


def test_restarts_without_a_limit_are_counted(ending):
    run = ending([1, 1, 0], *FAST, "-o", "server.restart=on-failure")
    assert run.wait() == 0
    assert re.findall(r"\(restart .*?\)", run.stderr) == ["(restart 1)", "(restart 2)"]


@pytest.mark.parametrize("limit", [1, 3])
def test_after_the_limit_initd_ends_with_the_servers_code(ending, limit):
    run = ending([7] * 10, *FAST, "-o", "server.restart=always", "-o", f"server.restart_limit={limit}")
    assert run.wait() == 7
    assert runs(run) == limit + 1


def test_a_term_during_the_back_off_ends_at_once_with_the_servers_code(ending):
    run = ending([3], "-o", "server.restart=always", "-o", "server.restart_delay=30s")
    run.logs("starting again in 30 s (restart 1)")
    begun = time.monotonic()
    run.kill(signal.SIGTERM)
    assert run.wait() == 3
    assert time.monotonic() - begun < 5
    assert runs(run) == 1


def test_other_signals_during_the_back_off_have_nobody_to_go_to(ending):
    run = ending([3, 0], "-o", "server.restart=on-failure", "-o", "server.restart_delay=30s",
                 "-o", "signals.SIGUSR2=restart")
    run.logs("starting again")
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        run.kill(number)
    assert run.wait() == 0
    assert runs(run) == 2


def test_a_restart_signal_during_the_back_off_starts_at_once(ending):
    run = ending([3, 0], "-o", "server.restart=on-failure", "-o", "server.restart_delay=30s",
                 "-o", "signals.SIGHUP=restart")
    run.logs("starting again in 30 s")
    run.kill(signal.SIGHUP)
    assert run.wait(5) == 0
    assert runs(run) == 2


@pytest.mark.parametrize("policy", ["on-failure", "always"])
def test_a_server_that_was_told_to_stop_stays_down_whatever_its_code(initd, policy):
    run = initd("-o", f"server.restart={policy}", "sh", "-c",
                "trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done")
    run.says("ready")
    run.kill(signal.SIGTERM)
    assert run.wait() == 3
    assert "starting again" not in run.stderr


def test_orphans_are_reaped_during_the_back_off(initd, room):
    script = f"""
        setsid sh -c 'touch {room}/on; exec sleep 1000' &
        while [ ! -e {room}/on ]; do sleep 0.01; done
        exit 1"""
    run = initd("-o", "server.restart=always", "-o", "server.restart_delay=30s", "sh", "-c", script)
    run.logs("starting again")
    left = wait_until(run.processes)
    os.kill(left[0].pid, signal.SIGKILL)
    wait_until(lambda: not run.processes())


@pytest.mark.parametrize("trap", ["", "trap '' TERM;"])
def test_the_old_group_is_gone_before_the_new_server_starts(initd, room, trap):
    script = f"""
        if [ -e {room}/old ]; then
            read old < {room}/old
            kill -0 $old 2> /dev/null && echo "old lives" || echo "old gone"
            exit 0
        fi
        sh -c "{trap} echo \\$\\$ > {room}/new; mv {room}/new {room}/old; exec sleep 1000" &
        while [ ! -e {room}/old ]; do sleep 0.01; done
        exit 1"""
    run = initd(*FAST, "-o", "server.restart=on-failure", "sh", "-c", script)
    assert run.wait() == 0
    assert run.stdout == "old gone\n"


def test_a_daemon_of_another_group_survives_a_restart(initd, room):
    script = f"""
        if [ -e {room}/daemon ]; then
            read daemon < {room}/daemon
            kill -0 $daemon && echo "daemon lives"
            exit 0
        fi
        setsid sh -c "echo \\$\\$ > {room}/new; mv {room}/new {room}/daemon; exec sleep 1000" &
        while [ ! -e {room}/daemon ]; do sleep 0.01; done
        exit 1"""
    run = initd(*FAST, "-o", "server.restart=on-failure", "sh", "-c", script)
    assert run.wait() == 0
    assert run.stdout == "daemon lives\n"


# Restarts by a signal

def test_a_restart_that_was_asked_for_needs_no_policy_and_counts_for_no_limit(initd):
    run = initd("-o", "signals.SIGHUP=restart", "-o", "server.restart_limit=1", "sh", "-c", "echo up; exec sleep 1000")
    for times in range(1, 5):
        wait_until(lambda: run.stdout.count("up\n") == times)
        child = run.child_pid()
        run.kill(signal.SIGHUP)
        wait_until(lambda: read_process(child) is None)
    wait_until(lambda: run.stdout.count("up\n") == 5)
    run.kill(signal.SIGTERM)
    assert run.wait() == 143


def test_a_storm_of_restarts_ends_with_one_server(initd):
    run = initd("-o", "signals.SIGHUP=restart", "sh", "-c", "echo up; exec sleep 1000")
    run.says("up")
    for _ in range(1000):
        run.kill(signal.SIGHUP)
    wait_until(lambda: run.stderr.count("started pid") == run.stderr.count("server ended") + 1
               and len(run.processes()) == 1)
    run.kill(signal.SIGTERM)
    assert run.wait() == 143


def test_a_restart_during_the_drain_is_too_late(initd):
    run = initd("-o", "signals.SIGHUP=restart", "-o", "server.drain_delay=30s", "sh", "-c",
                "echo up; exec sleep 1000")
    run.says("up")
    run.kill(signal.SIGTERM)
    run.logs("after a drain of 30 s")
    run.kill(signal.SIGHUP)
    run.kill(signal.SIGTERM)
    assert run.wait() == 143
    assert run.stdout == "up\n"


def test_a_restart_uses_stop_signal_and_stop_timeout(initd):
    run = initd("-o", "signals.SIGHUP=restart", "-o", "server.stop_signal=SIGINT", "-o", "server.stop_timeout=200ms",
                "sh", "-c", "trap 'echo int' INT; echo up; while :; do sleep 0.01; done")
    run.says("up")
    run.kill(signal.SIGHUP)
    wait_until(lambda: run.stdout.count("up\n") == 2)
    assert run.stdout == "up\nint\nup\n"
    assert "not stopped after 200 ms: SIGKILL to its process group" in run.stderr


def test_a_term_during_a_restart_wins(initd):
    run = initd("-o", "signals.SIGHUP=restart", "sh", "-c",
                "trap 'echo term' TERM; trap 'exit 4' USR1; echo up; while :; do sleep 0.01; done")
    run.says("up")
    run.kill(signal.SIGHUP)
    run.says("term\n")
    run.kill(signal.SIGTERM)
    run.logs("stopping: SIGTERM")
    run.kill(signal.SIGUSR1)
    assert run.wait() == 4
    assert run.stdout.count("up\n") == 1


def test_a_term_during_a_restart_leaves_the_time_to_the_orchestrator(initd):
    run = initd("-o", "signals.SIGHUP=restart", "sh", "-c", "trap '' TERM; echo up; exec sleep 1000")
    run.says("up")
    run.kill(signal.SIGHUP)
    run.logs("restarting: SIGHUP")
    run.kill(signal.SIGTERM)
    run.logs("stopping: SIGTERM")
    # server.stop_timeout is 0: however long it takes, nobody is killed.
    with pytest.raises(subprocess.TimeoutExpired):
        run.process.wait(5.5)
    assert "SIGKILL" not in run.stderr


def test_a_stop_signal_during_a_restart_is_forwarded_to_the_old_server(initd, lab):
    run = initd("-o", "signals.SIGHUP=restart", *lab.helper("record_signals.py"))
    run.says("ready")
    run.kill(signal.SIGHUP)
    run.says("got 15\n")
    run.kill(signal.SIGINT)
    run.says("got 2\n")


# The system refuses

FORKS = "clone,clone3,fork,vfork"


@needs_strace()
@pytest.mark.parametrize("error", ["EAGAIN", "ENOMEM"])
def test_a_fork_that_is_refused_for_a_moment_is_tried_again(traced, error):
    trace = traced(["-e", f"trace={FORKS}", "-e", f"inject={FORKS}:error={error}:when=1..3"], "echo", "fine")
    assert trace.run.wait() == 0, trace.run.transcript()
    assert trace.run.stdout == "fine\n"


@needs_strace()
def test_a_fork_that_is_always_refused_is_71(traced):
    trace = traced(["-e", f"trace={FORKS}", "-e", f"inject={FORKS}:error=EAGAIN"], "echo", "fine")
    assert trace.run.wait(30) == 71
    assert trace.run.stdout == ""
    assert any(line.startswith("initd: error: ") for line in trace.run.stderr.splitlines())


@needs_strace()
def test_an_exec_that_is_always_refused_for_lack_of_processes_is_71(traced):
    # The first exec of every process fails: initd's own, which start_with.py repeats, and that of all its children.
    trace = traced(["-f", "-e", "trace=execve", "-e", "inject=execve:error=EAGAIN:when=1"], "/bin/echo", "fine",
                   inherit={"insist": True})
    assert trace.run.wait(30) == 71, trace.run.transcript()
    assert trace.text().count("/bin/echo") > 2
    assert trace.run.stdout == ""


@needs_real_root
def test_a_user_that_may_have_no_more_processes_is_71(initd):
    run = initd("-o", "user.name=4321", "true", inherit={"nproc": 1}, env=sanitizer("detect_leaks=0"))
    assert run.wait(30) == 71, run.transcript()
    assert any(line.startswith("initd: error: ") for line in run.stderr.splitlines())


@needs_strace()
def test_a_term_ends_the_tries(traced):
    trace = traced(["-e", f"trace={FORKS}", "-e", f"inject={FORKS}:error=EAGAIN"], "echo", "fine")
    run = trace.run
    run.logs(re.compile("fork|resource|temporarily|again", re.I))
    run.kill(signal.SIGTERM)
    assert run.wait(5) in (71, 143)
