# SPDX-License-Identifier: MIT
"""hostile.py PID KIND: a peer that initd's control socket is not made for; say `ready`, do it, say `done`.

PID is initd's, in this PID namespace."""

import array
import json
import os
import random
import signal
import socket
import sys

# A reply that does not come is told from one that comes late.
PATIENCE = 5


def peer(bind=True):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if bind:
        sock.bind("")
    sock.connect(NAME)
    sock.settimeout(PATIENCE)
    return sock


def ask(request):
    """As a well-behaved peer: not connected, so that the reply may come from any socket of initd's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("")
        sock.settimeout(PATIENCE)
        sock.sendto(request, NAME)
        return sock.recv(65536)


def settle():
    """Return when initd has read all that was sent before: what comes last is answered last."""
    ask(b"status")


def send(*datagrams, bind=True):
    sock = peer(bind)
    for datagram in datagrams:
        sock.send(datagram)


def replies(*requests):
    return [ask(request).decode("latin-1") for request in requests]


def junk():
    rng = random.Random(3)
    send(*(rng.randbytes(rng.choice((0, 1, 5, 63, 64, 65, 300, 5000))) for _ in range(1000)))


def silent():
    """Ask a lot, read nothing: its own queue fills."""
    sock = peer()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    for _ in range(3000):
        sock.send(b"status")
    settle()


def fill():
    """Ask until the queue of an initd that is stopped is full, and say no more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        try:
            for _ in range(10000):
                sock.sendto(b"status", NAME)
        except BlockingIOError:
            sys.exit()
    sys.exit("it never was full")


def gone():
    """Ask and be gone before the reply."""
    for _ in range(300):
        with peer() as sock:
            sock.send(b"status")


def descriptors():
    sock = peer()
    null = os.open("/dev/null", os.O_RDONLY)
    for count in [1, 2, 10, 253] * 25:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null] * count))
        sock.sendmsg([b"status"], [rights])
        sock.recv(65536)


def flood():
    sock = peer(bind=False)
    while True:
        sock.send(b"status")


def flood_of_restarts():
    sock = peer(bind=False)
    while True:
        sock.send(b"restart")


KINDS = {
    "empty": lambda: send(b"", b"", b""),
    "byte": lambda: send(b"s", b"\0", b"\xff"),
    "huge": lambda: send(b"x" * 100_000, b"status" + b" " * 100_000, b"status\0" + b"x" * 100_000),
    "junk": junk,
    "silent": silent,
    "fill": fill,
    "gone": gone,
    "nameless": lambda: send(*[b"status"] * 100, bind=False),
    "descriptors": descriptors,
    "flood": flood,
    "flood of restarts": flood_of_restarts,
}

pid, kind = sys.argv[1:3]
namespace = os.stat("/proc/self/ns/pid").st_ino
NAME = f"\0initd/{namespace}/{pid}"
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
print("ready", flush=True)
if kind == "words":
    print(json.dumps(replies(*(word.encode("latin-1") for word in json.loads(sys.argv[3])))))
else:
    KINDS[kind]()
    settle()
    print("done", flush=True)
