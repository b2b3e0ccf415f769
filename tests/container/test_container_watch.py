# SPDX-License-Identifier: MIT
"""Dev containers: files change in all the ways that people change them, and the new code answers."""

import json
import os
import shutil
import time

import pytest

from dev_container import AGENT_DIR, BROKEN, SERVER, USERS, VERSION, Dev, mounted, version
from harness import wait_until

# With a held socket the next server does not wait for the last one: see test_container_hold.py.
ONE_BY_ONE = ("-o", "server.hold_socket=no")

one_libc = pytest.mark.parametrize("libc", ["musl"], indirect=True)

any_user = pytest.mark.parametrize("user", USERS.values(), ids=USERS)


def replace(path, text):
    """As most editors do it."""
    new = path.with_name(".new~")
    new.write_text(text)
    new.rename(path)


def has_inotify(agent):
    directory = f"/proc/{agent.init}/fd"
    return any("inotify" in os.readlink(f"{directory}/{fd}") for fd in os.listdir(directory))


def watches(agent):
    line, = agent.log("info: watching .*")
    status = agent.container.status()
    assert (status["watch_paths"], status["watch_backend"]) == (AGENT_DIR, "inotify"), line
    assert has_inotify(agent)
    return status


# What changes files


@any_user
def test_what_docker_writes_into_a_container_is_run(docker, dev, user):
    agent = Dev.start(docker, dev, *user)
    assert watches(agent)["watch_restarts"] == 0
    agent.copy(version(2))
    agent.answers(2).has_restarted(f"{VERSION} changed")
    assert json.loads(json.loads(agent.container.get("/changed"))) == {"n": 1, "paths": [f"{AGENT_DIR}/{VERSION}"]}
    agent.unpack(version(3) | {"dev_agent/extra.py": "", "README": "", "dev_agent/__pycache__/extra.pyc": ""})
    agent.answers(3).has_restarted(f"{VERSION} changed")
    agent.remove("README", "dev_agent/extra.py")
    agent.has_restarted("dev_agent/extra.py was removed")
    agent.has_rest()
    status = agent.container.status()
    assert (status["watch_restarts"], status["last_change"], status["restarts"]) == (4, "dev_agent/last.py is new", 0)


@one_libc
@any_user
def test_what_the_host_writes_into_a_bind_mount_is_run(docker, dev, sources, user):
    agent = Dev.start(docker, dev, *user, *mounted(sources))
    (sources / VERSION).write_text("VERSION = 2\n")
    agent.answers(2).has_restarted(f"{VERSION} changed")
    replace(sources / VERSION, "VERSION = 3\n")
    agent.answers(3).has_restarted(f"{VERSION} changed")
    package = sources / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    agent.has_restarted("package/__init__.py is new")
    shutil.rmtree(package)
    agent.has_restarted("package/__init__.py was removed")


@one_libc
@pytest.mark.parametrize("options", [("--cap-drop=ALL", "--cap-add=SETUID", "--cap-add=SETGID"), USERS["a user"]],
                         ids=["root without capabilities", "a user"])
def test_an_edit_of_the_same_second_and_size_is_run(docker, dev, options):
    agent = Dev.start(docker, dev, *options)
    bytecode = docker.ask("exec", agent.container.name, "ls", f"{AGENT_DIR}/dev_agent/__pycache__")
    assert "version.cpython-" in bytecode
    mtime = docker.ask("exec", agent.container.name, "stat", "--format=%Y", f"{AGENT_DIR}/{VERSION}")
    agent.copy(version(2), int(mtime))
    agent.answers(2).has_restarted(f"{VERSION} changed")


# What the server does


@one_libc
def test_a_syntax_error_waits_for_its_correction(docker, dev):
    agent = Dev.start(docker, dev)
    agent.copy(BROKEN)
    agent.waits()
    assert agent.container.state()["Running"]
    assert agent.container.status()["state"] == "waiting"
    verdict = agent.container.ask("healthcheck")
    assert verdict.returncode == 1 and "waits for a change" in verdict.stdout, verdict
    agent.copy(version(2))
    agent.answers(2)
    assert agent.container.ask("healthcheck").returncode == 0
    wait_until(lambda: agent.container.status()["state"] == "ready")


@one_libc
def test_a_server_that_cannot_even_start_waits_for_its_correction(docker, dev, sources):
    (sources / VERSION).write_text(BROKEN[VERSION])
    agent = Dev.run(docker, dev, *mounted(sources)).waits()
    (sources / VERSION).write_text("VERSION = 2\n")
    agent.answers(2)


@one_libc
def test_a_stream_without_end_is_cut_off_after_watch_stop_timeout(docker, dev):
    agent = Dev.start(docker, dev, command=(*ONE_BY_ONE, "-o", "watch.stop_timeout=500ms", *SERVER))
    with agent.stream() as stream:
        began = time.monotonic()
        agent.copy(version(2))
        agent.answers(2)
        assert time.monotonic() - began > 0.5
        assert b"data: 2" not in stream.read()
    agent.has_restarted(f"{VERSION} changed")
    assert agent.log("warn: not stopped after 500 ms: SIGKILL")


@one_libc
def test_no_process_of_the_old_server_meets_one_of_the_new(docker, dev):
    workers = ("python", "-m", *SERVER, "--workers", "2")
    agent = Dev.start(docker, dev, command=(*ONE_BY_ONE, "-o", "watch.stop_timeout=500ms", *workers))
    wait_until(lambda: len(agent.processes()) == 2)
    with agent.stream():    # One of the two workers does not end by itself.
        agent.copy(version(2))
        agent.answers(2).has_restarted(f"{VERSION} changed")
    wait_until(lambda: len(agent.processes()) == 4)
    old, new = ([process for process in agent.processes() if process["version"] == number] for number in (1, 2))
    assert len(old) == len(new) == 2
    gone = {pid for process in old for pid in (process["pid"], *process["beside"])} - {1}
    assert not gone & {pid for process in new for pid in process["beside"]}


# The end


def stopped(agent):
    """`docker stop` has to be quick, without a SIGKILL of its own; the exit code."""
    assert agent.container.stop() < 3, agent.container.logs()
    return agent.container.state()["ExitCode"]


@one_libc
def test_docker_stop_while_waiting_for_a_correction_ends_with_the_code_of_the_failure(docker, dev):
    agent = Dev.start(docker, dev)
    agent.copy(BROKEN)
    assert stopped(agent.waits()) == 1


@one_libc
def test_docker_stop_while_the_old_server_does_not_end_kills_it(docker, dev):
    agent = Dev.start(docker, dev, command=(*ONE_BY_ONE, "-o", "watch.stop_timeout=1h", "-o",
                                            "server.stop_timeout=500ms", *SERVER))
    with agent.stream():
        agent.copy(version(2))
        wait_until(lambda: agent.container.status()["state"] == "restarting")
        assert stopped(agent) == 137
    assert agent.log("warn: not stopped after 500 ms: SIGKILL")


@one_libc
def test_docker_stop_while_the_old_servers_group_does_not_end_kills_it(docker, dev):
    # What ignores SIGTERM survives the server for a second.
    with_orphan = f'(trap "" TERM; exec sleep 1h) & exec {" ".join(SERVER)}'
    agent = Dev.start(docker, dev, command=(*ONE_BY_ONE, "-o", "watch.enabled=yes", "sh", "-c", with_orphan))
    agent.copy(version(2))
    # It is adopted when the server has ended; the pid of what is left is another one.
    wait_until(lambda: [name_of(pid) for pid in agent.children()] == ["sleep"])
    assert stopped(agent) == 143


@one_libc
def test_docker_stop_while_files_still_change_ends_with_the_code_of_the_old_server(docker, dev):
    agent = Dev.start(docker, dev, command=(*ONE_BY_ONE, "-o", "watch.settle=10s", *SERVER))
    agent.copy(version(2))
    wait_until(lambda: not agent.children())
    assert agent.container.status()["state"] == "restarting"
    assert stopped(agent) == 143


@one_libc
def test_docker_stop_right_after_a_restart_ends_the_new_server(docker, dev):
    agent = Dev.start(docker, dev)
    agent.copy(version(2))
    wait_until(lambda: agent.children() - agent.servers)
    assert stopped(agent) == 143
    assert agent.log("info: restarting: (.*)") == [f"{VERSION} changed"]


def name_of(pid):
    with open(f"/proc/{pid}/comm") as file:
        return file.read().strip()


# Hardened containers, other engines


@one_libc
def test_a_read_only_root_and_no_capability_are_enough_to_watch(docker, dev, sources):
    agent = Dev.start(docker, dev, "--read-only", "--cap-drop=ALL", *USERS["a user"], *mounted(sources))
    watches(agent)
    replace(sources / VERSION, "VERSION = 2\n")
    agent.answers(2).has_restarted(f"{VERSION} changed")
    assert not agent.log("(?:warn|error): .*")


@one_libc
def test_podman_copies_and_a_bind_mount_are_run(podman, podman_dev, sources):
    agent = Dev.start(podman, podman_dev)
    watches(agent)
    agent.copy(version(2))
    agent.answers(2).has_restarted(f"{VERSION} changed")
    read_only = Dev.start(podman, podman_dev, "--read-only", "--cap-drop=ALL", *USERS["a user"], *mounted(sources))
    replace(sources / VERSION, "VERSION = 2\n")
    read_only.answers(2).has_restarted(f"{VERSION} changed")


# Where nothing is watched


@one_libc
def test_a_normal_install_is_not_watched(docker, dev, installed):
    agent = Dev.start(docker, installed)
    wait_until(lambda: agent.log("info: ready on "))
    assert agent.container.status()["watch_backend"] is None
    assert not has_inotify(agent)
    assert "watching" not in agent.container.logs()
    assert stopped(agent) == 143


ONE_SHOT = {
    "false": (("false",), 1),
    "true": (("true",), 0),
    "a shell": (("sh", "-c", "sleep 0.3; exit 42"), 42),
    "its tests": (("python", "-m", "unittest", "nosuch"), 1),
    "python -c": (("python", "-c", "import dev_agent.version; raise SystemExit(3)"), 3),
    "not found": (("nosuch",), 127),
    "a part of the application, with success": (("python", "-m", "dev_agent.version"), 0),
}


@one_libc
@pytest.mark.parametrize("command, code", ONE_SHOT.values(), ids=ONE_SHOT)
def test_a_command_that_is_not_the_server_ends_the_container_with_its_own_code(docker, dev, command, code):
    result = docker.run(dev, *command, timeout=20)
    assert result.returncode == code, result.stderr
    assert "waiting for a change" not in result.stderr
