# SPDX-License-Identifier: MIT
"""An agent of Google's ADK, which looks for agents in AGENT_DIR: it finds this one and no other."""

import http.client
import json

import pytest

from dev_container import Dev
from example import MODULE, NAME, PYPROJECT, Project, is_app, stops

AGENT = f"""\
from google.adk.agents import Agent

root_agent = Agent(name="{MODULE}", model="gemini-2.5-flash", instruction="Answer in one word.")
"""

# /health and /version are ADK's.
SERVER = """\
import os

import uvicorn
from google.adk.cli.fast_api import get_fast_api_app

from .code import CODE

app = get_fast_api_app(agents_dir=os.environ["AGENT_DIR"], web=False)


@app.get("/code")
def code():
    return CODE


if __name__ == "__main__":
    uvicorn.run(app, host=os.environ["HOST"], port=int(os.environ["PORT"]))
"""


class Agent(Dev):
    def version(self):
        try:
            return int(self.container.get("/code"))
        except (OSError, http.client.HTTPException, AssertionError):
            return None

    def apps(self):
        return json.loads(self.container.get("/list-apps"))

    def new_session(self):
        """The status of the answer."""
        client = http.client.HTTPConnection("127.0.0.1", self.container.port, timeout=20)
        client.request("POST", f"/apps/{MODULE}/users/somebody/sessions", "{}", {"Content-Type": "application/json"})
        return client.getresponse().status


@pytest.fixture(scope="module")
def project(scratch):
    return Project(scratch / "adk").with_initd().write({
        "pyproject.toml": PYPROJECT.format(name=NAME, dependencies='["google-adk"]'),
        f"src/{MODULE}/__init__.py": "from . import agent\n",
        f"src/{MODULE}/agent.py": AGENT,
        f"src/{MODULE}/server.py": SERVER,
        f"src/{MODULE}/code.py": "CODE = 1\n"}).lock()


@pytest.mark.parametrize("editable", ["false", "true"])
def test_list_apps_shows_the_agent_alone(docker, buildkit, project, editable):
    project.build(buildkit, "adk", editable=editable)
    agent = Agent.start(docker, "adk", "--health-interval=1s")
    agent.container.becomes("healthy")
    assert is_app(agent.container.server_pid())
    assert agent.apps() == [MODULE]
    if editable == "true":
        agent.copy({f"{MODULE}/code.py": "CODE = 2\n"})
        agent.answers(2).has_restarted(f"{MODULE}/code.py changed")
        assert agent.apps() == [MODULE]
    # ADK keeps sessions in memory where it may not write into AGENT_DIR.
    assert agent.new_session() == 200
    stops(agent.container)
