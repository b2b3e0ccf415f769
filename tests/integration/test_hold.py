# SPDX-License-Identifier: MIT
"""The listening socket that outlives its servers: who gets it and how, and that nobody notices a restart."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from harness import free_port, wait_until
from helpers.load import Client, Load
from helpers.serving import ASK_OFTEN, Serving, cpu_seconds, listener, listeners, log_lines
from helpers.watched import watch_options
from pidns import Run, needs_real_root, read_process

NOBODY_ASKS = ["-o", "health.start_interval=0"]
SOON = ["-o", "server.restart_delay=10ms", "-o", "server.restart_delay_max=10ms"]


@pytest.fixture
def serving(initd, lab):
    """serving(*words, hold, host, port, watch, **what tcp_server.py is told): a Serving."""
    def start(*words, **how):
        return Serving(initd, lab, *words, **how)
    return start


@pytest.fixture
def binding(initd, lab):
    """binding(name, *words of binds.py, options=()): what it found."""

    def start(name, *words, hold="yes", host="127.0.0.1", port=None, options=(), wait=True, **how):
        port = port or free_port()
        run = initd("-o", f"server.hold_socket={hold}", "-o", f"server.port={port}", "-o", f"server.host={host}",
                    "-o", "log.level=debug", *NOBODY_ASKS, *options, *lab.helper("binds.py", name, *words), **how)
        return found(run) if wait else run

    return start


def found(run, n=1):
    """The n-th line of binds.py."""
    wait_until(lambda: run.stdout.count("\n") >= n or run.process.poll() is not None, 30, run.transcript())
    assert run.stdout.count("\n") >= n, run.transcript()
    return json.loads(run.stdout.splitlines()[n - 1])


# What takes a minute, beside the other tests

class Slow:
    """A server whose successor never gets ready."""

    def __init__(self, lab):
        self.runs = []

        def start(*words, **how):
            self.runs.append(Run(lab, words, **how))
            return self.runs[-1]

        try:
            self.serving = Serving(start, lab, watch={"overlap": "yes"})
            self.serving.ready()
            self.serving.change(unready=1000, version="never")
            self.serving.logged("replacing: ")
        except BaseException:
            self.close()
            raise

    def close(self):
        for run in self.runs:
            run.close()


@pytest.fixture(scope="module", autouse=True)
def slow(lab):
    if lab.is_foreign:
        yield None
        return
    started = Slow(lab)
    yield started
    started.close()


# The held socket

HOSTS = ["127.0.0.1", "0.0.0.0", "::1", "::"]
HOLDS = {"yes": {"hold": "yes"}, "auto": {"watch": {}}}


@pytest.mark.parametrize("hold", HOLDS)
@pytest.mark.parametrize("host", HOSTS)
def test_a_server_that_died_leaves_its_socket_to_the_next(serving, host, hold):
    it = serving("-o", "server.restart=always", "-o", "server.restart_delay=100ms",
                 "-o", "server.restart_delay_max=100ms", host=host, **HOLDS[hold])
    it.ready()
    first = listener(it.port)
    assert first.address == host
    for n in range(2, 5):
        assert it.ask().pid == it.listens(n - 1)
        it.kill_server(signal.SIGKILL)
        assert it.ask().pid == it.listens(n), "it came when nobody was there"
        assert listener(it.port) == first
    text = f"[{host}]" if ":" in host else host
    assert it.run.status()["held"] == f"{text}:{it.port}"
    assert f"holding {text}:{it.port}" in it.run.stderr
    it.stops()
    assert not listeners(it.port)


@pytest.mark.parametrize("hold", HOLDS)
@pytest.mark.parametrize("host", HOSTS)
def test_a_restart_keeps_the_address(serving, host, hold):
    it = serving(host=host, **HOLDS[hold])
    it.ready()
    pids = {it.ask().pid}
    for n in range(2, 5):
        it.restart("--wait")
        it.listens(n)
        it.event("end", n - 1)
        assert listener(it.port).address == host
        pids.add(it.ask().pid)
    assert len(pids) == 4
    text = f"[{host}]" if ":" in host else host
    assert it.run.status()["held"] == f"{text}:{it.port}"
    it.stops()
    assert not listeners(it.port)


def test_auto_holds_nothing_where_nothing_is_watched(serving):
    it = serving()
    it.listens()
    first = listener(it.port)
    assert it.run.status()["held"] is None
    it.restart("--wait")
    assert listener(it.port) != first
    assert it.events("end")[0].at < it.events("start")[1].at
    assert "holding" not in it.run.stderr


def test_watching_named_paths_without_an_agent_dir_holds_too(serving, room):
    it = serving(*watch_options(room))
    it.ready()
    assert it.run.status()["held"] == f"127.0.0.1:{it.port}", it.run.stderr


def test_two_addresses(serving):
    port = free_port()
    it = serving("-o", "server.restart=always", hold="yes", host="0.0.0.0", listen=[["0.0.0.0", port], ["::", port]],
                 port=port)
    it.listens()
    for n in range(2, 5):
        if n == 4:
            it.kill_server(signal.SIGKILL)
        else:
            it.restart("--wait")
        it.listens(n)
        wait_until(lambda: sorted(found.address for found in listeners(it.port)) == ["0.0.0.0", "::"])
        for host in ("127.0.0.1", "::1"):
            with contextlib.closing(Client((host, it.port))) as client:
                wait_until(lambda: client.ask(close=True).pid == it.listens(n))
    assert {name.strip() for name in it.run.status()["held"].split(",")} == {f"0.0.0.0:{it.port}", f"[::]:{it.port}"}
    it.stops()
    assert not listeners(it.port)


def test_four_addresses_are_held_and_a_fifth_is_the_servers_own(serving):
    port = free_port()
    addresses = [[f"127.0.0.{n}", port] for n in range(1, 6)]
    it = serving("-o", "server.restart=always", hold="yes", port=port, listen=addresses)
    it.listens()
    first = listeners(port)
    assert len(first) == 5
    it.kill_server(signal.SIGKILL)
    it.listens(2)
    assert len(first & listeners(port)) == 4 and len(listeners(port)) == 5
    it.restart()
    it.event("end")
    it.listens(3)
    wait_until(lambda: len(listeners(port)) == 5)
    assert it.run.reaches("ready")["starts"] <= 4
    it.stops()


@pytest.mark.parametrize("told, own", [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "0.0.0.0")])
def test_the_address_that_counts_is_the_servers(serving, told, own):
    """HOST is 0.0.0.0 by default, and uvicorn listens on 127.0.0.1 by default."""
    port = free_port()
    it = serving(hold="yes", host=told, port=port, listen=[[own, port]])
    it.listens()
    assert listener(port).address == own
    with Load(port) as load:
        it.restart("--wait")
        pid = it.listens(2)
        wait_until(lambda: pid in load.pids())
    assert load.errors == [], load.report()
    assert listener(port).address == own
    it.stops()
    assert not listeners(port)


def test_nobody_listens_before_the_server_does(serving):
    it = serving(hold="yes", delay=0.3)
    it.event("start")
    with pytest.raises(ConnectionRefusedError):
        it.ask()
    it.listens()
    assert it.ask().status == 200


def test_several_threads_bind_at_once(binding):
    port = free_port()
    result = binding("inodes_of_threads", 32, port=port)
    assert result["errors"] == []
    assert len(set(result["inodes"])) == 1
    assert all((number == port) == bool(n % 2) for n, number in enumerate(result["ports"]))


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_processes_below_the_server_get_it_too(binding, depth):
    port = free_port()
    run = binding("inode_below", depth, port=port, wait=False)
    inode = found(run)
    run.hears()
    assert run.status()["held"] == f"127.0.0.1:{port}"
    with socket.create_connection(("127.0.0.1", port)):
        assert listener(port).inode == inode


def test_a_server_that_is_not_the_child_itself(serving):
    it = serving(hold="yes", below=2)
    pid = it.listens()
    with Load(it.port) as load:
        it.restart("--wait")
        wait_until(lambda: it.listens(2) in load.pids())
    listener(it.port)
    assert load.errors == [] and load.pids() == [pid, it.listens(2)], load.report()
    it.stops()


@pytest.mark.parametrize("want", [{}, {"reuse_port": True}], ids=["plain", "reuse_port"])
def test_workers_that_share_it(serving, want):
    it = serving(hold="yes", workers=3, **want)
    it.event("worker", 3)
    listener(it.port)
    with Load(it.port) as load:
        for n in range(2, 5):
            it.restart("--wait")
            it.event("worker", 3 * n)
            new = {event.pid for event in it.events("worker")[-3:]}
            wait_until(lambda: new & set(load.pids()))
    listener(it.port)
    assert load.errors == [], load.report()
    it.stops()


def test_a_server_may_close_it_and_bind_again(binding):
    assert len(set(binding("close_and_bind", 20))) == 1


def test_descriptor_flags_are_kept(binding):
    result = binding("flags")
    assert len(result) == 4
    for before, after in result:
        assert before == after


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::"])
def test_the_usual_socket_options_are_there(binding, host):
    """Others that were set before the bind are lost with the socket: nobody can ask it for them (README, Limits)."""
    before, after = binding("options", host=host)
    for name in "SO_REUSEADDR", "TCP_NODELAY":
        assert before[name] and after[name], name


def test_all_other_binds_are_as_without(binding):
    port = free_port()
    with_it = binding("others", port=port)
    without = binding("others", hold="no", port=port)
    # Whether a socket has an address already is nothing that can be asked, either: the held one takes its place.
    for key in "bound before", "connected":
        assert (with_it.pop(key), without.pop(key)) == (None, "EINVAL")
    assert with_it == without
    assert with_it["any port"] is True and with_it["udp"] is True


def test_mptcp_is_tcp_to_it(binding):
    """As Go makes it."""
    port = free_port()
    run = binding("mptcp", port=port, wait=False)
    if found(run) == "EPROTONOSUPPORT":
        pytest.skip("needs MPTCP in the kernel")
    run.hears()
    assert run.status()["held"] == f"127.0.0.1:{port}"
    assert listener(port).address == "127.0.0.1"


def test_a_signal_hardly_ever_interrupts_a_bind(binding):
    """The kernel lets it until initd has read of the bind; the server would see EINTR, which bind(2) does not know."""
    result = binding("signals", 1000)
    assert result["signals"]
    assert set(result["errors"]) <= {"EINTR"}
    assert sum(result["errors"].values()) <= 100


@needs_real_root
def test_processes_that_die_while_they_bind(binding):
    port = free_port()
    run = binding("inode_below", 0, port=port, wait=False)
    found(run)
    usual = len(os.listdir(f"/proc/{run.pid}/fd"))
    run.close()
    run = binding("deaths", 500, port=port, wait=False)
    assert found(run) == listener(port).inode
    run.hears()
    assert run.status()["held"] == f"127.0.0.1:{port}"
    wait_until(lambda: len(os.listdir(f"/proc/{run.pid}/fd")) == usual)
    before = cpu_seconds(run.pid)
    time.sleep(0.5)
    assert cpu_seconds(run.pid) - before < 0.01
    assert "error" not in run.stderr and "warn" not in run.stderr
    run.kill(signal.SIGTERM)
    assert run.wait() == 143


def test_a_process_that_is_killed_while_it_waits_in_bind(binding):
    """initd is stopped, so that nobody answers."""
    port = free_port()
    read_end, write_end = os.pipe()
    run = binding("waits", port=port, wait=False, stdin=read_end)
    os.close(read_end)
    run.says("forked\n")
    os.kill(run.pid, signal.SIGSTOP)
    wait_until(lambda: read_process(run.pid).state == "T")
    os.write(write_end, b"\n")
    os.close(write_end)
    run.says("killed\n")
    os.kill(run.pid, signal.SIGCONT)
    wait_until(lambda: run.stdout.count("\n") == 3)
    code, inode = json.loads(run.stdout.splitlines()[2])
    assert code in (-9, 0)
    assert inode == listener(port).inode


def test_a_child_has_no_descriptor_of_initds(binding, room):
    for options in ([], watch_options(room)):
        assert set(binding("descriptors", options=options)) == {"0", "1", "2"}
        assert set(binding("descriptors", "--fd", "3", options=options)) == {"0", "1", "2", "3"}


@needs_real_root
def test_a_server_that_is_no_longer_root_gets_a_low_port(serving):
    it = serving(hold="yes", port=low_port())
    it.ready()
    assert it.run.status()["user"] == "app (999:999)"
    with Load(it.port) as load:
        it.restart("--wait")
        pid = it.listens(2)
        wait_until(lambda: pid in load.pids())
    assert load.errors == [], load.report()
    listener(it.port)


@needs_real_root
def test_without_initd_that_port_is_refused(serving):
    it = serving(hold="no", port=low_port())
    assert it.run.wait() == 1
    assert "Permission denied" in it.run.stderr


def low_port():
    start = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    for port in range(start - 1, 600, -1):
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("0.0.0.0", port))
            return port
    pytest.skip("needs a port that only root may bind: net.ipv4.ip_unprivileged_port_start is low")


# Where it cannot be held

def test_a_port_in_use_is_the_servers_own_error(serving):
    """In watch mode initd binds nothing by itself."""
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.1", 0))
        foreign.listen()
        it = serving(port=foreign.getsockname()[1], watch={})
        it.event("fails")
        it.run.logs("tcp_server.py: [Errno 98]")
        it.run.reaches("waiting")
        assert not log_lines(it.run, "holding 127")
        foreign.close()
        it.change(version="new")
        it.listens()
        assert it.ask().status == 200
        assert it.run.status()["held"] == f"127.0.0.1:{it.port}"


@pytest.mark.parametrize("words", [[], ["--fd", "3"]], ids=["bind", "activation"])
def test_yes_with_a_port_in_use_is_an_error(initd, room, words):
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.1", 0))
        foreign.listen()
        port = foreign.getsockname()[1]
        run = initd("-o", "server.hold_socket=yes", "-o", f"server.port={port}", "-o", "server.host=127.0.0.1",
                    "touch", f"{room}/mark", *words)
        assert run.wait() == 71, run.transcript()
    assert run.stderr.startswith("initd: error: ") and run.stderr.count("\n") == 1, run.stderr
    assert str(port) in run.stderr
    assert not list(room.iterdir())


def test_no_leaves_a_gap(serving):
    it = serving(hold="no", watch={}, delay=0.3)
    it.listens()
    first = listener(it.port)
    with Load(it.port) as load:
        it.restart("--wait")
        it.listens(2)
        wait_until(lambda: it.listens(2) in load.pids())
    refused = [error for _, _, error in load.errors if isinstance(error, ConnectionRefusedError)]
    assert len(refused) > 10, load.report()
    assert it.events("end")[0].at < it.events("start")[1].at
    assert listener(it.port) != first
    assert "holding" not in it.run.stderr
    assert it.run.status()["held"] is None


@pytest.mark.parametrize("hold, level", [("yes", "warn"), ("auto", "info")])
def test_without_no_new_privs_it_is_said_why_not(serving, hold, level):
    it = serving("-o", "user.no_new_privs=no", hold=hold, watch={})
    it.listens()
    said = log_lines(it.run, "not holding the socket: ")
    assert len(said) == 1 and "no_new_privs" in said[0], it.run.stderr
    assert f"initd: {level}: " in said[0]
    assert it.run.status()["held"] is None
    it.restart("--wait")
    assert it.events("end")[0].at < it.events("start")[1].at


@pytest.mark.parametrize("name", ["uvicorn", "gunicorn"])
def test_without_no_new_privs_known_programs_are_given_it(lab, initd, room, name):
    port = free_port()
    program = lab.script(room / name, f"#!/bin/sh\nexec {' '.join(lab.helper('binds.py', 'activation'))}\n")
    run = initd("-o", "user.no_new_privs=no", "-o", "server.hold_socket=yes", "-o", f"server.port={port}",
                "-o", "server.host=127.0.0.1", *NOBODY_ASKS, program, "app:app")
    result = found(run)
    assert result["env"]["LISTEN_FDS"] == "1"
    assert result["fd"]["address"] == ["127.0.0.1", port]
    assert "not holding" not in run.stderr


@pytest.mark.parametrize("words", [[], ["--fd", "3"]], ids=["bind", "activation"])
def test_an_inherited_LISTEN_FDS_is_somebody_elses(binding, room, words):
    (room / "file").touch()
    (room / "file").chmod(0o666)
    result = binding("activation", *words, inherit={"open": [[3, str(room / "file")]], "listen_fds": 1})
    assert result["env"]["LISTEN_FDS"] == "1"
    assert int(result["env"]["LISTEN_PID"]) == result["pid"]
    assert "LISTEN_FDNAMES" not in result["env"] and "UVICORN_FD" not in result["env"]
    assert result["descriptors"]["3"] == str(room / "file")


def test_with_an_inherited_LISTEN_FDS_nothing_is_held(serving, room):
    (room / "file").touch()
    (room / "file").chmod(0o666)
    it = serving(hold="yes", how={"inherit": {"open": [[3, str(room / "file")]], "listen_fds": 1}})
    it.listens()
    assert it.run.status()["held"] is None


# Activation

@pytest.mark.parametrize("words", [["--fd", "3"], ["--fd=3"], ["fd://3"], ["--bind", "fd://3"], ["-b", "fd://3"],
                                   ["--bind=fd://3"]], ids=" ".join)
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_a_command_that_asks_for_descriptor_3_is_given_it(binding, words, host):
    port = free_port()
    result = binding("activation", *words, host=host, port=port)
    assert result["env"] == {"LISTEN_FDS": "1", "LISTEN_PID": str(result["pid"]), "LISTEN_FDNAMES": "initd",
                             "UVICORN_FD": "3"}
    assert result["fd"] | {"inode": 0} == {"address": [host, port], "type": True, "listens": 1, "nodelay": 1,
                                           "cloexec": 0, "inode": 0}
    assert set(result["descriptors"]) == {"0", "1", "2", "3"}


@pytest.mark.parametrize("words", [["--fd", "4"], ["--fd=33"], ["fd://33"], ["--fd"], ["3"], ["--fds=3"]], ids=" ".join)
def test_other_words_do_not_ask_for_it(binding, words):
    result = binding("activation", *words)
    assert result["env"] == {} and result["fd"] is None


def test_what_descriptor_3_was_before_is_replaced(binding, room):
    for name in ("three", "four"):
        (room / name).touch()
        (room / name).chmod(0o666)
    result = binding("activation", "--fd", "3",
                     inherit={"open": [[3, str(room / "three")], [4, str(room / "four")]]})
    assert result["fd"]["listens"] == 1
    assert result["descriptors"]["3"].startswith("socket:")
    assert result["descriptors"]["4"] == str(room / "four")
    assert set(result["descriptors"]) == {"0", "1", "2", "3", "4"}


def test_a_restart_gives_the_same_descriptor_3(binding):
    port = free_port()
    run = binding("activation", "--fd", "3", port=port, wait=False)
    first = found(run)
    run.hears()
    assert run.status()["held"] == f"127.0.0.1:{port}"
    for n in range(2, 5):
        assert run.ask("restart", "--wait").returncode == 0
        again = found(run, n)
        assert again["fd"] | {"inode": 0} == first["fd"] | {"inode": 0} and again["pid"] != first["pid"]
        assert int(again["env"]["LISTEN_PID"]) == again["pid"]
    # A client that comes between two servers waits.
    with socket.create_connection(("127.0.0.1", port)):
        pass


@needs_real_root
def test_a_low_port_by_activation(binding):
    port = low_port()
    assert binding("activation", "--fd", "3", port=port)["fd"]["address"] == ["127.0.0.1", port]


# Restarts under load

def by_restart(it):
    it.restart("--wait")


def by_signal(it):
    it.run.kill(signal.SIGHUP)


def by_change(it):
    it.change(version=str(time.monotonic()))


def by_crash(it):
    it.kill_server(signal.SIGKILL)


def by_hang(it):
    it.kill_server(signal.SIGSTOP)


WAYS = {
    "restart": (by_restart, []),
    "SIGHUP": (by_signal, ["-o", "signals.SIGHUP=restart"]),
    "watch": (by_change, []),
    "crash": (by_crash, ["-o", "server.restart=always", *SOON]),
    "hang": (by_hang, ["-o", "health.interval=50ms", "-o", "health.timeout=100ms", "-o", "health.retries=2",
                       "-o", "health.on_failure=restart", "-o", "server.stop_timeout=100ms", *SOON]),
}
VIOLENT = ("crash", "hang")


@pytest.mark.parametrize("overlap", ["no", "yes"])
@pytest.mark.parametrize("way", WAYS)
def test_nobody_is_refused(serving, way, overlap, record_property):
    act, words = WAYS[way]
    # What is asked for takes a while, so that something is always under way.
    it = serving(*words, watch={"overlap": overlap})
    it.ready()
    with Load(it.port, paths=("/", "/", "/sleep/0.02")) as load:
        wait_until(lambda: len(load.answers) > 20)
        for n in range(2, 6):
            act(it)
            pid = it.listens(n)
            wait_until(lambda: pid in load.pids(), what=f"{load.report()}{it.run.transcript()}")
            if overlap == "yes" and way not in VIOLENT:
                it.event("end", n - 1)
    record_property("load", load.report())
    print(way, overlap, load.report())
    assert {answer.status for answer in load.answers} == {200}, load.report()
    if way in VIOLENT:
        # Those who were being served, not those who came.
        assert all(isinstance(error, ConnectionError) and not isinstance(error, ConnectionRefusedError)
                   for _, _, error in load.errors), load.report()
        assert len(load.errors) <= 4 * len(load.threads), load.report()
    else:
        assert load.errors == [], load.report()
        assert len(load.answers) > 100 * load.lasted, f"{load.report()} in {load.lasted} s"
    it.stops()


@pytest.mark.parametrize("overlap", ["no", "yes"])
@pytest.mark.parametrize("hold", ["yes", "auto"])
def test_a_server_that_waits_for_nobody_hangs_up_on_nobody(serving, hold, overlap):
    """uvicorn closes a connection whose request has not come yet; none may come to it shortly before its end."""
    it = serving(hold=hold, watch={"overlap": overlap}, on_term="hasty")
    it.ready()
    with Load(it.port, fresh=8, kept=0) as load:
        for n in range(2, 22):
            it.restart("--wait")
            pid = it.listens(n)
            wait_until(lambda: pid in load.pids())
    print(load.report())
    assert load.errors == [], load.report()


@pytest.mark.parametrize("overlap", ["no", "yes"])
@pytest.mark.parametrize("hold", ["yes", "auto"])
def test_who_waits_for_a_simple_server_is_not_lost_with_it(serving, hold, overlap):
    """One at a time, blocking in accept(2), no handler: most of its clients are in the queue when it ends."""
    it = serving(hold=hold, watch={"overlap": overlap}, serial=0.03)
    it.listens()
    with Load(it.port, fresh=8, kept=0, rate=400) as load:
        wait_until(lambda: len(load.answers) > 10)
        for n in range(2, 7):
            it.restart()
            pid = it.listens(n)
            wait_until(lambda: pid in load.pids(), what=f"{load.report()}{it.run.transcript()}")
            it.logged("the server before it ended", n - 1)
    print(load.report())
    # Between accept(2) and the signal's block there is a moment that is nobody's fault but the server's.
    assert len(load.errors) <= 1, load.report()


def test_a_small_backlog_is_enlarged_while_nobody_serves(serving):
    it = serving("-o", "server.restart=always", "-o", "server.restart_delay=300ms", hold="yes", backlog=1)
    it.ready()
    it.change()
    it.kill_server(signal.SIGKILL)
    with Load(it.port, fresh=40, kept=0, rate=40) as load:
        wait_until(lambda: load.answers)
        wait_until(lambda: len(load.answers) > 40)
    assert load.errors == [], load.report()
    # From its listen(2) on the backlog is its own again, and one that comes before it has accepted the rest may wait.
    queued = [answer for answer in load.answers if answer.begun < it.event("start", 2).at]
    assert len(queued) > 5 and max(answer.ended - answer.begun for answer in queued) < 0.9, load.report()


def test_a_server_in_a_debugger_is_left_behind(serving):
    """It does not answer while it is stopped, the next one does, at once."""
    it = serving("-o", "server.stop_timeout=3s", hold="yes")
    it.ready()
    it.kill_server(signal.SIGSTOP)
    it.restart()
    pid = it.listens(2)
    begun = time.monotonic()
    assert {it.ask(timeout=5).pid for _ in range(20)} == {pid}
    assert time.monotonic() - begun < 1


def test_activation_under_load_is_one_after_the_other(initd, lab):
    """A server that asks for descriptor 3 finds the same queue."""
    port = free_port()
    script = lab.room() / "server.py"
    script.write_text("import http.server, socket, os, sys\n"
                      "class H(http.server.BaseHTTPRequestHandler):\n"
                      "    def do_GET(self):\n"
                      "        body = b'%d x' % os.getpid()\n"
                      "        self.send_response(200); self.send_header('Content-Length', str(len(body)))\n"
                      "        self.end_headers(); self.wfile.write(body)\n"
                      "    def log_message(self, *a): pass\n"
                      "s = http.server.HTTPServer(('', 0), H, bind_and_activate=False)\n"
                      "s.socket = socket.socket(fileno=3)\n"
                      "import signal, threading\n"
                      "signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=s.shutdown).start())\n"
                      "print('up', flush=True)\n"
                      "s.serve_forever(0.01)\n")
    script.chmod(0o644)
    run = initd("-o", "server.hold_socket=yes", "-o", f"server.port={port}", "-o", "server.host=127.0.0.1",
                *ASK_OFTEN, lab.python, script, "--fd", "3")
    run.says("up\n")
    with Load(port, fresh=4, kept=0, rate=100) as load:
        for n in range(2, 5):
            assert run.ask("restart", "--wait").returncode == 0
            wait_until(lambda: len(load.pids()) == n, what=load.report())
    assert load.errors == [], load.report()
    assert run.stderr.count("before it ended") == 0


# (A) The next one starts while the old one stops

def test_the_next_one_starts_when_the_old_one_is_told_to_stop(serving):
    it = serving(hold="yes", on_term=0.5)
    it.ready()
    it.restart()
    old = it.event("end")
    # Told when everybody has been accepted who came before others were diverted: 0.1 s if nobody waits.
    assert abs(it.event("start", 2).at - it.event("term").at) < 0.4
    assert it.event("listens", 2).at < old.at
    it.logged("the server before it ended: exit code 0")
    order = [it.run.stderr.index(word) for word in ("restarting: ", "the server before it ended")]
    assert order[0] < it.run.stderr.rindex("started pid") < order[1]
    it.stops()


def test_a_change_stops_the_old_one_at_once_and_starts_the_next_when_it_is_quiet(serving):
    it = serving(watch={"settle": "400ms"}, on_term=1.0)
    it.ready()
    begun = time.monotonic()
    it.change(version="new", on_term=1.0)
    old = it.event("term")
    new = it.event("start", 2)
    assert old.at - begun < 0.3
    assert 0.35 < new.at - begun < 0.9
    assert new.at < it.event("end").at
    assert it.event("end").at - old.at > 0.9


@pytest.mark.parametrize("watched", [False, True])
def test_an_old_one_that_ignores_sigterm_is_killed_with_its_group(serving, watched):
    it = serving("-o", "server.stop_timeout=500ms" if not watched else "watch.stop_timeout=500ms", hold="yes",
                 watch={} if watched else None, on_term="ignore", ignores=True)
    it.ready()
    child = it.run.outer(it.event("child").pid)
    old = it.run.outer(it.listens())
    it.change(version="new")
    if not watched:
        it.restart()
    told = it.event("term").at
    assert it.event("listens", 2).at - told < 0.4
    wait_until(lambda: not read_process(old) or read_process(old).state == "Z")
    took = time.monotonic() - told
    assert 0.45 < took < 1.5, took
    it.logged("the server before it ended: killed by SIGKILL")
    wait_until(lambda: not read_process(child))
    assert it.ask().body.split()[1] == "new"
    assert it.ask().pid == it.listens(2)
    it.stops()


def test_what_the_old_one_leaves_in_its_group_is_cleared(serving):
    it = serving("-o", "server.stop_timeout=500ms", hold="yes", ignores=True)
    it.ready()
    child = it.run.outer(it.event("child").pid)
    it.change(version="new")
    it.restart("--wait")
    it.event("end")
    wait_until(lambda: not read_process(child))
    assert it.ask().pid == it.listens(2)
    it.stops()


def test_a_server_that_listens_on_another_port_is_restarted_one_after_the_other(serving):
    other = free_port()
    it = serving(hold="yes", on_term=0.3, also=[["127.0.0.1", other]])
    it.ready()
    for n in range(2, 4):
        with Load(it.port) as load:
            it.restart("--wait")
            it.listens(n)
            assert it.event("end", n - 1).at < it.event("start", n).at
            wait_until(lambda: it.listens(n) in load.pids())
        assert load.errors == [], load.report()
    assert not it.events("fails")


def test_a_server_that_cannot_run_twice_is_restarted_one_after_the_other_from_then_on(serving, room):
    it = serving(hold="yes", on_term=0.5, lock=str(room / "lock"))
    it.ready()
    with Load(it.port) as load:
        it.restart()
        pid = it.listens(2)
        wait_until(lambda: pid in load.pids())
        assert it.event("fails").at < it.event("end").at < it.event("start", 3).at
        assert len(it.events("start")) == 3
        # It has lived for 3 s then.
        wait_until(lambda: time.monotonic() - it.event("start", 3).at > 3.2)
        it.restart("--wait")
        wait_until(lambda: it.listens(3) in load.pids())
    assert load.errors == [], load.report()
    assert {answer.status for answer in load.answers} == {200}, load.report()
    assert it.event("end", 2).at < it.event("start", 4).at
    assert len(it.events("fails")) == 1 and len(it.events("start")) == 4
    listener(it.port)
    it.stops()


def test_restart_wait_waits_for_the_second_try(serving, room):
    it = serving(hold="yes", on_term=0.3, lock=str(room / "lock"))
    it.ready()
    it.restart("--wait")
    assert len(it.events("listens")) == 2


def test_a_restart_waits_for_the_new_server_not_for_the_old_ones_answers(serving):
    """The old one answers still when the new one fails."""
    it = serving(hold="yes", on_term=3)
    it.ready()
    it.change(delay=0.5, fail=3)
    process = it.run.ask("restart", "--wait")
    # The end of PID 1 may be the asker's before it has said that.
    assert process.returncode in (1, -signal.SIGKILL), f"{process}{it.run.transcript()}"


def test_ready_is_what_the_new_server_says(serving):
    it = serving(hold="yes", on_term=1.5)
    it.ready()
    it.change(delay=0.7)
    it.restart("--wait")
    assert len(it.events("listens")) == 2, it.run.transcript()


@pytest.mark.parametrize("code", [0, 3])
def test_a_new_one_that_ends_at_once(serving, code):
    """Its end is the end, as without a held socket."""
    it = serving(hold="yes", on_term=0.3)
    it.ready()
    it.change(fail=code)
    it.restart()
    assert it.run.wait() == code, it.run.transcript()
    assert not listeners(it.port)


def test_many_restarts_in_a_row(serving):
    it = serving(hold="yes", on_term=0.2)
    it.ready()
    with Load(it.port) as load:
        for _ in range(20):
            it.restart()
        status = it.run.reaches("ready")
        wait_until(lambda: status["pid"] in load.pids(), what=it.run.transcript())
    assert it.run.outer(status["pid"]) == it.run.child_pid()
    wait_until(lambda: len(it.run.processes()) == 1)
    assert load.errors == [], load.report()
    assert it.run.status()["successor"] is None
    it.stops()


@pytest.mark.parametrize("after_ms", [0, 2, 5, 10, 20, 30, 40, 50, 70, 100, 150, 200, 250, 300])
def test_a_stop_at_any_moment_of_a_restart(serving, after_ms):
    it = serving("-o", "signals.SIGHUP=restart", "-o", "server.stop_timeout=2s", hold="yes", on_term=0.2)
    it.ready()
    it.run.kill(signal.SIGHUP)
    time.sleep(after_ms / 1000)
    it.run.kill(signal.SIGTERM)
    begun = time.monotonic()
    # 143: the next one was a Python that had no handler yet.
    assert it.run.wait(5) in (0, 143), it.run.transcript()
    assert time.monotonic() - begun < 1.5
    assert it.run.stderr.count("started pid") <= 2
    assert len(it.events("end")) >= it.run.stderr.count("exit code 0")
    assert it.events("end"), "the old one was not let finish"
    assert not listeners(it.port)


@pytest.mark.parametrize("old, new, code", [("ignore", "drain", 0), ("drain", "ignore", 137), ("ignore", "ignore", 137),
                                            (0.3, "die", 5), ("die", 0.3, 0)])
def test_a_stop_while_both_are_there(serving, old, new, code):
    it = serving("-o", "server.stop_timeout=700ms", hold="yes", on_term=old)
    it.ready()
    it.change(on_term=new)
    it.restart()
    it.listens(2)
    begun = time.monotonic()
    it.stops(code)
    assert time.monotonic() - begun < 2.5


# (B) The next one takes over when it is ready

@pytest.fixture
def overlapping(serving):
    def start(*words, **want):
        watch = want.pop("watch", {})
        it = serving(*words, watch={"overlap": "yes"} | watch, **{"version": "old"} | want)
        it.ready()
        return it
    return start


def versions(load):
    return [answer.body.split()[1] for answer in sorted(load.answers, key=lambda answer: answer.begun)]


def takeover(it, n=1):
    """Wait for the line that says who takes over from whom; both, and when it was seen."""
    def find():
        lines = re.findall(r"pid (\d+) takes over from pid (\d+)", it.run.stderr)
        return len(lines) >= n and lines[n - 1]
    new, old = wait_until(find, what=f"a takeover: {it.run.transcript()}")
    return int(new), int(old), time.monotonic()


def test_the_next_one_takes_over_when_it_says_that_it_is_ready(overlapping):
    it = overlapping()
    old = it.listens()
    with Load(it.port) as load:
        wait_until(lambda: len(load.answers) > 20)
        it.change(version="new", unready=1.0)
        new = it.listens(2)
        ready_at = it.events("listens")[1].at + 1.0
        status = it.run.reaches("overlapping")
        assert status["pid"] == old, status
        found_new, found_old, at = takeover(it)
        assert (found_new, found_old) == (new, old)
        assert -0.1 < at - ready_at < 1.5
        term = it.event("term")
        assert ready_at < term.at < at + 0.5
        it.event("end")
        wait_until(lambda: sum(answer.pid == new for answer in load.answers) > 50)
    assert load.errors == [], load.report()
    assert {answer.status for answer in load.answers} == {200}, load.report()
    assert load.pids() == [old, new]
    # Whoever came when the door had been turned (and the line was seen) met the new one.
    late = [answer for answer in load.answers if answer.pid == old and answer.begun > at + 0.1 and not answer.kept]
    assert not late, late[:3]
    assert max(answer.begun for answer in load.answers if answer.pid == old) < term.at + 0.1
    assert min(answer.begun for answer in load.answers if answer.pid == new) > ready_at - 0.1
    listener(it.port)
    it.logged("the server before it ended: exit code 0")
    assert len(log_lines(it.run, "replacing: ")) == 1 and not log_lines(it.run, "restarting: ")
    status = it.run.reaches("ready")
    assert status["successor"] is None and status["pid"] == new and status["restarts"] == 0
    it.stops()
    assert not listeners(it.port)


def test_ten_takeovers(overlapping):
    it = overlapping()
    with Load(it.port) as load:
        for n in range(2, 12):
            it.change(version=str(n))
            it.listens(n)
            takeover(it, n - 1)
            it.event("end", n - 1)
    assert load.errors == [], load.report()
    assert {answer.status for answer in load.answers} == {200}, load.report()
    assert len(load.pids()) == 11
    it.stops()


@pytest.mark.parametrize("ask", ["restart", "SIGHUP"])
def test_whoever_asks_gets_a_takeover_too(overlapping, ask):
    it = overlapping("-o", "signals.SIGHUP=restart")
    with Load(it.port) as load:
        if ask == "restart":
            it.restart("--wait")
            takeover(it)
        else:
            it.run.kill(signal.SIGHUP)
            takeover(it)
        it.event("end")
    assert load.errors == [], load.report()
    it.stops()


@pytest.mark.parametrize("hold", ["yes", "auto"])
@pytest.mark.parametrize("host", ["0.0.0.0", "::1", "::"])
def test_takeovers_at_other_addresses(overlapping, host, hold):
    it = overlapping(host=host, hold=hold)
    to = {"0.0.0.0": "127.0.0.1"}.get(host, "::1")
    with Load(it.port, host=to) as load:
        for n in range(2, 4):
            it.change(version=str(n), unready=0.3)
            takeover(it, n - 1)
            it.event("end", n - 1)
    assert load.errors == [], load.report()
    assert {answer.status for answer in load.answers} == {200}, load.report()
    assert len(load.pids()) == 3


def test_workers_take_over(overlapping):
    it = overlapping(workers=2)
    with Load(it.port) as load:
        for n in range(2, 4):
            it.change(version=str(n), workers=2, unready=0.3)
            takeover(it, n - 1)
            it.event("end", n - 1)
    assert load.errors == [], load.report()
    assert {answer.status for answer in load.answers} == {200}, load.report()


@pytest.mark.parametrize("broken", [{"fail": 3}, {"fail": 0}, {"fail": "late"}, {"delay": 0.3, "fail": 3}], ids=str)
def test_a_broken_successor_leaves_the_old_one_serving(overlapping, broken):
    it = overlapping()
    old = it.listens()
    with Load(it.port) as load:
        it.change(version="broken", **broken)
        it.logged("its successor ended: ")
        line, = log_lines(it.run, "its successor ended: ")
        assert line.startswith("initd: error: ") and line.endswith(f"pid {old} serves on"), line
        status = it.run.reaches("ready")
        assert status["pid"] == old and re.match(r"exit code \d after ", status["successor"]), status
        text = it.run.ask("status").stdout
        assert re.search(r"(?m)^successor .*exit code \d after ", text), text
        wait_until(lambda n=len(load.answers): len(load.answers) > n + 50)
        asked = it.run.ask("restart", "--wait")
        assert asked.returncode == 1, asked
        wait_until(lambda n=len(load.answers): len(load.answers) > n + 50)
        assert load.pids() == [old]
        it.change(version="mended")
        takeover(it)
        it.event("end")
    assert load.errors == [], load.report()
    assert {answer.status for answer in load.answers} == {200}, load.report()
    assert it.run.reaches("ready")["successor"] is None
    it.stops()


def test_a_change_meanwhile_dismisses_the_successor(overlapping):
    it = overlapping()
    with Load(it.port) as load:
        it.change(version="slow", unready=100)
        it.listens(2)
        it.change(version="new")
        assert it.event("term").pid == it.listens(2)
        new, old, _ = takeover(it)
        assert (new, old) == (it.listens(3), it.listens(1))
        it.event("end", 2)
    assert load.errors == [], load.report()
    assert set(versions(load)) == {"old", "new"}
    assert not log_lines(it.run, "error: ")


def test_a_successor_that_does_not_go_is_killed(overlapping):
    it = overlapping(watch={"stop_timeout": "500ms"})
    with Load(it.port) as load:
        it.change(version="stubborn", unready=100, on_term="ignore")
        pid = it.run.outer(it.listens(2))
        it.change(version="new")
        wait_until(lambda: not read_process(pid) or read_process(pid).state == "Z")
        assert takeover(it)[1] == it.listens(1)
    assert load.errors == [], load.report()
    assert set(versions(load)) <= {"old", "new"}


def test_the_server_dies_while_its_successor_gets_ready(overlapping):
    it = overlapping("-o", "server.restart=always", *SOON)
    with Load(it.port) as load:
        it.change(version="new", unready=1.0)
        it.listens(2)
        it.kill_server(signal.SIGKILL, it.listens(1))
        wait_until(lambda: any(answer.pid != it.listens(1) and answer.status == 200 for answer in load.answers),
                   what=it.run.transcript())
    assert not [error for error in load.errors if isinstance(error[2], ConnectionRefusedError)], load.report()
    assert len(load.errors) <= len(load.threads), load.report()
    assert it.run.reaches("ready")["successor"] is None
    it.stops()


@pytest.mark.parametrize("want", [{"unready": 100}, {"delay": 100}, {"unready": 100, "on_term": "ignore"}], ids=str)
def test_a_stop_while_the_successor_gets_ready(overlapping, want):
    it = overlapping("-o", "server.stop_timeout=700ms", watch={"stop_timeout": "700ms"})
    it.change(**want)
    it.event("start", 2)
    begun = time.monotonic()
    it.stops(0)
    assert time.monotonic() - begun < 2.5
    assert it.listens() in {event.pid for event in it.events("end")}


@pytest.mark.parametrize("after_ms", [0, 20, 40, 60, 80, 100, 120, 150, 180, 220, 260, 300])
def test_a_stop_at_any_moment_of_a_takeover(overlapping, after_ms):
    it = overlapping("-o", "server.stop_timeout=2s", on_term=0.1)
    it.change(on_term=0.1)
    time.sleep(after_ms / 1000)
    it.run.kill(signal.SIGTERM)
    begun = time.monotonic()
    assert it.run.wait(5) in (0, 143), it.run.transcript()
    assert time.monotonic() - begun < 1.5
    assert not listeners(it.port)


def test_a_hung_server_with_overlap(overlapping):
    it = overlapping(*WAYS["hang"][1], watch={"stop_timeout": "200ms"})
    it.kill_server(signal.SIGSTOP)
    pid = it.listens(2)
    wait_until(lambda: it.ask(timeout=5).pid == pid)


# 503: nobody lives

def exchange(port, data=b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", timeout=10):
    """All that is answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as sock:
        sock.sendall(data)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := sock.recv(65536):
                received += chunk
    return received


def unavailable(answer, *why):
    """A whole 503 of initd's with one line of why."""
    head, _, body = answer.decode().partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    assert re.fullmatch(r"HTTP/1\.[01] 503 \S.*", status), answer
    assert headers["retry-after"] == "1", answer
    assert int(headers["content-length"]) == len(body.encode())
    assert headers.get("connection") == "close"
    assert body.count("\n") == 1 and body.endswith("\n") and len(body) > 5, answer
    for word in why:
        assert word in body, answer
    return body


@pytest.fixture(params=["waiting", "backoff"])
def nobody(request, serving):
    """A Serving whose server has failed; .state and .back(), which lets one live again."""
    if request.param == "waiting":
        it = serving(watch={})
        it.listens()
        it.ready()
        it.change(fail=3)
        it.run.reaches("waiting")
        it.back = lambda: it.change(version="back")
    else:
        it = serving("-o", "server.restart=always", "-o", "server.restart_delay=60s", "-o",
                     "server.restart_delay_max=60s", hold="yes")
        it.listens()
        it.ready()
        it.change(version="back")
        it.kill_server(signal.SIGKILL)
        it.run.reaches("backoff")
        it.back = it.restart
    it.state = request.param
    return it


def is_unavailable(it):
    """Wait until initd answers."""
    return wait_until(lambda: exchange(it.port))


def test_the_503_says_why(nobody):
    begun = time.monotonic()
    body = unavailable(is_unavailable(nobody), "exit code 3" if nobody.state == "waiting" else "SIGKILL")
    assert time.monotonic() - begun < 2
    print(body)
    begun = time.monotonic()
    unavailable(exchange(nobody.port))
    assert time.monotonic() - begun < 0.2


def test_the_server_is_back_after_the_503(nobody):
    unavailable(is_unavailable(nobody))
    with Load(nobody.port) as load:
        wait_until(lambda: len(load.answers) > 40)
        assert {answer.status for answer in load.answers} == {503}
        nobody.back()
        wait_until(lambda: load.pids(), what=nobody.run.transcript())
        wait_until(lambda n=len(load.answers): len(load.answers) > n + 40)
    statuses = [answer.status for answer in sorted(load.answers, key=lambda answer: answer.begun)]
    assert load.errors == [], load.report()
    assert set(statuses[-20:]) == {200}
    assert nobody.ask().body.split()[1] == "back"
    nobody.stops()


def test_every_kind_of_request_gets_a_503(nobody):
    is_unavailable(nobody)
    body = b"x" * 300_000
    requests = [b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /a HTTP/1.0\r\n\r\n",
                b"garbage\r\n\r\n", b"\0\xff\r\n\r\n",
                b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
                b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body),
                b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + b"c" * 20_000 + b"\r\n\r\n"]
    for data in requests:
        answer = exchange(nobody.port, data)
        if data.startswith(b"HEAD"):
            head, _, rest = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.") and b" 503 " in head and rest == b"", answer
        else:
            unavailable(answer)


def test_a_client_of_the_standard_library_reads_it(nobody):
    is_unavailable(nobody)
    for method, body in (("GET", None), ("HEAD", None), ("POST", b"x" * 100_000)):
        client = http.client.HTTPConnection("127.0.0.1", nobody.port, timeout=5)
        client.request(method, "/", body=body)
        response = client.getresponse()
        assert (response.status, response.getheader("Retry-After")) == (503, "1")
        assert bool(response.read()) == (method != "HEAD")
        client.close()


def test_a_request_that_comes_in_pieces(nobody):
    is_unavailable(nobody)
    with socket.create_connection(("127.0.0.1", nobody.port), timeout=5) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET / HTTP/1.1\r\nHost: x\r\n\r\n":
            try:
                sock.send(bytes([byte]))
            except OSError:
                break
            time.sleep(0.005)
        assert sock.recv(65536).startswith(b"HTTP/1.1 503 ")


def test_clients_that_say_nothing_are_no_burden(nobody):
    is_unavailable(nobody)
    pid = nobody.run.pid
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", nobody.port), timeout=15))
                  for _ in range(48)]
        begun = time.monotonic()
        unavailable(exchange(nobody.port))
        assert time.monotonic() - begun < 4.5
        before = cpu_seconds(pid)
        time.sleep(1)
        assert cpu_seconds(pid) - before < 0.05
        # They are given up after a while, one way or another.
        begun = time.monotonic()
        for sock in silent:
            with contextlib.suppress(ConnectionResetError):
                while sock.recv(65536):
                    pass
        assert time.monotonic() - begun < 12
        if os.access(f"/proc/{pid}/fd", os.R_OK):
            wait_until(lambda: len(os.listdir(f"/proc/{pid}/fd")) < 60)


def test_a_hundred_clients_at_once(nobody):
    is_unavailable(nobody)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.create_connection(("127.0.0.1", nobody.port), timeout=10))
                 for _ in range(100)]
        for sock in socks:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        for sock in socks:
            received = b""
            while chunk := sock.recv(65536):
                received += chunk
            unavailable(received)


def test_an_initd_that_answers_is_idle_between(nobody):
    is_unavailable(nobody)
    before = cpu_seconds(nobody.run.pid)
    time.sleep(1)
    assert cpu_seconds(nobody.run.pid) - before < 0.01
    before = cpu_seconds(nobody.run.pid)
    for _ in range(100):
        exchange(nobody.port)
    assert cpu_seconds(nobody.run.pid) - before < 0.2


def test_a_stop_ends_the_503(nobody):
    is_unavailable(nobody)
    with socket.create_connection(("127.0.0.1", nobody.port)):
        nobody.run.kill(signal.SIGTERM)
        nobody.run.wait(3)
    with pytest.raises(ConnectionRefusedError):
        exchange(nobody.port)


def test_an_initd_that_answers_is_not_healthy(nobody):
    is_unavailable(nobody)
    process = nobody.run.ask("healthcheck")
    assert process.returncode == 1, process


def test_who_came_shortly_before_is_answered_by_the_next_server(serving):
    """Nobody lives for less than a second: they wait."""
    it = serving("-o", "server.restart=always", "-o", "server.restart_delay=500ms", hold="yes")
    it.ready()
    it.kill_server(signal.SIGKILL)
    it.run.reaches("backoff")
    answer = it.ask()
    assert (answer.status, answer.pid) == (200, it.listens(2))


def test_a_tree_that_does_not_get_quiet(serving):
    it = serving(watch={"settle": "4s"})
    it.ready()
    it.change(version="new")
    it.event("end")
    begun = time.monotonic()
    unavailable(exchange(it.port))
    assert 0.5 < time.monotonic() - begun < 2.5
    it.listens(2)
    assert it.ask().body.split()[1] == "new"


def test_without_a_server_that_ever_listened_there_is_no_503(serving):
    it = serving(watch={}, hold="yes", fail=3)
    it.run.reaches("waiting")
    with pytest.raises(ConnectionRefusedError):
        it.ask()
    it.change(version="new")
    it.listens()
    assert it.ask().status == 200


# At last

def test_a_successor_that_is_never_ready_is_given_up_after_a_minute(slow):
    it = slow.serving
    it.logged("its successor was not ready within 60 s", timeout=80)
    line, = log_lines(it.run, "its successor was not ready within 60 s")
    assert line.endswith(f"; pid {it.listens()} serves on")
    assert it.event("term").pid == it.listens(2)
    assert 55 < it.event("term").at - it.event("start", 2).at < 70
    assert it.ask().pid == it.listens()
    status = it.run.reaches("ready")
    assert status["pid"] == it.listens() and "not ready within 60 s" in status["successor"]
    it.change(version="mended")
    takeover(it)
    it.stops()
