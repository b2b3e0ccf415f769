# SPDX-License-Identifier: MIT
"""http_server.py PORT: serve `200` on the loopback, one request at a time; say `ready PID`, then `asked` each time.

SIGUSR1 blocks it as a blocked event loop does, for ever."""

import argparse
import os
import signal
import socket
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("port", type=int)
parser.add_argument("--delay", type=float, default=0, help="listen only after so many seconds")
parser.add_argument("--status", type=int, default=200)
parser.add_argument("--hang-after", type=int, default=0, help="block after so many answers")
parser.add_argument("--stubborn", action="store_true", help="ignore SIGTERM")
parser.add_argument("--code", type=int, help="exit with it after SIGTERM")
want = parser.parse_args()


def hang(*_):
    while True:
        signal.pause()


signal.signal(signal.SIGUSR1, hang)
if want.stubborn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if want.code is not None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(want.code))

time.sleep(want.delay)
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", want.port))
listener.listen(128)
print("ready", os.getpid(), flush=True)
answered = 0
while True:
    connection, _ = listener.accept()
    try:
        request = connection.recv(65536)
        if request:
            print("asked", flush=True)
            connection.sendall(b"HTTP/1.1 %d Whatever\r\nContent-Length: 0\r\n\r\n" % want.status)
            answered += 1
    except OSError as error:
        print(error, file=sys.stderr, flush=True)
    connection.close()
    if answered == want.hang_after > 0:
        hang()
