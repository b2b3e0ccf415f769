# SPDX-License-Identifier: MIT
"""What test_conf.py asks schemas about is asked of those who know more: actionlint, and the types of Knative."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

import packages
from compose import Go, new_enough
from engine import need
from harness import BUILD, ROOT

CLOUDRUN = ROOT / "conf" / "cloudrun.yaml"
WORKFLOWS = [ROOT / "conf" / "github-actions.yaml", *(ROOT / ".github" / "workflows").glob("*.yml")]


def built(module, package, source=None):
    """A program of a Go module, or source as one of it; made once, then kept under build/go."""
    def make(path):
        path.mkdir(parents=True)
        with tempfile.TemporaryDirectory(dir=path) as scratch:
            go = new_enough(Go("go", scratch))
            directory = go.download(module)
            if source:
                (directory / package).mkdir()
                shutil.copy(source, directory / package)
            # Knative has a vendor directory with nothing in it.
            go("build", "-mod=mod", "-buildvcs=false", "-trimpath", "-gcflags=all=-dwarf=false -N -l",
               "-ldflags=-s -w", "-o", path / "program", f"./{package}", cwd=directory)

    path = BUILD / "go" / module.replace("/", "_")
    if not (path / ".complete").exists():
        need("go")
    return packages.made(path, make) / "program"


@pytest.fixture(scope="module")
def actionlint():
    return built("github.com/rhysd/actionlint@v1.7.11", "cmd/actionlint")


@pytest.fixture(scope="module")
def knative():
    return built("knative.dev/serving@v0.42.2", "cmd/check", Path(__file__).with_name("knative.go"))


def ask(program, *words, text):
    return subprocess.run([program, *words], input=text, capture_output=True, text=True, timeout=60, cwd=ROOT)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actionlint_has_nothing_to_say(path, actionlint):
    need("shellcheck")
    answer = ask(actionlint, "-stdin-filename", path, "-", text=path.read_text())
    assert (answer.returncode, answer.stdout) == (0, ""), answer


def test_actionlint_sees_a_mistake_in_an_expression(actionlint):
    text = (ROOT / "conf" / "github-actions.yaml").read_text()
    assert "matrix.runner" in ask(actionlint, "-", text=text.replace("runner:", "machine:")).stdout


def test_knative_takes_the_service(knative):
    answer = ask(knative, text=CLOUDRUN.read_text())
    assert (answer.returncode, answer.stdout) == (0, ""), answer


MISTAKES = {
    "an unknown field": ("containerConcurrency", "containerConcurrence"),
    "a value out of range": ("containerConcurrency: 80", "containerConcurrency: -1"),
    "a second port": ("- containerPort: 8080", "- containerPort: 8080\n            - containerPort: 8081"),
    "a field that only Kubernetes has": ("timeoutSeconds: 300", "terminationGracePeriodSeconds: 10"),
}


@pytest.mark.parametrize("good, bad", MISTAKES.values(), ids=MISTAKES)
def test_knative_refuses(knative, good, bad):
    text = CLOUDRUN.read_text()
    assert good in text
    answer = ask(knative, text=text.replace(good, bad))
    assert answer.returncode == 1 and answer.stdout, answer
