"""A local issuer of ID tokens: real keys, real JWTs, and a web server with its key set that can be slow or gone."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

URL, AUDIENCE = "https://ci.example", "https://registry.example"


class Issuing:
    """Signs claims with keys by their names, and has the key set of those that are published."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {"one": RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})}
        self.published = ["one"]
        self._count = 0

    def add(self, kid: str, **more: Any) -> None:
        self.keys[kid] = ECKey.generate_key("P-256", {"kid": kid, **more})  # type: ignore[arg-type]

    def key_set(self) -> bytes:
        return json.dumps({"keys": [self.keys[kid].as_dict(private=False) for kid in self.published]}).encode()

    def token(self, kid: str = "one", *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A new ID token of a job of acme/prompts on main; a claim of None is left out."""
        self._count += 1
        now = int(time.time())
        usual = {
            "iss": URL,
            "aud": AUDIENCE,
            "sub": "repo:acme/prompts:ref:refs/heads/main",
            "repository": "acme/prompts",
            "ref": "refs/heads/main",
            "jti": f"job-{self._count}",
            "iat": now,
            "nbf": now,
            "exp": now + 300,
        }
        taken = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        key = self.keys[kid]
        algorithm = "RS256" if key.key_type == "RSA" else "ES256"
        named = {name: value for name, value in {"alg": algorithm, "kid": kid, **(header or {})}.items() if value}
        return jwt.encode(named, taken, key, algorithms=[algorithm])


class KeyServer:
    """Serves a key set, and counts. ``open`` is what it waits for before it answers."""

    def __init__(self, issuing: Issuing) -> None:
        self.asked = 0
        self.status = 200
        self.open = threading.Event()
        self.open.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                outer.open.wait(60)
                body = issuing.key_set()
                self.send_response(outer.status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/keys"

    @contextmanager
    def serving(self) -> Iterator[KeyServer]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.open.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()
