# SPDX-License-Identifier: MIT
"""A package index on the loopback that wants a password, with one package."""

import base64
import io
import secrets
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PACKAGE = "private_words"
WHEEL = f"{PACKAGE}-1.0-py3-none-any.whl"


def wheel():
    info = f"{PACKAGE}-1.0.dist-info"
    files = {f"{PACKAGE}.py": "WORDS = 'for our eyes'\n",
             f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n",
             f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return stream.getvalue()


class Handler(BaseHTTPRequestHandler):
    """The simple API of PEP 503."""

    def do_GET(self):
        name = PACKAGE.replace("_", "-")
        match self.path:
            case _ if self.headers["Authorization"] != self.server.authorization:
                self.answer(401, b"", ("WWW-Authenticate", 'Basic realm="private"'))
            case path if path.rstrip("/") == f"/simple/{name}":
                self.answer(200, f'<!DOCTYPE html><a href="/files/{WHEEL}">{WHEEL}</a>'.encode(),
                            ("Content-Type", "text/html"))
            case path if path == f"/files/{WHEEL}":
                self.answer(200, self.server.wheel, ("Content-Type", "application/zip"))
            case _:
                self.answer(404, b"")

    def answer(self, status, body, *headers):
        self.send_response(status)
        for header in ("Content-Length", str(len(body))), *headers:
            self.send_header(*header)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *args):
        pass


class PrivateIndex(ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.wheel = wheel()
        self.password = secrets.token_hex(16)
        self.authorization = "Basic " + base64.b64encode(f"reader:{self.password}".encode()).decode()
        self.address = f"127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def uv_toml(self):
        return f'[[index]]\nname = "private"\nurl = "http://reader:{self.password}@{self.address}/simple/"\n'

    def close(self):
        self.shutdown()
        self.server_close()
