# SPDX-License-Identifier: MIT
"""The Compose plugin of docker, built from its Go module: some minutes, once; then kept under build/compose/."""

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest

import packages
from engine import need
from harness import BUILD

MODULE = "github.com/docker/compose/v2"
VERSION = "v2.40.3"         # The last of Compose 2.
GO_VERSION = (1, 24, 9)     # As its go.mod says.


class Go:
    """A go command that keeps everything below one directory."""

    def __init__(self, program, directory):
        self.program = program
        self.directory = directory
        self.environment = os.environ | {
            "GOPATH": f"{directory}/path", "GOMODCACHE": f"{directory}/modules", "GOCACHE": f"{directory}/cache",
            # What may be read only cannot be removed.
            "GOFLAGS": "-modcacherw", "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}

    def __call__(self, *args, cwd=None):
        result = subprocess.run([self.program, *args], cwd=cwd or self.directory, env=self.environment,
                                stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if result.returncode:
            pytest.skip(f"go {args[0]} cannot make {MODULE}@{VERSION}: {result.stdout[-500:]}{result.stderr[-500:]}")
        return result.stdout

    def download(self, module):
        """Where the files of this module are."""
        return Path(json.loads(self("mod", "download", "-json", module))["Dir"])

    def version(self):
        return tuple(int(number) for number in re.findall(r"\d+", self("env", "GOVERSION")))


def new_enough(go):
    """go, or the one that is a module itself: distributions are late."""
    if go.version() >= GO_VERSION:
        return go
    name = "go" + ".".join(map(str, GO_VERSION))
    toolchain = go.download(f"golang.org/toolchain@v0.0.1-{name}.linux-{go('env', 'GOHOSTARCH').strip()}")
    for directory in "bin", "pkg/tool":     # A module has no modes.
        for file in (toolchain / directory).rglob("*"):
            file.chmod(0o755)
    return Go(toolchain / "bin" / "go", go.directory)


def make(path):
    path.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=path) as scratch:
        go = new_enough(Go("go", scratch))
        # `go install` refuses a module whose go.mod excludes versions of others. Not optimized: that is a minute less.
        go("build", "-buildvcs=false", "-trimpath", "-gcflags=all=-dwarf=false -N -l",
           f"-ldflags=-s -w -X {MODULE}/internal.Version={VERSION}", "-o", path / "docker-compose", "./cmd",
           cwd=go.download(f"{MODULE}@{VERSION}"))


def plugin():
    """The file docker-compose, for the directory cli-plugins."""
    built = BUILD / "compose" / VERSION
    if not (built / ".complete").exists():
        need("go")
    return packages.made(built, make) / "docker-compose"
