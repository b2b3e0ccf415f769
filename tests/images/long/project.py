# SPDX-License-Identifier: MIT
"""A project of Compose with files of conf/."""

import json
import os
import shutil
import signal
import subprocess
import time

from harness import ROOT, wait_until

CONF = ROOT / "conf"
ASK = """
import sys, urllib.request
with urllib.request.urlopen("http://127.0.0.1:8000" + sys.argv[1], timeout=20) as answer:
    print(answer.read().decode())
"""


class Project:
    """A project's directory with the files of conf/ in it, as the README says; its containers and volumes."""

    def __init__(self, engine, directory, *files):
        self.engine = engine
        self.directory = directory
        self.files = files
        self.network = f"{directory.name}_default"
        for name in files:
            shutil.copy(CONF / name, directory)
        # Where Compose notes which project is watched.
        self.environment = engine.environment | {"XDG_RUNTIME_DIR": str(directory), "HOME": str(directory)}
        self.log = directory / "watch.log"
        self.watcher = None

    def command(self, *words):
        return [*self.engine.command, "compose", *(word for name in self.files for word in ("-f", name)), *words]

    def run(self, *command):
        return subprocess.run(command, cwd=self.directory, env=self.environment, timeout=200,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def ask(self, *words):
        answer = self.run(*self.command(*words))
        assert answer.returncode == 0, f"{answer.stderr}\n{self.logs()}"
        return answer.stdout.strip()

    def logs(self):
        answer = self.run(*self.command("logs"))
        return answer.stdout + answer.stderr

    def up(self, *words):
        self.ask("up", "--detach", "--no-build", "--pull", "never", "--wait", "--wait-timeout", "120", *words)

    def watch(self):
        with open(self.log, "wb") as log:
            self.watcher = subprocess.Popen(self.command("watch", "--no-up"), cwd=self.directory, env=self.environment,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                            start_new_session=True)
        wait_until(lambda: "Watch enabled" in self.log.read_text() or self.watcher.poll() is not None, timeout=30)
        assert self.watcher.poll() is None, self.log.read_text()

    def end(self):
        if self.watcher and self.watcher.poll() is None:
            os.killpg(self.watcher.pid, signal.SIGINT)
            self.watcher.wait(timeout=30)
            print(self.log.read_text())
        self.ask("down", "--volumes", "--timeout", "1")

    def get(self, path):
        """What the published port answers."""
        answer = self.engine.run("--network=host", "base", "python3", "-c", ASK, path)
        return answer.stdout.strip() if answer.returncode == 0 else answer.stderr

    def happened(self, since):
        """Which services were started and became healthy, in order."""
        lines = self.engine.ask("events", "--since", str(since), "--until", str(time.time()), "--format", "{{json .}}",
                                "--filter", "event=start", "--filter", "event=health_status")
        events = map(json.loads, lines.splitlines())
        return [(event["Actor"]["Attributes"].get("com.docker.compose.service"),
                 event["Action"].removeprefix("health_status: ")) for event in events]

    def state(self, service):
        return json.loads(self.engine.ask("inspect", "--format", "{{json .State}}", self.ask("ps", "-aq", service)))

    def initd(self, *words):
        """`initd WORDS --json` in the agent's container."""
        return json.loads(self.ask("exec", "-T", "agent", "initd", *words, "--json"))
