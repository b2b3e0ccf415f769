# SPDX-License-Identifier: MIT
"""tcp_server.py [JSON]: an HTTP server of one thread on HOST:PORT. It says `start PID TIME`, and so `listens`, `term`
and `end`, and the same with `fails` if it ends before it listens; each answer's body is `PID VERSION`.

settings    a JSON file that is read at the start and may say all that is said here
version     a word
delay       seconds before it fails or binds
fail        end with this code; "late": when it listens
lock        a file: end with 4 if somebody else has locked it
listen      [[host, port], ...] in place of HOST:PORT
also        [[host, port], ...]: listened to as well
reuse_port  SO_REUSEPORT
unready     for so many seconds every answer is a 503
on_term     "drain": hear no more, answer those who are there, end with 0; "hasty": the same, but whoever has not said
            anything yet is not waited for, as uvicorn does; "ignore"; "die"; a number: serve on for so long
ignores     a child that ignores SIGTERM is started, says `child PID TIME` and stays
below       this many processes are between this one and the server
serial      serve one connection at a time, blocking in accept(2), each for so many seconds; SIGTERM ends it between two
backlog     listen(2)'s
workers     forked when it listens, they serve; the first one passes SIGTERM on
/sleep/N    is answered after N seconds
"""

import fcntl
import json
import os
import selectors
import signal
import socket
import sys
import time


def say(word):
    os.write(1, f"{word} {os.getpid()} {time.monotonic():.6f}\n".encode())


class Connection:
    def __init__(self, sock):
        self.sock = sock
        self.received = b""
        self.n_answers = 0
        self.due = None         # when an answer is to be sent

    def next_request(self):
        """The path of a whole request, taken from what was received; None if there is none."""
        head, found, rest = self.received.partition(b"\r\n\r\n")
        if not found:
            return None
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        if len(rest) < length:
            return None
        self.received = rest[length:]
        return head.split()[1].decode()


EARLY = []      # signals that came before anybody waits for them


class Server:
    def __init__(self, want):
        self.want = want
        self.selector = None
        self.listeners = []
        self.connections = set()
        self.draining = None    # since then
        self.serve_until = None
        self.ready_at = time.monotonic() + want.get("unready", 0)

    def listen(self):
        addresses = self.want.get("listen", [[os.environ["HOST"], int(os.environ["PORT"])]])
        for host, port in (*addresses, *self.want.get("also", ())):
            listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self.want.get("reuse_port"):
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if listener.family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((host, port))
            listener.listen(self.want.get("backlog", 1024))
            listener.setblocking("serial" in self.want)
            self.listeners.append(listener)
        say("listens")

    def run(self):
        self.selector = selectors.DefaultSelector()     # each worker's own
        wake, wake_end = socket.socketpair()
        wake.setblocking(False)
        wake_end.setblocking(False)
        signal.set_wakeup_fd(wake_end.fileno(), warn_on_full_buffer=False)
        wake_end.send(bytes(EARLY) or b"\0")
        self.selector.register(wake, selectors.EVENT_READ, self.told)
        for listener in self.listeners:
            self.selector.register(listener, selectors.EVENT_READ, self.accept)
        while self.draining is None or self.connections:
            now = time.monotonic()
            dues = [c.due for c in self.connections if c.due] + [t for t in (self.serve_until,) if t]
            if self.draining is not None:
                dues.append(self.draining + 1)
            for key, _ in self.selector.select(max(0, min(dues) - now) if dues else None):
                key.data(key.fileobj)
            now = time.monotonic()
            for connection in [c for c in self.connections if c.due and c.due <= now]:
                self.answer(connection)
            if self.serve_until and self.serve_until <= now:
                self.drain()
            if self.draining is not None and self.draining + 1 <= now:
                for connection in [c for c in self.connections if not c.due]:
                    self.forget(connection)

    def run_serially(self):
        """As simple as servers get."""
        term = {signal.SIGTERM}
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        while True:
            sock, _ = self.listeners[0].accept()
            signal.pthread_sigmask(signal.SIG_BLOCK, term)
            connection = Connection(sock)
            with sock:
                while chunk := sock.recv(65536):
                    connection.received += chunk
                    if connection.next_request():
                        break
                time.sleep(self.want["serial"])
                sock.sendall(self.response("200 OK", "Connection: close\r\n"))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, term)

    def told(self, wake):
        for number in wake.recv(100):
            if number == signal.SIGTERM and self.draining is None and self.serve_until is None:
                say("term")
                on_term = self.want.get("on_term", "drain")
                if on_term in ("drain", "hasty"):
                    self.drain()
                elif on_term == "die":
                    os._exit(5)
                elif on_term != "ignore":
                    self.serve_until = time.monotonic() + on_term

    def drain(self):
        self.draining, self.serve_until = time.monotonic(), None
        for listener in self.listeners:
            self.selector.unregister(listener)
            listener.close()
        for connection in list(self.connections):
            self.read(connection)
            # Otherwise one that has not said anything yet is given a second.
            patient = self.want.get("on_term") != "hasty" and not connection.n_answers
            if connection in self.connections and not (patient or connection.received or connection.due):
                self.forget(connection)

    def accept(self, listener):
        try:
            sock, _ = listener.accept()
        except OSError:         # another one was faster
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(sock)
        self.connections.add(connection)
        self.selector.register(sock, selectors.EVENT_READ, lambda _: self.read(connection))

    def read(self, connection):
        if connection not in self.connections:      # forgotten since select(2) told of it
            return
        try:
            chunk = connection.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        connection.received += chunk
        if not chunk:
            self.forget(connection)
        elif not connection.due:
            self.take_request(connection)

    def take_request(self, connection):
        path = connection.next_request()
        if path and path.startswith("/sleep/"):
            connection.due = time.monotonic() + float(path.rpartition("/")[2])
        elif path:
            self.answer(connection)

    def response(self, status, headers):
        body = f"{os.getpid()} {self.want.get('version', '-')}\n"
        return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n{body}".encode()

    def answer(self, connection):
        connection.due = None
        connection.n_answers += 1
        status = "200 OK" if time.monotonic() >= self.ready_at else "503 Service Unavailable"
        close = "Connection: close\r\n" if self.draining is not None else ""
        try:
            connection.sock.sendall(self.response(status, close))
        except OSError:
            close = "gone"
        if close:
            self.forget(connection)
        else:
            self.take_request(connection)

    def forget(self, connection):
        self.selector.unregister(connection.sock)
        connection.sock.close()
        self.connections.discard(connection)


def below(want):
    """Be the parent of the server: pass SIGTERM on, end as it ends."""
    pid = os.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-I", "-S", "-E", __file__, json.dumps(want)])
    signal.signal(signal.SIGTERM, lambda number, _: os.kill(pid, number))
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def workers(server, count):
    pids = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            say("worker")
            server.run()
            os._exit(0)
        pids.append(pid)
    for listener in server.listeners:
        listener.close()
    signal.signal(signal.SIGTERM, lambda number, _: [os.kill(pid, number) for pid in pids])
    for pid in pids:
        os.waitpid(pid, 0)


def main():
    want = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    if "settings" in want:
        with open(want["settings"]) as file:
            want |= json.loads(file.read() or "{}")
    if want.get("below"):
        below({**want, "below": want["below"] - 1, "settings": os.devnull})
    say("start")
    signal.signal(signal.SIGTERM, lambda number, _: EARLY.append(number))
    if want.get("ignores"):
        ready, ready_end = os.pipe()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            say("child")
            os.close(ready_end)
            while True:
                signal.pause()
        os.close(ready_end)
        os.read(ready, 1)
    time.sleep(want.get("delay", 0))
    if isinstance(want.get("fail"), int):
        say("fails")
        sys.exit(want["fail"])
    if "lock" in want:
        lock = os.open(want["lock"], os.O_CREAT | os.O_RDWR, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("fails")
            sys.exit(4)
    server = Server(want)
    try:
        server.listen()
    except OSError as error:
        say("fails")
        sys.exit(f"tcp_server.py: {error}")
    if want.get("fail") == "late":
        sys.exit(6)
    if want.get("workers"):
        workers(server, want["workers"])
    elif "serial" in want:
        server.run_serially()
    else:
        server.run()
    say("end")


main()
