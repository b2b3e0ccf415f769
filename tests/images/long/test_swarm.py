# SPDX-License-Identifier: MIT
"""conf/swarm.yaml on a swarm of one node: an update under load loses no request, a broken one is taken back."""

import json
import subprocess
from contextlib import contextmanager

import pytest
from ruamel.yaml import YAML

from harness import ROOT, wait_until
from island import ADDRESS

SWARM = ROOT / "conf" / "swarm.yaml"
TESTS = ROOT / "tests"
SERVICE = "agent_agent"


@pytest.fixture(scope="module")
def tags(engine, agent):
    """agent:1 and agent:2 are the same; agent:broken ends at once."""
    engine.ask("tag", agent, "agent:1")
    engine.ask("tag", agent, "agent:2")
    engine.ask("build", "--tag", "agent:broken", "-", input=b"FROM agent\nCMD exit 1\n")


class Stack:
    def __init__(self, engine, directory):
        self.engine = engine
        self.file = directory / "stack.json"

    def deploy(self, image, **changes):
        """`docker stack deploy`, without a routing mesh: that and virtual addresses are made of IPVS, which not every
        kernel has. Clients get the tasks' addresses from the engine's DNS instead."""
        document = YAML(typ="safe").load(SWARM)
        agent = document["services"]["agent"]
        del agent["ports"]
        agent["deploy"]["endpoint_mode"] = "dnsrr"
        agent["image"] = image
        document["services"]["agent"] = agent | changes
        document["networks"] = {"default": {"attachable": True}}    # by the container that asks
        self.file.write_text(json.dumps(document))
        self.engine.ask("stack", "deploy", "--resolve-image", "never", "-c", str(self.file), "agent")

    def update(self):
        """What became of the last one: nothing if it was the first."""
        status = json.loads(self.engine.ask("service", "inspect", "--format", "{{json .UpdateStatus}}", SERVICE))
        return status and status["State"]

    def tasks(self):
        lines = self.engine.ask("service", "ps", "--format", "{{.DesiredState}}|{{.Image}}|{{.CurrentState}}", SERVICE)
        return [(wanted, image, state.split()[0]) for wanted, image, state in
                (line.split("|") for line in lines.splitlines())]

    def runs(self, image, update):
        """Wait until both tasks run this image, and the last update has become this."""
        def found():
            running = [task for task in self.tasks() if task[0] == "Running"]
            return running == 2 * [("Running", image, "Running")] and self.update() in update

        try:
            wait_until(found, timeout=150)
        except AssertionError:
            raise AssertionError(f"{self.update()}: {self.tasks()}") from None


@pytest.fixture(scope="module")
def stack(engine, tags, scratch):
    engine.ask("swarm", "init", "--advertise-addr", ADDRESS)
    stack = Stack(engine, scratch)
    stack.deploy("agent:1")
    stack.runs("agent:1", {None})
    yield stack
    engine.ask("swarm", "leave", "--force")


@contextmanager
def asking(engine):
    """Requests all the time, 50 a second that take a second each; the dictionary gets what came of them."""
    files = [f"--volume={file}:/asker/{file.name}:ro" for file in
             (TESTS / "images" / "long" / "asker.py", TESTS / "servers" / "load.py", TESTS / "harness.py")]
    asker = subprocess.Popen([*engine.command, "run", "--rm", "--interactive", "--network=agent_default", *files,
                              "base", "python3", "/asker/asker.py", "agent", "8000", "/slow"],
                             env=engine.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    result = {}
    try:
        assert asker.stdout.readline() == "asking\n"
        yield result
    finally:
        answer, _ = asker.communicate("\n", timeout=60)
        result |= json.loads(answer)


def test_an_update_loses_no_request(stack, engine):
    stack.deploy("agent:1")
    stack.runs("agent:1", {None, "completed", "rollback_completed"})
    with asking(engine) as result:
        stack.deploy("agent:2")
        stack.runs("agent:2", {"completed"})
    assert result["counts"].keys() == {"answered"}, result
    assert result["counts"]["answered"] > 500
    # uvicorn dies of the SIGTERM, and has not failed.
    assert {state for wanted, _, state in stack.tasks() if wanted == "Shutdown"} == {"Shutdown"}


def test_a_broken_update_is_taken_back_and_loses_no_request(stack, engine):
    stack.deploy("agent:1")
    stack.runs("agent:1", {None, "completed", "rollback_completed"})
    with asking(engine) as result:
        stack.deploy("agent:broken")
        stack.runs("agent:1", {"rollback_completed"})
    assert result["counts"].keys() == {"answered"}, result
    assert ("Shutdown", "agent:broken", "Failed") in stack.tasks()


def test_without_the_question_for_its_health_an_update_loses_requests(stack, engine):
    """So would the others, if initd were wrong."""
    stack.deploy("agent:1", healthcheck={"disable": True})
    stack.runs("agent:1", {None, "completed", "rollback_completed"})
    with asking(engine) as result:
        stack.deploy("agent:2", healthcheck={"disable": True})
        stack.runs("agent:2", {"updating", "completed"})
    assert result["counts"].get("refused"), result
