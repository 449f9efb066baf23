"""A small real web server that speaks the registry's API out of memory, and says whatever a test wants it to say."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

from promptops.core.digest import digest as digest_of
from promptops.core.outcomes.report import OutcomeReport
from promptops.core.snapshot import Snapshot
from promptops.wire.outcomes import decode as decode_report
from promptops.wire.snapshot import encode
from tests.client import made


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that arrived."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    @property
    def kind(self) -> str:
        """``snapshot``, ``releases``, ``events``, ``clients``, ``report-key``, ``outcomes`` …"""
        parts = self.path.split("/")
        return "releases" if "releases" in parts else parts[-1]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What is answered. Pieces of a body are sent one by one, as the test makes them."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Iterable[bytes] = b""
    length: int | None = None


SECRET = bytes(range(32))
"""Of the clients that report."""

Script = Callable[[Asked], Reply | None]
"""Answers a request; None leaves it to the server."""


class FakeServer:
    """Serves one channel. ``api=False`` is a plain web server with the files of an export."""

    def __init__(self, *, api: bool = True, tls: ssl.SSLContext | None = None, streams: bool = True) -> None:
        self.api = api
        self.streams = streams
        self.script: Script | None = None
        self.asked: list[Asked] = []
        self.versions: dict[tuple[str, str], str] = {}
        self.secret = SECRET
        self.samples: dict[str, int] = {}
        self.rates: dict[str, object] = {}
        self._reports: dict[tuple[str, int], OutcomeReport] = {}
        self._tls = tls
        self._snapshot: Snapshot | None = None
        self._changed = threading.Condition()
        self._open: set[socket.socket] = set()
        self._server: _Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def kinds(self) -> list[str]:
        return [asked.kind for asked in list(self.asked)]

    def beats(self) -> list[dict[str, object]]:
        return [json.loads(asked.body) for asked in list(self.asked) if asked.kind == "clients"]

    def reports(self) -> list[OutcomeReport]:
        """The reports of calls that were taken, each once, whatever was sent again."""
        return list(self._reports.values())

    def serve(self, snapshot: Snapshot) -> None:
        """From now on the channel is this; streams tell."""
        with self._changed:
            self._snapshot = snapshot
            self._changed.notify_all()

    @property
    def snapshot(self) -> Snapshot:
        assert self._snapshot is not None, "nothing is served yet"
        return self._snapshot

    # --- running ---

    def start(self) -> Self:
        """Listen, on the same port as before."""
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.fake = self
        if self._tls:
            self._server.socket = self._tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Be gone, with every connection."""
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        server.server_close()
        self._thread.join()
        with self._changed:
            for each in list(self._open):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            self._changed.notify_all()

    @property
    def running(self) -> bool:
        return self._server is not None

    def cut_streams(self) -> None:
        """Every connection that is open breaks; new ones are welcome."""
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- answering ---

    def answer(self, asked: Asked) -> Reply:
        """As a registry's server does."""
        parts = unquote(asked.path).strip("/").split("/")
        match parts:
            case ["v1", "channels", channel, "snapshot"] if self._snapshot and channel == self.snapshot.channel:
                apps = asked.query.get("app")
                data, digest = encode(self.snapshot.only(apps) if apps and self.api else self.snapshot)
                if asked.headers.get("if-none-match") == f'"{digest}"':
                    return Reply(status=304)
                return Reply(headers={"ETag": f'"{digest}"', "Content-Type": "application/json"}, body=data)
            case ["v1", "releases", hexadecimal] if f"sha256:{hexadecimal}" in made.CONTENTS:
                return _json(made.CONTENTS[f"sha256:{hexadecimal}"])
            case ["v1", "releases"] if self.api:
                found = {d: made.CONTENTS[d].decode() for d in asked.query["digest"] if d in made.CONTENTS}
                return _json(json.dumps({"schema": "promptops.releases/1", "releases": found}).encode())
            case ["v1", "apps", app, "releases", version, "content"] if self.api and (app, version) in self.versions:
                data = made.CONTENTS[self.versions[app, version]]
                headers = {"Content-Type": "application/json", "Promptops-Digest": digest_of(data)}
                return Reply(headers=headers, body=data)
            case ["v1", "channels", _, "clients"] if self.api and asked.method == "POST":
                return Reply(status=204)
            case ["v1", "channels", channel, "report-key"] if self.api:
                key = {"schema": "promptops.report-key/1", "registry": "test", "secret": self.secret.hex()}
                return _json(json.dumps({**key, "lineage": self.snapshot.lineage}).encode())
            case ["v1", "channels", channel, "outcomes"] if self.api and asked.method == "POST":
                return self._take(decode_report(asked.body, channel))
            case ["v1", "channels", _, "events"] if self.api and self.streams and self._snapshot:
                return Reply(headers={"Content-Type": "text/event-stream"}, body=self._events(asked), length=-1)
        problem = {"type": "about:blank", "status": 404, "detail": "there is no such thing", "code": "route-not-found"}
        headers = {"Content-Type": "application/problem+json"}
        return Reply(status=404, headers=headers, body=json.dumps(problem).encode())

    def _take(self, report: OutcomeReport) -> Reply:
        counted = (report.client, report.number) not in self._reports
        self._reports.setdefault((report.client, report.number), report)
        answer = {"schema": "promptops.outcomes-answer/1", "number": report.number, "counted": counted}
        return _json(json.dumps({**answer, "sample": self.samples, "rates": self.rates}).encode())

    def _events(self, asked: Asked) -> Iterable[bytes]:
        apps = asked.query.get("app")
        server, told = self._server, None
        yield b"retry: 50\n\n"
        while self._server is server:
            with self._changed:
                now = self._snapshot
                if now is told or now is None:
                    self._changed.wait(0.5)
                    now = self._snapshot
            if now is None or now is told:
                yield b": ping\n\n"
                continue
            event = now.since(told)
            data, _ = encode(event.only(apps) if apps else event)
            told = now
            yield b"event: change\nid: %d\ndata: %s\n\n" % (now.cursor, data)


def _json(data: bytes) -> Reply:
    return Reply(headers={"Content-Type": "application/json"}, body=data)


class _Server(ThreadingHTTPServer):
    fake: FakeServer
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is what half of the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    timeout = 30
    disable_nagle_algorithm = True  # or a body waits 40 ms for the word that its headers arrived

    def setup(self) -> None:
        self.request.settimeout(30)
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().setup()
        self.server.fake._open.add(self.request)

    def finish(self) -> None:
        self.server.fake._open.discard(self.request)
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def do_GET(self) -> None:
        self._reply()

    def do_POST(self) -> None:
        self._reply()

    def _reply(self) -> None:
        fake, split = self.server.fake, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(method=self.command, path=split.path, query=parse_qs(split.query), headers=headers, body=body)
        fake.asked.append(asked)
        reply = (fake.script(asked) if fake.script else None) or fake.answer(asked)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if fake.api:
            self.send_header("Promptops-Api", "1")
        self._send_body(reply)

    def _send_body(self, reply: Reply) -> None:
        pieces = [reply.body] if isinstance(reply.body, bytes) else reply.body
        if isinstance(reply.body, bytes) and reply.status not in (204, 304):
            self.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
        elif not isinstance(reply.body, bytes):
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        for piece in pieces:
            self.wfile.write(piece)
        if reply.length is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Tests look at what was asked, not at a log."""
