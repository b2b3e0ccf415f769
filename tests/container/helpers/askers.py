# SPDX-License-Identifier: MIT
"""Answers every request with 200, and prints who asked.

askers.py       on HOST:PORT: `asked by uid 999`
askers.py PATH  on a Unix socket: a line of JSON with what /proc says of the process that connected

DELAY in the environment: how many seconds every answer takes
"""

import json
import os
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import UnixStreamServer
from struct import unpack


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        print(self.server.who(self), flush=True)
        time.sleep(float(os.environ.get("DELAY", "0")))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        """Not that; also, a Unix socket's client has no address."""


def hexadecimal(address):
    """As /proc/net/tcp has it."""
    host, port = address
    return "%08X:%04X" % (*unpack("=I", socket.inet_aton(host)), port)


class Tcp(HTTPServer):
    @staticmethod
    def who(request):
        with open("/proc/net/tcp") as file:
            for line in file:
                fields = line.split()
                if fields[1] == hexadecimal(request.client_address):
                    return f"asked by uid {fields[7]}"
        return "asked by nobody"


class Unix(UnixStreamServer):
    @staticmethod
    def who(request):
        pid, *_ = unpack("iii", request.request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        with open(f"/proc/{pid}/status") as file:
            status = dict(line.strip().split(":", 1) for line in file)
        return json.dumps({"pid": pid} | {name: status[name].split() for name in ("Uid", "Gid", "Groups", "CapEff")})


def main():
    if len(sys.argv) > 1:
        server = Unix(sys.argv[1], Handler)
    else:
        server = Tcp((os.environ["HOST"], int(os.environ["PORT"])), Handler)
    with server:
        server.serve_forever()


if __name__ == "__main__":
    main()
