# SPDX-License-Identifier: MIT
"""What takes minutes, for `make check-images`: an engine with networks, and the image of an agent."""

import shutil
import tempfile
from pathlib import Path

import pytest

import compose
import images
import packages
import services
from engine import Client, need
from harness import BUILD, ROOT, wait_until
from island import Island

TESTS = ROOT / "tests"
CONTAINER = TESTS / "container"


@pytest.fixture(scope="session")
def scratch():
    """A directory with a path short enough for a socket; not the other engine's."""
    path = Path(tempfile.mkdtemp(prefix="initd-test-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def engine(scratch):
    need("dockerd", "docker", "debootstrap", "apt-get", "setpriv", "unshare", "ip", "iptables")
    base = images.base_tarball()
    daemon = Island(scratch)
    try:
        client = Client(shutil.which("docker", path="/usr/bin") or shutil.which("docker"), DOCKER_HOST=daemon.address,
                        DOCKER_BUILDKIT="0", DOCKER_CONFIG=str(scratch))
        wait_until(lambda: daemon.ended() or client.call("version").returncode == 0, timeout=30, what="dockerd")
        if daemon.ended():
            pytest.skip(f"dockerd does not run here: {daemon.last_words()}")
        (scratch / "cli-plugins").mkdir()
        (scratch / "cli-plugins" / "docker-compose").symlink_to(compose.plugin())
        client.ask("import", str(base), "base")
        yield client
    finally:
        daemon.stop()


@pytest.fixture(scope="session")
def site_packages(engine):
    """FastAPI and its servers for the Python of the images."""
    python = engine.run("base", "python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    return packages.site_packages(python.stdout.strip())


@pytest.fixture(scope="session")
def agent(engine, site_packages):
    """The image `agent`: FastAPI on uvicorn, installed as for production."""
    images.build(engine, "sample", "Dockerfile", "--target", "agent", initd=BUILD / "musl" / "initd",
                 agent=TESTS / "agent", helpers=CONTAINER / "helpers")
    return images.build(engine, "agent", "Dockerfile.fastapi", "--build-arg", "IMAGE=sample", packages=site_packages,
                        fastapi_agent=TESTS / "servers" / "fastapi_agent")


@pytest.fixture(scope="session")
def dev_agent(engine, site_packages):
    """The image `agent:dev`: another one, that is installed in editable mode."""
    images.build(engine, "dev", "Dockerfile.watch", packages=site_packages, builder=images.builder(),
                 dev_agent=CONTAINER / "dev_agent")
    images.build(engine, "dev", "Dockerfile.initd", "--build-arg", "IMAGE=dev", initd=BUILD / "musl" / "initd")
    engine.ask("build", "--tag", "agent:dev", "-", input=b"FROM dev\nENV UVICORN_HOST=0.0.0.0\n")
    return "agent:dev"


@pytest.fixture(scope="session")
def elsewhere(engine):
    """The images that conf/compose.yaml takes from elsewhere."""
    services.build(engine, postgres="postgres:17-alpine", redis="redis:8-alpine", nginx="nginx:1.29-alpine")
