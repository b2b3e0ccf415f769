# SPDX-License-Identifier: MIT
"""HTTP servers in threads of a test, with one function for each way to answer, or not to."""

import contextlib
import os
import select
import socket
import struct
import threading
import time

HEAD_END = b"\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Connection:
    """One that a Server accepted. What a behaviour does not do in time, the client's end ends."""

    def __init__(self, sock):
        self.sock = sock
        self.accepted = time.monotonic()
        self.ended = None       # when the client was gone
        self.received = b""

    @property
    def lasted(self):
        return self.ended - self.accepted

    def read_request(self):
        """Read the head of a request, or what there is of it."""
        while HEAD_END not in self.received:
            chunk = self.sock.recv(65536)
            if not chunk:
                break
            self.received += chunk
        return self.received

    def header(self, name):
        """The values of all headers of this name."""
        lines = self.received.decode("latin-1").split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines)
        return [value.strip() for found, _, value in pairs if found.lower() == name.lower()]

    def send(self, *parts, pause=0):
        for n, part in enumerate(parts):
            if n and self.gone_within(pause):
                break
            self.sock.sendall(part)

    def gone_within(self, seconds):
        """Wait that long, or until the client is gone."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.sock], [], [], left)[0]:
                return False
            chunk = self.sock.recv(65536)
            if not chunk:
                return True
            self.received += chunk

    def linger(self):
        """Wait for the client's end."""
        while True:
            chunk = self.sock.recv(65536)
            if not chunk:
                break
            self.received += chunk

    def reset(self):
        """End it with an RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Server:
    """Listens on a port of the loopback, or wherever it is told, and gives each connection to `behave`.

    behave   may be replaced at any time; None: connections are left in the backlog
    """

    def __init__(self, behave, address=("127.0.0.1", 0), family=socket.AF_INET, backlog=128):
        self.behave = behave
        self.connections = []
        self.listener = socket.socket(family)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(address)
        if family == socket.AF_UNIX and not address.startswith("\0"):
            os.chmod(address, 0o777)
        self.listener.listen(backlog)
        self.address = self.listener.getsockname()
        self.port = self.address[1] if family != socket.AF_UNIX else None
        if behave:
            threading.Thread(target=self._accept, daemon=True).start()

    @property
    def first(self):
        return self.connections[0]

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:     # closed
                return
            connection = Connection(sock)
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            self.behave(connection)
        except OSError:
            pass
        connection.ended = time.monotonic()
        connection.sock.close()

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:     # never connected, says the kernel of some sockets
            pass
        self.listener.close()
        for connection in self.connections:
            try:
                connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


@contextlib.contextmanager
def servers():
    """A function that starts a Server; all end with the context."""
    started = []

    def start(*args, **how):
        started.append(Server(*args, **how))
        return started[-1]

    try:
        yield start
    finally:
        for server in started:
            server.close()


# Behaviours

def answer(status=200, *headers):
    """A whole answer to the whole request."""
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status} Whatever", "Content-Length: 2", *headers))

    def behave(connection):
        if connection.read_request():
            connection.send(f"{head}\r\nok".encode())
    return behave


def say(*parts, pause=0, then=Connection.linger):
    """The request, then these bytes, with pauses in between."""
    def behave(connection):
        connection.read_request()
        if connection.sock.family != socket.AF_UNIX:
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.send(*parts, pause=pause)
        then(connection)
    return behave


def end(connection):
    """Nothing more: the connection is closed."""


def drip(text, pause):
    return say(*(text[n:n + 1] for n in range(len(text))), pause=pause)


def answer_before_the_request(connection):
    connection.send(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")


def answer_an_unread_request(connection):
    """What was not read turns the close into an RST."""
    select.select([connection.sock], [], [], 5)
    answer_before_the_request(connection)


def reset_at_once(connection):
    connection.reset()


def endless_body(connection):
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.send(b"400\r\n" + b"x" * 1024 + b"\r\n")


def get_only(connection):
    """What FastAPI makes of a route that was declared for GET."""
    is_get = connection.read_request().startswith(b"GET ")
    connection.send(OK if is_get else b"HTTP/1.1 405 Method Not Allowed\r\nallow: GET\r\n\r\n")


def trusts_only(host):
    """What TrustedHostMiddleware does."""
    def behave(connection):
        connection.read_request()
        answer(200 if connection.header("Host") == [host] else 400)(connection)
    return behave
