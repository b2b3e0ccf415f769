# SPDX-License-Identifier: MIT
"""BuildKit builds Dockerfile.example as well, and with less of a project around it."""

import re

from dev_container import Dev
from example import MODULE, is_app, stops

VERSION = f"{MODULE}/version.py"


def cached(log, words):
    """Whether the step with these words came from the cache."""
    number, = re.findall(f"^#([0-9]+) .*{re.escape(words)}", log, re.M)
    return f"#{number} CACHED" in log.splitlines()


def test_for_production_and_development(docker, buildkit_logs):
    containers = [docker.start(image) for image in buildkit_logs]
    for container, watches in zip(containers, (None, "inotify")):
        container.becomes("healthy")
        assert is_app(container.server_pid())
        assert container.status()["watch_backend"] == watches
        stops(container)


def test_an_edit_is_run_in_development(docker, buildkit_logs):
    agent = Dev.start(docker, "development-buildkit")
    agent.copy({VERSION: "VERSION = 2\n"})
    agent.answers(2).has_restarted(f"{VERSION} changed")


def test_only_another_uv_lock_installs_the_dependencies_anew(buildkit_logs, buildkit, example_project):
    assert [cached(log, "uv sync --frozen") for log in buildkit_logs.values()] == [False, True]
    lock = example_project.directory / "uv.lock"
    text = lock.read_text()
    try:
        lock.write_text(f"{text}\n")
        other_lock = example_project.build(buildkit, "production-buildkit")
    finally:
        lock.write_text(text)
    assert not cached(other_lock, "uv sync --frozen")
    assert cached(other_lock, "make -C /initd musl")
