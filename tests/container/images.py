# SPDX-License-Identifier: MIT
"""The images, made without a registry: a root file system from the Debian mirror, and what Dockerfile puts on it."""

import hashlib
import io
import platform
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

import packages
from harness import BUILD

HERE = Path(__file__).resolve().parent
SUITE = "bookworm"

# Large, and of no use to a server.
LEFT_OUT = ("./var/cache/apt/*", "./var/lib/apt/lists/*",
            "./usr/share/doc/*", "./usr/share/locale/*", "./usr/share/man/*")


def mirror():
    """Where this machine's apt finds SUITE."""
    targets = subprocess.run(
        ["apt-get", "indextargets", "--no-release-info", "--format", "$(RELEASE) $(REPO_URI)", "Identifier: Packages"],
        check=True, capture_output=True, text=True).stdout
    for target in targets.splitlines():
        release, uri = target.split()
        if release == SUITE:
            return uri
    pytest.skip(f"no source of Debian {SUITE} in the configuration of apt")


def base_tarball():
    """A minimal Debian with Python; made once, then kept under build/."""
    tarball = BUILD / "images" / f"{SUITE}-python3-{platform.machine()}.tar"
    if not tarball.exists():
        tarball.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=tarball.parent) as scratch:
            pack(debootstrap(Path(scratch) / "root"), Path(scratch) / "tar").rename(tarball)
    return tarball


def debootstrap(root):
    # In a mount namespace of its own: what it mounts must never meet the removal of root.
    made = subprocess.run(["unshare", "--mount", "debootstrap", "--variant=minbase", "--include=python3",
                           SUITE, root, mirror()], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode:
        pytest.skip(f"debootstrap makes no Debian {SUITE}: {made.stdout[-500:]}")
    return root


def pack(root, tarball):
    subprocess.run(["tar", "--create", "--file", tarball, "--directory", root, "--one-file-system",
                    *(f"--exclude={pattern}" for pattern in LEFT_OUT), "."], check=True)
    return tarball


# What installs a project in an image, where there is no network.
BUILDER = ("pip==26.3", "uv_build==0.13.6")


def builder():
    """A directory with BUILDER, for PYTHONPATH; made once, then kept under build/."""
    def make(path):
        made = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:",
                               "--target", path, *BUILDER], capture_output=True, text=True)
        if made.returncode:
            pytest.skip(f"pip cannot install {' '.join(BUILDER)}: {made.stderr.strip()}")

    digest = hashlib.sha256(" ".join(BUILDER).encode()).hexdigest()[:12]
    return packages.made(BUILD / "venvs" / f"builder-{digest}", make)


def readable(member):
    """Tests run under any umask, the server in the image under another user."""
    if "__pycache__" in member.name:
        return None
    member.mode |= 0o555 if member.isdir() or member.mode & 0o100 else 0o444
    return member


def build(docker, tag, dockerfile, *options, **sources):
    """`docker build` of a file in this directory; the build sees each source under its name."""
    context = io.BytesIO()
    # Docker takes the first header of the pax format for a Dockerfile.
    with tarfile.open(fileobj=context, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, source in sources.items():
            tar.add(source, name, filter=readable)
        tar.add(HERE / dockerfile, "Dockerfile")
    docker.ask("build", "--network=none", "--tag", tag, *options, "-", input=context.getvalue())
    return tag
