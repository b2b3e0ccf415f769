# SPDX-License-Identifier: MIT
"""orphans.py N CODE: leave N orphans that end at once with CODE, say `ready`, wait for a signal."""

import os
import signal
import sys

for _ in range(int(sys.argv[1])):
    pid = os.fork()
    if pid == 0:
        if os.fork() == 0:
            os._exit(int(sys.argv[2]))
        os._exit(0)
    os.waitpid(pid, 0)
print("ready", flush=True)
signal.pause()
