# SPDX-License-Identifier: MIT
"""Real servers below initd as PID 1, on a port of the loopback."""

import os
from pathlib import Path
from typing import NamedTuple

import pidns
from harness import free_port, listens

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


class Serving:
    """A server below initd.

    Its command names the {port}, and maybe a {room}: a directory that every user can write to, and
    that prepare(room, port) puts files into.
    """

    def __init__(self, lab, venv, command, prepare=None, **env):
        self.port = free_port()
        self.room = lab.room()
        if prepare:
            prepare(self.room, self.port)
        # The checkout and its Python may lie where only root can look; who the server becomes is tested elsewhere.
        self.run = pidns.Run(lab, command.format(port=self.port, room=self.room).split(), env={
            "HOST": "127.0.0.1", "PORT": str(self.port), "INITD_USER_NAME": "0", "VIRTUAL_ENV": str(venv),
            "PYTHONPATH": str(Path(__file__).parent), "PYTHONDONTWRITEBYTECODE": "1"} | env)
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
