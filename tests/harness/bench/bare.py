"""The least a server can be: one Starlette route that returns bytes, under the settings of ours."""

from __future__ import annotations

import asyncio
import json
import socket
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def main(body: bytes) -> None:
    """Serve until somebody ends the process; the address is the first line."""

    async def whole(_: Request) -> Response:
        return Response(body, media_type="application/json")

    async def unchanged(_: Request) -> Response:
        return Response(status_code=304)

    app = Starlette(routes=[Route("/200", whole), Route("/304", unchanged)])
    config = uvicorn.Config(app, http="h11", loop="asyncio", access_log=False, log_level="warning", lifespan="off")
    # With its protocol said, or asyncio leaves Nagle's algorithm on, which costs 40 ms an answer.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        print(json.dumps({"url": f"http://127.0.0.1:{listening.getsockname()[1]}"}), flush=True)
        asyncio.run(uvicorn.Server(config).serve(sockets=[listening]))


if __name__ == "__main__":
    main(sys.argv[1].encode())
