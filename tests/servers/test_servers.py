# SPDX-License-Identifier: MIT
"""Real servers under initd as PID 1: start, answer, and end without losing a request or leaving a process."""

import os
import signal
from pathlib import Path
from typing import NamedTuple

import pytest

import packages
import pidns
from harness import free_port, get, listens, wait_until

APP = "fastapi_agent.server:app"


class Server(NamedTuple):
    command: str
    exit_code: int
    processes: int


UVICORN = f"uvicorn {APP} --host 127.0.0.1 --port {{port}}"
GUNICORN = f"gunicorn {APP} --bind 127.0.0.1:{{port}} --worker-class uvicorn_worker.UvicornWorker"

# A single uvicorn sends the signal that stopped it to itself again, once all is done.
SERVERS = {
    "uvicorn": Server(UVICORN, exit_code=143, processes=1),
    "uvicorn.run": Server("python -m fastapi_agent.server", exit_code=143, processes=1),
    "uvicorn with workers": Server(f"{UVICORN} --workers 2", exit_code=0, processes=3),
    "gunicorn": Server(f"{GUNICORN} --workers 2", exit_code=0, processes=3),
}


@pytest.fixture(scope="module")
def venv():
    return packages.venv()


@pytest.fixture(scope="module")
def lab(binary):
    yield from pidns.open_lab(binary)


class Serving:
    """A server below initd, on a port of the loopback."""

    def __init__(self, lab, venv, server, **env):
        self.port = free_port()
        # The checkout and its Python may lie where only root can look; who the server becomes is tested elsewhere.
        self.run = pidns.Run(lab, server.command.format(port=self.port).split(), env=env | {
            "HOST": "127.0.0.1", "PORT": str(self.port), "INITD_USER_NAME": "0", "VIRTUAL_ENV": str(venv),
            "PYTHONPATH": str(Path(__file__).parent), "PYTHONDONTWRITEBYTECODE": "1"})
        # Held open: the kernel gives the number of a namespace that is gone to the next one.
        self.namespace = open(f"/proc/{self.run.pid}/ns/pid")

    def listens(self):
        assert self.run.process.poll() is None, self.run.transcript()
        return listens(self.port)

    def members(self):
        """The pids of the namespace, as seen from outside of it."""
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and self.has(name)]

    def has(self, pid):
        try:
            return os.path.samestat(os.stat(f"/proc/{pid}/ns/pid"), os.fstat(self.namespace.fileno()))
        except OSError:
            return False

    def close(self):
        self.run.close()
        self.namespace.close()


@pytest.fixture
def serve(lab, venv):
    started = []

    def start(server, **env):
        started.append(Serving(lab, venv, server, **env))
        wait_until(started[-1].listens, timeout=60, what="somebody listening")
        return started[-1]

    yield start
    for serving in started:
        serving.close()


@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS)
def test_sigterm_during_a_request_lets_it_finish_and_leaves_no_process(serve, server):
    serving = serve(server)
    assert get(serving.port, "/health").status == 200
    assert len(serving.members()) > server.processes
    answer = get(serving.port, "/slow")
    assert answer.readline() == b"begin\n"
    serving.run.kill(signal.SIGTERM)
    serving.run.logs("initd: info: stopping: SIGTERM")
    assert answer.read() == b"end\n"
    assert serving.run.wait() == server.exit_code
    assert not serving.members()


def test_a_success_code_makes_uvicorns_end_by_sigterm_a_success(serve):
    serving = serve(SERVERS["uvicorn"], INITD_SERVER_SUCCESS_CODES="0,143")
    serving.run.kill(signal.SIGTERM)
    assert serving.run.wait() == 0
