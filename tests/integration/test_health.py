# SPDX-License-Identifier: MIT
"""What PID 1 itself asks the server: when it is ready, whether it still answers, and what follows if not."""

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
from helpers.misbehaving import answer, say, servers
from pidns import finish, limit_descriptors, needs_real_root, needs_strace, read_process, read_status

SLEEP = ["sh", "-c", "echo up; exec sleep 1000"]
TIME = r"\d+(\.\d+)? m?s"


@pytest.fixture
def serve():
    """serve(behaviour, ...) starts a server that ends with the test; initd takes it for its child's."""
    with servers() as start:
        yield start


def options(**values):
    """-o words: health.NAME=VALUE for NAME=VALUE; None: not even the haste that tests are in."""
    values = {"start_interval": "10ms"} | values
    return [word for name, value in values.items() if value is not None for word in ("-o", f"health.{name}={value}")]


def url(server, path="/health"):
    return f"http://127.0.0.1:{server.port}{path}"


@pytest.fixture
def watching(initd):
    """watching(server, health options): initd, which thinks that this server in the test is its child's."""

    def start(server, *words, command=SLEEP, **health):
        run = initd("-o", f"server.port={server.port}", *options(**health), *words, *command)
        run.says("up")
        return run

    return start


@pytest.fixture
def serving(initd, lab):
    """serving(words of http_server.py, server options, health options): initd with a child that serves."""

    def start(*words, server=(), **health):
        port = free_port()
        server = {"stop_timeout": "200ms", "port": port} | dict(server)
        return initd(*(word for name, value in server.items() if value for word in ("-o", f"server.{name}={value}")),
                     *options(**health), *lab.helper("http_server.py", port, *words))

    return start


def asked(server, more):
    """Wait until the server was asked so many times more."""
    before = len(server.connections)
    wait_until(lambda: len(server.connections) >= before + more, what=f"{more} questions")


def lines(run, text):
    return [line for line in run.stderr.splitlines() if text in line]


def ready_after(run):
    """The seconds that the log says it took."""
    found = run.logs(re.compile(r"initd: info: ready on \S+ after ([\d.]+) (m?s)\n"))
    return float(found[1]) * (0.001 if found[2] == "ms" else 1)


# Ready

@pytest.mark.parametrize("words, host", [([], "0.0.0.0"), (["-o", "server.host=127.0.0.1"], "127.0.0.1"),
                                         (["-o", "server.host=localhost"], "localhost")])
def test_the_first_answer_is_told_once_with_the_servers_own_address(watching, serve, words, host):
    server = serve(answer())
    run = watching(server, *words, interval="20ms")
    run.logs(re.compile(rf"(?m)^initd: info: ready on http://{host}:{server.port} after {TIME}$"))
    asked(server, 5)
    assert len(lines(run, "ready on")) == 1
    assert server.first.received.startswith(b"GET /health HTTP/1.1\r\n")


def test_an_ipv6_address_is_told_in_brackets(watching, serve):
    server = serve(answer(), address=("::1", 0), family=socket.AF_INET6)
    run = watching(server, "-o", "server.host=::1")
    run.logs(f"ready on http://[::1]:{server.port} after ")


def test_a_target_of_its_own_is_told_as_that(watching, serve):
    server, other = serve(answer()), serve(answer())
    run = watching(server, target=url(other, "/x"))
    run.logs(f"ready on http://127.0.0.1:{other.port} after ")
    assert not server.connections
    assert other.first.received.startswith(b"GET /x ")


def test_a_unix_target_makes_ready(watching, serve, room):
    server = serve(answer(), address=f"{room}/s", family=socket.AF_UNIX)
    server.port = free_port()
    run = watching(server, target=f"unix:{room}/s:/x")
    run.logs("initd: info: ready on ")
    assert server.first.received.startswith(b"GET /x ")


def test_over_tcp_a_listener_is_ready(watching, serve):
    server = serve(None)
    ready_after(watching(server, target="tcp"))


def test_a_server_that_starts_slowly_is_waited_for(serving):
    run = serving("--delay", "0.6")
    assert 0.6 <= ready_after(run) < 5
    assert time.monotonic() - run.started >= 0.6
    assert not lines(run, "warn")


def test_ready_is_told_soon(serving):
    run = serving(start_interval="10ms")
    took = ready_after(run)
    assert took <= time.monotonic() - run.started
    assert took < 5


def test_a_server_that_does_not_answer_at_first_is_asked_again(watching, serve):
    server = serve(say())
    run = watching(server, timeout="100ms", start_interval="10ms")
    asked(server, 3)
    assert not lines(run, "ready on")
    server.behave = answer()
    ready_after(run)


def test_503_is_not_ready_and_told_once(watching, serve):
    server = serve(answer(503))
    run = watching(server, start_interval="10ms")
    asked(server, 5)
    assert not lines(run, "ready on")
    server.behave = answer()
    run.logs("ready on")
    warnings = lines(run, "warn")
    assert len(warnings) == 1
    assert re.fullmatch(rf"initd: warn: health: 503 from {re.escape(url(server))} in {TIME}; expected 200-299",
                        warnings[0])


@pytest.mark.parametrize("status", [404, 302, 401, 405])
def test_any_answer_is_ready_where_nobody_said_what_to_ask(watching, serve, status):
    server = serve(answer(status))
    run = watching(server)
    run.logs("ready on")
    warning = rf"(?m)^initd: warn: health: {status} from {re.escape(url(server))} in {TIME}; expected 200-299$"
    run.logs(re.compile(warning))
    assert len(lines(run, "warn")) == 1


@pytest.mark.parametrize("target", ["/health", "{url}", "http://localhost:{port}/health"])
def test_a_404_is_not_ready_where_somebody_said_what_to_ask(watching, serve, target):
    server = serve(answer(404))
    run = watching(server, start_interval="10ms", target=target.format(url=url(server), port=server.port))
    asked(server, 5)
    assert not lines(run, "ready on")
    assert len(lines(run, "404 from")) == 1
    server.behave = answer()
    run.logs("ready on")


@pytest.mark.parametrize("behave", [answer(500), answer(599), say(b"garbage\r\n"), say()],
                         ids=["500", "599", "garbage", "silence"])
def test_no_answer_below_500_is_not_ready(watching, serve, behave):
    server = serve(behave)
    run = watching(server, start_interval="10ms", timeout="50ms")
    asked(server, 4)
    assert not lines(run, "ready on")
    assert len(lines(run, "warn")) <= 1


def test_expected_codes_are_obeyed(watching, serve):
    server = serve(answer(200))
    run = watching(server, start_interval="10ms", target="/x", expect="204")
    run.logs("expected 204")
    server.behave = answer(204)
    run.logs("ready on")


def test_the_host_header_is_sent(watching, serve):
    server = serve(answer())
    run = watching(server, host_header="app.example")
    run.logs("ready on")
    assert server.first.header("Host") == ["app.example"]


def test_a_json_log_tells_the_same(watching, serve):
    server = serve(answer())
    run = watching(server, "-o", "log.format=json", start_interval=None)
    run.logs("ready on")
    messages = [json.loads(line) for line in run.stderr.splitlines()]
    ready, = (entry for entry in messages if entry["message"].startswith("ready on"))
    assert ready["severity"] == "INFO"


def test_every_new_server_is_asked_until_it_is_ready(serving):
    run = serving(server={"restart_delay": "1ms"})
    for times in range(1, 4):
        wait_until(lambda: len(lines(run, "ready on")) == times)
        run.ask("restart")
    wait_until(lambda: len(lines(run, "ready on")) == 4)
    assert not lines(run, "warn")


def test_a_server_that_is_gone_is_not_asked_for(watching, serve):
    server = serve(answer(503))
    run = watching(server, start_interval="5ms", command=["sh", "-c", "echo up; sleep 0.3; exit 3"])
    assert run.wait() == 3
    assert not lines(run, "ready on")


@pytest.mark.parametrize("state", ["starting", "ready"])
def test_a_term_ends_the_questions(watching, serve, state):
    server = serve(answer() if state == "ready" else say())
    run = watching(server, interval="5ms", start_interval="5ms")
    wait_until(lambda: len(server.connections) >= (2 if state == "ready" else 1))
    run.kill(signal.SIGTERM)
    assert run.wait(5) == 143


# Nobody asks

def test_start_interval_0_asks_nobody(watching, serve):
    server = serve(answer())
    run = watching(server, start_interval="0")
    run.hears()
    assert run.status()["state"] == "running"
    end = time.monotonic() + 0.5
    wait_until(lambda: time.monotonic() > end)
    assert not server.connections
    assert not lines(run, "ready on")


def switches(run):
    return int(read_status(run.pid)["voluntary_ctxt_switches"])


@pytest.mark.parametrize("health", [{}, {"start_interval": "0"}], ids=["ready", "nobody asks"])
def test_an_idle_initd_sleeps(watching, serve, health):
    server = serve(answer())
    run = watching(server, **health)
    if not health:
        run.logs("ready on")
    run.logs("started pid")
    last = []

    def settled():
        last.append(switches(run))
        return len(last) > 20 and last[-1] == last[-20]
    wait_until(settled)
    before = switches(run), len(server.connections)
    end = time.monotonic() + 2
    wait_until(lambda: time.monotonic() > end)
    assert (switches(run), len(server.connections)) == before
    assert before[1] == (0 if health else 1)


def test_a_program_that_never_answers_is_asked_less_and_less(watching, serve):
    server = serve(answer(503))
    watching(server, start_interval="1ms")
    end = time.monotonic() + 1
    wait_until(lambda: time.monotonic() > end)
    # Were the pause to stay 1 ms, there would be hundreds; it grows to a 32nd of the wait.
    assert 10 <= len(server.connections) <= 250


# Failing and well again

@pytest.mark.parametrize("behave, text", [
    (say(), "no answer from {url} within 50 ms"),
    (answer(503), "503 from {url} in {time}; expected 200-299"),
    (say(b"garbage"), "not an HTTP answer from {url}"),
])
@pytest.mark.parametrize("retries", [1, 3])
def test_so_many_failures_in_a_row_are_told_and_the_end_of_them(watching, serve, behave, text, retries):
    server = serve(answer())
    run = watching(server, interval="20ms", timeout="50ms", retries=retries)
    run.logs("ready on")
    server.behave = behave
    text = re.escape(text).replace(r"\{url\}", re.escape(url(server))).replace(r"\{time\}", TIME)
    run.logs(re.compile(rf"(?m)^initd: warn: unhealthy: {text} \({retries} in a row\)$"))
    assert run.status()["state"] == "unhealthy"
    asked(server, 5)
    assert len(lines(run, "unhealthy:")) == 1
    server.behave = answer()
    run.logs(re.compile(rf"(?m)^initd: info: healthy again after {TIME}$"))
    asked(server, 5)
    assert len(lines(run, "healthy again")) == 1
    assert len(lines(run, "warn")) == 1
    assert not lines(run, "restarting")
    assert run.status()["state"] == "ready"
    server.behave = behave
    wait_until(lambda: len(lines(run, "unhealthy:")) == 2)


def test_a_listener_that_is_gone_is_unhealthy(watching, serve):
    server = serve(answer())
    run = watching(server, interval="20ms")
    run.logs("ready on")
    server.close()
    run.logs(f"unhealthy: connection refused by {url(server)} (3 in a row)")


def test_a_server_that_fails_now_and_then_is_well(watching, serve):
    server = serve(answer())
    run = watching(server, interval="10ms", on_failure="restart")
    run.logs("ready on")
    count = iter(range(10**6))

    def flap(connection):
        answer(200 if next(count) % 3 == 2 else 503)(connection)
    server.behave = flap
    asked(server, 30)
    assert not lines(run, "unhealthy")
    assert {verdict["result"] for verdict in run.status()["verdicts"]} == {"healthy", "unhealthy"}
    assert run.status()["restarts"] == 0


def test_reporting_restarts_nobody(serving):
    run = serving(interval="20ms", timeout="50ms")
    run.logs("ready on")
    child = run.child_pid()
    os.kill(child, signal.SIGUSR1)
    run.logs("(3 in a row)")
    wait_until(lambda: run.status()["failures"] >= 8)
    assert run.child_pid() == child
    assert not lines(run, "restarting")


# health.on_failure=restart

HUNG = {"interval": "30ms", "timeout": "150ms", "retries": "2", "on_failure": "restart", "start_interval": "20ms"}


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_hung_server_is_replaced(serving, stubborn):
    run = serving(*(["--stubborn"] if stubborn else []), server={"restart_delay": "1ms"}, **HUNG)
    run.logs("ready on")
    child = run.child_pid()
    os.kill(child, signal.SIGUSR1)
    wait_until(lambda: len(lines(run, "ready on")) == 2)
    assert read_process(child) is None
    text = run.stderr
    steps = ["no answer from", "(2 in a row)", "initd: info: restarting: unhealthy\n"]
    if stubborn:
        steps.append("not stopped after 200 ms: SIGKILL to its process group")
    steps += ["server ended", "started pid", "ready on"]
    position = 0
    for step in steps:
        position = text.find(step, position)
        assert position >= 0, f"{step}{run.transcript()}"
    run.kill(signal.SIGTERM)
    run.wait()


def test_without_a_stop_timeout_a_hung_server_has_five_seconds(serving):
    run = serving("--stubborn", server={"stop_timeout": None, "restart_delay": "1ms"}, **HUNG)
    run.logs("ready on")
    os.kill(run.child_pid(), signal.SIGUSR1)
    run.logs("restarting: unhealthy")
    begun = time.monotonic()
    run.logs("not stopped after 5 s: SIGKILL")
    assert 4 < time.monotonic() - begun < 9
    wait_until(lambda: len(lines(run, "ready on")) == 2)


def test_the_back_off_grows_and_the_limit_ends_it(serving):
    run = serving("--hang-after", "1", server={"restart_delay": "20ms", "restart_limit": "3"},
                  **HUNG)
    assert run.wait(30) == 143
    assert re.findall(r"starting again in (\d+ ms) \(restart (\d of \d)\)", run.stderr) == [
        ("20 ms", "1 of 3"), ("40 ms", "2 of 3"), ("80 ms", "3 of 3")]
    assert len(lines(run, "ready on")) == 4
    assert len(lines(run, "(2 in a row)")) == 4


@pytest.mark.parametrize("words, code", [(["--code", "0"], 1), (["--code", "7"], 7), (["--stubborn"], 137)])
def test_after_the_limit_initd_ends_with_the_servers_code_or_1(serving, words, code):
    run = serving("--hang-after", "1", *words, server={"restart_delay": "1ms", "restart_limit": "1"}, **HUNG)
    assert run.wait(30) == code
    assert len(lines(run, "started pid")) == 2


def test_a_server_that_was_never_well_is_not_replaced(watching, serve):
    server = serve(answer(404))
    run = watching(server, interval="10ms", retries="2", on_failure="restart")
    run.logs("ready on")
    child = run.child_pid()
    asked(server, 10)
    run.logs("(2 in a row)")
    asked(server, 10)
    assert run.child_pid() == child
    assert not lines(run, "restarting")
    assert len(lines(run, "warn")) == 2


def test_a_server_that_never_comes_up_is_not_replaced(watching, serve):
    server = serve(answer(503))
    run = watching(server, interval="10ms", start_interval="10ms", retries="2", on_failure="restart")
    asked(server, 10)
    assert not lines(run, "restarting")
    assert not lines(run, "unhealthy:")
    assert len(lines(run, "started pid")) == 1


def test_a_new_server_has_to_prove_itself_too(serving, serve):
    """The one that was well is replaced; its successor answers nothing, and stays."""
    server = serve(answer())
    run = serving(server={"restart_delay": "1ms"}, target=url(server), **HUNG)
    run.logs("ready on")
    server.behave = say()
    run.logs("restarting: unhealthy")
    wait_until(lambda: len(lines(run, "started pid")) == 2)
    asked(server, 5)
    assert len(lines(run, "started pid")) == 2
    assert len(lines(run, "restarting")) == 1


def test_a_term_while_a_hung_server_is_replaced_wins(serving):
    run = serving("--stubborn", server={"stop_timeout": "30s"}, **HUNG)
    run.logs("ready on")
    os.kill(run.child_pid(), signal.SIGUSR1)
    run.logs("restarting: unhealthy")
    run.kill(signal.SIGTERM)
    run.logs("stopping: SIGTERM")
    os.kill(run.child_pid(), signal.SIGKILL)
    assert run.wait() == 137
    assert len(lines(run, "started pid")) == 1


# Standing still

@pytest.mark.parametrize("who", ["all", "initd", "server"])
def test_a_pause_is_no_failure(serving, who):
    """docker pause, or a SIGSTOP to one of the two: only a server that is stopped alone fails."""
    run = serving(interval="50ms", timeout="200ms", retries="2", on_failure="restart" if who != "server" else "report")
    run.logs("ready on")
    wait_until(lambda: run.stdout.count("asked") >= 3)
    stopped = {"all": [run.pid, run.child_pid()], "initd": [run.pid], "server": [run.child_pid()]}[who]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    end = time.monotonic() + 1.5
    wait_until(lambda: time.monotonic() > end)
    before = run.stdout.count("asked")
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: run.stdout.count("asked") >= before + 10)
    assert len(lines(run, "started pid")) == 1
    assert len(lines(run, "unhealthy:")) == (who == "server")
    assert len(lines(run, "healthy again")) == (who == "server")


def test_a_pause_in_the_middle_of_a_question_is_no_failure(watching, serve):
    server = serve(answer())
    run = watching(server, interval="20ms", timeout="300ms", retries="1", on_failure="restart")
    run.logs("ready on")
    server.behave = say()
    asked(server, 1)
    run.kill(signal.SIGSTOP)
    server.behave = answer()
    end = time.monotonic() + 1.5
    wait_until(lambda: time.monotonic() > end)
    run.kill(signal.SIGCONT)
    asked(server, 5)
    assert not lines(run, "unhealthy")
    assert not lines(run, "restarting")


@needs_real_root
def test_an_initd_without_descriptors_blames_nobody(watching, serve):
    server = serve(answer())
    run = watching(server, interval="50ms", retries="2", on_failure="restart")
    run.logs("ready on")
    child = run.child_pid()
    limit_descriptors(run, 3)
    try:
        # Nobody can ask initd either, and it waits for better times without spinning.
        process = run.enter(run.lab.binary, "status", "--json")
        begun = time.monotonic(), times_of(run.pid)
        wait_until(lambda: time.monotonic() - begun[0] > 1)
        assert times_of(run.pid) - begun[1] < 0.3
    finally:
        limit_descriptors(run, 1024)
    status = json.loads(finish(process).stdout)
    assert status["state"] == "ready"
    assert "error" in {verdict["result"] for verdict in status["verdicts"]}
    assert all("cannot ask" in verdict["text"] for verdict in status["verdicts"] if verdict["result"] == "error")
    asked(server, 5)
    assert run.child_pid() == child
    assert not lines(run, "unhealthy") and not lines(run, "restarting")


def times_of(pid):
    """The seconds of processor time that it has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# What stays

def test_thousands_of_questions_leave_nothing_behind(watching, serve, lab):
    server = serve(answer())
    run = watching(server, interval="1ms")
    run.logs("ready on")

    def held():
        return int(read_status(run.pid)["VmRSS"].split()[0])
    asked(server, 100)
    before, fds = held(), len(os.listdir(f"/proc/{run.pid}/fd"))
    asked(server, 1000)
    wait_until(lambda: len(os.listdir(f"/proc/{run.pid}/fd")) <= fds)
    if not lab.sanitized:
        assert held() <= before + 64
    assert len(run.stderr.splitlines()) <= 3


# Options

@pytest.mark.parametrize("option", [
    "timeout=0", "timeout=never", "start_interval=-1", "interval=soon", "retries=0", "retries=x", "on_failure=maybe",
    "expect=", "expect=abc", "expect=99", "expect=600", "expect=300-200", "host_header=", "host_header=a b",
    "target=", "target=ftp://127.0.0.1/", "target=http://app.example/", "target=http://127.0.0.1:0/", "target=x",
])
@pytest.mark.parametrize("subcommand", [[], ["check"]], ids=["run", "check"])
def test_a_bad_value_is_refused(initd, room, subcommand, option):
    run = initd(*subcommand, "-o", f"health.{option}", "touch", f"{room}/mark")
    assert run.wait() == 78, run.transcript()
    assert run.stderr.startswith(f"initd: error: -o health.{option}: ")
    assert run.stderr.count("\n") == 1
    assert not (room / "mark").exists()


@needs_real_root
@needs_strace()
@pytest.mark.parametrize("error", ["ENOSPC", "ENOMEM"])
def test_a_kernel_that_watches_no_more_descriptors_is_no_end(watching, serve, error):
    """fs.epoll.max_user_watches is shared by all containers of a uid; libuv aborts where it is exceeded."""
    server = serve(answer())
    run = watching(server, interval="50ms")
    run.logs("ready on")
    tracer = subprocess.Popen(["strace", "-o", "/dev/null", "-e", f"inject=epoll_ctl:error={error}:when=1..4",
                               "-p", str(run.pid)], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: "error" in {verdict["result"] for verdict in run.status()["verdicts"]})
        asked(server, 10)
    finally:
        tracer.terminate()
        tracer.wait()
    assert run.status()["state"] == "ready"


def test_the_second_address_is_asked_when_the_first_refuses(watching, serve):
    server = serve(answer(), address=("::1", 0), family=socket.AF_INET6)
    run = watching(server, target=f"http://localhost:{server.port}/", interval="50ms")
    run.logs("ready on")
    asked(server, 10)
