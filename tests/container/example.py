# SPDX-License-Identifier: MIT
"""Dockerfile.example as people use it: copied to a project of uv's and built. What it starts from is made here."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

import images
import packages
from engine import remove_mounts
from harness import BUILD, ROOT

HERE = Path(__file__).resolve().parent

# What this machine trusts may be more than what Debian does.
BUNDLE = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))

# What the arguments of Dockerfile.example name.
STAND_INS = {"ALPINE": "alpine", "PYTHON": "python", "UV": "uv"}

# In the place of python:3.13-slim and alpine:3.22, without a registry. The second one has what apk is asked for.
STAND_INS_FILE = """\
FROM scratch AS python
ADD base.tar /
RUN apt-get update -qq && apt-get install -qq --no-install-recommends ca-certificates netbase tzdata >/dev/null && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb
COPY ca-certificates.crt /etc/ssl/certs/
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt

FROM python AS alpine
RUN apt-get update -qq && apt-get install -qq --no-install-recommends gcc libc6-dev make pkg-config libuv1-dev \
        libinih-dev musl-tools dpkg-dev >/dev/null && ln -s /bin/true /usr/local/bin/apk
"""


def uv_program():
    return pytest.importorskip("uv", reason="needs what tests/requirements.txt lists").find_uv_bin()


class Buildah:
    """Builds images without a daemon; all that it writes is below one directory."""

    def __init__(self, storage, *options):
        self.storage = storage
        (storage / "tmp").mkdir(parents=True)
        self.command = ["buildah", "--root", storage / "root", "--runroot", storage / "run",
                        "--storage-driver", "overlay", *options]
        self.environment = os.environ | {"TMPDIR": f"{storage}/tmp"}    # The cache mounts are there, too.

    def call(self, *args, timeout=600):
        return subprocess.run([*self.command, *args], env=self.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout)

    def ask(self, *args):
        answer = self.call(*args)
        assert answer.returncode == 0, answer.stdout
        return answer.stdout.strip()

    def try_build(self, context, tag, *options):
        # In format docker: OCI's has no HEALTHCHECK.
        return self.call("bud", "--pull-never", "--format", "docker", "--layers", "--isolation", "chroot",
                         "--network", "host", "--tag", tag, *options, context)

    def build(self, context, tag, *options):
        """The log of the build."""
        built = self.try_build(context, tag, *options)
        assert built.returncode == 0, built.stdout
        return built.stdout

    def give(self, docker, tag):
        """Give the image to a Docker Engine, under the same name."""
        archive = self.storage / "image.tar"
        self.ask("push", "--quiet", f"localhost/{tag}", f"docker-archive:{archive}:{tag}")
        docker.ask("load", "--input", str(archive))
        archive.unlink()
        return tag

    def n_layers(self, tag):
        image = json.loads(self.ask("inspect", "--type", "image", f"localhost/{tag}"))
        return len(image["OCIv1"]["rootfs"]["diff_ids"])

    def close(self):
        remove_mounts(self.storage)
        shutil.rmtree(self.storage)


def stand_ins():
    """A storage of Buildah's with the images `python` and `alpine`; made once, then kept under build/."""
    def make(path):
        buildah = Buildah(path)
        with tempfile.TemporaryDirectory(dir=path) as context:
            os.link(tarball, f"{context}/base.tar")
            shutil.copy(BUNDLE, f"{context}/ca-certificates.crt")
            Path(context, "Dockerfile").write_text(STAND_INS_FILE)
            for target in "python", "alpine":
                built = buildah.try_build(context, target, "--target", target)
                if built.returncode:
                    pytest.skip(f"Debian's mirror cannot make what stands for {target}: {built.stdout[-500:]}")
        remove_mounts(path)

    tarball = images.base_tarball()
    digest = hashlib.sha256(STAND_INS_FILE.encode() + BUNDLE.read_bytes()).hexdigest()[:12]
    return packages.made(BUILD / "images" / f"stand-ins-{tarball.stem}-{digest}", make) / "root"


def buildah(storage):
    """One that has all images that Dockerfile.example starts from."""
    made = Buildah(storage, "--storage-opt", f"overlay.imagestore={stand_ins()}")
    context = storage / "uv"
    context.mkdir()
    shutil.copy(uv_program(), context / "uv")
    (context / "Dockerfile").write_text("FROM scratch\nCOPY uv /uv\n")
    made.build(context, "uv")
    return made


# The project

SERVER = HERE / "dev_agent" / "src" / "dev_agent"
NAME = "your-agent-name"
MODULE = "your_agent_name"

PYPROJECT = """\
[project]
name = "{name}"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = {dependencies}

[build-system]
requires = ["uv_build>=0.9,<1"]
build-backend = "uv_build"
"""

# Of these, no version but what the other tests use.
VERSIONS = f"""
[tool.uv]
constraint-dependencies = {json.dumps(packages.REQUIREMENTS.read_text().split())}
"""

DEV_GROUP = """
[dependency-groups]
dev = ["iniconfig"]
"""

# What no image may hold: .dockerignore keeps it from the build.
MARK = "nothing for an image"
LEFT_OUT = (".env", ".git/config", ".venv/pyvenv.cfg", "compose.yaml", "compose.dev.yaml", "Dockerfile.other",
            "build/lib/x.py", "dist/x.whl", "initd/build/musl/initd", "initd/.git", f"src/{MODULE}/.env",
            f"src/{MODULE}/.server.py.swp", f"src/{MODULE}/__pycache__/server.cpython-313.pyc",
            f"src/{MODULE}/stale.pyc", f"src/{MODULE}.egg-info/PKG-INFO", f"src/{MODULE}/node_modules/x/x.js")


def registry():
    """The text of an uv.toml: uv gets packages where this machine's pip does."""
    asked = subprocess.run([sys.executable, "-m", "pip", "config", "get", "global.index-url"],
                           capture_output=True, text=True)
    url = os.environ.get("PIP_INDEX_URL") or asked.stdout.strip()
    return f"[[index]]\nurl = {json.dumps(url)}\ndefault = true\n" if url else ""


class Project:
    """A directory with a Dockerfile; beside it is the uv.toml that its builds get as a secret."""

    def __init__(self, directory, uv_toml=""):
        self.directory = directory
        directory.mkdir()
        self.uv_toml = directory.with_name(f"{directory.name}.uv.toml")
        self.uv_toml.write_text(uv_toml + registry())
        shutil.copy(ROOT / "Dockerfile.example", directory / "Dockerfile")
        shutil.copy(ROOT / ".dockerignore", directory)

    def write(self, files):
        for name, text in files.items():
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return self

    def with_server(self, path):
        """A FastAPI application, with a file version.py."""
        shutil.copytree(SERVER, self.directory / path, ignore=shutil.ignore_patterns("__pycache__"))
        return self

    def with_initd(self):
        """Like a git submodule."""
        initd_sources(self.directory / "initd")
        return self

    def lock(self):
        """`uv lock`"""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("UV_")}
        with tempfile.TemporaryDirectory() as cache:
            made = subprocess.run([uv_program(), "lock", "--directory", self.directory],
                                  env=environment | {"UV_CONFIG_FILE": str(self.uv_toml), "UV_CACHE_DIR": cache},
                                  capture_output=True, text=True)
        if made.returncode:
            pytest.skip(f"uv finds no packages: {made.stderr.strip()}")
        return self

    def options(self, secret=True, **arguments):
        words = [f"--build-arg={name}={value}" for name, value in (STAND_INS | arguments).items()]
        return [*words, f"--secret=id=uv.toml,src={self.uv_toml}"] if secret else words

    def build(self, builder, tag, *options, **how):
        """The log of the build."""
        return builder.build(self.directory, tag, *options, *self.options(**how))


def initd_sources(path):
    shutil.copytree(ROOT, path, ignore=shutil.ignore_patterns(".*", "build", "tests", "__pycache__"))


def agent(directory):
    """A project of one package, with everything that lies around in one."""
    text = PYPROJECT.format(name=NAME, dependencies='["fastapi", "uvicorn"]')
    files = {"pyproject.toml": text + VERSIONS + DEV_GROUP, "README.md": "# An agent\n"}
    return Project(directory).with_server(f"src/{MODULE}").with_initd().write(
        files | dict.fromkeys(LEFT_OUT, MARK)).lock()


# What is in an image


class Layer:
    """What one layer puts into the image."""

    def __init__(self, file):
        self.files = {}     # The contents, by name.
        self.members = []
        with tarfile.open(fileobj=file) as tar:
            for member in tar:
                self.members.append(member)
                if member.isfile():
                    self.files[member.name] = tar.extractfile(member).read()


def layers(docker, image, scratch, skip=0):
    """The layers of an image, but for the first ones."""
    archive = scratch / "layers.tar"
    docker.ask("save", "--output", str(archive), image)
    with tarfile.open(archive) as tar:
        manifest, = json.load(tar.extractfile("manifest.json"))
        made = [Layer(tar.extractfile(name)) for name in manifest["Layers"][skip:]]
    archive.unlink()
    return made


# What runs


def identity(pid):
    """The user, the groups and the capabilities of a process."""
    with open(f"/proc/{pid}/status") as file:
        status = dict(line.split(":", 1) for line in file.read().splitlines())
    return [status[name].split() for name in ("Uid", "Gid", "Groups", "CapEff", "CapBnd")]


def is_app(pid):
    return identity(pid) == [4 * ["10001"], 4 * ["10001"], ["10001"], ["0" * 16], ["0" * 16]]


def environment(pid):
    with open(f"/proc/{pid}/environ") as file:
        return dict(variable.split("=", 1) for variable in file.read().split("\0") if variable)


def stops(container):
    """`docker stop` takes less than a second, and nothing had to be killed."""
    seconds = container.stop()
    print(f"docker stop: {seconds:.2f} s")
    assert seconds < 1, container.logs()
    assert container.state()["ExitCode"] in (0, 143), container.logs()
