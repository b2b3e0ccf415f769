# SPDX-License-Identifier: MIT
"""impostor.py PID REPLY: answer in the name of the initd with this PID; say `ready`, then `asked` each time."""

import os
import socket
import sys

pid, reply = sys.argv[1:]
sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
sock.bind(f"\0initd/{os.stat('/proc/self/ns/pid').st_ino}/{pid}")
sock.listen()
print("ready", flush=True)
while True:
    peer, _ = sock.accept()
    print("asked", flush=True)
    peer.send(reply.encode())
