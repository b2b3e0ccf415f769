# SPDX-License-Identifier: MIT
"""Counts SIGINTs until a line comes in, then says how many there were."""

import signal
import sys

count = 0


def on_interrupt(signum, frame):
    global count
    count += 1
    print(f"interrupt {count}", flush=True)


signal.signal(signal.SIGINT, on_interrupt)
print("ready", flush=True)
sys.stdin.readline()
print(f"{count} in all", flush=True)
