# SPDX-License-Identifier: MIT
"""conf/compose.dev.yaml on top of conf/compose.yaml: an edit under `docker compose watch`."""

import shutil

import pytest

from harness import ROOT, wait_until
from project import Project

DEV_AGENT = ROOT / "tests" / "container" / "dev_agent"


@pytest.fixture
def here(engine, elsewhere, dev_agent, tmp_path):
    """The same with conf/compose.dev.yaml, in the directory of a project."""
    shutil.copytree(DEV_AGENT, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "uv.lock").touch()
    project = Project(engine, tmp_path, "compose.yaml", "compose.dev.yaml")
    try:
        project.up()
        yield project
    finally:
        project.end()


def test_an_edit_of_the_project_is_answered_through_the_gateway(here, tmp_path):
    assert here.get("/version") == "1"
    here.watch()
    wait_until(lambda: here.initd("status")["standby"] == "warm", timeout=30)
    (tmp_path / "src" / "dev_agent" / "version.py").write_text("VERSION = 2\n")
    wait_until(lambda: here.get("/version") == "2", timeout=20)
    (tmp_path / "src" / "dev_agent" / "more.py").write_text("")
    wait_until(lambda: "more.py is new" in here.logs(), timeout=20)
    (tmp_path / "src" / "dev_agent" / "more.py").unlink()
    wait_until(lambda: "more.py was removed" in here.logs(), timeout=20)
    wait_until(lambda: here.get("/version") == "2", timeout=20)
