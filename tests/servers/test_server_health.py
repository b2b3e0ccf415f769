# SPDX-License-Identifier: MIT
"""The health of real servers: asked by PID 1 and by `initd healthcheck`, hung, and replaced."""

import re
import shutil
import socket
from contextlib import contextmanager

import pytest

import pidns
from harness import get
from serving import APP, SERVERS, UVICORN

# What tells the two builds apart is tested in tests/integration; here the servers are what differs.
one_libc = pytest.mark.parametrize("libc", ["musl"], indirect=True)

NGINX = """\
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path temp;
    proxy_temp_path temp;
    fastcgi_temp_path temp;
    uwsgi_temp_path temp;
    scgi_temp_path temp;
    server {
        listen 127.0.0.1:PORT;
        root .;
    }
}
"""


def prepare_nginx(room, port):
    (room / "nginx.conf").write_text(NGINX.replace("PORT", str(port)))
    (room / "index.html").write_text("hello\n")


def ready(serving):
    serving.run.logs(re.compile(rf"^initd: info: ready on http://127\.0\.0\.1:{serving.port} after [\d.]+ m?s$", re.M),
                     timeout=60)
    return serving


def verdict(serving, *words):
    """The line of a healthcheck beside this server."""
    answer = serving.run.ask("healthcheck", *words)
    assert answer.stderr == ""
    assert answer.stdout.count("\n") == 1 and answer.stdout.endswith("\n"), answer.stdout
    assert answer.returncode == (0 if answer.stdout.startswith("healthy: ") else 1)
    return answer.stdout[:-1]


def healthy(line, target):
    return re.fullmatch(rf"healthy: 200 from {re.escape(target)} in [\d.]+ m?s", line)


def unhealthy(line, status, target):
    return re.fullmatch(rf"unhealthy: {status} from {re.escape(target)} in [\d.]+ m?s; expected 200-299", line)


def target_of(serving):
    return f"http://127.0.0.1:{serving.port}/health"


@contextmanager
def blocked(serving):
    """Have the event loop stand still, for good."""
    with socket.create_connection(("127.0.0.1", serving.port)) as client:
        client.sendall(b"GET /block HTTP/1.1\r\nHost: localhost\r\n\r\n")
        yield


@one_libc
@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS)
def test_a_server_is_ready_and_healthy(start, server):
    serving = ready(start(server.command))
    assert healthy(verdict(serving), target_of(serving))
    assert serving.run.status()["state"] == "ready"
    assert "initd: warn" not in serving.run.stderr


def test_a_blocked_event_loop_is_unhealthy_though_it_can_be_connected_to(start):
    serving = ready(start(UVICORN, INITD_HEALTH_INTERVAL="100ms", INITD_HEALTH_TIMEOUT="500ms"))
    with blocked(serving):
        reason = f"no answer from {target_of(serving)} within 500 ms"
        serving.run.logs(f"initd: warn: unhealthy: {reason} (3 in a row)\n", timeout=20)
        assert verdict(serving) == f"unhealthy: {reason}"
        tcp = f"tcp://127.0.0.1:{serving.port}"
        assert re.fullmatch(rf"healthy: connected to {tcp} in [\d.]+ m?s", verdict(serving, tcp))
        assert serving.run.status()["state"] == "unhealthy"


def test_a_blocked_event_loop_is_replaced_and_serves_again(start):
    serving = ready(start(UVICORN, INITD_HEALTH_INTERVAL="100ms", INITD_HEALTH_TIMEOUT="500ms",
                          INITD_HEALTH_ON_FAILURE="restart", INITD_SERVER_STOP_TIMEOUT="1s"))
    first = serving.run.child_pid()
    with blocked(serving):
        serving.run.logs(re.compile(r"""
            \ \(3\ in\ a\ row\)\n
            initd:\ info:\ restarting:\ unhealthy\n
            (.*\n)*?
            initd:\ warn:\ not\ stopped\ after\ 1\ s:\ SIGKILL.*\n
            initd:\ .*:\ server\ ended:\ killed\ by\ SIGKILL.*\n
            initd:\ info:\ starting\ again\ in\ .*\ \(restart\ 1\)\n
            (.*\n)*?
            initd:\ info:\ ready\ on\ .*\n""", re.X), timeout=60)
    assert serving.run.child_pid() != first
    assert get(serving.port, "/health").status == 200
    assert healthy(verdict(serving), target_of(serving))
    assert serving.run.status()["restarts"] == 1


@one_libc
def test_trustedhostmiddleware_refuses_the_address_and_is_content_with_the_host_header(start):
    without = ready(start(UVICORN, TRUSTED_HOST="agent.example"))
    assert unhealthy(verdict(without), 400, target_of(without))
    assert re.search(rf"^initd: warn: health: 400 from {target_of(without)} in .*; expected 200-299$",
                     without.run.stderr, re.M)
    # Known to PID 1 only.
    configured = ready(start(f"-o health.host_header=agent.example {UVICORN}", TRUSTED_HOST="agent.example"))
    assert healthy(verdict(configured), target_of(configured))
    assert "initd: warn" not in configured.run.stderr


@one_libc
def test_a_redirect_to_https_is_unhealthy_and_not_followed(start):
    serving = ready(start(UVICORN, HTTPS_ONLY="1"))
    assert unhealthy(verdict(serving), 307, target_of(serving))
    assert verdict(serving, "-o", "health.expect=200-299,307").startswith("healthy: 307 from ")


@one_libc
def test_uvicorn_on_a_unix_socket_is_asked_there(start):
    serving = start(f"-o health.target=unix:{{room}}/agent.sock uvicorn {APP} --uds {{room}}/agent.sock")
    serving.run.logs("initd: info: ready on ", timeout=60)
    assert healthy(verdict(serving), f"unix:{serving.room}/agent.sock:/health")


@pidns.needs_real_root
@pytest.mark.skipif(not shutil.which("nginx", path=pidns.PATH), reason="needs nginx")
def test_nginx_is_ready_and_healthy_as_app(start):
    serving = ready(start("-o health.target=/ nginx -p {room} -c nginx.conf -e stderr", prepare_nginx,
                          INITD_USER_NAME="app"))
    assert healthy(verdict(serving), f"http://127.0.0.1:{serving.port}/")
    assert unhealthy(verdict(serving, "/nosuch"), 404, f"http://127.0.0.1:{serving.port}/nosuch")
    assert serving.run.status()["state"] == "ready"
