# SPDX-License-Identifier: MIT
"""FastAPI and its servers, from the registry that this machine's pip is configured for; kept under build/venvs/."""

import fcntl
import hashlib
import shutil
import subprocess
import sys

import pytest

from harness import BUILD, ROOT

REQUIREMENTS = ROOT / "tests" / "servers" / "requirements.txt"
MORE_SERVERS = REQUIREMENTS.with_name("more_servers.txt")


def directory(name, *more):
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in (REQUIREMENTS, *more))).hexdigest()[:12]
    return BUILD / "venvs" / f"{name}-{digest}"


def pip(*args):
    result = subprocess.run([sys.executable, "-m", "pip", *args, "--quiet", "--requirement", REQUIREMENTS],
                            capture_output=True, text=True)
    if result.returncode:
        pytest.skip(f"pip cannot install {REQUIREMENTS.name}: {result.stderr.strip()}")


def made(path, make):
    """path, which make(path) fills unless an earlier run has done so to the end, or one beside this does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(f"{path.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        complete = path / ".complete"
        if not complete.exists():
            shutil.rmtree(path, ignore_errors=True)
            make(path)
            complete.touch()
    return path


def venv(*more):
    """A virtual environment for the Python that runs the tests; `more` are further lists of packages."""
    def make(path):
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", path], check=True)
        pip("--python", path, "install", *(word for name in more for word in ("--requirement", name)))

    name = "-".join(["venv", *(path.stem for path in more), "%d.%d" % sys.version_info[:2]])
    return made(directory(name, *more), make)


def site_packages(version):
    """The same packages for another Python, to be copied into its site-packages."""
    def make(path):
        pip("install", "--target", path, "--python-version", version, "--only-binary=:all:")

    return made(directory(f"site-packages-{version}"), make)
