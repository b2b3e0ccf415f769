# SPDX-License-Identifier: MIT
"""HEALTHCHECK, `docker exec initd …` and readiness, in every kind of container that people start."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from engine import Client
from harness import free_port, wait_until

one_libc = pytest.mark.parametrize("libc", ["musl"], indirect=True)

ASKERS = ("python", "/opt/helpers/askers.py")
AGENT = ("python", "-m", "hello_agent.server")
NO_CAPABILITIES = "0" * 16

SETUPS = {
    "root": (),
    "a user by number": ("--user", "1234"),
    "read-only": ("--read-only",),
    "no capability": ("--cap-drop=ALL", "--user", "1234"),
    "no capability but to become app": ("--cap-drop=ALL", "--cap-add=SETUID", "--cap-add=SETGID"),
    "no new privileges": ("--security-opt", "no-new-privileges"),
    "no ipc": ("--ipc=none",),
    "all of these": ("--read-only", "--user", "4321", "--cap-drop=ALL", "--ipc=none"),
}


def is_healthy(line, port=8000):
    return re.fullmatch(rf"healthy: 200 from http://127\.0\.0\.1:{port}/health in [\d.]+ m?s\n", line)


def ready(container):
    wait_until(lambda: "initd: info: ready on " in container.logs(), timeout=30, what="ready")
    return container


def app_of(docker, image):
    return int(docker.run("--entrypoint", "id", image, "-u", "app").stdout)


def askers_of(container):
    """The uids that have asked this server: PID 1 until it is ready, and every healthcheck."""
    askers = [int(uid) for uid in re.findall(r"asked by uid (\d+)", container.logs())]
    assert len(askers) > 1
    return set(askers)


# Docker's HEALTHCHECK


def test_a_container_whose_server_answers_becomes_healthy(docker, health):
    container = docker.start(health)
    assert is_healthy(container.becomes("healthy"))
    assert container.status()["state"] == "ready"


@one_libc
@pytest.mark.parametrize("options", SETUPS.values(), ids=SETUPS)
def test_initd_is_healthy_and_tells_its_status_with(docker, health, options):
    container = docker.start(*options, health, *ASKERS)
    assert is_healthy(container.becomes("healthy"))
    assert container.status()["state"] == "ready"
    user = int(options[options.index("--user") + 1]) if "--user" in options else app_of(docker, health)
    assert askers_of(container) == {user}


@one_libc
def test_a_healthcheck_started_as_root_has_become_app_before_it_connects(docker, health):
    container = docker.start("--group-add", "44", "-e", "INITD_HEALTH_TARGET=unix:/tmp/askers.sock", health,
                             *ASKERS, "/tmp/askers.sock")
    container.becomes("healthy")
    app = str(app_of(docker, health))
    askers = [json.loads(line) for line in container.logs().splitlines() if line.startswith("{")]
    beside_pid_1 = [asker for asker in askers if asker["pid"] != 1]
    assert beside_pid_1
    for asker in beside_pid_1:
        assert (asker["Uid"], asker["Gid"], asker["CapEff"]) == ([app] * 4, [app] * 4, [NO_CAPABILITIES])
        assert set(asker["Groups"]) <= {app}


@one_libc
def test_a_container_that_may_have_no_more_processes_is_healthy(docker, health):
    container = docker.start("--pids-limit", "20", health, "python", "/opt/helpers/fill_pids.py", *ASKERS)
    assert is_healthy(container.becomes("healthy"))
    assert re.search(r"^full with \d+ more$", container.logs(), re.M)
    assert container.status()["state"] == "ready"
    assert askers_of(container) == {app_of(docker, health)}


@one_libc
def test_containers_that_share_a_network_each_ask_their_own_server(docker, health):
    one = docker.serve(health)
    # What only PID 1 was told: the image says PORT=8000.
    port = free_port()
    other = docker.start("--network=host", "-e", "HOST=127.0.0.1", health, "-o", f"server.port={port}", *AGENT)
    other.port = port
    for container in (one, other):
        assert is_healthy(container.becomes("healthy"), container.port)
        status = container.status()
        assert (status["state"], status["target"]) == ("ready", f"http://127.0.0.1:{container.port}/health")


@one_libc
def test_a_blocked_event_loop_is_unhealthy_with_the_reason_and_replaced_and_healthy_again(docker, fastapi_health):
    port = free_port()
    # Docker says unhealthy after the second failure; initd waits for longer.
    container = docker.start("--network=host", "-e", "HOST=127.0.0.1", "-e", f"PORT={port}",
                             "--health-interval=300ms", fastapi_health,
                             "-o", "health.interval=500ms", "-o", "health.timeout=500ms", "-o", "health.retries=5",
                             "-o", "health.on_failure=restart", "-o", "server.stop_timeout=500ms",
                             "python", "-m", "fastapi_agent.server")
    container.port = port
    assert is_healthy(container.becomes("healthy"), port)
    first = container.server_pid()
    reason = f"no answer from http://127.0.0.1:{port}/health within 500 ms"
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /block HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert container.becomes("unhealthy") == f"unhealthy: {reason}\n"
        assert is_healthy(container.becomes("healthy"), port)
    assert container.server_pid() != first
    assert f"initd: warn: unhealthy: {reason} (5 in a row)\ninitd: info: restarting: unhealthy\n" in container.logs()
    assert container.status()["restarts"] == 1


# PID 1 stands still, or ends


# At every moment a question is in flight, and the first one without an answer is one too many.
ALWAYS_ASKING = ("-o", "health.interval=1ms", "-o", "health.timeout=2s", "-o", "health.retries=1",
                 "-o", "health.on_failure=restart")


@one_libc
@pytest.mark.parametrize("how", ["docker pause", "SIGSTOP"])
def test_a_pid_1_that_stood_still_restarts_nothing(docker, agent, how):
    container = ready(docker.start("-e", "DELAY=0.3", agent, *ALWAYS_ASKING, *ASKERS))
    server = container.server_pid()
    if how == "docker pause":
        docker.ask("pause", container.name)
        elapse(3)
        docker.ask("unpause", container.name)
    else:
        pid = container.state()["Pid"]
        os.kill(pid, signal.SIGSTOP)
        stalled = container.ask("healthcheck")
        elapse(1)
        os.kill(pid, signal.SIGCONT)
        assert (stalled.returncode, stalled.stderr) == (1, "")
        assert re.fullmatch("unhealthy: .*does not answer.*\n", stalled.stdout)
    since = time.monotonic()
    wait_until(lambda: n_verdicts(container, since) > 2, what="more questions to the server")
    assert container.server_pid() == server
    assert "unhealthy" not in container.logs()
    assert container.status()["state"] == "ready"


def n_verdicts(container, since):
    """How many answers the server has given PID 1 since then."""
    ago_ms = (time.monotonic() - since) * 1000
    return sum(verdict["ago_ms"] < ago_ms for verdict in container.status()["verdicts"])


def elapse(seconds):
    """For time itself: there is nothing to wait for."""
    threading.Event().wait(seconds)


def test_a_draining_container_says_so_and_is_unhealthy(docker, agent):
    container = ready(docker.start(agent, "-o", "server.drain_delay=60s", *AGENT))
    stop = subprocess.Popen([*docker.command, "stop", "--time", "60", container.name], env=docker.environment,
                            stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: "stopping: SIGTERM, after a drain of " in container.logs())
        answer = container.ask("healthcheck")
        assert (answer.returncode, answer.stderr) == (1, "")
        assert re.fullmatch("unhealthy: .*draining.*\n", answer.stdout)
        assert container.status()["state"] == "draining"
        docker.ask("kill", "--signal", "TERM", container.name)
        assert container.wait() == 0
    finally:
        stop.wait(timeout=90)


# docker exec


def test_restart_wait_returns_when_the_new_server_is_ready(docker, agent):
    container = ready(docker.start(agent))
    server = container.server_pid()
    answer = container.ask("restart", "--wait")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
    assert container.server_pid() != server
    assert container.status()["state"] == "ready"
    assert re.search(r"^initd: info: restarting: asked by pid \d+$", container.logs(), re.M)


def test_others_than_root_and_its_own_user_are_refused(docker, agent):
    container = ready(docker.start(agent))
    server = container.server_pid()
    for words in ("status",), ("status", "--json"), ("restart",):
        refused = container.ask(*words, options=("--user", "nobody"))
        assert (refused.returncode, refused.stdout) == (69, "")
        assert re.fullmatch("initd: error: .*\n", refused.stderr)
    assert container.server_pid() == server
    assert container.ask("status", options=("--user", "app")).returncode == 0
    # The server may be asked by all.
    answer = container.ask("healthcheck", options=("--user", "nobody"))
    assert answer.returncode == 0 and is_healthy(answer.stdout), answer


# Podman, and readiness as systemd wants to hear it


@one_libc
def test_podman_healthcheck_run_tells_healthy_and_hung(podman, podman_health):
    container = ready(podman.start(podman_health, "-o", "health.timeout=1s", *ASKERS))
    assert podman.call("healthcheck", "run", container.name).returncode == 0
    assert askers_of(container) == {app_of(podman, podman_health)}
    assert is_healthy(container.state()["Health"]["Log"][-1]["Output"] + "\n")
    os.kill(container.server_pid(), signal.SIGSTOP)
    for _ in range(2):
        assert podman.call("healthcheck", "run", container.name).returncode == 1
    last = container.state()["Health"]
    assert last["Status"] == "unhealthy"
    assert last["Log"][-1]["Output"] == "unhealthy: no answer from http://127.0.0.1:8000/health within 1 s"


@one_libc
def test_podman_tells_systemd_of_a_ready_container_only_when_its_server_answers(podman, podman_health, notified):
    gate = notified.directory / "gate"
    os.mkfifo(gate)
    gate.chmod(0o666)
    under_systemd = Client(*podman.command, run_options=podman.run_options, **podman.environment,
                           NOTIFY_SOCKET=str(notified.path))
    container = under_systemd.start("--sdnotify=container", "--volume", f"{notified.directory}:/gate", podman_health,
                                    "sh", "-c", 'read word </gate/gate; exec "$@"', "sh", *AGENT)
    with open(gate, "w"):       # when the server is at the gate
        elapse(1)
        assert "READY=1" not in notified.lines()
    notified.hears("READY=1")
    assert "initd: info: ready on " in container.logs()


@one_libc
def test_a_manager_hears_that_initd_is_ready_and_that_it_stops_and_the_server_knows_nothing_of_it(
        docker, agent, notified):
    container = docker.start("--volume", f"{notified.directory}:/notify", "-e", "NOTIFY_SOCKET=/notify/socket", agent)
    notified.hears("READY=1")
    assert any(line.startswith("STATUS=") for line in notified.lines())
    with open(f"/proc/{container.server_pid()}/environ") as file:
        assert "NOTIFY_SOCKET" not in file.read()
    assert "STOPPING=1" not in notified.lines()
    container.stop()
    notified.hears("STOPPING=1")
