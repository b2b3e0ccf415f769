# SPDX-License-Identifier: MIT
"""A private index, with its password in the secret uv.toml alone: the image is made, and does not hold it."""

import pytest

import example
from example import MODULE, NAME, PYPROJECT, Project
from private_index import PACKAGE, PrivateIndex


@pytest.fixture(scope="module")
def index():
    server = PrivateIndex()
    yield server
    server.close()


@pytest.fixture(scope="module")
def project(scratch, index):
    text = PYPROJECT.format(name=NAME, dependencies=f'["{PACKAGE}"]')
    return Project(scratch / "private", index.uv_toml()).with_initd().write(
        {"pyproject.toml": text, f"src/{MODULE}/__init__.py": ""}).lock()


@pytest.fixture(scope="module")
def refused(buildkit, project):
    """The build without the secret. It is the first one: what a secret has made comes from the cache later."""
    return buildkit.try_build(project.directory, "private", *project.options(secret=False))


def test_a_build_without_the_secret_fails_and_says_why(refused, index):
    assert refused.returncode != 0
    assert f"http://{index.address}" in refused.stderr and "401" in refused.stderr


@pytest.mark.parametrize("target", [(), ("--target", "app-build")], ids=["the image", "its first stage"])
def test_the_package_is_there_and_the_password_is_nowhere(docker, buildkit, project, refused, index, scratch, target):
    log = project.build(buildkit, "private", *target)
    image = docker.ask("image", "inspect", "private") + docker.ask("history", "--no-trunc", "private")
    layers = example.layers(docker, "private", scratch)
    assert any(name.endswith(f"/site-packages/{PACKAGE}.py") for layer in layers for name in layer.files)
    for secret in index.password, index.authorization.split()[1]:
        assert secret not in log + image
        assert not [name for layer in layers for name, content in layer.files.items() if secret.encode() in content]
    # The address is in uv.lock.
    assert [name for layer in layers for name, content in layer.files.items() if index.address.encode() in content]
