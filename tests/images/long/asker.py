# SPDX-License-Identifier: MIT
"""asker.py HOST PORT PATH: asks all the time, each time by a connection of its own to one of the addresses that HOST
has then. It says `asking` after the first answer, and as a line of JSON what came of it when a line comes in."""

import asyncio
import json
import random
import socket
import sys

from harness import wait_until
from load import Load, Refused


class Asker(Load):
    async def _connect(self):
        found = await asyncio.get_running_loop().getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        # Not the next one if this one refuses.
        address, *_ = random.choice(found)[4]
        try:
            return await asyncio.open_connection(address, self.port)
        except ConnectionRefusedError as error:
            raise Refused from error


host, port, path = sys.argv[1:]
with Asker(int(port), rate=50, host=host, path=path) as asker:
    wait_until(lambda: asker.counts["answered"])
    print("asking", flush=True)
    sys.stdin.readline()
print(json.dumps({"counts": asker.counts, "failures": asker.failures}))
