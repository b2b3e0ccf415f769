"""A FastAPI application whose answer a test edits.

It also tells whom of an earlier server it still found when it was imported, and has a stream that never ends.
"""

import sys

IS_WARM = "fastapi" in sys.modules      # before anything here imports it

import asyncio
import os
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from watched_agent.answer import ANSWER


def others():
    """The command lines of all that is neither PID 1 nor in this server's process group."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            pid = int(directory.name)
            if pid != 1 and os.getpgid(pid) != os.getpgid(0):
                found.append((directory / "cmdline").read_bytes().decode())
        except OSError:
            continue
    return found


OTHERS = others()
app = FastAPI()


@app.get("/health")
def health():
    return "ok"


@app.get("/answer")
def answer():
    return {"answer": ANSWER, "pids": [os.getpid(), os.getppid()], "others": OTHERS, "is_warm": IS_WARM,
            "changed": os.getenv("INITD_CHANGED")}


async def forever():
    while True:
        yield "data: tick\n\n"
        await asyncio.sleep(0.05)


@app.get("/events")
async def events():
    return StreamingResponse(forever(), media_type="text/event-stream")


if __name__ == "__main__":
    uvicorn.run(app, host=os.getenv("HOST", "127.0.0.1"), port=int(os.getenv("PORT", "8000")))
