# SPDX-License-Identifier: MIT
"""`initd status`, `initd restart`, and the control socket behind them: who is answered, and what nobody can break."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from harness import free_port, wait_until
from helpers.misbehaving import Server, answer
from pidns import descendants, end, finish, limit_descriptors, needs_real_root, needs_strace, read_status

SLEEP = ["sh", "-c", "echo up; exec sleep 1000"]
STUBBORN = ["sh", "-c", "trap '' TERM; echo up; exec sleep 1000"]
NOBODY_ASKS = ["-o", "health.start_interval=0"]


@pytest.fixture
def server():
    """An HTTP server in this test that initd may take for its child's."""
    found = Server(answer())
    yield found
    found.close()


@pytest.fixture
def running(initd):
    """running(*options and command): a running initd; nobody asks its server."""

    def start(*words, command=SLEEP, **how):
        run = initd(*NOBODY_ASKS, *words, *command, **how)
        run.says("up")
        run.hears()
        return run

    return start


def refused(process, code, *parts):
    """It failed with this code and one line of stderr that names these."""
    assert process.returncode == code, process
    assert process.stdout == ""
    assert process.stderr.startswith("initd: error: ") and process.stderr.count("\n") == 1, process.stderr
    for part in parts:
        assert part in process.stderr


def said_nothing(process):
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")


# status

TEXTS = {"version", "state", "user", "command", "last_exit", "target", "expect", "host_header", "client_version"}
NUMBERS = {"initd_pid", "uptime_ms", "pid", "server_uptime_ms", "starts", "restarts", "ready_after_ms", "ready_ms",
           "timeout_ms", "interval_ms", "failures", "memory_kb", "memory_peak_kb"}


def test_json_has_these_fields_of_these_types(initd, server):
    run = initd("-o", f"server.port={server.port}", "-o", "health.interval=20ms", *SLEEP)
    run.logs("ready on")
    wait_until(lambda: len(run.status()["verdicts"]) == 16)
    found = run.status()
    assert set(found) >= TEXTS | NUMBERS | {"ready", "verdicts"}
    for name in TEXTS:
        assert found[name] is None or isinstance(found[name], str) and found[name], name
    for name in NUMBERS:
        assert found[name] is None or isinstance(found[name], int) and found[name] >= 0, name
    assert found["ready"] is True
    assert found["state"] == "ready"
    assert found["initd_pid"] == 1
    assert run.outer(found["pid"]) == run.child_pid()
    assert found["command"] == "sh -c 'echo up; exec sleep 1000'" or "exec sleep 1000" in found["command"]
    assert found["target"].endswith(f":{server.port}/health")
    assert found["expect"] == "200-299"
    assert found["host_header"] is None
    assert (found["timeout_ms"], found["interval_ms"]) == (2000, 20)
    assert (found["starts"], found["restarts"], found["failures"]) == (1, 0, 0)
    assert found["last_exit"] is None
    assert found["version"] == found["client_version"]
    assert 0 < found["server_uptime_ms"] <= found["uptime_ms"] + 10     # the server is older than the clock that counts
    assert found["ready_after_ms"] + found["ready_ms"] <= found["server_uptime_ms"] + 1
    assert 0 < found["memory_kb"] <= found["memory_peak_kb"] < 1_000_000
    ages = [verdict["ago_ms"] for verdict in found["verdicts"]]
    assert ages == sorted(ages) and len(ages) == 16
    for verdict in found["verdicts"]:
        assert set(verdict) == {"ago_ms", "result", "text"}
        assert verdict["result"] == "healthy"
        assert verdict["text"].startswith(f"200 from http://127.0.0.1:{server.port}/health in ")


def test_json_has_null_for_what_is_not_known(running):
    found = running().status()
    assert found["state"] == "running"
    assert found["ready"] is False
    assert (found["ready_after_ms"], found["ready_ms"]) == (None, None)
    assert found["last_exit"] is None
    assert found["verdicts"] == []


def test_an_odd_command_does_no_harm(running, lab):
    run = running(command=["sh", "-c", 'echo up; exec sleep 1000 # "\\\n\t\x01\x7f é\udcff', "x" * 1000])
    process = run.ask("status", "--json")
    assert process.returncode == 0
    assert json.loads(process.stdout)["state"] == "running"
    assert process.stdout.replace("\n", "").isprintable()
    process = run.ask("status", errors="replace")
    assert process.returncode == 0
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", process.stdout)


def test_a_json_fits_every_text(initd, server, lab):
    host = "h" * 200
    target = f"http://127.0.0.1:{server.port}/{'x' * 200}"
    server.behave = answer(503)
    run = initd("-o", f"health.target={target}", "-o", f"health.host_header={host}", "-o", "health.start_interval=1ms",
                "-o", "health.interval=1ms", "sh", "-c", "echo up; exec sleep 1000", *["y" * 100] * 10)
    run.hears()
    wait_until(lambda: len(run.status()["verdicts"]) == 16)
    found = run.status()
    assert found["target"] == target
    assert found["host_header"] == host
    assert run.ask("status").returncode == 0


ROWS = ["state", "server", "restarts", "last exit", "health", "memory", "initd"]


def test_a_person_gets_a_short_aligned_table(initd, server):
    run = initd("-o", f"server.port={server.port}", *SLEEP)
    run.logs("ready on")
    process = run.ask("status")
    assert (process.returncode, process.stderr) == (0, "")
    rows = process.stdout.splitlines()
    found = [name for row in rows for name in ROWS if re.match(rf"{name}\s\s", row)]
    assert found == ROWS, process.stdout
    assert "ready" in rows[0]
    assert len(rows) <= 30
    columns = {re.match(r"(last exit|\w+)\s+", row).end() for row in rows if re.match("|".join(ROWS), row)}
    assert len(columns) == 1, process.stdout


def test_a_table_is_there_in_every_state(running):
    run = running("-o", "server.drain_delay=30s")
    for _ in range(2):
        process = run.ask("status")
        assert (process.returncode, process.stderr) == (0, "")
        assert all(re.search(rf"(?m)^{name}\b", process.stdout) for name in ROWS), process.stdout
        run.kill(signal.SIGTERM)
        run.logs("stopping")


# States

def test_a_life_from_starting_to_draining(initd, server):
    server.behave = answer(503)
    run = initd("-o", f"server.port={server.port}", "-o", "health.interval=10ms", "-o", "health.start_interval=10ms",
                "-o", "server.drain_delay=30s", *STUBBORN)
    run.logs("503 from")
    run.hears()
    starting = run.status()
    assert (starting["state"], starting["ready"], starting["ready_ms"]) == ("starting", False, None)
    assert {verdict["result"] for verdict in starting["verdicts"]} == {"unhealthy"}
    server.behave = answer()
    ready = run.reaches("ready")
    assert ready["ready"] is True
    assert ready["verdicts"][0]["result"] == "healthy"
    server.behave = answer(500)
    unhealthy = run.reaches("unhealthy")
    assert unhealthy["failures"] >= 3
    assert "500 from" in unhealthy["verdicts"][0]["text"]
    server.behave = answer()
    run.reaches("ready")
    run.kill(signal.SIGTERM)
    run.reaches("draining")
    run.kill(signal.SIGTERM)
    assert run.reaches("stopping")["pid"] == ready["pid"]


def test_restarting_and_backoff(running):
    run = running("-o", "signals.SIGHUP=restart", "-o", "server.restart=on-failure", "-o", "server.restart_delay=60s",
                  command=STUBBORN)
    run.kill(signal.SIGHUP)
    assert run.outer(run.reaches("restarting")["pid"]) == run.child_pid()
    os.kill(run.child_pid(), signal.SIGKILL)
    wait_until(lambda: run.stderr.count("started pid") == 2)
    second = run.reaches("running")
    assert (second["starts"], second["restarts"]) == (2, 0)
    os.kill(run.child_pid(), signal.SIGSEGV)
    backoff = run.reaches("backoff")
    assert "SIGSEGV" in backoff["last_exit"]
    assert (backoff["starts"], backoff["restarts"]) == (2, 1)
    assert backoff["pid"] in (None, 0)
    assert backoff["memory_kb"] is None
    assert backoff["server_uptime_ms"] is None
    assert run.ask("status").returncode == 0


def test_ending(running):
    run = running(command=["sh", "-c", "(trap '' TERM; sleep 1000) & echo up; exec sleep 1000"])
    os.kill(run.child_pid(), signal.SIGKILL)
    run.logs("server ended")
    process = run.ask("status", "--json")
    if process.returncode != -signal.SIGKILL:       # the second of grace was over, and all with it
        assert json.loads(process.stdout)["state"] == "ending"
        refused(run.ask("restart"), 69)


def test_last_exit_is_that_of_the_server_before(initd):
    run = initd(*NOBODY_ASKS, "-o", "server.restart=always", "-o", "server.restart_delay=1ms", "sh", "-c",
                "[ -e /dev/shm/none ]; exec sleep 1000")
    run.logs("started pid")
    os.kill(run.child_pid(), signal.SIGTERM)
    wait_until(lambda: run.stderr.count("started pid") == 2)
    found = run.reaches("running")
    assert "SIGTERM" in found["last_exit"]
    assert (found["starts"], found["restarts"]) == (2, 1)


def test_memory_is_the_servers(running, lab):
    run = running(command=[lab.python, "-I", "-S", "-c", "import signal; x = bytearray(b'x') * 50_000_000;"
                           " del x; print('up', flush=True); signal.pause()"])
    found = run.status()
    assert 1000 < found["memory_kb"] < 50_000 < found["memory_peak_kb"] < 200_000


# restart

def test_restart_starts_another_server(running):
    run = running()
    before = run.status()
    said_nothing(run.ask("restart"))
    wait_until(lambda: run.stderr.count("started pid") == 2)
    after = run.reaches("running")
    assert after["pid"] != before["pid"]
    assert (after["starts"], after["restarts"]) == (2, 0)
    assert re.search(r"(?m)^initd: info: restarting: asked by pid \d+$", run.stderr)


def test_wait_means_until_the_new_server_is_ready(initd, lab):
    port = free_port()
    run = initd("-o", f"server.port={port}", *lab.helper("http_server.py", port, "--delay", "0.4"))
    run.logs("ready on")
    before = run.status()["pid"]
    said_nothing(run.ask("restart", "--wait"))
    assert run.stderr.count("ready on") == 2
    found = run.status()
    assert found["state"] == "ready"
    assert found["pid"] != before


def test_wait_means_until_it_was_started_where_nobody_asks(running):
    run = running()
    before = run.status()["pid"]
    said_nothing(run.ask("restart", "--wait"))
    assert run.status()["pid"] not in (before, None)
    assert run.stderr.count("started pid") == 2


@pytest.mark.parametrize("asks", [True, False], ids=["asks", "nobody asks"])
def test_wait_fails_where_the_new_server_ends(initd, server, room, asks):
    if not asks:
        server.close()
    script = (f"if [ -e {room}/once ]; then exit 3; fi; touch {room}/once; echo up; "
              "trap 'exit 0' TERM; while :; do sleep 0.01; done")
    run = initd(*([] if asks else ["-o", f"health.target=tcp://127.0.0.1:{free_port()}"]),
                "-o", f"server.port={server.port}", "-o", "server.restart=on-failure", "-o", "server.restart_delay=60s",
                "sh", "-c", script)
    run.says("up")
    run.hears()
    if asks:
        run.logs("ready on")
        server.behave = answer(503)
    process = run.ask("restart", "--wait")
    assert process.returncode == 1, process
    assert process.stdout == ""
    assert process.stderr.startswith("initd: error: ") and process.stderr.count("\n") == 1
    run.reaches("backoff")


def test_wait_fails_where_initd_ends(initd, room):
    script = f"if [ -e {room}/once ]; then exit 3; fi; touch {room}/once; echo up; exec sleep 1000"
    run = initd("-o", f"server.port={free_port()}", "sh", "-c", script, pid1="lingers")
    run.says("up")
    process = run.ask("restart", "--wait", "--pid", run.inner_pid)
    assert process.returncode in (1, 69), process
    assert process.stdout == ""
    assert process.stderr.startswith("initd: error: ") and process.stderr.count("\n") == 1
    run.logs("ended: 3")


def test_a_restart_during_the_back_off_starts_at_once(running, room):
    script = f"echo up; [ -e {room}/once ] && exec sleep 1000; touch {room}/once; exit 3"
    run = running("-o", "server.restart=on-failure", "-o", "server.restart_delay=60s", command=["sh", "-c", script])
    run.reaches("backoff")
    said_nothing(run.ask("restart", "--wait"))
    assert run.reaches("running")["starts"] == 2


@pytest.mark.parametrize("words", [[], ["--wait"]])
@pytest.mark.parametrize("state", ["draining", "stopping"])
def test_a_restart_of_an_initd_that_is_about_to_end_is_an_error(running, state, words):
    run = running("-o", f"server.drain_delay={'30s' if state == 'draining' else '0'}", command=STUBBORN)
    run.kill(signal.SIGTERM)
    run.logs("stopping")
    refused(run.ask("restart", *words), 69)
    assert run.status()["state"] == state
    assert "restarting" not in run.stderr


def test_ten_restarts_at_once_end_with_one_server(running):
    run = running()
    asked = [run.enter(run.lab.binary, "restart") for _ in range(10)]
    for process in asked:
        said_nothing(finish(process))
    wait_until(lambda: len(run.processes()) == 1)
    assert run.reaches("running")["starts"] <= 11


def test_a_restart_kills_a_server_that_does_not_stop(running):
    run = running("-o", "server.stop_timeout=100ms", command=STUBBORN)
    said_nothing(run.ask("restart", "--wait"))
    assert "not stopped after 100 ms: SIGKILL" in run.stderr
    assert run.status()["starts"] == 2


# Who is asked

@pytest.mark.parametrize("words", [
    ["status", "--nosuch"], ["status", "extra"], ["status", "--pid"], ["status", "--pid", "x"],
    ["status", "--pid", "0"], ["status", "--pid", "-1"], ["status", "--pid", "99999999999"], ["status", "-c", "/x"],
    ["status", "--wait"], ["restart", "--json"], ["restart", "extra"], ["restart", "--pid", ""],
])
def test_usage_errors(running, words):
    run = running()
    refused(run.ask(*words), 64)
    assert run.stderr.count("started pid") == 1


@pytest.mark.parametrize("words", [["status"], ["status", "--json"], ["restart"], ["restart", "--wait"]])
def test_where_no_initd_is_it_is_69(initd, words):
    run = initd(*words, pid1=False)
    assert run.wait(15) == 69
    assert run.stdout == ""
    assert run.stderr.startswith("initd: error: ") and run.stderr.count("\n") == 1


def test_a_pid_that_is_no_initd_is_69(running):
    run = running()
    refused(run.ask("status", "--pid", run.status()["pid"]), 69)
    refused(run.ask("status", "--pid", 31999), 69)


def test_an_initd_that_is_not_PID_1_is_found_by_its_pid(running):
    run = running(pid1=False)
    pid = run.inner_pid
    assert pid != 1
    refused(run.ask("status"), 69)
    found = run.status("--pid", str(pid))
    assert found["initd_pid"] == pid
    said_nothing(run.ask("restart", "--wait", "--pid", pid))
    assert run.status("--pid", str(pid))["starts"] == 2


def test_an_initd_below_an_initd(running, lab):
    run = running(command=[lab.binary, *NOBODY_ASKS, "-o", "user.name=0" if os.geteuid() else "user.name=app", *SLEEP])
    wait_until(lambda: run.stderr.count("started pid") == 2)
    inner = run.status()["pid"]
    below = run.status("--pid", str(inner))
    assert below["initd_pid"] == inner
    assert below["pid"] != inner


def test_a_stopped_initd_is_69_in_time(running):
    run = running()
    run.kill(signal.SIGSTOP)
    wait_until(lambda: read_status(run.pid)["State"].startswith("T"))
    asked = [run.enter(run.lab.binary, *words) for words in (["status"], ["restart"], ["restart", "--wait"])]
    for process in asked:
        refused(finish(process), 69)


@needs_real_root
@pytest.mark.parametrize("words", [["status"], ["restart"], ["restart", "--wait"]])
@pytest.mark.parametrize("uid", [65534, 1234])
def test_another_uid_is_refused(running, words, uid):
    run = running()
    refused(run.ask(*words, uid=uid), 69)
    assert "restarting" not in run.stderr


@needs_real_root
@pytest.mark.parametrize("uid", [0, 999])
def test_root_and_initds_own_uid_may_ask(running, uid):
    run = running()
    process = run.ask("status", "--json", uid=uid)
    assert json.loads(process.stdout)["state"] == "running"
    said_nothing(run.ask("restart", "--wait", uid=uid))


@needs_real_root
def test_an_initd_that_stays_root_tells_nobody_else(running):
    run = running("-o", "user.name=root")
    assert run.status()["state"] == "running"
    refused(run.ask("status", uid=999), 69)


def test_the_server_itself_may_ask(running, lab):
    again = f"until {lab.binary} status --json; do sleep 0.01; done 2> /dev/null; echo up; exec sleep 1000"
    run = running(command=["sh", "-c", again])
    assert json.loads(run.stdout.removesuffix("up\n"))["initd_pid"] == 1


def test_the_name_is_made_of_the_namespace_and_the_pid(running):
    run = running()
    namespace = os.stat(f"/proc/{run.child_pid()}/ns/pid").st_ino
    assert run.control_name == f"@initd/{namespace}/1"
    names = [line.split()[-1] for line in Path("/proc/net/unix").read_text().splitlines()]
    assert names.count(run.control_name) == 1


def test_two_in_one_network_do_not_meet(running):
    runs = [running(command=["sh", "-c", f"echo up; exec sleep {seconds}"]) for seconds in (1001, 1002)]
    assert [str(seconds) in run.status()["command"] for run, seconds in zip(runs, (1001, 1002))] == [True, True]
    said_nothing(runs[0].ask("restart", "--wait"))
    assert [run.status()["starts"] for run in runs] == [2, 1]


def test_from_another_namespace_there_is_no_answer(running, lab):
    run = running()
    refused(subprocess.run([lab.binary, "status", "--pid", str(run.pid)], capture_output=True, text=True, timeout=20),
            69)
    for question in ("", "/restart"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.settimeout(10)
            sock.connect(run.control_name.replace("@", "\0") + question)
            assert sock.recv(65536) == b""
    assert run.status()["starts"] == 1
    assert "restarting" not in run.stderr


def test_nobody_can_answer_in_the_name_of_an_initd(initd, lab):
    run = initd("true", pid1="lingers")
    run.logs("ended: 0")
    impostor = run.enter(*lab.helper("impostor.py", 1, "version=0\nstate=ready\ninitd_pid=1\npid=2\n"))
    try:
        assert impostor.stdout.readline() == "ready\n"
        refused(run.ask("status"), 69)
        refused(run.ask("restart"), 69)
    finally:
        end(impostor)


def test_an_initd_whose_name_is_taken_runs_without_it(initd, lab, room):
    """An impostor that came first, in the life of an initd that is not PID 1: no control socket, no other harm."""
    script = f"""
        {' '.join(lab.helper("impostor.py", "$$", "state=ready"))} > {room}/said &
        while ! grep -q ready {room}/said; do sleep 0.01; done
        exec "$@" """
    run = initd(*NOBODY_ASKS, *SLEEP, pid1=False, prefix=["sh", "-c", script, "sh"])
    run.says("up")
    run.kill(signal.SIGTERM)
    assert run.wait() == 143


def test_no_proc_no_control_socket_no_harm(initd, lab):
    run = initd(*NOBODY_ASKS, *SLEEP, mounts=lab.without_proc())
    run.says("up")
    process = run.ask("status")
    assert process.returncode in (0, 69)
    run.kill(signal.SIGTERM)
    assert run.wait() == 143


@needs_strace()
@pytest.mark.parametrize("call, error", [("socket", "EMFILE"), ("socket", "EAFNOSUPPORT"), ("bind", "EACCES"),
                                         ("setsockopt", "EPERM")])
def test_an_initd_without_a_control_socket_still_serves(traced, call, error):
    trace = traced(["-e", f"inject={call}:error={error}"], *NOBODY_ASKS, *SLEEP)
    trace.run.says("up")
    trace.run.kill(signal.SIGTERM)
    assert trace.run.wait() == 143, trace.run.transcript()
    assert "initd: error" not in trace.run.stderr


# Peers that mean harm

def state_of(run):
    """(descriptors, resident kilobytes)"""
    status = read_status(run.pid)
    return len(os.listdir(f"/proc/{run.pid}/fd")), int(status["VmRSS"].split()[0])


class Attacked:
    """An initd whose child records its signals; unchanged() proves that all is as it was before."""

    def __init__(self, initd, lab):
        self.lab = lab
        self.run = initd(*NOBODY_ASKS, *lab.helper("record_signals.py"))
        self.run.says("ready")
        self.run.hears()
        self.run.status()
        self.signals = 0
        self.before = state_of(self.run)

    def peer(self, *words, uid=None):
        return self.run.enter(*self.lab.helper("hostile.py", 1, *words), uid=uid)

    def forwards(self):
        self.signals += 1
        self.run.kill(signal.SIGUSR1)
        wait_until(lambda: self.run.stdout.count(f"got {signal.SIGUSR1:d}\n") == self.signals)

    def unchanged(self):
        self.forwards()
        found = self.run.status()
        assert (found["state"], found["starts"]) == ("running", 1)
        descriptors, resident = state_of(self.run)
        assert descriptors == self.before[0]
        if not self.lab.sanitized:
            assert resident <= self.before[1] + 64
        assert self.run.stderr.count("\n") <= 2, self.run.transcript()


@pytest.fixture
def attacked(initd, lab):
    return Attacked(initd, lab)


@pytest.mark.parametrize("uid", [0, pytest.param(65534, marks=needs_real_root)], ids=["root", "nobody"])
@pytest.mark.parametrize("kind", ["byte", "huge", "junk", "silent", "gone", "descriptors"])
def test_a_hostile_peer_changes_nothing(attacked, kind, uid):
    process = finish(attacked.peer(kind, uid=uid))
    assert process.returncode == 0, process
    assert process.stdout == "ready\ndone\n"
    attacked.unchanged()


@pytest.mark.parametrize("words", [["status"], ["restart"], ["healthcheck", "-o", "user.name=root", "/"]],
                         ids=lambda words: words[0])
def test_a_full_queue_is_waited_for(initd, lab, words):
    """A queue holds few datagrams, and PID 1 may be late: that is no reason to call it dead."""
    run = initd("-o", "server.port=9", *NOBODY_ASKS, *lab.helper("record_signals.py"))
    run.says("ready")
    run.hears()
    run.kill(signal.SIGSTOP)
    try:
        filled = finish(run.enter(*lab.helper("hostile.py", 1, "fill")))
        assert filled.returncode == 0, filled
        client = run.enter(lab.binary, *words)
        wait_until(lambda: [process for process in descendants(client.pid)
                            if process.comm == "initd" and process.state == "S"], what="the client to wait")
        assert client.poll() is None
    finally:
        run.kill(signal.SIGCONT)
    answer = finish(client)
    assert "answer" not in answer.stdout + answer.stderr
    assert answer.returncode == (1 if words[0] == "healthcheck" else 0), answer


def test_the_answer_is_lines_of_key_and_value(attacked):
    process = finish(attacked.peer("questions", json.dumps([""])))
    answer, = json.loads(process.stdout.splitlines()[1])
    assert all("=" in line for line in answer.splitlines())
    assert "state=running" in answer.splitlines()
    attacked.unchanged()


@needs_real_root
def test_nobody_gets_an_error_for_every_question(attacked):
    process = finish(attacked.peer("questions", json.dumps(["", "/restart"]), uid=65534))
    assert process.returncode == 0, process
    assert all(text.startswith("error=") for text in json.loads(process.stdout.splitlines()[1]))
    attacked.unchanged()


@pytest.mark.parametrize("uid", [0, pytest.param(65534, marks=needs_real_root)], ids=["root", "nobody"])
def test_signals_get_through_a_flood(attacked, uid):
    floods = [attacked.peer("flood", uid=uid) for _ in range(3)]
    try:
        for flood in floods:
            assert flood.stdout.readline() == "ready\n"
        for _ in range(20):
            begun = time.monotonic()
            attacked.forwards()
            assert time.monotonic() - begun < 5
    finally:
        for flood in floods:
            end(flood)
    attacked.unchanged()


@needs_real_root
def test_questions_get_through_a_flood_of_nobodys(running, lab, server):
    run = running("-o", f"server.port={server.port}")
    floods = [run.enter(*lab.helper("hostile.py", 1, "flood"), uid=65534) for _ in range(3)]
    try:
        for flood in floods:
            assert flood.stdout.readline() == "ready\n"
        for _ in range(5):
            assert run.ask("healthcheck").stdout.startswith(f"healthy: 200 from http://127.0.0.1:{server.port}/")
            assert run.status()["state"] == "running"
    finally:
        for flood in floods:
            end(flood)


def test_a_flood_of_restarts_ends_with_one_server(running, lab):
    run = running()
    flood = run.enter(*lab.helper("hostile.py", 1, "flood of restarts"))
    assert flood.stdout.readline() == "ready\n"
    wait_until(lambda: run.stderr.count("started pid") >= 5)
    run.kill(signal.SIGTERM)
    assert run.wait() == 143
    flood.communicate()


@needs_real_root
def test_descriptors_that_are_passed_while_there_is_no_room_do_no_harm(attacked):
    # Just those that it has: one of them is kept for that.
    limit_descriptors(attacked.run, max(map(int, os.listdir(f"/proc/{attacked.run.pid}/fd"))) + 1)
    assert finish(attacked.peer("descriptors")).returncode == 0
    limit_descriptors(attacked.run, 1024)
    attacked.unchanged()


def test_a_thousand_status_requests_leave_nothing_behind(attacked):
    process = finish(attacked.peer("questions", json.dumps([""] * 1000)))
    assert process.returncode == 0, process
    attacked.unchanged()


def test_the_server_gets_no_control_socket(running):
    run = running()
    targets = [os.readlink(path) for path in Path(f"/proc/{run.child_pid()}/fd").iterdir()]
    assert not [target for target in targets if target.startswith("socket:")]
