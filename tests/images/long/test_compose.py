# SPDX-License-Identifier: MIT
"""conf/compose.yaml, started by `docker compose up --wait`."""

import time

import pytest

import ci
from harness import wait_until
from project import Project


@pytest.fixture(scope="module")
def production(engine, elsewhere, agent, tmp_path_factory):
    """What `docker compose up --wait` makes of conf/compose.yaml, and the events of that."""
    project = Project(engine, tmp_path_factory.mktemp("production"), "compose.yaml")
    began = time.time()
    try:
        project.up()
        project.events = project.happened(began)
        yield project
    finally:
        project.end()


def test_each_service_starts_when_those_below_it_are_healthy(production):
    for service, below in ("agent", "postgres"), ("agent", "redis"), ("gateway", "agent"):
        healthy, started = production.events.index((below, "healthy")), production.events.index((service, "start"))
        assert healthy < started, production.events
    last = production.state("agent")["Health"]["Log"][-1]["Output"]
    assert "healthy: 200 from http://127.0.0.1:8000/health" in last


def test_the_gateway_answers_for_the_agent(production):
    assert production.get("/health") == '"ok"'
    status = production.initd("status")
    assert (status["state"], status["user"]) == ("ready", "10001 (10001:10001)"), status


def test_the_gateway_finds_a_new_container_of_the_agent(production):
    production.ask("rm", "--stop", "--force", "agent")
    # Its address goes to somebody else.
    other = production.engine.start(f"--network={production.network}", "base", "sleep", "1h")
    production.up("agent")
    wait_until(lambda: production.get("/health") == '"ok"', timeout=10)
    production.engine.ask("rm", "--force", other.name)


def test_the_agent_stops_at_once_and_by_itself(production):
    production.up()
    production.ask("stop", "agent")
    assert production.state("agent")["ExitCode"] == 143
    logs = production.logs()
    assert "stopping: SIGTERM" in logs and "SIGKILL" not in logs


@pytest.mark.parametrize("script", [ci.github("conf/github-actions.yaml", "Test"), ci.gitlab("build", "check", "143")],
                         ids=["GitHub", "GitLab"])
def test_the_tests_of_the_ci_templates_pass(production, script):
    answer = production.run(*script)
    assert answer.returncode == 0, answer
