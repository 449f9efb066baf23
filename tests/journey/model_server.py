"""A server on this machine that answers as a provider does, the same to the same request: for calls that are counted.

It reads a request as a model would. Asked to say what is open, it writes a longer answer, which settles more tickets;
one ticket in forty or so it refuses, whatever it is asked. Asked for JSON, it sorts a ticket, and leaves out a field of
one in two hundred; asked to be brief, of eight in a hundred; asked for every field, of none.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_LONG = "say in one sentence what is open"
_SETTLED = {True: 75, False: 22}
"""Of a hundred tickets: how many a long answer settles, and a short one."""
_WORDS = {True: 300, False: 90}
"""Tokens of an answer, before those that differ by ticket."""
_BRIEF, _EVERY = "Be brief", "Fill in every field"
_SORTED = {"category": "delivery", "urgency": "normal", "needs_human": False, "language": "en", "reason": "It is late."}
_TOKEN = 0.0001
"""Seconds that a token takes."""


class ModelServer:
    """Answers at ``url``, as OpenAI's API of chats. ``received`` has the body of each request by the answer's id."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/v1"
        self.received: dict[str, bytes] = {}

    def answer(self, body: bytes) -> dict[str, Any]:
        """The answer to a request, which follows from its bytes."""
        request = json.loads(body)
        system, question = (" ".join(str(message["content"]).split()) for message in request["messages"])
        is_long = _LONG in system
        lot = int.from_bytes(hashlib.sha256(question.encode()).digest()[:4])
        id = f"chatcmpl-{hashlib.sha256(body).hexdigest()[:24]}"
        self.received[id] = body
        tokens = {"prompt_tokens": len(body) // 4, "completion_tokens": _WORDS[is_long] + lot % 40}
        text = _sorting(lot, system) if "response_format" in request else _draft(lot, is_long)
        return {
            "id": id,
            "object": "chat.completion",
            "model": request["model"],
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop" if text else "content_filter",
                    "message": {"role": "assistant", "content": text},
                }
            ],
            "usage": {**tokens, "total_tokens": sum(tokens.values())},
        }


def _draft(lot: int, is_long: bool) -> str:
    """A reply to a ticket; empty where it is refused."""
    if lot // 100 % 40 == 0:
        return ""
    settled = lot % 100 < _SETTLED[is_long]
    return "That is settled [1]." if settled else "The articles do not say; a colleague takes over."


def _sorting(lot: int, system: str) -> str:
    """A ticket sorted, as JSON, with or without the reason."""
    lacks = lot % 100 < 8 if _BRIEF in system else lot % 200 == 0 and _EVERY not in system
    return json.dumps({name: value for name, value in _SORTED.items() if not (lacks and name == "reason")})


@contextmanager
def served() -> Iterator[ModelServer]:
    """A server that listens on a free port, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: apart, the second one waits for the first one's receipt

        def do_POST(self) -> None:
            answer = model.answer(self.rfile.read(int(self.headers["Content-Length"])))
            time.sleep(_TOKEN * answer["usage"]["completion_tokens"])
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing: the demo shows what the application says."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        model = ModelServer(server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield model
        finally:
            server.shutdown()
            thread.join()
