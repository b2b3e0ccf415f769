"""/version tells which code runs, /events is a stream without end; every process says whom it has met at its start."""

import asyncio
import json
import os

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from .version import VERSION

app = FastAPI()
pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
print(json.dumps({"version": VERSION, "pid": os.getpid(), "beside": pids}), flush=True)


@app.get("/health")
def health():
    return "ok"


@app.get("/version")
def version():
    return VERSION


@app.get("/changed")
def changed():
    return os.environ.get("INITD_CHANGED")


async def ticks():
    while True:
        yield f"data: {VERSION}\n\n"
        await asyncio.sleep(0.1)


@app.get("/events")
async def events():
    return StreamingResponse(ticks(), media_type="text/event-stream")


def main():
    uvicorn.run(app, host=os.getenv("HOST", "127.0.0.1"), port=int(os.getenv("PORT", "8000")))


if __name__ == "__main__":
    main()
