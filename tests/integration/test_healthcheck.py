# SPDX-License-Identifier: MIT
"""`initd healthcheck`: the verdict on every kind of server, in one line, with exit code 0 or 1 whatever happens."""

import errno
import itertools
import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time
from collections import namedtuple

import pytest

from harness import free_port, wait_until
from helpers import misbehaving
from helpers.misbehaving import OK, Connection, answer, drip, say
from pidns import PASSWD, end, finish, needs_real_root, needs_strace, read_status, sanitizer

SLEEP = ["sh", "-c", "echo up; exec sleep 1000"]
STUBBORN = ["sh", "-c", "trap '' TERM; echo up; exec sleep 1000"]
NOBODY_ASKS = ["-o", "health.start_interval=0"]
SHORT = ["-o", "health.timeout=400ms"]
TIME = r"\d+(\.\d+)? m?s"

Verdict = namedtuple("Verdict", "code text")


def verdict(code, stdout, stderr):
    """What one healthcheck said; that there is one printable line, nothing else, and that its code agrees."""
    assert stderr == ""
    if isinstance(stdout, bytes):
        stdout = stdout.decode()
    assert re.fullmatch(r"(healthy|unhealthy): .+\n", stdout) and stdout[:-1].isprintable(), (code, stdout)
    assert code == (0 if stdout.startswith("healthy: ") else 1)
    return Verdict(code, stdout.rstrip("\n"))


@pytest.fixture
def healthcheck(initd):
    """healthcheck(*words, **how): the verdict where PID 1 is no initd."""

    def run(*words, pid1=False, **how):
        check = initd("healthcheck", *words, pid1=pid1, **how)
        return verdict(check.wait(20), check.readers[1].data, check.stderr)

    return run


def inside(run, *words, **how):
    """The verdict beside this initd."""
    process = run.ask("healthcheck", *words, **how)
    return verdict(process.returncode, process.stdout, process.stderr)


@pytest.fixture
def serve():
    """serve(behaviour, ...) starts a server that ends with the test."""
    with misbehaving.servers() as start:
        yield start


@pytest.fixture
def supervised(initd):
    """supervised(*options): a running initd, whose server has been started; nobody asks it by itself."""

    def start(*words, command=SLEEP, **how):
        run = initd(*NOBODY_ASKS, *words, *command, **how)
        run.says("up")
        if how.get("mounts") is None:
            run.hears()
        return run

    return start


def matches(found, pattern, target):
    pattern = pattern.replace("{T}", re.escape(target)).replace("{t}", TIME)
    assert re.fullmatch(pattern, found.text), found.text


def url(server, path="/health"):
    return f"http://127.0.0.1:{server.port}{path}"


# One server of each kind

HEALTHY = "healthy: 200 from {T} in {t}"
NOT_HTTP = "unhealthy: not an HTTP answer from {T}"
CLOSED = "unhealthy: connection closed by {T} before an answer"
NO_STATUS = "unhealthy: no complete status line from {T} within 400 ms"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nLink: </x.js>\r\n\r\n"

SERVERS = {
    "ordinary": (answer(200), HEALTHY),
    "GET-only route": (misbehaving.get_only, HEALTHY),
    "TrustedHostMiddleware": (misbehaving.trusts_only("app.example"),
                              "unhealthy: 400 from {T} in {t}; expected 200-299"),
    "redirect": (answer(307, "Location: https://127.0.0.1/health"), "unhealthy: 307 from {T} in {t}; expected 200-299"),
    "keep-alive whatever it is told": (say(OK), HEALTHY),
    "endless body": (misbehaving.endless_body, HEALTHY),
    "100 first": (say(CONTINUE, OK), HEALTHY),
    "100 in the same segment": (say(CONTINUE + OK), HEALTHY),
    "100 later": (say(CONTINUE, OK, pause=0.05), HEALTHY),
    "103 with headers": (say(HINTS + OK), HEALTHY),
    "103 three times": (say(HINTS, HINTS, HINTS, OK, pause=0.01), HEALTHY),
    "100, then 503": (say(CONTINUE + b"HTTP/1.1 503 No\r\n\r\n"), "unhealthy: 503 from {T} in {t}; expected 200-299"),
    "503 before the request": (misbehaving.answer_before_the_request,
                               "unhealthy: 503 from {T} in {t}; expected 200-299"),
    "503 to an unread request": (misbehaving.answer_an_unread_request,
                                 "unhealthy: 503 from {T} in {t}; expected 200-299"),
    "many segments": (say(b"HT", b"TP/", b"1.", b"1 2", b"0", b"0 O", b"K\r", b"\nContent", b"-Length: 0\r\n\r\n",
                          pause=0.005), HEALTHY),
    "byte by byte": (drip(OK, 0.001), HEALTHY),
    "line feeds": (say(OK.replace(b"\r", b"")), HEALTHY),
    "line feeds after 100": (say((CONTINUE + OK).replace(b"\r", b"")), HEALTHY),
    "HTTP/1.0": (say(b"HTTP/1.0 200 OK\r\n\r\nok", then=misbehaving.end), HEALTHY),
    "no reason": (say(b"HTTP/1.1 200 \r\n\r\n"), HEALTHY),
    "not even a blank": (say(b"HTTP/1.1 200\r\n\r\n"), HEALTHY),
    "status line and no more": (say(b"HTTP/1.1 200 OK\r\n"), HEALTHY),
    "binary": (say(bytes(range(256)) * 2), NOT_HTTP),
    "terminal escapes": (say(b"\x1b]0;owned\x07\x1b[2J\r\n"), NOT_HTTP),
    "HTTP/0.9": (say(b"<html><body>200 OK</body></html>\r\n", then=misbehaving.end), NOT_HTTP),
    "SSH": (say(b"SSH-2.0-OpenSSH_9.2\r\n"), NOT_HTTP),
    "SMTP": (say(b"220 mail.example ESMTP\r\n"), NOT_HTTP),
    "TLS alert": (say(b"\x15\x03\x01\x00\x02\x02\x46", then=misbehaving.end), NOT_HTTP),
    "ICY": (say(b"ICY 200 OK\r\n\r\n"), NOT_HTTP),
    "HTTP/2 in words": (say(b"HTTP/2 200\r\n\r\n"), NOT_HTTP),
    "two digits": (say(b"HTTP/1.1 20 OK\r\n\r\n"), NOT_HTTP),
    "four digits": (say(b"HTTP/1.1 2000 OK\r\n\r\n"), NOT_HTTP),
    "600": (say(b"HTTP/1.1 600 OK\r\n\r\n"), NOT_HTTP),
    "5000 bytes without an end": (say(b"x" * 5000), NOT_HTTP),
    "a reason of 5000 bytes": (say(b"HTTP/1.1 200 " + b"x" * 5000), NOT_HTTP),
    "a 103 of 5000 bytes": (say(b"HTTP/1.1 103 Early\r\nLink: " + b"x" * 5000 + b"\r\n\r\n" + OK), NOT_HTTP),
    "a hundred times 103": (say(HINTS * 100), NOT_HTTP),
    "closed without a byte": (say(then=misbehaving.end), CLOSED),
    "closed within the status line": (say(b"HTTP/1.1 20", then=misbehaving.end), CLOSED),
    "closed after 100": (say(CONTINUE, then=misbehaving.end), CLOSED),
    "RST": (misbehaving.reset_at_once, "unhealthy: connection reset by {T}"),
    "RST after the request": (say(then=Connection.reset), "unhealthy: connection reset by {T}"),
    "RST within the status line": (say(b"HTTP/1.1 2", then=Connection.reset), "unhealthy: connection reset by {T}"),
    "accepts and says nothing": (say(), "unhealthy: no answer from {T} within 400 ms"),
    "half a status line": (say(b"HTTP/1.1 20"), NO_STATUS),
    "100 and no more": (say(CONTINUE), NO_STATUS),
    "only 199": (say(b"HTTP/1.1 199 Interim\r\n\r\n"), NO_STATUS),
    "drips": (drip(b"HTTP/1.1 200 OK\r\n", 0.3), NO_STATUS),
}


@pytest.mark.parametrize("kind", SERVERS)
def test_the_verdict_on_a_server(healthcheck, serve, kind):
    behave, expected = SERVERS[kind]
    server = serve(behave)
    timeout = SHORT if "within" in expected else ["-o", "health.timeout=10s"]
    found = healthcheck(*timeout, "-o", f"server.port={server.port}")
    matches(found, expected, url(server))
    assert len(server.connections) == 1


@pytest.mark.parametrize("kind", ["keep-alive whatever it is told", "endless body", "status line and no more",
                                  "binary"])
def test_a_verdict_needs_no_end_of_the_connection(healthcheck, serve, kind):
    server = serve(SERVERS[kind][0])
    healthcheck("-o", "health.timeout=15s", "-o", f"server.port={server.port}")
    wait_until(lambda: server.first.ended)
    assert server.first.lasted < 5


@pytest.mark.parametrize("behave", [say(), drip(b"HTTP/1.1 200 OK\r\n", 0.3), say(b"HTTP/1.1 ")])
def test_the_deadline_is_one_and_it_is_kept(healthcheck, serve, behave):
    def overrun():
        server = serve(behave)
        assert healthcheck("-o", "health.timeout=700ms", "-o", f"server.port={server.port}").code == 1
        wait_until(lambda: server.first.ended)
        # What the server sees begins a moment after the question and ends a moment after the verdict.
        assert server.first.lasted > 0.6
        return server.first.lasted - 0.7
    # A busy machine may be late once.
    assert any(overrun() < 0.2 for _ in range(3))


CODES = {
    "200-299": {200, 299},
    "200": {200},
    "404": {404},
    "200,404": {200, 404},
    "200 404": {200, 404},
    "200, 300-399": {200, 300},
    "300-503": {300, 404, 503},
    "100-599": {200, 299, 300, 404, 503},
}


@pytest.mark.parametrize("expect", CODES)
@pytest.mark.parametrize("status", [200, 299, 300, 404, 503])
def test_health_expect_says_which_codes_are_healthy(healthcheck, serve, expect, status):
    server = serve(answer(status))
    found = healthcheck("-o", f"server.port={server.port}", "-o", f"health.expect={expect}")
    if status in CODES[expect]:
        matches(found, f"healthy: {status} from {{T}} in {{t}}", url(server))
    else:
        matches(found, f"unhealthy: {status} from {{T}} in {{t}}; expected {expect}", url(server))


@pytest.mark.parametrize("expect", ["199", "100-199"])
def test_an_interim_answer_is_none_even_where_it_is_expected(healthcheck, serve, expect):
    server = serve(say(b"HTTP/1.1 199 Interim\r\n\r\n", then=misbehaving.end))
    matches(healthcheck("-o", f"server.port={server.port}", "-o", f"health.expect={expect}"), CLOSED, url(server))


# The request

def test_the_request_is_a_plain_get(healthcheck, serve, initd):
    server = serve(answer())
    healthcheck("-o", f"server.port={server.port}", "/ready?deep=1")
    version = initd("--version")
    version.wait()
    request = server.first.received
    assert request.startswith(b"GET /ready?deep=1 HTTP/1.1\r\n")
    assert request.endswith(b"\r\n\r\n") and request.count(b"\r\n\r\n") == 1
    assert server.first.header("Host") == [f"127.0.0.1:{server.port}"]
    assert server.first.header("Connection") == ["close"]
    assert server.first.header("User-Agent") == [version.stdout.strip().replace(" ", "/")]


def test_host_header_is_what_a_host_checking_server_wants(healthcheck, serve):
    server = serve(misbehaving.trusts_only("app.example"))
    found = healthcheck("-o", f"server.port={server.port}", "-o", "health.host_header=app.example")
    matches(found, HEALTHY, url(server))


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_proxy_in_the_environment_is_not_asked(healthcheck, serve, name):
    server, proxy = serve(answer()), serve(answer(502))
    env = {name: f"http://127.0.0.1:{proxy.port}", "PORT": str(server.port)}
    matches(healthcheck(env=env), HEALTHY, url(server))
    assert not proxy.connections


def test_a_redirect_is_not_followed(healthcheck, serve):
    other = serve(answer())
    server = serve(answer(302, f"Location: {url(other)}"))
    assert healthcheck("-o", f"server.port={server.port}").code == 1
    assert not other.connections


# Where it is

def ipv6(port=0):
    return {"address": ("::1", port), "family": socket.AF_INET6}


@pytest.mark.parametrize("host, where, asked", [
    ("0.0.0.0", "127.0.0.1", "127.0.0.1"),
    ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
    ("127.0.0.2", "127.0.0.2", "127.0.0.2"),
    ("localhost", "127.0.0.1", "127.0.0.1"),
    ("localhost", "::1", "[::1]"),
    ("::1", "::1", "[::1]"),
    ("::", "::1", "[::1]"),
    ("::", "::", "[::1]"),
    ("::", "127.0.0.1", "127.0.0.1"),
])
def test_the_address_that_is_asked_follows_server_host(healthcheck, serve, host, where, asked):
    server = serve(answer(), address=(where, 0), family=socket.AF_INET6 if ":" in where else socket.AF_INET)
    found = healthcheck("-o", f"server.host={host}", "-o", f"server.port={server.port}")
    matches(found, HEALTHY, f"http://{asked}:{server.port}/health")
    assert server.first.header("Host") == [f"{asked}:{server.port}"]


@pytest.mark.parametrize("target, path, asked", [
    ("/", "/", "http://127.0.0.1:{port}/"),
    ("/a/b?c=d", "/a/b?c=d", "http://127.0.0.1:{port}/a/b?c=d"),
    ("http://127.0.0.1:{port}", "/health", "http://127.0.0.1:{port}/health"),
    ("http://127.0.0.1:{port}/x", "/x", "http://127.0.0.1:{port}/x"),
    ("http://localhost:{port}/x", "/x", "http://127.0.0.1:{port}/x"),
    ("http://[::ffff:127.0.0.1]:{port}/x", "/x", "http://[::ffff:127.0.0.1]:{port}/x"),
])
def test_a_target_is_a_path_or_a_url(healthcheck, serve, target, path, asked):
    server = serve(answer())
    found = healthcheck("-o", f"server.port={server.port}", target.format(port=server.port))
    matches(found, HEALTHY, asked.format(port=server.port))
    assert server.first.received.startswith(f"GET {path} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("words", [[], ["tcp"], ["tcp://127.0.0.1:{port}"], ["http://localhost:{port}/"]])
def test_a_closed_port_refuses(healthcheck, words):
    port = free_port()
    found = healthcheck("-o", f"server.port={port}", *(word.format(port=port) for word in words))
    assert re.fullmatch(rf"unhealthy: connection refused by (http|tcp)://\S*:{port}(/\S*)?", found.text)


@pytest.mark.parametrize("target", ["tcp", "tcp://127.0.0.1:{port}"])
@pytest.mark.parametrize("behave", [None, say(), answer(503)], ids=["blocked", "silent", "503"])
def test_over_tcp_a_connection_is_all(healthcheck, serve, target, behave):
    server = serve(behave)
    found = healthcheck("-o", f"server.port={server.port}", target.format(port=server.port))
    matches(found, "healthy: connected to {T} in {t}", f"tcp://127.0.0.1:{server.port}")


@pytest.mark.parametrize("target", ["/health", "tcp"])
def test_a_full_backlog_gives_no_connection(healthcheck, serve, target):
    server = serve(None, backlog=0)
    waiting = [socket.socket() for _ in range(4)]
    for sock in waiting:
        sock.setblocking(False)
        assert sock.connect_ex(server.address) in (0, errno.EINPROGRESS)
    try:
        wait_until(lambda: any(sock.connect_ex(server.address) in (0, errno.EISCONN) for sock in waiting))
        found = healthcheck(*SHORT, "-o", f"server.port={server.port}", target)
        asked = url(server) if target == "/health" else f"tcp://127.0.0.1:{server.port}"
        assert found.text == f"unhealthy: no connection to {asked} within 400 ms"
    finally:
        for sock in waiting:
            sock.close()


@needs_real_root
def test_a_network_that_is_down_is_told(healthcheck):
    found = healthcheck(prefix=["unshare", "--net"])
    assert re.fullmatch("unhealthy: cannot connect to http://127.0.0.1:8000/health: Network.*unreachable", found.text)


def unix_server(serve, where, behave=None):
    return serve(behave or answer(), address=where.replace("@", "\0", 1), family=socket.AF_UNIX)


@pytest.mark.parametrize("path", ["", ":/health", ":/x?y"])
@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_a_unix_socket_is_asked_over_http(healthcheck, serve, room, kind, path):
    where = f"@{room}/server" if kind == "abstract" else f"{room}/server.sock"
    server = unix_server(serve, where)
    found = healthcheck(f"unix:{where}{path}")
    matches(found, HEALTHY, f"unix:{where}{path or ':/health'}")
    assert server.first.header("Host") == ["localhost"]


@pytest.mark.parametrize("behave, expected", [
    (answer(503), "unhealthy: 503 from {T} in {t}; expected 200-299"),
    (say(), "unhealthy: no answer from {T} within 400 ms"),
    (say(then=misbehaving.end), CLOSED),
])
def test_a_unix_socket_has_all_the_verdicts(healthcheck, serve, room, behave, expected):
    unix_server(serve, f"{room}/s", behave)
    matches(healthcheck(*SHORT, f"unix:{room}/s"), expected, f"unix:{room}/s:/health")


def test_a_unix_socket_that_is_not_there_is_told(healthcheck, room):
    assert healthcheck(f"unix:{room}/none").text == (
        f"unhealthy: cannot connect to unix:{room}/none:/health: No such file or directory")
    assert healthcheck(f"unix:@{room}/none").text == f"unhealthy: connection refused by unix:@{room}/none:/health"


def test_a_unix_socket_without_a_listener_refuses(healthcheck, room):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"{room}/s")
    os.chmod(f"{room}/s", 0o777)
    assert healthcheck(f"unix:{room}/s").text == f"unhealthy: connection refused by unix:{room}/s:/health"


def test_a_unix_socket_with_a_full_backlog_gives_no_connection(healthcheck, serve, room):
    serve(None, address=f"{room}/s", family=socket.AF_UNIX, backlog=0)
    with socket.socket(socket.AF_UNIX) as first:
        first.connect(f"{room}/s")
        found = healthcheck(*SHORT, f"unix:{room}/s")
    assert found.code == 1
    assert f"unix:{room}/s:/health" in found.text


@needs_real_root
def test_a_unix_socket_that_the_user_may_not_use_is_told(healthcheck, serve, room):
    unix_server(serve, f"{room}/s")
    os.chmod(f"{room}/s", 0o700)
    assert healthcheck(f"unix:{room}/s").text == (
        f"unhealthy: cannot connect to unix:{room}/s:/health: Permission denied")


# Words and files that are wrong

@pytest.mark.parametrize("words, part", [
    (["--nosuch"], "--nosuch"),
    (["-x"], "-x"),
    (["-c"], "-c"),
    (["-o"], "-o"),
    (["/a", "/b"], "/b"),
    (["-o", "nonsense"], "nonsense"),
    (["-o", "nosuch.name=1"], "nosuch.name"),
    (["-o", "server.port=0"], "server.port=0"),
    (["-o", "health.timeout=0"], "health.timeout=0"),
    (["-o", "health.retries=0"], "health.retries=0"),
    (["-o", "health.expect="], "health.expect"),
    (["-o", "health.expect=200-"], "health.expect=200-"),
    (["-o", "health.expect=299-200"], "health.expect=299-200"),
    (["-o", "health.expect=600"], "health.expect=600"),
    (["-o", "health.host_header=a b"], "health.host_header=a b"),
    (["-o", "health.on_failure=explode"], "health.on_failure=explode"),
    (["-o", "health.target=ftp://127.0.0.1/"], "ftp://127.0.0.1/"),
    (["https://127.0.0.1/"], "https://127.0.0.1/"),
    (["http://app.example/health"], "app.example"),
    (["http://127.0.0.1:99999/"], "99999"),
    (["http://127.0.0.1/a b"], "/a"),
    (["nonsense"], "nonsense"),
    ([""], ""),
    (["unix:"], "unix:"),
    (["unix:" + "/x" * 100], "unix:"),
    (["/" + "x" * 4000], ""),
    (["-c", "/nosuch.ini"], "/nosuch.ini"),
    (["-c", "/"], "/"),
])
def test_an_error_of_usage_is_an_unhealthy_line(healthcheck, words, part):
    found = healthcheck(*words)
    assert found.code == 1
    assert part in found.text


@pytest.mark.parametrize("word", ["http://127.0.0.1/\n", "/\x1b[31mred", "\x07\n\nhealthy: 200", "/\udcff\udcfe",
                                  "/\x9b31m", "unix:/a\tb\nc", "--\r\n"])
def test_no_word_gets_unprintable_bytes_into_the_line(healthcheck, word):
    assert healthcheck(word).code == 1


@pytest.mark.parametrize("config", ["[health]\ntimeout = never\n", "[nosuch]\nx = 1\n", "nonsense\n",
                                    "[server]\nport = \x1b[31m\n", b"\0\0\0\0", "[health]\nexpect = " + "x" * 300])
def test_a_bad_file_is_an_unhealthy_line(healthcheck, lab, config):
    assert "initd.ini" in healthcheck(config=config).text
    if isinstance(config, str):
        assert "/etc/initd.ini" in healthcheck(etc=lab.etc(**{"initd.ini": config})).text


@pytest.mark.parametrize("env", [{"PORT": ""}, {"PORT": "8000x"}, {"INITD_HEALTH_TIMEOUT": "0"},
                                 {"INITD_HEALTH_TARGET": "nonsense"}, {"INITD_HEALTH_NOSUCH": "1"},
                                 {"INITD_CONFIG": "/nosuch.ini"}])
def test_a_bad_environment_is_an_unhealthy_line(healthcheck, env):
    (name, value), = env.items()
    found = healthcheck(env=env)
    assert found.code == 1
    assert name in found.text or value in found.text


# Places that are broken

CLOSED_STREAMS = [closed for n in range(4) for closed in itertools.combinations((0, 1, 2), n)]


@pytest.mark.parametrize("status", [200, 503])
@pytest.mark.parametrize("closed", CLOSED_STREAMS, ids=str)
def test_closed_standard_streams_change_nothing_else(initd, serve, closed, status):
    server = serve(say(b"HTTP/1.1 %d Whatever\r\n\r\n" % status))
    run = initd("healthcheck", "-o", f"server.port={server.port}", pid1=False, inherit={"close": closed})
    assert run.wait() == (status != 200)
    assert run.stderr == ""
    assert run.stdout.count("\n") == (1 not in closed)
    # What is meant for stdout is never written to a socket that got its number.
    wait_until(lambda: server.first.ended)
    assert server.first.received.endswith(b"\r\n\r\n") and server.first.received.count(b"\r\n\r\n") == 1


@pytest.mark.parametrize("closed", CLOSED_STREAMS[1:], ids=str)
def test_closed_standard_streams_do_not_change_the_end_of_an_error(initd, closed):
    run = initd("healthcheck", "--nosuch", pid1=False, inherit={"close": closed})
    assert run.wait() == 1
    assert run.stderr == ""


def enough(lab, limit):
    """This limit, or what the dynamic linker needs."""
    return max(limit, 4) if lab.sanitized else limit


@pytest.mark.parametrize("live", [True, False], ids=["initd", "no initd"])
@pytest.mark.parametrize("limit", range(3, 13))
def test_few_descriptors_are_enough_or_told(initd, lab, serve, supervised, live, limit):
    limit = enough(lab, limit)
    server = serve(answer())
    how = {"env": {"PORT": str(server.port), **sanitizer("detect_leaks=0")}}
    if live:
        run = supervised(**how)
        # The shell has descriptors of its own, but a limit stops only new ones.
        check = finish(run.enter("prlimit", f"--nofile={limit}:{limit}", lab.binary, "healthcheck"))
        found = verdict(check.returncode, check.stdout, check.stderr)
    else:
        check = initd("healthcheck", pid1=False, inherit={"nofile": limit}, **how)
        found = verdict(check.wait(20), check.readers[1].data, check.stderr)
    if found.code == 0 or limit >= 8:
        matches(found, HEALTHY, url(server))
    else:
        assert re.search(": (Too many open files|No file descriptors available)$", found.text)


@pytest.mark.parametrize("limit", [3, 4, 5, 20])
def test_few_descriptors_leave_exit_code_1_for_an_error(healthcheck, lab, limit):
    how = {"inherit": {"nofile": enough(lab, limit)}, "env": sanitizer("detect_leaks=0")}
    assert healthcheck("-c", "/nosuch.ini", **how).code == 1


def test_no_proc_is_needed(healthcheck, lab, serve):
    server = serve(answer())
    matches(healthcheck("-o", f"server.port={server.port}", mounts=lab.without_proc()), HEALTHY, url(server))
    matches(healthcheck(env={"PORT": str(server.port)}, mounts=lab.without_proc()), HEALTHY, url(server))


def test_no_proc_is_needed_beside_an_initd(lab, serve, supervised):
    server = serve(answer())
    run = supervised("-o", f"server.port={server.port}", mounts=lab.without_proc())
    matches(inside(run, "-o", f"server.port={server.port}"), HEALTHY, url(server))
    matches(inside(run, env={"PORT": str(server.port)}), HEALTHY, url(server))


def test_a_reader_that_is_gone_is_no_signal(initd, serve):
    server = serve(answer())
    read_end, write_end = os.pipe()
    os.close(read_end)
    run = initd("healthcheck", "-o", f"server.port={server.port}", pid1=False, stdout=write_end)
    os.close(write_end)
    assert run.wait() in (0, 1)
    assert run.stderr == ""


def test_a_reader_that_does_not_read_holds_nothing_up(initd, serve):
    server = serve(answer())
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(write_end, b"x" * 4096)
    os.set_blocking(write_end, True)
    run = initd("healthcheck", "-o", f"server.port={server.port}", pid1=False, stdout=write_end)
    os.close(write_end)
    assert run.wait(20) in (0, 1)
    os.close(read_end)


def test_a_full_disk_under_stdout_is_no_crash(initd, serve):
    server = serve(answer())
    with open("/dev/full", "wb") as full:
        run = initd("healthcheck", "-o", f"server.port={server.port}", pid1=False, stdout=full)
    assert run.wait() in (0, 1)
    assert run.stderr == ""


@needs_strace()
@pytest.mark.parametrize("calls, error, text", [
    ("socket", "ENFILE", "cannot ask {T}: "),
    ("socket", "ENOBUFS", "cannot ask {T}: "),
    ("connect", "EADDRNOTAVAIL", "cannot ask {T}: "),
    ("connect", "EACCES", "cannot connect to {T}: Permission denied"),
])
def test_a_refusal_of_the_kernels_is_told(traced, serve, calls, error, text):
    server = serve(answer())
    trace = traced(["-e", f"inject={calls}:error={error}"], "healthcheck", env={"PORT": str(server.port)})
    found = verdict(trace.run.wait(), trace.run.stdout, trace.run.stderr)
    matches(found, f"unhealthy: {text}.*", url(server))


@needs_strace()
def test_a_reset_that_comes_before_the_request_is_sent_is_one(traced, serve):
    server = serve(misbehaving.end)
    # The error is told once, to send(2); what recv(2) says then is the end.
    trace = traced(["-e", "inject=sendto:error=ECONNRESET"], "healthcheck", env={"PORT": str(server.port)})
    found = verdict(trace.run.wait(), trace.run.stdout, trace.run.stderr)
    matches(found, "unhealthy: connection reset by {T}", url(server))


# Who asks

class Seen:
    """A behaviour that looks its client up before it answers."""

    def __init__(self):
        self.client = None

    def __call__(self, connection):
        connection.read_request()
        pid, uid, gid = struct.unpack("3i", connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        self.client = (uid, gid, read_status(pid))
        connection.send(OK)


@pytest.fixture
def peer(serve, room):
    """A unix socket's server that writes down who came, and the target."""
    seen = Seen()
    unix_server(serve, f"{room}/s", seen)
    return seen, f"unix:{room}/s"


@needs_real_root
def test_root_becomes_the_user_first(healthcheck, peer):
    seen, target = peer
    assert healthcheck(target).code == 0
    uid, gid, status = seen.client
    assert (uid, gid) == (999, 999)
    assert status["Uid"].split() == status["Gid"].split() == ["999"] * 4
    assert status["Groups"] in ("", "999")
    assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {0}


@needs_real_root
@pytest.mark.parametrize("words, env, uid", [
    (["-o", "user.name=1234"], {}, 1234),
    (["-o", "user.name=1234:5678"], {}, 1234),
    ([], {"INITD_USER_NAME": "nobody"}, 65534),
    (["-o", "user.name=root"], {}, 0),
    (["-o", "user.name=0"], {}, 0),
])
def test_the_user_is_user_name(healthcheck, peer, words, env, uid):
    seen, target = peer
    assert healthcheck(*words, target, env=env).code == 0
    assert seen.client[0] == uid


@needs_real_root
def test_the_user_of_the_configuration_is_used(healthcheck, peer, lab):
    seen, target = peer
    assert healthcheck(target, etc=lab.etc(**{"initd.ini": "[user]\nname = 1234\n"})).code == 0
    assert seen.client[0] == 1234


@needs_real_root
def test_the_user_that_initd_was_told_by_a_flag_is_used(supervised, peer):
    seen, target = peer
    run = supervised("-o", "user.name=1234", "-o", f"health.target={target}")
    matches(inside(run), HEALTHY, f"{target}:/health")
    assert seen.client[:2] == (1234, 1234)


@needs_real_root
def test_the_groups_of_the_user_are_not_taken(healthcheck, peer, lab):
    seen, target = peer
    assert healthcheck(target, etc=lab.etc(group="app:x:999:\nmore:x:2001:app\n")).code == 0
    assert "2001" not in seen.client[2]["Groups"].split()


@needs_real_root
def test_whoever_is_not_root_stays_who_he_is(healthcheck, peer):
    seen, target = peer
    assert healthcheck(target, inherit={"uid": 1234}).code == 0
    assert seen.client[:2] == (1234, 1234)


@needs_real_root
@pytest.mark.parametrize("passwd", [None, "", PASSWD.replace("app", "application")])
def test_an_unknown_user_is_unhealthy_and_nobody_is_asked(healthcheck, peer, lab, passwd):
    seen, target = peer
    found = healthcheck(target, etc=lab.etc(passwd=passwd))
    assert found.code == 1
    assert "app" in found.text
    assert seen.client is None


@needs_real_root
@pytest.mark.parametrize("inherit", [{"drop_caps": True}, {"user_namespace": True, "drop_caps": True}])
def test_root_that_cannot_become_the_user_is_unhealthy(healthcheck, peer, inherit):
    seen, target = peer
    assert healthcheck(target, inherit=inherit).code == 1
    assert seen.client is None


# What it costs

FORKS = "clone,clone3,fork,vfork"


@needs_strace()
def test_it_is_one_process_that_reads_no_resolver_files_and_makes_few_calls(lab, room, serve, supervised):
    server = serve(answer())
    run = supervised("-o", f"server.port={server.port}", env=sanitizer("detect_leaks=0"))
    process = finish(run.enter("strace", "-f", "-qq", "-o", room / "trace", lab.binary, "healthcheck"))
    matches(verdict(process.returncode, process.stdout, process.stderr), HEALTHY, url(server))
    text = (room / "trace").read_text()
    calls = [line.split(None, 1)[1] for line in text.splitlines()]
    assert len({line.split()[0] for line in text.splitlines()}) == 1, text
    names = [call.partition("(")[0] for call in calls if not call.startswith(("+++", "---"))]
    assert not set(names) & set(FORKS.split(",")), text
    assert not re.search(r"resolv\.conf|nsswitch|/etc/hosts|nscd|/etc/services", text), text
    # What comes before is the C library's own start.
    ours = names[names.index("rt_sigprocmask"):]
    assert len(ours) <= 45 or lab.sanitized, f"{len(ours)} calls:\n{text}"


# --json

def test_json_says_the_same(initd, serve):
    server = serve(answer())
    run = initd("healthcheck", "--json", "-o", f"server.port={server.port}", pid1=False)
    assert run.wait() == 0
    assert run.stderr == "" and run.stdout.count("\n") == 1
    found = json.loads(run.stdout)
    assert set(found) == {"healthy", "target", "status", "duration_ms", "message"}
    assert found["healthy"] is True
    assert found["target"] == url(server)
    assert found["status"] == 200
    assert 0 < found["duration_ms"] < 2000
    assert re.fullmatch(f"200 from {re.escape(url(server))} in {TIME}", found["message"])


@pytest.mark.parametrize("words, status, has_target", [
    (["{url}"], 503, True),
    (["{tcp}"], None, True),
    (["http://127.0.0.1:1/"], None, True),
    (["unix:/nosuch"], None, True),
    (["--nosuch"], None, False),
    (["nonsense\x1b\n\"\\"], None, False),
    (["nonsense\udcff"], None, False),
    (["/\x9b"], None, False),
    (["-c", "/nosuch"], None, False),
    (["-o", "health.timeout=0"], None, False),
])
def test_json_has_null_where_there_is_nothing(initd, serve, words, status, has_target):
    server = serve(answer(503))
    words = [word.format(url=url(server), tcp=f"tcp://127.0.0.1:{server.port}") for word in words]
    run = initd("healthcheck", "--json", *words, pid1=False)
    code = run.wait()
    assert run.stderr == ""
    text = run.readers[1].data.decode()
    assert text.endswith("\n") and text[:-1].isprintable()
    found = json.loads(text)
    assert set(found) == {"healthy", "target", "status", "duration_ms", "message"}
    assert found["healthy"] is words[0].startswith("tcp") is (code == 0)
    assert found["status"] == status
    assert (found["target"] is not None) == (found["duration_ms"] is not None) == has_target
    assert found["message"]


# What is asked where nobody says it: without an initd

def test_the_environment_says_it(healthcheck, serve):
    server = serve(answer(404))
    env = {"HOST": "127.0.0.1", "PORT": str(server.port), "INITD_HEALTH_TARGET": "/x", "INITD_HEALTH_EXPECT": "404",
           "INITD_HEALTH_HOST_HEADER": "app.example"}
    matches(healthcheck(env=env), "healthy: 404 from {T} in {t}", url(server, "/x"))
    assert server.first.header("Host") == ["app.example"]


def test_the_file_says_it(healthcheck, lab, serve):
    server = serve(answer())
    text = f"[server]\nport = {server.port}\n[health]\ntarget = /file\n"
    matches(healthcheck(config=text), HEALTHY, url(server, "/file"))
    matches(healthcheck(etc=lab.etc(**{"initd.ini": text})), HEALTHY, url(server, "/file"))


def test_flags_win_over_the_environment_and_that_over_the_file(healthcheck, lab, serve):
    server = serve(answer())
    etc = lab.etc(**{"initd.ini": f"[server]\nport = {server.port}\n[health]\ntarget = /file\n"})
    env = {"INITD_HEALTH_TARGET": "/env"}
    matches(healthcheck(etc=etc, env=env), HEALTHY, url(server, "/env"))
    matches(healthcheck("-o", "health.target=/flag", etc=etc, env=env), HEALTHY, url(server, "/flag"))
    matches(healthcheck("/word", etc=etc, env=env), HEALTHY, url(server, "/word"))


def test_an_initd_that_is_not_PID_1_is_not_asked(initd, serve):
    server, other = serve(answer()), serve(answer(503))
    run = initd(*NOBODY_ASKS, "-o", f"server.port={other.port}", *SLEEP, pid1=False)
    run.says("up")
    matches(inside(run, env={"PORT": str(server.port)}), HEALTHY, url(server))


def test_a_healthcheck_as_PID_1_asks_by_its_own_words(healthcheck, serve):
    server = serve(answer())
    matches(healthcheck(env={"PORT": str(server.port)}, pid1=True), HEALTHY, url(server))


# What is asked where nobody says it: beside an initd

def test_the_port_that_initd_was_started_with_is_found(serve, supervised):
    server = serve(answer())
    matches(inside(supervised("-o", f"server.port={server.port}")), HEALTHY, url(server))


def test_the_file_that_initd_was_started_with_counts(serve, supervised):
    server = serve(answer())
    run = supervised(config=f"[server]\nport = {server.port}\nhost = 127.0.0.1\n[health]\ntarget = /file\n")
    matches(inside(run), HEALTHY, url(server, "/file"))


def test_expect_host_header_and_timeout_are_those_of_initd(serve, supervised):
    server = serve(answer(404))
    run = supervised("-o", f"health.target={url(server, '/x')}", "-o", "health.expect=404",
                     "-o", "health.host_header=app.example", *SHORT)
    matches(inside(run), "healthy: 404 from {T} in {t}", url(server, "/x"))
    assert server.first.header("Host") == ["app.example"]
    server.behave = say()
    assert inside(run).text == f"unhealthy: no answer from {url(server, '/x')} within 400 ms"


def test_a_unix_target_of_initds_is_found(serve, supervised, room):
    unix_server(serve, f"{room}/s")
    matches(inside(supervised("-o", f"health.target=unix:{room}/s:/x")), HEALTHY, f"unix:{room}/s:/x")


def test_a_tcp_target_of_initds_is_found(serve, supervised):
    server = serve(None)
    run = supervised("-o", "health.target=tcp", "-o", f"server.port={server.port}")
    matches(inside(run), "healthy: connected to {T} in {t}", f"tcp://127.0.0.1:{server.port}")


def test_both_addresses_of_a_wildcard_of_initds_are_asked(serve, supervised):
    server = serve(answer())
    run = supervised("-o", "server.host=::", "-o", f"server.port={server.port}")
    matches(inside(run), HEALTHY, url(server))


def test_long_texts_of_initds_arrive_whole(serve, supervised, room):
    where = f"{room}/".ljust(107, "s")
    server = unix_server(serve, where, answer(404))
    ranges = "200-201, 203-204, 206-207, 209-210, 212-213, 215-216, 218-219, 404-404"
    target = f"unix:{where}:/{'x' * 250}"
    run = supervised("-o", f"health.target={target}", "-o", f"health.expect={ranges}",
                     "-o", f"health.host_header={'h' * 255}")
    matches(inside(run), "healthy: 404 from {T} in {t}", target)
    assert server.first.header("Host") == ["h" * 255]


@pytest.mark.parametrize("kind", ["-o", "-c", "TARGET"])
def test_words_win_over_initd(serve, supervised, room, kind):
    server, other = serve(answer()), serve(answer(503))
    (room / "other.ini").write_text(f"[server]\nport = {server.port}\n")
    run = supervised("-o", f"server.port={other.port}", "-o", "health.target=/initd")
    words = {"-o": ["-o", f"server.port={server.port}"], "-c": ["-c", room / "other.ini"], "TARGET": [url(server)]}
    matches(inside(run, *words[kind]), HEALTHY, url(server))
    assert not other.connections


@needs_real_root
def test_another_uid_is_refused_and_asks_by_its_own_words(serve, supervised):
    server, other = serve(answer()), serve(answer(503))
    run = supervised("-o", f"server.port={other.port}")
    matches(inside(run, uid=1234, env={"PORT": str(server.port)}), HEALTHY, url(server))


@needs_real_root
@pytest.mark.parametrize("uid", [0, 999])
def test_root_and_initds_own_uid_are_answered(serve, supervised, uid):
    server = serve(answer())
    matches(inside(supervised("-o", f"server.port={server.port}"), uid=uid), HEALTHY, url(server))


def test_where_initd_runs_as_somebody_else_from_the_start_it_is_found(serve, supervised):
    server = serve(answer())
    run = supervised("-o", f"server.port={server.port}", env={"INITD_USER_NAME": "1234"} if os.geteuid() == 0 else {})
    matches(inside(run), HEALTHY, url(server))


# The state of initd

@pytest.mark.parametrize("words", [[], ["{url}"], ["-o", "server.port={port}"]], ids=["", "TARGET", "-o"])
@pytest.mark.parametrize("state", ["draining", "stopping"])
def test_an_initd_that_is_about_to_end_is_unhealthy_and_its_server_is_not_asked(serve, supervised, state, words):
    server = serve(answer())
    run = supervised("-o", f"server.port={server.port}", "-o",
                     f"server.drain_delay={'30s' if state == 'draining' else '0'}", command=STUBBORN)
    run.kill(signal.SIGTERM)
    run.logs("stopping: SIGTERM")
    found = inside(run, *(word.format(url=url(server), port=server.port) for word in words))
    assert found.code == 1
    assert state in found.text
    assert not server.connections


def test_what_initd_leaves_behind_is_unhealthy(initd, serve):
    server = serve(answer())
    run = initd(*NOBODY_ASKS, "-o", f"server.port={server.port}", "sh", "-c",
                "setsid sh -c \"trap '' TERM; echo up; exec sleep 1000\" & exec sleep 1000")
    run.says("up")
    run.hears()
    os.kill(run.child_pid(), signal.SIGKILL)
    run.logs("server ended")
    process = run.ask("healthcheck")
    if process.returncode != -signal.SIGKILL:       # the second of grace was over, and all with it
        assert verdict(process.returncode, process.stdout, process.stderr).code == 1
        assert not server.connections


@pytest.mark.parametrize("words", [[], ["{url}"]], ids=["", "TARGET"])
def test_a_stopped_initd_is_unhealthy(serve, supervised, words):
    server = serve(answer())
    run = supervised(env={"PORT": str(server.port), "INITD_HEALTH_TIMEOUT": "500ms"})
    run.kill(signal.SIGSTOP)
    wait_until(lambda: read_status(run.pid)["State"].startswith("T"))
    found = inside(run, *(word.format(url=url(server)) for word in words))
    assert found.code == 1
    assert "does not answer" in found.text
    run.kill(signal.SIGCONT)
    matches(inside(run), HEALTHY, url(server))


@pytest.mark.parametrize("words", [[], ["{url}"]], ids=["", "TARGET"])
def test_an_initd_that_is_stopped_for_a_moment_is_healthy(serve, supervised, words):
    server = serve(answer())
    run = supervised(env={"PORT": str(server.port), "INITD_HEALTH_TIMEOUT": "10s"})
    run.kill(signal.SIGSTOP)
    wait_until(lambda: read_status(run.pid)["State"].startswith("T"))
    timer = threading.Timer(0.4, run.kill, [signal.SIGCONT])
    timer.start()
    process = finish(run.enter(run.lab.binary, "healthcheck", *(word.format(url=url(server)) for word in words)))
    timer.join()
    matches(verdict(process.returncode, process.stdout, process.stderr), HEALTHY, url(server))


def test_a_server_that_hangs_under_a_stopped_initd_is_told_in_time(serve, supervised):
    server = serve(say())
    run = supervised(env={"PORT": str(server.port), "INITD_HEALTH_TIMEOUT": "500ms"})
    run.kill(signal.SIGSTOP)
    wait_until(lambda: read_status(run.pid)["State"].startswith("T"))
    begun = time.monotonic()
    assert inside(run).code == 1
    assert time.monotonic() - begun < 2


@needs_real_root
def test_what_only_initd_was_told_is_waited_for(serve, supervised):
    """Its port and its user are on its own command line: an initd that is late is no reason to guess them."""
    server = serve(answer())
    run = supervised("-o", f"server.port={server.port}", "-o", "user.name=1234")
    run.kill(signal.SIGSTOP)
    wait_until(lambda: read_status(run.pid)["State"].startswith("T"))
    found = inside(run)
    assert found.code == 1
    assert "does not answer" in found.text
    timer = threading.Timer(0.4, run.kill, [signal.SIGCONT])
    timer.start()
    matches(inside(run), HEALTHY, url(server))
    timer.join()


def test_nobody_can_answer_in_the_name_of_an_initd(initd, lab, serve):
    server, other = serve(answer()), serve(answer())
    run = initd("true", pid1="lingers", env={"PORT": str(server.port)})
    run.logs("ended: 0")
    reply = f"version=0\nstate=stopping\ntarget={url(other)}\nexpect=200-299\ntimeout_ms=2000\n"
    impostor = run.enter(*lab.helper("impostor.py", 1, reply), uid=None)
    try:
        assert impostor.stdout.readline() == "ready\n"
        # Neither silence nor a lie of another process counts.
        matches(inside(run), HEALTHY, url(server))
        assert not other.connections
    finally:
        end(impostor)


def test_three_hundred_healthchecks_cost_initd_nothing_that_stays(serve, supervised, lab):
    server = serve(answer())
    run = supervised("-o", f"server.port={server.port}")
    script = f"for i in $(seq 300); do {lab.binary} healthcheck > /dev/null || exit 1; done"

    def held():
        return len(os.listdir(f"/proc/{run.pid}/fd")), int(read_status(run.pid)["VmRSS"].split()[0])
    inside(run)
    before = held()
    assert finish(run.enter("sh", "-c", script), 60).returncode == 0
    after = held()
    assert after[0] == before[0]
    if not lab.sanitized:
        assert after[1] <= before[1] + 100


@pytest.mark.parametrize("target, kind", [("/live", "http"), ("tcp", "tcp")])
def test_a_target_without_a_host_is_on_the_server_that_initd_knows(serve, supervised, target, kind):
    server = serve(answer())
    run = supervised("-o", f"server.port={server.port}")
    found = inside(run, target)
    assert found.code == 0
    assert f"{kind}://127.0.0.1:{server.port}" in found.text


def test_a_file_that_may_not_grow_is_no_signal(serve, supervised, lab, room):
    server = serve(answer())
    run = supervised("-o", f"server.port={server.port}")
    script = f"ulimit -f 0; {lab.binary} healthcheck > {room}/line; echo $?"
    assert finish(run.enter("sh", "-c", script)).stdout == "0\n"


LOOPBACK_UP = """
import fcntl, os, socket, struct, sys
with socket.socket() as sock:
    fcntl.ioctl(sock, 0x8914, struct.pack("16sh", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as file:
    file.write("40000 40003")
os.execv(sys.argv[1], sys.argv[1:])
"""


@needs_real_root
def test_nobody_is_healthy_by_being_connected_to_himself(lab):
    """Linux may join a connection to a port of the ephemeral range with itself where nobody listens."""
    checks = "for i in 1 2 3 4 5 6 7 8; do for port in 40000 40001 40002 40003; do " \
             f"{lab.binary} healthcheck -o user.name=root tcp://127.0.0.1:$port; done; done"
    found = subprocess.run(["unshare", "--net", lab.python, "-c", LOOPBACK_UP, "/bin/sh", "-c", checks],
                           capture_output=True, text=True, timeout=30)
    said = found.stdout.splitlines()
    assert len(said) == 32, found
    assert {line.partition(" tcp:")[0] for line in said} == {"unhealthy: connection refused by"}
