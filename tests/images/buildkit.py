# SPDX-License-Identifier: MIT
"""`docker build` by the BuildKit that a Docker Engine has within: the default since 23.0."""

from engine import Client


class BuildKit:
    def __init__(self, docker):
        self.docker = Client(*docker.command, **docker.environment | {"DOCKER_BUILDKIT": "1"})

    def try_build(self, context, tag, *options):
        """The log is in stderr."""
        return self.docker.call("build", "--progress=plain", "--network=host", "--tag", tag, *options, str(context),
                                text=True, timeout=1200)

    def build(self, context, tag, *options):
        """The log of the build."""
        built = self.try_build(context, tag, *options)
        assert built.returncode == 0, built.stderr
        return built.stderr
