# SPDX-License-Identifier: MIT
"""Images of all kinds that Dockerfile.example makes: with the engines and the images of the container tests."""

import importlib.util
import sys

import pytest

from harness import ROOT

CONTAINER = ROOT / "tests" / "container"
sys.path.append(str(CONTAINER))

from buildkit import BuildKit      # noqa: E402

# A conftest.py that is not above this one.
_spec = importlib.util.spec_from_file_location("container_fixtures", CONTAINER / "conftest.py")
_container = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_container)

scratch = _container.scratch
docker_engine = _container.docker_engine
docker = _container.docker
buildah = _container.buildah
example_project = _container.example_project


@pytest.fixture(scope="session")
def stand_ins(docker_engine, buildah):
    """The images that Dockerfile.example starts from, in the Docker Engine."""
    for name in "python", "alpine", "uv":
        buildah.give(docker_engine, name)


@pytest.fixture(scope="session")
def buildkit(docker_engine, stand_ins):
    """`docker build` as it is since 23.0."""
    return BuildKit(docker_engine)


@pytest.fixture(scope="session")
def buildkit_logs(buildkit, example_project):
    """The logs of its builds, by the image: first for production, then for development."""
    return {"production-buildkit": example_project.build(buildkit, "production-buildkit"),
            "development-buildkit": example_project.build(buildkit, "development-buildkit", editable="true")}
