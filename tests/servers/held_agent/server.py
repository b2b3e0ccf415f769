"""`python -m held_agent.server` [WORKERS]: as most servers of agents are written."""

import os
import sys

import uvicorn

from held_agent import app

HOST = os.getenv("HOST", "127.0.0.1")
PORT = int(os.getenv("PORT", "8000"))

if __name__ == "__main__":
    if len(sys.argv) > 1:
        uvicorn.run("held_agent:app", host=HOST, port=PORT, workers=int(sys.argv[1]))
    else:
        uvicorn.run(app, host=HOST, port=PORT)
