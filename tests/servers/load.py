# SPDX-License-Identifier: MIT
"""Clients that ask a server all the time, and remember each thing that went wrong."""

import asyncio
import socket
import threading
import time
from collections import Counter
from contextlib import suppress

GIVEN_UP = 20.0     # seconds: no answer
LATE = 0.04         # who asks nothing for so long, which may be our own lack of CPU, may be closed by a server that stops


class Refused(Exception):
    pass


class Lost(Exception):
    """No byte of an answer came."""


class Load:
    """rate requests a second, each by a connection of its own, whether the ones before are answered or not;
    keep_alive clients that keep theirs, each of which asks again pause seconds after its last answer.

    counts    refused: no connection; failed: a connection of its own, but no whole answer 200 (see failures)
              late: the same of who asked too late
              answered, and the same of keep-alive clients: kept_answered, kept_refused, kept_failed;
              kept_lost: a connection that had served before was closed under a request
    log       says what initd has logged until now: the end of it goes with each failure
    """

    def __init__(self, port, rate=100, keep_alive=0, pause=0.01, path="/", host="127.0.0.1", log=None):
        self.port, self.rate, self.keep_alive, self.pause, self.path, self.host = (
            port, rate, keep_alive, pause, path, host)
        self.log = log
        self.counts = Counter()
        self.failures = []
        self.answers = Counter()    # what was said, and how often
        self.slowest = 0.0
        self.began = time.monotonic()
        self.stopping = False
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join(GIVEN_UP + 5)
        assert not self.thread.is_alive()

    def explain(self):
        return (f"{dict(self.counts)}, slowest {self.slowest * 1000:.0f} ms\n" + "\n".join(self.failures[:20]))

    def assert_all_answered(self):
        """Of those with a connection of their own."""
        assert self.counts["answered"], self.explain()
        assert not self.counts["refused"] and not self.counts["failed"], self.explain()

    async def _run(self):
        tasks = {asyncio.create_task(self._keep()) for _ in range(self.keep_alive)}
        due = time.monotonic()
        while not self.stopping:
            if self.rate:
                task = asyncio.create_task(self._once())
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                due += 1 / self.rate
            else:
                due += 0.01
            await asyncio.sleep(max(0, due - time.monotonic()))
        if tasks:
            await asyncio.gather(*tasks)

    async def _connect(self):
        try:
            return await asyncio.open_connection(self.host, self.port)
        except ConnectionRefusedError as error:
            raise Refused from error

    async def _ask(self, reader, writer, connection):
        """The body of an answer 200."""
        try:
            writer.write(f"GET {self.path} HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\n\r\n".encode())
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise ValueError(f"half a head: {error.partial}") from error
            raise Lost("closed") from error
        except ConnectionError as error:
            raise Lost(repr(error)) from error
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
        if "content-length" in headers:
            body = await reader.readexactly(int(headers["content-length"]))
        elif headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await reader.readuntil(b"\r\n"), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readexactly(2)
        else:
            body = await reader.read()
        if status.split()[1] != "200":
            raise ValueError(f"{status}: {body.decode(errors='replace')}")
        self.answers[body.decode()] += 1
        return headers.get("connection") == "close"

    def _note(self, kind, since, error):
        self.counts[kind] += 1
        said = [line for line in self.log().splitlines() if line.startswith("initd: ")][-3:] if self.log else []
        self.failures.append(f"{since - self.began:8.3f} s, {time.monotonic() - since:.3f} s later: {kind}: {error!r}"
                             f" {' | '.join(said)}")

    async def _measured(self, work, kind):
        since = time.monotonic()
        try:
            result = await asyncio.wait_for(work, GIVEN_UP)
        except Refused:
            self._note(f"{kind}refused", since, None)
        except (OSError, ValueError, Lost, asyncio.IncompleteReadError, asyncio.TimeoutError) as error:
            self._note(f"{kind}failed", since, error)
        else:
            self.counts[f"{kind}answered"] += 1
            self.slowest = max(self.slowest, time.monotonic() - since)
            return result
        return None

    async def _once(self):
        async def work():
            since = time.monotonic()
            reader, writer = await self._connect()
            asked = time.monotonic()
            try:
                await self._ask(reader, writer, "close")
            except Lost:
                if asked - since < LATE:
                    raise
                self.counts["late"] += 1
            finally:
                writer.close()

        await self._measured(work(), "")

    async def _keep(self):
        kept = None

        async def work():
            nonlocal kept
            if kept and kept[0].at_eof():
                self.counts["kept_closed"] += 1     # between two requests, and seen in time
                kept[1].close()
                kept = None
            is_used = kept is not None
            kept = kept or await self._connect()
            try:
                is_last = await self._ask(*kept, "keep-alive")
            except Lost as error:
                kept[1].close()
                kept = None
                if not is_used:
                    raise
                # As every HTTP client does it (RFC 9112, 9.3.1).
                self._note("kept_lost", time.monotonic(), error)
                return await work()
            except BaseException:
                kept[1].close()
                kept = None
                raise
            if is_last:
                kept[1].close()
                kept = None

        while not self.stopping:
            await self._measured(work(), "kept_")
            await asyncio.sleep(self.pause)
        if kept:
            kept[1].close()


def has_ipv6():
    with suppress(OSError), socket.socket(socket.AF_INET6) as sock:
        sock.bind(("::1", 0))
        return True
    return False
