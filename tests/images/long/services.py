# SPDX-License-Identifier: MIT
"""PostgreSQL, Redis and nginx under the names that conf/compose.yaml has for them, made without a registry."""

import io
import platform
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

import images
from harness import BUILD

DOCKERFILE = Path(__file__).with_name("Dockerfile.services")
INCLUDE = "postgresql,redis-server,nginx-light"


def tarball():
    """A Debian with all of them; made once, then kept under build/."""
    path = BUILD / "images" / f"{images.SUITE}-services-{platform.machine()}.tar"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            root = Path(scratch) / "root"
            made = subprocess.run(["unshare", "--mount", "debootstrap", "--variant=minbase", f"--include={INCLUDE}",
                                   images.SUITE, root, images.mirror()], capture_output=True, text=True)
            if made.returncode:
                pytest.skip(f"debootstrap makes no Debian {images.SUITE}: {made.stdout[-500:]}")
            images.pack(root, Path(scratch) / "tar").rename(path)
    return path


def build(engine, **names):
    """The images: target=name."""
    engine.ask("import", str(tarball()), "services")
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(DOCKERFILE, "Dockerfile")
    for target, name in names.items():
        engine.ask("build", "--network=none", "--tag", name, "--target", target, "-", input=context.getvalue())
