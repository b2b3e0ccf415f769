# SPDX-License-Identifier: MIT
"""An editable install, as every installer and build backend makes it, is found, and an edit restarts its server.

A normal install, an editable one of something else, and one-shot commands are left alone.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import NamedTuple

import pytest

import packages
import pidns
from harness import free_port, wait_until

uv = pytest.importorskip("uv", reason="needs what tests/requirements.txt lists")

# The C library has no part in what is asked here; where it has one, both are tested.
one_libc = pytest.mark.parametrize("libc", ["musl"], indirect=True)

OLD_SETUPTOOLS = "setuptools==79.0.1"       # the last but a few with a `setup.py develop` of its own
SERVE = ("python", "-m", "my_agent.server")

PYPROJECT = """\
[project]
name = "my-agent"
version = "1.2.3"
description = "An agent"

[project.scripts]
my-agent = "my_agent.server:main"

[build-system]
requires = ["{requires}"]
build-backend = "{module}"

{tables}
"""

CODE = """\
import signal

print("this is", "{name}", flush=True)


async def app(scope, receive, send):
    pass


def main():
    signal.pause()


if __name__ == "__main__":
    main()
"""


class Backend(NamedTuple):
    requires: str
    module: str
    names: str              # the file of its own that tells where the code is
    tables: str = ""        # more of pyproject.toml
    flat: bool = False
    config: str = ""


SETUPTOOLS = ("setuptools", "setuptools.build_meta")
HATCHLING = ("hatchling", "hatchling.build")
PDM = ("pdm-backend", "pdm.backend")

BACKENDS = {
    "setuptools": Backend(*SETUPTOOLS, "__editable__.my_agent-1.2.3.pth"),
    "setuptools-flat": Backend(*SETUPTOOLS, "__editable___my_agent_1_2_3_finder.py", flat=True),
    "setuptools-compat": Backend(*SETUPTOOLS, "__editable__.my_agent-1.2.3.pth", flat=True,
                                 config="editable_mode=compat"),
    "setuptools-strict": Backend(*SETUPTOOLS, "__editable__.my_agent-1.2.3.pth", flat=True,
                                 config="editable_mode=strict"),
    "hatchling": Backend(*HATCHLING, "_editable_impl_my_agent.pth"),
    "hatchling-dirs": Backend(*HATCHLING, "_my_agent.pth", '[tool.hatch.build]\ndev-mode-dirs = ["src"]'),
    "hatchling-exact": Backend(*HATCHLING, "_editable_impl_my_agent.py", "[tool.hatch.build]\ndev-mode-exact = true"),
    "uv_build": Backend("uv_build", "uv_build", "my_agent.pth"),
    "uv_build-flat": Backend("uv_build", "uv_build", "my_agent.pth", '[tool.uv.build-backend]\nmodule-root = ""',
                             flat=True),
    "flit_core": Backend("flit_core", "flit_core.buildapi", "my_agent.pth"),
    "poetry-core": Backend("poetry-core", "poetry.core.masonry.api", "my_agent.pth"),
    "pdm-backend": Backend(*PDM, "_editable_impl_my_agent.pth"),
    "pdm-backend-editables": Backend(*PDM, "_editable_impl_my_agent.py",
                                     '[tool.pdm.build]\neditable-backend = "editables"'),
}
INSTALLERS = ("pip", "uv")


class Project:
    """A project with one package, a venv for it, and where its code lies."""

    def __init__(self, root, backend, venv="venv"):
        self.root = root
        self.backend = backend
        self.agent_dir = root if backend.flat else root / "src"
        self.venv = root.with_name(venv)
        package = self.agent_dir / "my_agent"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        self.server = package / "server.py"
        self.edit("one")
        (root / "pyproject.toml").write_text(PYPROJECT.format(**backend._asdict()))

    def edit(self, name):
        """Another server.py (the longer the name, the longer), written as the Docker Engine does it."""
        self.server.unlink(missing_ok=True)
        self.server.write_text(CODE.format(name=name))

    @property
    def record(self):
        """What the installer says about where it got the project from (PEP 610)."""
        return next(site_packages(self.venv).glob("my_agent-*.dist-info")) / "direct_url.json"


def site_packages(prefix):
    return prefix / "lib" / ("python%d.%d" % sys.version_info[:2]) / "site-packages"


def run_tool(*command, cwd, **env):
    """Run an installer or the like, with no index, no configuration and no cache of anybody's."""
    tools = Path(uv.find_uv_bin()).parent
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={
        "PATH": f"{tools}:{pidns.PATH}", "HOME": str(cwd.parent), "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INDEX": "1", "UV_NO_CONFIG": "1", "UV_PYTHON_DOWNLOADS": "never"} | env)
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"


def make_venv(path, python=sys.executable, *options):
    subprocess.run([python, "-m", "venv", "--without-pip", *options, path], check=True)
    return path


def lend(venv, source):
    """The packages of another site-packages, as if they had been installed in this venv too.

    Not __pycache__: two import finders of one size, made in the same second, would take each other's bytecode.
    """
    for entry in source.iterdir():
        target = site_packages(venv) / entry.name
        if entry.suffix != ".pth" and entry.name != "__pycache__" and not target.exists():
            target.symlink_to(entry)


def console_script(venv, name, module, function):
    """What installers make of an entry point."""
    path = venv / "bin" / name
    path.write_text(f"#!{venv}/bin/python\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n")
    path.chmod(0o755)


def pip(project, *words):
    config = [f"--config-settings={project.backend.config}"] if project.backend.config else []
    run_tool(project.venv / "bin" / "python", "-m", "pip", "install", "--no-build-isolation", "--no-deps", *config,
             *words, cwd=project.root)


def uv_pip(project, *words):
    config = [f"--config-settings={project.backend.config}"] if project.backend.config else []
    where = [] if "--target" in words else ["--python", project.venv / "bin" / "python"]
    run_tool(uv.find_uv_bin(), "pip", "install", "--offline", "--no-index", "--no-build-isolation", "--no-deps",
             *where, *config, *words, cwd=project.root)


def uv_sync(project, *words):
    run_tool(uv.find_uv_bin(), "sync", "--offline", "--no-index", "--python", sys.executable, *words, cwd=project.root)


INSTALL = {"pip": pip, "uv": uv_pip}


class Workshop:
    """Makes projects below one directory; those that no test changes, once."""

    def __init__(self, root):
        self.root = root
        self.installed = {}

    def project(self, backend, name="project", venv="venv"):
        number = len(list(self.root.iterdir()))
        return Project(self.root / str(number) / name, BACKENDS[backend], venv)

    def install(self, project, installer, *words):
        """Install a project in its venv, where the build backends are already."""
        make_venv(project.venv)
        lend(project.venv, Path(uv.__file__).parent.parent)
        INSTALL[installer](project, *words, str(project.root))
        return project

    def editable(self, backend, installer):
        key = backend, installer
        if key not in self.installed:
            self.installed[key] = self.install(self.project(backend), installer, "-e")
        project = self.installed[key]
        project.edit("one")
        return project


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return Workshop(tmp_path_factory.mktemp("workshop"))


@pytest.fixture
def initd(lab):
    """initd(project, *argv, **how) starts one that can watch; it ends with the test."""
    runs = []

    def start(project, *argv, env=None, **how):
        # What is as new as the server may have changed while it started.
        wait_until(lambda: time.time() - project.server.stat().st_ctime > 0.1)
        # The Python of the tests may lie where only root can look.
        runs.append(pidns.Run(lab, [*map(str, argv)], env={
            "INITD_USER_NAME": "0", "INITD_LOG_LEVEL": "debug", "AGENT_DIR": str(project.agent_dir),
            "VIRTUAL_ENV": str(project.venv)} | (env or {}), **how))
        return runs[-1]

    yield start
    for run in runs:
        print(run.transcript())
        run.close()


WATCHING = re.compile(r"^initd: info: watching (?P<root>.*) \((?P<n_dirs>\d+) director(?:y|ies), (?P<n_files>\d+) "
                      r"files?, (?P<backend>\S+)\): (?P<file>.*?) names (?P<path>/.*)$", re.M)
NOT_WATCHING = re.compile(r"^initd: (debug|info): not watching\b", re.M)


def watched(run, project, by=None):
    """Wait for the line that says why this is watched: because of a file of this name in site-packages."""
    said = run.logs(WATCHING)
    assert said["root"] == str(project.agent_dir)
    assert said["file"] == (by or "my_agent-1.2.3.dist-info/direct_url.json")
    target, agent_dir = Path(os.path.realpath(said["path"])), Path(os.path.realpath(project.agent_dir))
    assert target in (agent_dir, *agent_dir.parents) or agent_dir in target.parents
    assert run.stderr.count("watching") == 1, run.stderr
    return said


def restarts_for_an_edit(run, project):
    run.says("this is one\n")
    project.edit("another")
    run.says("this is another\n")
    changed = project.server.relative_to(project.agent_dir)
    assert re.findall(r"^initd: info: restarting: (.*)", run.stderr, re.M) == [f"{changed} changed"]
    status = run.status()
    assert status["watch_restarts"] == 1
    assert status["watch_paths"] == str(project.agent_dir)
    assert "inotify" in status["watch_backend"]
    assert run.stdout == "this is one\nthis is another\n"


def is_not_watched(run, project):
    """Nobody looks, so an edit cannot do anything."""
    run.says("this is one\n")
    run.logs(NOT_WATCHING)
    project.edit("another")
    status = run.status()
    assert status["watch_backend"] is None
    assert not status["watch_restarts"]
    assert "info: watching" not in run.stderr
    assert run.stdout == "this is one\n"


# Every backend

@one_libc
@pytest.mark.parametrize("installer", INSTALLERS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_edit_of_an_editable_install_restarts_the_server(workshop, initd, backend, installer):
    project = workshop.editable(backend, installer)
    run = initd(project, *SERVE)
    watched(run, project)
    restarts_for_an_edit(run, project)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backends_own_file_is_enough(workshop, initd, backend):
    """Without PEP 610, as installers of long ago and some of today's."""
    project = workshop.editable(backend, "uv")
    aside = project.record.rename(project.root / "aside")
    try:
        watched(initd(project, *SERVE), project, by=project.backend.names)
    finally:
        aside.rename(project.record)


@one_libc
@pytest.mark.parametrize("backend", ["setuptools", "setuptools-flat"])
@pytest.mark.parametrize("without", ["easy-install.pth", "my-agent.egg-link"])
def test_setup_py_develop(workshop, initd, backend, without):
    project = develop(workshop, backend)
    (site_packages(project.venv) / without).unlink()
    run = initd(project, *SERVE, env={"PYTHONPATH": str(project.agent_dir)})
    watched(run, project, by="my-agent.egg-link" if without == "easy-install.pth" else "easy-install.pth")
    restarts_for_an_edit(run, project)


def develop(workshop, backend):
    def download(path):
        result = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", path,
                                 OLD_SETUPTOOLS], capture_output=True, text=True)
        if result.returncode:
            pytest.skip(f"pip cannot install {OLD_SETUPTOOLS}: {result.stderr.strip()}")

    setuptools = packages.made(packages.directory(OLD_SETUPTOOLS), download)
    project = workshop.project(backend)
    make_venv(project.venv)
    (project.root / "setup.py").write_text("import setuptools\n\nsetuptools.setup()\n")
    run_tool(project.venv / "bin" / "python", "setup.py", "--quiet", "develop", "--no-deps", cwd=project.root,
             PYTHONPATH=str(setuptools))
    return project


@one_libc
@pytest.mark.parametrize("by", [None, "__editable___my_agent_1_2_3_finder.py"], ids=["PEP 610", "finder"])
def test_a_single_module(workshop, initd, by):
    """Its finder names /…/agent, where there is only agent.py."""
    backend = BACKENDS["setuptools-flat"]._replace(tables='[tool.setuptools]\npy-modules = ["agent"]')
    project = Project(workshop.project("setuptools-flat").root / "single", backend)
    project.server = project.server.rename(project.root / "agent.py")
    shutil.rmtree(project.root / "my_agent")
    workshop.install(project, "uv", "-e")
    if by:
        project.record.unlink()
    run = initd(project, "python", "-m", "agent")
    watched(run, project, by=by)
    restarts_for_an_edit(run, project)


@one_libc
def test_what_is_no_source_is_not_counted(workshop, initd):
    """What setuptools, Python and an editor leave beside it, and a venv."""
    project = workshop.editable("setuptools", "pip")
    for name in ("my_agent.egg-info", "__pycache__", ".idea", "env"):
        directory = project.agent_dir / name
        directory.mkdir()
        (directory / "settings.json").write_text("{}")
    (project.agent_dir / "env" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    said = watched(initd(project, *SERVE), project)
    assert (said["n_dirs"], said["n_files"]) == ("2", "2")


# Where it must stay off

@one_libc
@pytest.mark.parametrize("installer", INSTALLERS)
def test_a_normal_install_is_not_watched(workshop, initd, installer):
    project = workshop.install(workshop.project("uv_build"), installer)
    assert (site_packages(project.venv) / "my_agent").is_dir()
    is_not_watched(initd(project, *SERVE), project)


@one_libc
def test_uv_sync_is_editable_unless_told_otherwise_and_its_venv_is_found(workshop, initd):
    project = workshop.project("uv_build")
    without = {"VIRTUAL_ENV": None}
    uv_sync(project)
    run = initd(project, *SERVE, env=without)
    watched(run, project)
    restarts_for_an_edit(run, project)
    project.edit("one")
    uv_sync(project, "--no-editable")
    is_not_watched(initd(project, *SERVE, env=without), project)


@one_libc
@pytest.mark.parametrize("name", ["src-2", "sr", "src/lib"], ids=["beside", "shorter", "below"])
def test_only_an_editable_install_of_agent_dir_counts(workshop, initd, name):
    """Somebody else's project may be editable in the same venv, at a path that begins in the same way."""
    project = workshop.project("uv_build")
    other = Project(project.root / name, BACKENDS["uv_build"])
    (other.root / "pyproject.toml").write_text(
        (other.root / "pyproject.toml").read_text().replace("my-agent", "other-agent"))
    other.agent_dir.joinpath("my_agent").rename(other.agent_dir / "other_agent")
    workshop.install(project, "uv")
    uv_pip(project, "-e", str(other.root))
    run = initd(project, *SERVE)
    if name == "src/lib":       # into AGENT_DIR
        assert run.logs(WATCHING)["file"] == "other_agent-1.2.3.dist-info/direct_url.json"
    else:
        is_not_watched(run, project)


# Where it lies

COMMON = "it's 100%41 ü 日本"
ESCAPED = "both '\" and \\x"       # a finder is Python, its strings have escapes then


@one_libc
@pytest.mark.parametrize("installer, backend, name, recorded", [
    ("pip", "uv_build", ESCAPED, True),
    ("pip", "uv_build", COMMON, True),
    ("uv", "uv_build", ESCAPED, True),
    ("uv", "uv_build", COMMON, True),
    ("uv", "uv_build", COMMON, False),
    ("uv", "setuptools-flat", COMMON, False),
    ("uv", "hatchling-exact", COMMON, False),
], ids=["pip, escaped", "pip", "uv, escaped", "uv", "only .pth", "only a finder", "only a map"])
def test_a_path_may_have_any_characters(workshop, initd, installer, backend, name, recorded):
    project = workshop.project(backend, name, venv="a venv 100%41 ü 日本")
    workshop.install(project, installer, "-e")
    if not recorded:
        project.record.unlink()
    # The console script begins with a shell's line: no kernel takes such an interpreter.
    run = initd(project, "my-agent")
    watched(run, project, by=None if recorded else project.backend.names)
    restarts_for_an_edit(run, project)


@one_libc
@pytest.mark.parametrize("backend", ["setuptools-flat", "uv_build"])
def test_links_lead_to_the_same_place(workshop, initd, backend):
    """Installed by one name, AGENT_DIR by another."""
    project = workshop.project(backend)
    real = project.root
    installed = real.with_name("installed")
    installed.symlink_to(real)
    project.root = installed
    workshop.install(project, "uv", "-e")
    link = real.with_name("agent")
    link.symlink_to(real / project.agent_dir.relative_to(real))
    project.agent_dir, project.server = link, link / "my_agent" / "server.py"
    run = initd(project, *SERVE)
    watched(run, project)
    restarts_for_an_edit(run, project)


def make_prefix(path):
    """A Python of our own that is no venv: a copy of the program, links to the library, an empty site-packages."""
    original = Path(os.path.realpath(sys._base_executable))
    python = path / "bin" / ("python%d.%d" % sys.version_info[:2])
    python.parent.mkdir(parents=True)
    shutil.copy(original, python)
    (path / "bin" / "python").symlink_to(python.name)
    site_packages(path).mkdir(parents=True)
    for library in (original.parent.parent / "lib").glob("libpython*.so*"):     # some look for it from where they are
        (path / "lib" / library.name).symlink_to(library)
    for entry in Path(sysconfig.get_path("stdlib")).iterdir():
        if entry.name not in ("site-packages", "dist-packages", "EXTERNALLY-MANAGED"):
            (site_packages(path).parent / entry.name).symlink_to(entry)
    return path


@one_libc
@pytest.mark.parametrize("included", [True, False], ids=["included", "not included"])
def test_the_systems_packages_count_where_the_venv_includes_them(workshop, initd, included):
    project = workshop.project("uv_build")
    prefix = make_prefix(project.root.with_name("prefix"))
    uv_pip(project, "--target", str(site_packages(prefix)), "-e", str(project.root))
    make_venv(project.venv, prefix / "bin" / "python", *(["--system-site-packages"] if included else []))
    run = initd(project, *SERVE, env={"PYTHONPATH": str(project.agent_dir)})
    if included:
        watched(run, project)
        restarts_for_an_edit(run, project)
    else:
        is_not_watched(run, project)


@one_libc
def test_without_a_venv_the_python_on_the_path_counts(workshop, initd):
    project = workshop.project("uv_build")
    prefix = make_prefix(project.root.with_name("prefix"))
    uv_pip(project, "--target", str(site_packages(prefix)), "-e", str(project.root))
    run = initd(project, *SERVE, env={"VIRTUAL_ENV": None, "PATH": f"{prefix}/bin:{pidns.PATH}",
                                      "PYTHONPATH": str(project.agent_dir)})
    watched(run, project)
    restarts_for_an_edit(run, project)


# Commands

@pytest.fixture(scope="module")
def complete(workshop, venv):
    """A project as in a dev image: editable, with a test that fails, and the tools to work on it."""
    project = workshop.install(workshop.project("setuptools-flat"), "uv", "-e")
    lend(project.venv, site_packages(venv))
    console_script(project.venv, "pytest", "pytest", "console_main")
    console_script(project.venv, "uvicorn", "uvicorn.main", "main")
    (project.root / "tests").mkdir()
    for name in ("tests/test_agent.py", "my_agent/test_server.py"):
        (project.root / name).write_text("def test_server():\n    assert False\n")
    entrypoint = project.root / "entrypoint.sh"
    entrypoint.write_text("#!/bin/sh\nset -e\nexec uvicorn my_agent.server:app\n")
    entrypoint.chmod(0o755)
    return project


ONE_SHOT = {
    "pytest": 1,
    "pytest -x tests": 1,
    "pytest tests/test_agent.py": 1,
    "pytest my_agent/test_server.py::test_server": 1,
    "python -m pytest tests/test_agent.py": 1,
    "sh -c 'pytest tests/test_agent.py'": 1,
    "python -c 'exit(3)'": 3,
    "python -c 'import my_agent.server; exit(3)'": 3,
    "sh -c 'exit 4'": 4,
    "nosuch": 127,
}


@one_libc
@pytest.mark.parametrize("command", ONE_SHOT)
def test_a_one_shot_command_keeps_its_exit_code(complete, initd, command):
    run = initd(complete, *shlex.split(command), cwd=complete.root)
    assert run.wait(30) == ONE_SHOT[command]
    assert not re.search("initd: info: (watching|waiting)", run.stderr)


@one_libc
def test_a_shell_is_told_why_it_is_not_watched(complete, initd):
    run = initd(complete, "sh", "-c", "echo this is one; exec sleep 1000")
    run.logs(re.compile(r"^initd: info: not watching: .* names .*, but .*; watch\.enabled=yes watches all the same$",
                        re.M))
    is_not_watched(run, complete)
    complete.edit("one")


@one_libc
@pytest.mark.parametrize("command", [
    "my-agent",
    "uvicorn my_agent.server:app",
    "sh -c 'exec uvicorn my_agent.server:app'",
    "{root}/entrypoint.sh",
    "python my_agent/server.py",
    "-o server.working_dir={root}/my_agent python server.py",
])
def test_a_command_that_names_the_code_is_watched(complete, initd, command):
    complete.edit("one")
    run = initd(complete, *shlex.split(command.format(root=complete.root)), env={"UVICORN_PORT": str(free_port())},
                cwd=complete.root)
    watched(run, complete)
    restarts_for_an_edit(run, complete)
