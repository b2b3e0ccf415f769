# SPDX-License-Identifier: MIT
"""Orphans: all are reaped, none is mistaken for the server, and what is left at the end gets its chance."""

import os
import signal
import time

import pytest

from harness import wait_until
from pidns import descendants, read_process


@pytest.mark.parametrize("pid1", [True, False])
def test_a_thousand_orphans_leave_no_zombie(initd, lab, pid1):
    run = initd(*lab.helper("orphans.py", 1000, 9), pid1=pid1)
    run.says("ready", 30)
    wait_until(lambda: len(run.processes()) == 1, what="all orphans to be reaped")
    run.kill(signal.SIGTERM)
    assert run.wait() == 143


def test_a_burst_of_orphans_at_once_leaves_no_zombie(initd):
    run = initd("sh", "-c", """
        (trap : USR1; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do setsid sleep 1000 & done
         echo orphaned) &
        wait; echo ready; exec sleep 1000""")
    run.says("ready")
    wait_until(lambda: len(run.processes()) == 21)
    child = run.child_pid()
    # Stopped, initd finds them all at once and one SIGCHLD for all.
    run.kill(signal.SIGSTOP)
    wait_until(lambda: read_process(run.pid).state == "T")
    for process in run.processes():
        if process.pid != child:
            os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: sum(process.state == "Z" for process in run.processes()) == 20)
    run.kill(signal.SIGCONT)
    wait_until(lambda: len(run.processes()) == 1, what="all orphans to be reaped")


@pytest.mark.parametrize("pid1", [True, False])
def test_an_orphans_end_is_not_the_servers(initd, pid1):
    run = initd("sh", "-c", "(exec 9>&1; (sh -c 'exit 3' &) &) ; (sleep 1000 & echo $!); echo ready; exec sleep 1000",
                pid1=pid1)
    run.says("ready")
    child = run.child_pid()
    orphan = [process.pid for process in wait_until(lambda: len(run.processes()) == 2 and run.processes())
              if process.pid != child]
    os.kill(orphan[0], signal.SIGKILL)
    wait_until(lambda: len(run.processes()) == 1)
    assert run.process.poll() is None
    os.kill(child, signal.SIGUSR1)
    assert run.wait() == 128 + signal.SIGUSR1


def test_an_orphan_that_ends_just_before_the_server_does_not_give_its_code(initd):
    for _ in range(20):
        assert initd("sh", "-c", "(sh -c 'exit 9' &); exit 5").wait() == 5


def test_a_daemon_gets_initd_as_its_parent(initd):
    run = initd("sh", "-c", "(setsid sh -c 'echo daemon; exec sleep 1000' &); exec sleep 1000")
    run.says("daemon")
    wait_until(lambda: [process.ppid for process in run.processes()] == [run.pid] * 2)


def test_a_process_that_initd_had_before_its_exec_is_no_server(initd):
    run = initd("sh", "-c", "exit 5", prefix=["sh", "-c", '(exit 9) & sleep 1000 & exec "$@"', "sh"])
    assert run.wait() == 5


# What is left when the server has ended

def test_nothing_left_means_no_delay(initd):
    run = initd("sh", "-c", "echo ready; exec sleep 1000")
    run.says("ready")
    begun = time.monotonic()
    run.kill(signal.SIGTERM)
    assert run.wait() == 143
    assert time.monotonic() - begun < 0.9


def test_what_is_left_gets_a_term_and_time_to_end(initd):
    run = initd("sh", "-c", """
        setsid sh -c 'trap "sleep 0.1; echo bye; exit 0" TERM; echo left; while :; do sleep 0.02; done' &
        exec sleep 1000""")
    run.says("left")
    begun = time.monotonic()
    os.kill(run.child_pid(), signal.SIGKILL)
    assert run.wait() == 137
    assert "bye\n" in run.stdout
    assert time.monotonic() - begun < 0.9, "all were gone before the second was over"


def test_what_is_left_and_does_not_end_costs_one_second(initd):
    run = initd("sh", "-c", """
        setsid sh -c 'trap "" TERM; echo left; exec sleep 1000' & exec sleep 1000""")
    run.says("left")
    child = run.child_pid()
    begun = time.monotonic()
    os.kill(child, signal.SIGKILL)
    assert run.wait() == 137
    assert 0.9 <= time.monotonic() - begun < 5


def test_a_further_term_while_initd_waits_for_the_rest_changes_no_code(initd):
    run = initd("sh", "-c", "setsid sh -c 'trap \"\" TERM; echo left; exec sleep 1000' & exec sleep 1000")
    run.says("left")
    os.kill(run.child_pid(), signal.SIGUSR1)
    run.logs("server ended")
    run.kill(signal.SIGTERM)
    assert run.wait() == 128 + signal.SIGUSR1


def test_a_stopped_process_that_is_left_does_not_hang_initd(initd):
    run = initd("sh", "-c", "setsid sh -c 'echo left; kill -STOP $$' & exec sleep 1000")
    run.says("left")
    child = run.child_pid()
    wait_until(lambda: any(process.state == "T" for process in run.processes()))
    os.kill(child, signal.SIGKILL)
    assert run.wait(3) == 137


def test_an_initd_that_is_not_pid_1_leaves_strangers_alone(initd):
    run = initd("sh", "-c", "echo ready; exec sleep 1000", pid1="lingers",
                prefix=["sh", "-c", '(sleep 999 &); exec "$@"', "sh"])
    run.says("ready")

    def strangers():
        return [process for process in descendants(run.process.pid) if process.comm == "sleep"]
    wait_until(lambda: len(strangers()) == 2)
    run.kill(signal.SIGTERM)
    run.logs("ended: 143")
    # PID 1 is a sleep by now; the stranger is the other one.
    wait_until(lambda: len(strangers()) == 2)
    assert all(process.state == "S" for process in strangers())


def test_an_initd_that_is_not_pid_1_ends_what_its_server_left(initd):
    run = initd("sh", "-c", """
        setsid sh -c 'trap "echo bye; exit 0" TERM; echo left; while :; do sleep 0.02; done' & exec sleep 1000""",
                pid1="lingers")
    run.says("left")
    run.kill(signal.SIGTERM)
    run.logs("ended: 143")
