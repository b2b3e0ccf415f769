# SPDX-License-Identifier: MIT
"""Makes as many orphans as asked for, and says how many processes PID 1 has left lying about."""

import os
import sys
import time

DEADLINE = time.monotonic() + 10


def orphan(report):
    """A grandchild that reports once PID 1 is its parent, and ends."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    if os.fork() == 0:
        while os.getppid() != 1:
            os.sched_yield()
        os.write(report, b".")
    os._exit(0)


def others():
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) not in (1, os.getpid())]


asked = int(sys.argv[1])
reader, report = os.pipe()
for _ in range(asked):
    orphan(report)
os.close(report)
with open(reader, "rb") as reports:
    adopted = len(reports.read())
while others() and time.monotonic() < DEADLINE:
    time.sleep(0.01)
print(f"{adopted} adopted, {len(others())} left", flush=True)
