# SPDX-License-Identifier: MIT
"""hostile.py PID KIND: a peer that initd's control socket is not made for; say `ready`, do it, say `done`.

PID is initd's, in this PID namespace."""

import array
import json
import os
import random
import signal
import socket
import struct
import sys

# A reply that does not come is told from one that comes late.
PATIENCE = 5


def peer(question=""):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # Not settimeout(): a connect() that does not block fails where it would have to wait.
    for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
        sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", PATIENCE, 0))
    sock.connect(NAME + question)
    return sock


def ask(question=""):
    """As a well-behaved peer."""
    with peer(question) as sock:
        return sock.recv(65536)


def settle():
    """Return when initd has answered all that came before: what comes last is answered last."""
    ask()


def say(*packets):
    """Nobody listens: initd reads nothing, and has closed its end as soon as it has answered."""
    with peer() as sock:
        for packet in packets:
            try:
                sock.send(packet)
            except (BrokenPipeError, ConnectionResetError):
                return


def junk():
    rng = random.Random(3)
    for _ in range(300):
        say(*(rng.randbytes(rng.choice((0, 1, 5, 63, 64, 65, 300, 5000))) for _ in range(4)))


def silent():
    """Ask a lot, read nothing, keep all open."""
    peers = [peer() for _ in range(300)]
    settle()
    return peers


def fill():
    """Ask until the queue of an initd that is stopped is full, and say no more."""
    waiting = []
    for _ in range(10000):
        waiting.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        waiting[-1].setblocking(False)
        try:
            waiting[-1].connect(NAME)
        except BlockingIOError:
            sys.exit()
    sys.exit("it never was full")


def gone():
    """Ask and be gone before the answer."""
    for _ in range(300):
        peer().close()


def descriptors():
    null = os.open("/dev/null", os.O_RDONLY)
    for count in [1, 2, 10, 253] * 25:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null] * count))
        with peer() as sock:
            try:
                sock.sendmsg([b"status"], [rights])
            except (BrokenPipeError, ConnectionResetError):
                pass


def flood(question=""):
    while True:
        peer(question).close()


KINDS = {
    "byte": lambda: say(b"s", b"\0", b"\xff"),
    "huge": lambda: say(b"x" * 100_000, b"x" * 100_000),
    "junk": junk,
    "silent": silent,
    "fill": fill,
    "gone": gone,
    "descriptors": descriptors,
    "flood": flood,
    "flood of restarts": lambda: flood("/restart"),
}

pid, kind = sys.argv[1:3]
namespace = os.stat("/proc/self/ns/pid").st_ino
NAME = f"\0initd/{namespace}/{pid}"
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
print("ready", flush=True)
if kind == "questions":
    print(json.dumps([ask(question).decode() for question in json.loads(sys.argv[3])]))
else:
    KINDS[kind]()
    settle()
    print("done", flush=True)
