# SPDX-License-Identifier: MIT
"""Clients in threads that ask an HTTP server all the time, and write down what became of each request."""

import socket
import threading
import time
from typing import NamedTuple


class Answer(NamedTuple):
    begun: float
    ended: float
    kept: bool      # over a connection that was there before
    status: int
    body: str

    @property
    def pid(self):
        return int(self.body.split()[0])


class Client:
    """A connection, made when it is needed; one that the server has closed meanwhile is made anew, as pools do."""

    def __init__(self, address, timeout=20):
        self.address, self.timeout = address, timeout
        self.sock = None
        self.n_reconnects = 0

    def connect(self):
        self.sock = socket.create_connection(self.address, timeout=self.timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self):
        if self.sock:
            self.sock.close()
            self.sock = None

    def ask(self, path="/", close=False):
        begun = time.monotonic()
        kept = self.sock is not None
        if not kept:
            self.connect()
        try:
            received = self._exchange(path)
        except ConnectionError:
            if not kept:
                raise
            received = b""
        if not received and kept:
            self.close()
            self.n_reconnects += 1
            return self.ask(path, close)
        if not received:
            raise ConnectionError("closed without an answer")
        head, found, body = received.partition(b"\r\n\r\n")
        length = next(int(line.partition(b":")[2]) for line in head.lower().split(b"\r\n")
                      if line.startswith(b"content-length:"))
        while len(body) < length:
            chunk = self.sock.recv(65536)
            if not chunk:
                raise ConnectionError("closed in the middle of an answer")
            body += chunk
        if close or b"connection: close" in head.lower():
            self.close()
        return Answer(begun, time.monotonic(), kept, int(head.split()[1]), body.decode())

    def _exchange(self, path):
        """The head and what came with it, nothing if there is none."""
        self.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        received = b""
        while b"\r\n\r\n" not in received:
            chunk = self.sock.recv(65536)
            if not chunk:
                if received:
                    raise ConnectionError("closed in the middle of a head")
                break
            received += chunk
        return received


class Load:
    """About `rate` requests a second for as long as the context lasts, half of them by connections that are kept."""

    def __init__(self, port, host="127.0.0.1", rate=200, fresh=4, kept=4, paths=("/",)):
        self.address, self.paths = (host, port), paths
        self.pause = (fresh + kept) / rate
        self.answers, self.errors = [], []
        self.ended = threading.Event()
        self.clients = [Client(self.address) for _ in range(fresh + kept)]
        self.threads = [threading.Thread(target=self._ask, args=(client, n >= fresh), daemon=True)
                        for n, client in enumerate(self.clients)]

    def __enter__(self):
        self.begun = time.monotonic()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join(30)
        self.lasted = time.monotonic() - self.begun

    def _ask(self, client, keep):
        n = 0
        due = time.monotonic()
        while not self.ended.is_set():
            n += 1
            try:
                self.answers.append(client.ask(self.paths[n % len(self.paths)], close=not keep))
            except OSError as error:
                self.errors.append((time.monotonic(), keep, error))
                client.close()
            due = max(due + self.pause, time.monotonic() - 1)
            self.ended.wait(max(0, due - time.monotonic()))
        client.close()

    @property
    def n_reconnects(self):
        return sum(client.n_reconnects for client in self.clients)

    def pids(self):
        """Who answered, in the order of the first answers."""
        return list(dict.fromkeys(answer.pid for answer in sorted(self.answers, key=lambda a: a.ended)
                                  if answer.status == 200))

    def report(self):
        counts = {}
        for answer in list(self.answers):
            counts[answer.status] = counts.get(answer.status, 0) + 1
        slowest = max((answer.ended - answer.begun for answer in self.answers), default=0)
        return (f"{len(self.answers)} answers {counts} by {len(self.pids())} servers, {self.n_reconnects} reconnects, "
                f"the slowest took {slowest * 1000:.0f} ms, errors: {self.errors[:5]} ({len(self.errors)})")
