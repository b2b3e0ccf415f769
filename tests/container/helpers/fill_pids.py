# SPDX-License-Identifier: MIT
"""Makes processes until no more are allowed, says so, and becomes the command that it is given."""

import os
import signal
import sys

count = 0
while True:
    try:
        child = os.fork()
    except BlockingIOError:
        break
    if child == 0:
        signal.pause()
    count += 1
print(f"full with {count} more", flush=True)
os.execvp(sys.argv[1], sys.argv[1:])
