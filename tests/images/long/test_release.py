# SPDX-License-Identifier: MIT
"""What .github/workflows/release.yml makes: an image with nothing but /initd, for two architectures."""

import io
import json
import shutil
import stat
import subprocess
import tarfile

import pytest

import ci
from engine import need, remove_mounts
from harness import BUILD, ROOT

RELEASE = ".github/workflows/release.yml"
MUSL = BUILD / "musl" / "initd"
ARCHITECTURES = ("amd64", "arm64")


@pytest.fixture
def dist(tmp_path):
    """The binaries as actions/download-artifact leaves them. The one for arm64 is not run here."""
    path = tmp_path / "dist"
    path.mkdir()
    for architecture in ARCHITECTURES:
        (path / f"initd-linux-{architecture}").write_bytes(MUSL.read_bytes() + architecture.encode())
        (path / f"initd-linux-{architecture}").chmod(0o644)
    return path


@pytest.fixture
def buildah(scratch):
    need("buildah")
    storage = scratch / "buildah"

    def run(*words):
        return subprocess.run(["buildah", "--root", storage / "root", "--runroot", storage / "run",
                               "--storage-driver", "vfs", *words], check=True, capture_output=True, text=True).stdout

    yield run
    remove_mounts(storage)


def members(image):
    """The files of an OCI image's archive: names, modes, contents."""
    with tarfile.open(image) as archive:
        def read(digest):
            return archive.extractfile(f"blobs/{digest.replace(':', '/')}").read()

        manifest, = json.load(archive.extractfile("index.json"))["manifests"]
        layers = json.loads(read(manifest["digest"]))["layers"]
        for layer in layers:
            with tarfile.open(fileobj=io.BytesIO(read(layer["digest"]))) as tar:
                for member in tar:
                    yield member.name, stat.S_IMODE(member.mode), tar.extractfile(member).read()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_image_holds_nothing_but_the_binary_of_its_architecture(buildah, dist, tmp_path, architecture):
    buildah("build", "--platform", f"linux/{architecture}", "--file", ROOT / "conf" / "Dockerfile.release",
            "--tag", "initd", dist)
    config = json.loads(buildah("inspect", "--type", "image", "initd"))["OCIv1"]
    assert (config["architecture"], config["config"]["Entrypoint"]) == (architecture, ["/initd"])
    buildah("push", "initd", f"oci-archive:{tmp_path}/image")
    (name, mode, content), = members(tmp_path / "image")
    assert (name, mode) == ("initd", 0o755)
    assert content == (dist / f"initd-linux-{architecture}").read_bytes(), "the other one's"


def test_the_binary_passes_its_test_in_an_image(engine, tmp_path):
    """python:3.13-slim is made of Debian here."""
    slim = b"FROM base\nRUN ln -s python3 /usr/bin/python\n"
    engine.ask("build", "--tag", "python:3.13-slim", "-", input=slim)
    shutil.copytree(ROOT / "tests" / "agent", tmp_path / "tests" / "agent")
    (tmp_path / "dist").mkdir()
    shutil.copy(MUSL, tmp_path / "dist" / "initd")
    answer = subprocess.run(ci.github(RELEASE, "Test it in an image"), cwd=tmp_path, capture_output=True, text=True,
                            env=engine.environment | {"BINARY": "initd"}, timeout=100)
    assert answer.returncode == 0, answer
    engine.remove_containers()
