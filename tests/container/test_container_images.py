# SPDX-License-Identifier: MIT
"""Images of other shapes: nothing configured, nothing inside, a real FastAPI application."""

import tomllib

from harness import ROOT, get

PROJECT = tomllib.loads((ROOT / "tests" / "agent" / "pyproject.toml").read_text())["project"]


def test_an_image_without_env_and_cmd_serves_the_one_package_in_app_src(docker, bare):
    container = docker.serve(bare)
    assert container.get("/") == f"hello from version {PROJECT['version']}\n"
    me = container.whoami()
    assert (me["AGENT_DIR"], me["VIRTUAL_ENV"]) == ("/app/src", "/app/.venv")


def test_a_second_package_in_app_src_asks_for_a_command(docker, bare):
    refused = docker.run("--volume", "/app/src/other", "--entrypoint", "sh", bare, "-c",
                         "touch /app/src/other/server.py; exec /usr/local/bin/initd")
    assert refused.returncode == 78
    line, = refused.stderr.splitlines()
    assert "/app/src" in line


def test_a_user_by_number_needs_no_passwd_file(docker, empty):
    result = docker.run("-e", "INITD_USER_NAME=1234", empty)
    assert (result.returncode, result.stdout) == (0, "uid=1234 gid=1234\n")


def test_a_user_by_name_that_no_passwd_file_knows_is_refused(docker, empty):
    refused = docker.run(empty)
    assert (refused.returncode, refused.stdout) == (77, "")
    line, = refused.stderr.splitlines()
    assert "app" in line and "/etc/passwd" in line


def test_an_image_with_nothing_but_initd_says_that_the_command_is_not_found(docker, empty):
    result = docker.run("-e", "INITD_USER_NAME=1234", empty, "nosuch")
    assert result.returncode == 127
    assert "cannot run nosuch: not found" in result.stderr


def test_initd_tells_its_version_in_an_image_with_nothing_else(docker, empty):
    result = docker.run(empty, "--version")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("initd ")


def test_fastapi_on_uvicorn_answers_as_app(docker, fastapi):
    me = docker.serve(fastapi).whoami()
    assert me["user"] == "app"


def test_docker_stop_lets_uvicorn_finish_the_request_in_flight(docker, fastapi):
    container = docker.serve(fastapi)
    answer = get(container.port, "/slow")
    assert answer.readline() == b"begin\n"
    container.stop()
    assert answer.read() == b"end\n"
    assert "initd: info: stopping: SIGTERM" in container.logs()
    assert container.state()["ExitCode"] == 143, container.logs()
