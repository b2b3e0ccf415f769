# SPDX-License-Identifier: MIT
"""Who the server runs as, and with which privileges, however the container was started."""

NO_CAPABILITIES = "0" * 16


def errors(text):
    return [line for line in text.splitlines() if line.startswith("initd: error: ")]


def warnings(text):
    return [line for line in text.splitlines() if line.startswith("initd: warn: ")]


def test_a_container_started_as_root_runs_its_server_as_app_without_any_capability(docker, agent):
    container = docker.serve(agent)
    app = int(docker.run("--entrypoint", "id", agent, "-u", "app").stdout)
    me = container.whoami()
    assert (me["uid"], me["gid"], me["USER"]) == (app, app, "app")
    assert set(me["groups"]) <= {app}
    assert (me["CapEff"], me["CapBnd"], me["NoNewPrivs"]) == (NO_CAPABILITIES, NO_CAPABILITIES, "1")
    assert f"as app ({app}:{app}): python -m hello_agent.server" in container.logs()


def test_the_home_of_a_user_without_home_directory_is_tmp(docker, agent):
    assert docker.serve(agent).whoami()["HOME"] == "/tmp"


def test_the_server_is_the_only_child_of_pid_1_and_gets_its_command_unchanged(docker, agent):
    me = docker.serve(agent).whoami()
    assert me["ppid"] == 1
    assert me["argv"] == ["python", "-m", "hello_agent.server"]


def test_a_user_given_to_the_engine_is_kept(docker, agent):
    container = docker.serve("--user", "1234", agent)
    me = container.whoami()
    assert (me["uid"], me["gid"], me["NoNewPrivs"]) == (1234, 0, "1")
    assert me["CapEff"] == NO_CAPABILITIES
    assert not errors(container.logs())


def test_a_read_only_root_and_no_capability_are_enough_for_a_user_without_name(docker, agent):
    container = docker.serve("--read-only", "--cap-drop=ALL", "--user", "1234:1234", agent)
    me = container.whoami()
    assert (me["uid"], me["gid"]) == (1234, 1234)
    assert (me["CapEff"], me["CapBnd"], me["NoNewPrivs"]) == (NO_CAPABILITIES, NO_CAPABILITIES, "1")
    assert container.stop() < 1
    assert container.state()["ExitCode"] == 0


def test_root_without_the_capabilities_to_drop_root_is_refused_and_told_what_to_add(docker, agent):
    refused = docker.run("--cap-drop=ALL", agent)
    assert refused.returncode == 77
    line, = errors(refused.stderr)
    assert "--cap-add" in line and "SETUID" in line and "SETGID" in line
    assert refused.stdout == ""


def test_setuid_and_setgid_are_enough_to_drop_root_and_the_rest_is_a_warning(docker, agent):
    container = docker.serve("--cap-drop=ALL", "--cap-add", "SETUID", "--cap-add", "SETGID", agent)
    me = container.whoami()
    assert (me["USER"], me["CapEff"], me["NoNewPrivs"]) == ("app", NO_CAPABILITIES, "1")
    warning, = warnings(container.logs())
    assert "/dev/stdout" in warning


def test_a_setuid_program_gives_the_server_nothing_back(docker, agent):
    regained = docker.run(agent, "su", "--command", "id -u")
    assert regained.returncode != 0
    assert "0" not in regained.stdout.split()


def test_the_server_can_neither_read_nor_kill_pid_1(docker, agent):
    attack = "cat /proc/1/environ; kill -KILL 1; kill -STOP 1; kill -SEGV 1; echo both alive"
    tried = docker.run(agent, "sh", "-c", attack)
    assert tried.stdout == "both alive\n"


def test_a_user_chosen_in_the_environment_is_taken(docker, agent):
    assert docker.run("-e", "INITD_USER_NAME=4321:1234", agent, "id").stdout.split()[:2] == ["uid=4321", "gid=1234"]


def test_root_is_kept_when_it_is_said_aloud(docker, agent):
    assert docker.run("-e", "INITD_USER_NAME=root", agent, "id", "-u").stdout == "0\n"


def test_the_server_can_open_dev_stdout_again_after_the_drop(docker, agent):
    result = docker.run(agent, "python", "/opt/helpers/reopen_stdout.py")
    assert result.returncode == 0, result.stderr
    assert "wrote to stdout" in result.stdout
    assert "wrote to stderr" in result.stderr
    assert "uid 0" not in result.stdout


def test_the_server_can_open_a_terminal_as_dev_stdout_again_after_the_drop(docker, agent, terminal):
    shell = terminal(docker, agent, "python", "/opt/helpers/reopen_stdout.py")
    shell.says("wrote to stdout")
    shell.says("wrote to stderr")
    assert shell.wait() == 0
