# SPDX-License-Identifier: MIT
"""The fixtures of the container tests: the engines, and the images with either binary."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

import compose
import example
import images
import packages
from engine import Client, Daemon, need, remove_mounts
from harness import ROOT, wait_until
from notified import Notified

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def scratch():
    """A directory with a path short enough for a socket."""
    path = Path(tempfile.mkdtemp(prefix="initd-test-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def docker_engine(scratch):
    need("dockerd", "docker", "debootstrap", "apt-get", "setpriv", "unshare")
    base = images.base_tarball()
    daemon = Daemon(scratch)
    try:
        # The client of Debian's docker.io, should there be another one.
        binary = shutil.which("docker", path="/usr/bin") or shutil.which("docker")
        client = Client(binary, "--host", daemon.address, DOCKER_BUILDKIT="0", DOCKER_CONFIG=str(scratch))
        wait_until(lambda: daemon.ended() or client.call("version").returncode == 0, timeout=30, what="dockerd")
        if daemon.ended():
            pytest.skip(f"dockerd does not run here: {daemon.last_words()}")
        client.ask("import", str(base), "base")
        yield client
    finally:
        daemon.stop()


@pytest.fixture
def docker(docker_engine):
    """The engine; what a test leaves running is removed after it."""
    yield docker_engine
    docker_engine.remove_containers()


@pytest.fixture
def terminal():
    """terminal(engine, image, command...): `run -it`, and the terminal it runs on."""
    opened = []

    def run(engine, *args):
        opened.append(engine.run_on_terminal(*args))
        return opened[-1]

    yield run
    for one in opened:
        one.close()


@pytest.fixture(scope="session")
def build_agent(docker_engine, libc, binary):
    def build(target):
        return images.build(docker_engine, f"{target}-{libc}", "Dockerfile", "--target", target,
                            initd=binary, agent=ROOT / "tests" / "agent", helpers=HERE / "helpers")

    return build


@pytest.fixture(scope="session")
def agent(build_agent):
    """The image of design.md, with the sample agent."""
    return build_agent("agent")


@pytest.fixture(scope="session")
def bare(build_agent):
    """The same without ENV and CMD."""
    return build_agent("bare")


def fastapi_packages(docker):
    """FastAPI and its servers for the Python of the images."""
    python = docker.run("base", "python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])").stdout
    return packages.site_packages(python.strip())


@pytest.fixture(scope="session")
def fastapi(docker_engine, agent):
    """The image with a FastAPI application on uvicorn."""
    return images.build(docker_engine, f"fastapi-{agent}", "Dockerfile.fastapi", "--build-arg", f"IMAGE={agent}",
                        packages=fastapi_packages(docker_engine),
                        fastapi_agent=ROOT / "tests" / "servers" / "fastapi_agent")


@pytest.fixture(scope="session")
def dev_without_initd(docker_engine):
    return images.build(docker_engine, "dev", "Dockerfile.watch", packages=fastapi_packages(docker_engine),
                        builder=images.builder(), dev_agent=HERE / "dev_agent")


@pytest.fixture(scope="session")
def dev(docker_engine, dev_without_initd, libc, binary):
    """A dev image: a FastAPI application that is installed in editable mode."""
    return images.build(docker_engine, f"dev-{libc}", "Dockerfile.initd",
                        "--build-arg", f"IMAGE={dev_without_initd}", initd=binary)


@pytest.fixture(scope="session")
def installed(docker_engine, dev):
    """The same application, installed as for production."""
    return images.build(docker_engine, f"installed-{dev}", "Dockerfile.installed", "--build-arg", f"IMAGE={dev}")


@pytest.fixture
def sources(tmp_path):
    """The application's sources on the host, and a umask: the container's user may do everything there too."""
    umask = os.umask(0)
    path = tmp_path / "src"
    shutil.copytree(HERE / "dev_agent" / "src", path, ignore=shutil.ignore_patterns("__pycache__"))
    for name in path, *path.rglob("*"):
        name.chmod(0o777)
    yield path
    os.umask(umask)


@pytest.fixture(scope="session")
def podman_dev(hand_over, dev):
    return hand_over(dev)


@pytest.fixture(scope="session")
def compose_plugin(docker_engine, scratch):
    """Makes `docker compose` a command of the engine's client."""
    directory = scratch / "cli-plugins"
    directory.mkdir()
    (directory / "docker-compose").symlink_to(compose.plugin())


def with_healthcheck(docker, image):
    return images.build(docker, f"health-{image}", "Dockerfile.health", "--build-arg", f"IMAGE={image}")


@pytest.fixture(scope="session")
def health(docker_engine, agent):
    """The sample agent's image with a HEALTHCHECK."""
    return with_healthcheck(docker_engine, agent)


@pytest.fixture(scope="session")
def fastapi_health(docker_engine, fastapi):
    """The FastAPI application's image with a HEALTHCHECK."""
    return with_healthcheck(docker_engine, fastapi)


@pytest.fixture(scope="session")
def empty(docker_engine, libc, binary, scratch):
    """An image FROM scratch that holds initd and one static program, /identity: no /etc/passwd, no shell."""
    need("cc")
    identity = scratch / "identity"
    subprocess.run(["cc", "-static", "-o", identity, HERE / "helpers" / "identity.c"], check=True)
    return images.build(docker_engine, f"empty-{libc}", "Dockerfile.scratch", initd=binary, identity=identity)


@pytest.fixture(scope="session")
def buildah(scratch):
    """What builds Dockerfile.example."""
    need("buildah", "debootstrap", "apt-get", "unshare")
    made = example.buildah(scratch / "buildah")
    yield made
    made.close()


@pytest.fixture(scope="session")
def example_project(scratch):
    """A project that has Dockerfile.example for its Dockerfile."""
    return example.agent(scratch / "example")


@pytest.fixture(scope="session")
def example_logs(example_project, buildah):
    """The logs of its builds, by the image: first for production, then for development."""
    return {"production": example_project.build(buildah, "production", VERSION="1.2.3", REVISION="abcdef"),
            "development": example_project.build(buildah, "development", editable="true")}


@pytest.fixture(scope="session")
def production(docker_engine, buildah, example_logs):
    return buildah.give(docker_engine, "production")


@pytest.fixture(scope="session")
def development(docker_engine, buildah, example_logs):
    return buildah.give(docker_engine, "development")


@pytest.fixture(scope="session")
def podman_engine(scratch):
    need("podman", "runc")
    storage = scratch / "podman"
    yield Client(shutil.which("podman"), "--root", str(storage / "root"), "--runroot", str(storage / "run"),
                 "--tmpdir", str(storage / "tmp"), "--runtime", "runc", "--cgroup-manager", "cgroupfs",
                 "--events-backend", "file",
                 run_options=("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"),
                 DISABLE_HC_SYSTEMD="true")     # Else systemd's timers run the healthchecks, where there is a systemd.
    remove_mounts(storage)


@pytest.fixture
def podman(podman_engine):
    yield podman_engine
    podman_engine.remove_containers()


@pytest.fixture(scope="session")
def hand_over(docker_engine, podman_engine, scratch):
    """Gives an image of Docker's to Podman."""
    def give(image):
        saved = scratch / "image.tar"
        docker_engine.ask("save", "--output", str(saved), image)
        podman_engine.ask("load", "--input", str(saved))
        saved.unlink()
        return f"localhost/{image}"

    return give


@pytest.fixture(scope="session")
def podman_agent(hand_over, agent):
    return hand_over(agent)


@pytest.fixture(scope="session")
def podman_health(hand_over, health):
    return hand_over(health)


@pytest.fixture
def notified():
    """A NOTIFY_SOCKET."""
    listener = Notified()
    yield listener
    listener.close()
