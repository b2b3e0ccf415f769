"""The HTTP server: / says hello, /health answers 200, /whoami tells what the process was given."""

import json
import os
import signal
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import __version__

ENVIRONMENT = ("HOME", "USER", "AGENT_DIR", "HOST", "PORT", "VIRTUAL_ENV")
STATUS = ("CapEff", "CapBnd", "NoNewPrivs")


def whoami():
    with open("/proc/self/status") as file:
        status = dict(line.split(":\t", 1) for line in file.read().splitlines())
    return {
        "uid": os.getuid(),
        "gid": os.getgid(),
        "groups": os.getgroups(),
        "pid": os.getpid(),
        "ppid": os.getppid(),
        "argv": sys.orig_argv,
        **{name: os.environ.get(name) for name in ENVIRONMENT},
        **{name: status[name] for name in STATUS},
    }


class Handler(BaseHTTPRequestHandler):
    # A client that connects and says nothing must not keep the server from ending.
    timeout = 5

    def do_GET(self):
        match self.path:
            case "/":
                self.answer(200, f"hello from version {__version__}\n")
            case "/health":
                self.answer(200, "ok\n")
            case "/whoami":
                self.answer(200, json.dumps(whoami()), "application/json")
            case _:
                self.answer(404, "not found\n")

    def answer(self, status, text, content_type="text/plain"):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{content_type}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    # server_close() waits for the requests in flight only if their threads are no daemons.
    daemon_threads = False

    def __init__(self, host, port):
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), Handler)


def main():
    host = os.getenv("HOST", "127.0.0.1")
    port = int(os.getenv("PORT", "8000"))

    with Server(host, port) as server:
        def stop(signum, frame):
            # shutdown() waits for serve_forever(), which this handler has interrupted.
            threading.Thread(target=server.shutdown).start()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        print(f"hello-agent on http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
        server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
