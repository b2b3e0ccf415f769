# SPDX-License-Identifier: MIT
"""Counts SIGINTs until a line comes in, then says how many there were."""

import os
import select
import signal
import sys

count = 0


def on_interrupt(signum, frame):
    global count
    count += 1
    print(f"interrupt {count}", flush=True)


# A signal just before read() would wait for that line: Python has only noted it by then.
reader, waker = os.pipe()
os.set_blocking(waker, False)
signal.set_wakeup_fd(waker)
signal.signal(signal.SIGINT, on_interrupt)
print("ready", flush=True)
while sys.stdin not in select.select([sys.stdin, reader], [], [])[0]:
    os.read(reader, 1)
sys.stdin.readline()
print(f"{count} in all", flush=True)
