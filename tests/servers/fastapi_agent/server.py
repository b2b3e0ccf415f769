"""A FastAPI application that tells who it runs as, and has a request that takes its time and one that takes it all.

TRUSTED_HOST  the only host name that it answers to
HTTPS_ONLY    any value: plain HTTP is redirected
"""

import asyncio
import getpass
import os
import time

import uvicorn
from fastapi import FastAPI
from fastapi.middleware.httpsredirect import HTTPSRedirectMiddleware
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import StreamingResponse

app = FastAPI()
if "TRUSTED_HOST" in os.environ:
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[os.environ["TRUSTED_HOST"]])
if "HTTPS_ONLY" in os.environ:
    app.add_middleware(HTTPSRedirectMiddleware)


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


@app.get("/block")
async def block():
    """Keep the event loop from everybody else, for good."""
    while True:
        time.sleep(1)


if __name__ == "__main__":
    uvicorn.run(app, host=os.getenv("HOST", "127.0.0.1"), port=int(os.getenv("PORT", "8000")))
