"""A FastAPI application that tells who it runs as, and has a request that takes its time."""

import asyncio
import getpass
import os

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

app = FastAPI()


@app.get("/health")
def health():
    return "ok"


@app.get("/whoami")
def whoami():
    return {"pid": os.getpid(), "uid": os.getuid(), "user": getpass.getuser()}


async def begin_and_end():
    yield "begin\n"
    await asyncio.sleep(1)
    yield "end\n"


@app.get("/slow")
async def slow():
    return StreamingResponse(begin_and_end(), media_type="text/plain")


if __name__ == "__main__":
    uvicorn.run(app, host=os.getenv("HOST", "127.0.0.1"), port=int(os.getenv("PORT", "8000")))
