# SPDX-License-Identifier: MIT
"""Dockerfile.example, unchanged, makes the image that the README promises, for production and for development."""

import json
import os
import re
import shlex

import pytest

import example
from dev_container import AGENT_DIR, Dev, archive
from example import MODULE, environment, identity, is_app, stops
from harness import ROOT

VERSION = f"{MODULE}/version.py"

# What Dockerfile.example adds to Python's image, beside /app.
ADDED = {"etc/group", "etc/passwd", "usr/local/bin/initd"}


def version(number):
    return {VERSION: f"VERSION = {number}\n"}


def config(docker, image):
    return json.loads(docker.ask("image", "inspect", "--format", "{{json .Config}}", image))


@pytest.fixture(scope="module")
def layers(docker_engine, buildah, production, scratch):
    """What Dockerfile.example adds to Python's image for production."""
    return example.layers(docker_engine, production, scratch, skip=buildah.n_layers("python"))


# The build


def test_the_dockerfile_is_built_as_it_is(example_project):
    assert (example_project.directory / "Dockerfile").read_text() == (ROOT / "Dockerfile.example").read_text()


def test_production_and_development_share_the_layer_of_the_dependencies(example_logs):
    cached = {image: re.search("STEP .* RUN .*uv sync --frozen.*\n(--> Using cache )?", log)[1] is not None
              for image, log in example_logs.items()}
    assert cached == {"production": False, "development": True}


def test_what_it_adds_is_owned_by_root_and_nobody_else_may_write_it(layers):
    members = [member for layer in layers for member in layer.members]
    assert not [member.name for member in members if (member.uid, member.gid) != (0, 0)]
    assert not [member.name for member in members if member.mode & 0o022 and not member.issym()]


def test_it_adds_initd_and_the_project_and_leaves_no_tool_and_no_cache(layers):
    names = {member.name for layer in layers for member in layer.members if not member.isdir()}
    assert {name for name in names if not name.startswith("app/")} == ADDED
    beside = {name for name in names if name.startswith("app/") and not name.startswith("app/.venv/")}
    assert beside == {"app/README.md", "app/pyproject.toml", "app/uv.lock",
                      *(f"app/src/{MODULE}/{name}.py" for name in ("__init__", "server", "version"))}
    assert not [name for name in names if re.search("/(uv|uvx|pip|pip3|gcc|cc)$|cache/", name)]


def test_initd_is_one_small_layer(layers):
    layer, = (layer for layer in layers if "usr/local/bin/initd" in layer.files)
    names = [member.name for member in layer.members if not member.isdir()]
    size = sum(member.size for member in layer.members)
    print(f"initd adds {size} bytes to the image")
    assert names == ["usr/local/bin/initd"] and size < 300_000


def test_what_dockerignore_names_is_in_no_layer(layers, example_project):
    for name in example.LEFT_OUT:
        assert (example_project.directory / name).read_text() == example.MARK
    assert not [name for layer in layers for name, content in layer.files.items() if example.MARK.encode() in content]


def test_it_tells_its_port_its_version_and_how_it_is_started(docker, production):
    image = config(docker, production)
    assert image["Labels"].items() >= {"org.opencontainers.image.title": example.NAME,
                                       "org.opencontainers.image.version": "1.2.3",
                                       "org.opencontainers.image.revision": "abcdef"}.items()
    assert image["ExposedPorts"] == {"8000/tcp": {}}
    assert image["Entrypoint"] == ["/usr/local/bin/initd"]
    assert image["Cmd"] == ["python", "-m", f"{MODULE}.server"]
    assert image["Healthcheck"]["Test"] == ["CMD", "/usr/local/bin/initd", "healthcheck"]
    assert not image["User"]
    assert not [word for word in image["Env"] if re.match("HOST=|PORT=|AGENT_DIR=|VIRTUAL_ENV=|PATH=.*/app", word)]


def test_only_the_image_for_development_has_the_tools_of_the_dev_group(docker, production, development):
    assert docker.run(production, "python", "-c", "import iniconfig").returncode == 1
    assert docker.run(development, "python", "-c", "import iniconfig").returncode == 0


# The container


def test_the_server_runs_as_app_and_docker_calls_it_healthy(docker, production, development):
    containers = [docker.start(image) for image in (production, development)]
    for container in containers:
        assert container.becomes("healthy").startswith("healthy: 200 from http://127.0.0.1:8000/health in ")
        server = container.server_pid()
        assert is_app(server), identity(server)
        assert is_app(container.state()["Pid"])
        variables = environment(server)
        assert variables.items() >= {"HOST": "0.0.0.0", "PORT": "8000", "AGENT_DIR": AGENT_DIR,
                                     "VIRTUAL_ENV": "/app/.venv", "PYTHONUNBUFFERED": "1"}.items()
        assert variables["PATH"].startswith("/app/.venv/bin:")
        assert not re.findall("^initd: (?:warn|error): .*", container.logs(), re.M)
        stops(container)


def test_initd_check_finds_nothing_wrong(docker, production, development):
    for image in production, development:
        answer = docker.run(image, "check")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert not re.findall("^(?:warn|error) .*", answer.stdout, re.M), answer.stdout
        assert re.search("^ok +user +root becomes app [(]10001:10001[)]$", answer.stdout, re.M), answer.stdout


def test_a_changed_file_restarts_nothing_in_production(docker, production):
    agent = Dev.start(docker, production)
    name = agent.container.name
    installed = docker.ask("exec", name, "/app/.venv/bin/python", "-c", f"import {MODULE} as m; print(m.__path__[0])")
    assert "/site-packages/" in installed
    for directory in AGENT_DIR, os.path.dirname(installed):
        docker.ask("cp", "-", f"{name}:{directory}", input=archive(version(2)))
    assert agent.container.status()["watch_backend"] is None
    agent.answers(1)
    assert agent.children() == agent.servers and not agent.log("info: restarting")
    # The change was one: a new server would run it.
    agent.container.ask("restart")
    agent.answers(2)


def test_what_compose_writes_and_removes_is_run_by_app_in_development(docker, development):
    agent = Dev.start(docker, development)
    agent.copy(version(2))
    agent.answers(2).has_restarted(f"{VERSION} changed")
    agent.copy({f"{MODULE}/more.py": ""})
    agent.has_restarted(f"{MODULE}/more.py is new")
    agent.remove(f"{MODULE}/more.py")
    agent.has_restarted(f"{MODULE}/more.py was removed")
    server = agent.container.server_pid()
    assert is_app(server), identity(server)
    stops(agent.container)


def test_a_read_only_root_no_capability_and_an_unknown_user_are_enough(docker, production, development):
    hardened = shlex.split("--read-only --user 4321 --cap-drop=ALL --security-opt=no-new-privileges "
                           "--health-interval=1s")
    for container in [docker.start(*hardened, image) for image in (production, development)]:
        container.becomes("healthy")
        assert identity(container.server_pid())[0] == 4 * ["4321"]
        stops(container)
