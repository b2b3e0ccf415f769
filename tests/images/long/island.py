# SPDX-License-Identifier: MIT
"""An engine with networks of its own: nothing of them is seen outside."""

import subprocess

from engine import Daemon

ADDRESS = "10.89.0.1"
# The networks of a bridge and of a swarm need an interface with an address that others could reach.
SETUP = f"ip link set lo up && ip link add island type bridge && ip address add {ADDRESS}/24 dev island && " \
        "ip link set island up"


class Island(Daemon):
    """dockerd in a network namespace that goes with it."""

    def __init__(self, directory):
        self.address = f"unix://{directory}/docker.sock"
        self.log = directory / "dockerd.log"
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "unshare", "--mount", "--net",
             "sh", "-c", f'{SETUP} && exec dockerd "$@"', "sh", "--host", self.address,
             "--data-root", directory / "data", "--exec-root", directory / "exec", "--pidfile", directory / "pid"],
            stdin=subprocess.DEVNULL, stdout=self.log.open("wb"), stderr=subprocess.STDOUT, start_new_session=True)
