"""TLS in front of a server, as nginx or Caddy would be."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

CERTIFICATES = Path(__file__).parents[1] / "client" / "certificates"
AUTHORITY = CERTIFICATES / "authority.pem"


@contextmanager
def encrypting(target: str, certificate: str) -> Iterator[str]:
    """The https address of the server at ``target``, which proves itself with this certificate until the block ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / f"{certificate}.pem")
    port = urlsplit(target).port

    async def connect(near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        far_in, far_out = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_copy(near_in, far_out), _copy(far_in, near_out))

    async def serve() -> None:
        server = await asyncio.start_server(connect, sock=listener, ssl=context)
        listening.set()
        async with server:
            await ended.wait()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        loop, ended, listening = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
        thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
        thread.start()
        try:
            assert listening.wait(60)
            yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            loop.call_soon_threadsafe(ended.set)
            thread.join(60)
            loop.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    sink.close()
