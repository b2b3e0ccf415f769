# SPDX-License-Identifier: MIT
"""What the comments of Dockerfile.example offer: a workspace, other Pythons, initd from elsewhere; and less to copy."""

import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

import example
import images
from dev_container import Dev, archive
from example import MODULE, NAME, PYPROJECT, VERSIONS, Project, is_app, stops
from harness import BUILD

WORKSPACE = """\
[tool.uv.workspace]
members = ["packages/*"]

[tool.uv.sources]
shared = { workspace = true }
"""


@pytest.fixture(scope="module")
def workspace(scratch):
    """Two members: the agent's version is in the other one."""
    agent, shared = f"packages/{NAME}", "packages/shared"
    return Project(scratch / "workspace").with_initd().with_server(f"{agent}/src/{MODULE}").write({
        "pyproject.toml": PYPROJECT.format(name="workspace", dependencies="[]").partition("\n[build-system]")[0]
        + VERSIONS + WORKSPACE,
        f"{agent}/pyproject.toml": PYPROJECT.format(name=NAME, dependencies='["fastapi", "uvicorn", "shared"]'),
        f"{agent}/src/{MODULE}/version.py": "from shared import VERSION\n",
        f"{shared}/pyproject.toml": PYPROJECT.format(name="shared", dependencies="[]"),
        f"{shared}/src/shared/__init__.py": "VERSION = 1\n"}).lock()


def test_a_member_of_a_workspace(docker, buildkit, workspace):
    workspace.build(buildkit, "workspace", PACKAGE=NAME, SOURCES="packages")
    container = docker.start("workspace")
    container.becomes("healthy")
    assert is_app(container.server_pid())
    assert container.status()["watch_backend"] is None
    stops(container)


def test_a_member_of_a_workspace_for_development(docker, buildkit, workspace):
    workspace.build(buildkit, "workspace-development", PACKAGE=NAME, SOURCES="packages", editable="true")
    agent = Dev.start(docker, "workspace-development")
    agent.copy({f"{MODULE}/version.py": "VERSION = 2\n"})
    agent.answers(2).has_restarted(f"{MODULE}/version.py changed")
    stops(agent.container)


def test_both_members_of_a_workspace_for_development(docker, buildkit, workspace):
    workspace.build(buildkit, "workspace-development", PACKAGE=NAME, SOURCES="packages", editable="true")
    agent = Dev.start(docker, "workspace-development", "--env=INITD_WATCH_PATHS=/app/packages")
    edit = archive({"shared/src/shared/__init__.py": "VERSION = 3\n"})
    docker.ask("cp", "-", f"{agent.container.name}:/app/packages", input=edit)
    agent.answers(3).has_restarted("shared/src/shared/__init__.py changed")


# Other ways to come to an image


def test_initd_from_another_context_and_no_readme(docker, buildah, scratch):
    project = Project(scratch / "alone").with_server(f"src/{MODULE}").write(
        {"pyproject.toml": PYPROJECT.format(name=NAME, dependencies='["fastapi", "uvicorn"]') + VERSIONS}).lock()
    sources = scratch / "elsewhere"
    example.initd_sources(sources)
    project.build(buildah, "alone", f"--build-context=initd={sources}")
    agent = Dev.start(docker, buildah.give(docker, "alone"))
    assert is_app(agent.container.server_pid())


def trixie():
    """A Debian with another Python; made once, then kept under build/."""
    tarball = BUILD / "images" / f"trixie-python3-{platform.machine()}.tar"
    if not tarball.exists():
        with tempfile.TemporaryDirectory(dir=tarball.parent) as directory:
            root = Path(directory, "root")
            made = subprocess.run(["unshare", "--mount", "debootstrap", "--variant=minbase", "--include=python3",
                                   "trixie", root, images.mirror()], capture_output=True, text=True)
            if made.returncode:
                pytest.skip(f"debootstrap makes no Debian trixie: {made.stdout[-500:]}")
            images.pack(root, Path(directory, "tar")).rename(tarball)
    return tarball


def test_another_python(docker, buildah, example_project, scratch):
    context = scratch / "python"
    context.mkdir()
    shutil.copy(trixie(), context / "base.tar")
    shutil.copy(example.BUNDLE, context / "bundle")
    (context / "Dockerfile").write_text(
        "FROM scratch\nADD base.tar /\nCOPY bundle /etc/ssl/bundle\nENV SSL_CERT_FILE=/etc/ssl/bundle\n")
    buildah.build(context, "another-python")
    shutil.rmtree(context)
    example_project.build(buildah, "other", PYTHON="another-python")
    agent = Dev.start(docker, buildah.give(docker, "other"))
    assert is_app(agent.container.server_pid())
    version = docker.run("other", "python", "-c", "import sys; print(sys.version_info[:2])").stdout
    assert version == "(3, 13)\n"
    stops(agent.container)
