# SPDX-License-Identifier: MIT
"""The same image in Podman with runc."""


def test_podman_runs_the_server_as_app(podman, podman_agent):
    me = podman.serve(podman_agent).whoami()
    assert (me["USER"], me["CapEff"], me["NoNewPrivs"], me["ppid"]) == ("app", "0" * 16, "1", 1)


def test_podman_stop_ends_the_agent_at_once_and_with_success(podman, podman_agent):
    container = podman.serve(podman_agent)
    assert container.stop() < 1
    assert container.state()["ExitCode"] == 0
