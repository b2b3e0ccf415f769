# SPDX-License-Identifier: MIT
"""What the workflows run, as the arguments of a process."""

from ruamel.yaml import YAML

from harness import ROOT


def load(path):
    return YAML(typ="safe").load(ROOT / path)


def github(path, name):
    """The step of this name."""
    steps = [step for job in load(path)["jobs"].values() for step in job.get("steps", ())]
    script, = (step["run"] for step in steps if step.get("name") == name)
    return "bash", "-e", "-o", "pipefail", "-c", script


def gitlab(job, first, last):
    """The lines of a job from the one that has `first` in it to the one that has `last`."""
    lines = load("conf/gitlab-ci.yaml")[job]["script"]
    begin, = (i for i, line in enumerate(lines) if first in line.split())
    end, = (i for i, line in enumerate(lines) if last in line.split())
    return "sh", "-e", "-c", "\n".join(lines[begin:end + 1])
