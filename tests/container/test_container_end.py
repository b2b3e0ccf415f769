# SPDX-License-Identifier: MIT
"""How a container ends: `docker stop`, exit codes, and what PID 1 does with orphans."""

import http.client
import socket
from pathlib import Path

from harness import wait_until


def n_threads(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("Threads:\t")[2].split()[0])


def test_docker_stop_ends_the_agent_at_once_and_with_success(docker, agent):
    container = docker.serve(agent)
    assert container.stop() < 1
    assert container.state()["ExitCode"] == 0
    assert "initd: info: stopping: SIGTERM" in container.logs()


def test_a_server_told_to_stop_while_it_starts_ends(docker, agent):
    container = docker.start(agent)
    wait_until(lambda: "started pid" in container.logs())
    docker.ask("kill", "--signal", "TERM", container.name)
    assert container.wait() in (0, 143)
    assert "stopping: SIGTERM" in container.logs()


def test_docker_stop_lets_the_agent_finish_the_request_in_flight(docker, agent):
    container = docker.serve(agent)
    server = container.server_pid()
    wait_until(lambda: n_threads(server) == 1)
    with socket.create_connection(("127.0.0.1", container.port)) as client:
        client.sendall(b"GET / HTTP/1.0\r\n")
        wait_until(lambda: n_threads(server) == 2, what="the thread of the request")
        container.client.ask("kill", "--signal", "TERM", container.name)
        wait_until(lambda: "stopping: SIGTERM" in container.logs())
        client.sendall(b"\r\n")
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert (answer.status, answer.read()[:5]) == (200, b"hello")
    assert container.wait() == 0


def test_the_containers_exit_code_is_the_commands(docker, agent):
    assert docker.run(agent, "sh", "-c", "exit 42").returncode == 42


def test_a_command_killed_by_a_signal_ends_the_container_with_128_and_its_number(docker, agent):
    result = docker.run(agent, "sh", "-c", "kill -KILL $$")
    assert result.returncode == 137
    assert "killed by SIGKILL" in result.stderr


def test_a_command_that_is_not_there_ends_with_127(docker, agent):
    result = docker.run(agent, "nosuch")
    assert result.returncode == 127
    assert "initd: error: cannot run nosuch: not found" in result.stderr


def test_a_thousand_orphans_are_reaped(docker, agent):
    assert docker.run(agent, "python", "/opt/helpers/orphans.py", "1000").stdout == "1000 adopted, 0 left\n"


def test_what_docker_exec_leaves_behind_is_reaped(docker, agent):
    container = docker.serve(agent)
    server = container.server_pid()
    docker.ask("exec", container.name, "sh", "-c", "true & true & exec true")
    wait_until(lambda: container.children() == [server], what="the server to be the only child of PID 1")
    assert container.get("/health") == "ok\n"


def test_a_command_that_needs_more_memory_than_there_is_ends_with_the_reason(docker, agent):
    result = docker.run("--memory", "64m", agent, "python", "-c", "b'.' * 10**9")
    assert result.returncode == 137
    assert "the memory cgroup counted an OOM kill" in result.stderr


def test_a_limit_of_one_process_is_named(docker, agent):
    refused = docker.run("--pids-limit", "1", agent)
    assert refused.returncode == 71
    assert "initd: error: " in refused.stderr
    assert "limit" in refused.stderr
