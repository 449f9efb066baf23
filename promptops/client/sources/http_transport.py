"""Sends questions to a web server, from threads, over one pool of connections.

Every wait is bounded by what is left of the question's deadline, and the clock is read between the pieces of a body, so
that a server that drips cannot hold on. A thread that waits can only be freed from outside: :meth:`HttpPlace.cut`
shuts its sockets down, and it gets an error at once.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import httpx

from promptops.client.sources import http_messages
from promptops.client.sources.credentials import FixedToken, TokenFile
from promptops.client.sources.source import TIMEOUT, Failed, Lost, Question, SourceAnswer, SourcePlace
from promptops.client.sources.trust import client_trust
from promptops.core.errors import Invalid

_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError, RuntimeError)
# RuntimeError: its client was closed meanwhile.
_NOT_VALID = "status-401"


class HttpPlace:
    """A web server, asked from threads. Safe for them; not carried over a fork."""

    def __init__(self, place: SourcePlace, *, verify: bool | str | ssl.SSLContext, proxy: str | None) -> None:
        self._place = place
        self._credential = TokenFile(place.token_file) if place.token_file else FixedToken(place.token)
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._streams: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._closed = False
        self._client = _make(place, verify, proxy)

    def __repr__(self) -> str:
        return f"<HttpOrigin {self._place.label}>"

    def answer(self, what: Question, deadline: float) -> SourceAnswer | Failed:
        """Ask, and read the answer while there is time. After a refused token it asks again if a file has another."""
        try:
            token = self._credential.current()
        except Invalid as error:
            return Failed(reason="token", message=error.message)
        answer = self._answer(what, token, deadline)
        if isinstance(answer, Failed) and answer.reason == _NOT_VALID and (newer := self._credential.renewed(token)):
            return self._answer(what, newer, deadline)
        return answer

    def _answer(self, what: Question, token: str, deadline: float) -> SourceAnswer | Failed:
        request = http_messages.request_of(self._place, what, token)
        left = deadline - time.monotonic()
        if left <= 0:
            return TIMEOUT
        try:
            with self._client.stream(
                **_arguments(request), timeout=left, extensions=self._tracing(self._sockets)
            ) as got:
                refused = http_messages.refuse(request, got.status_code, got.headers)
                return _without(token, refused or self._read(what, request, got, deadline))
        except _ERRORS as error:
            return failure(error, token)

    def _read(
        self, what: Question, request: http_messages.SourceRequest, got: httpx.Response, deadline: float
    ) -> SourceAnswer | Failed:
        body = bytearray()
        for piece in got.iter_raw():
            body += piece
            if len(body) > http_messages.limit_of(request, got.status_code):
                return http_messages.too_large(request, got.status_code)
            if time.monotonic() >= deadline:
                return TIMEOUT
        return http_messages.answer_of(what, got.status_code, got.headers, bytes(body))

    @contextlib.contextmanager
    def listen(
        self, request_with: Callable[[str], http_messages.SourceRequest], timeout: float
    ) -> Iterator[Iterator[bytes]]:
        """Returns the pieces of a stream of events; ``request_with`` is the request for it, by its token.

        Raises:
            Lost: the stream did not begin, or it ended.
        """
        waits = httpx.Timeout(timeout, read=http_messages.SILENCE)
        try:
            token = self._credential.current()
        except Invalid as error:
            raise Lost(Failed(reason="token", message=error.message)) from error
        try:
            with self._client.stream(
                **_arguments(request_with(token)), timeout=waits, extensions=self._tracing(self._streams)
            ) as got:
                if failed := http_messages.refuse_stream(got.status_code, got.headers):
                    if failed.reason == _NOT_VALID:
                        self._credential.renewed(token)  # for the next stream
                    raise Lost(failed)
                yield got.iter_raw()
        except _ERRORS as error:
            raise Lost(failure(error, token)) from error

    def changes(self, seconds: float) -> bool:
        """Wait, and return False: a server sends a stream of events, and any other web server has to be asked."""
        time.sleep(seconds)
        return False

    def cut(self) -> None:
        """End all questions that wait for an answer; streams of events go on."""
        _shut(self._sockets)

    def interrupt(self) -> None:
        self.cut()
        _shut(self._streams)

    def close(self) -> None:
        self._closed = True
        self._client.close()
        # An abandoned thread would give its socket back to a pool that is closed, where it stays open.
        self.forget()

    def forget(self) -> None:
        for open_socket in (*self._sockets, *self._streams):
            with contextlib.suppress(OSError):
                open_socket.close()

    def _tracing(self, sockets: weakref.WeakSet[socket.socket]) -> dict[str, Any]:
        """Returns what makes httpx report each socket that it opens, once it is encrypted if it is to be.

        A socket must not be shut before that: `ssl` would leave open the encrypted one that it becomes.
        """
        encrypted = self._place.url.lower().startswith("https:")
        opened = f"connection.{'start_tls' if encrypted else 'connect_tcp'}.complete"

        def trace(event: str, info: Mapping[str, Any]) -> None:
            if event == opened:
                opened_socket = info["return_value"].get_extra_info("socket")
                if isinstance(opened_socket, socket.socket):
                    sockets.add(opened_socket)
                    if self._closed:
                        opened_socket.close()

        return {"trace": trace}


def failure(error: Exception, token: str) -> Failed:
    """Returns what an error of httpx means. The token is in no message."""
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return TIMEOUT
    reason = "connect" if isinstance(error, httpx.ConnectError) else "network"
    text = " ".join(str(error).split()) or type(error).__name__
    failed = Failed(reason="tls" if _is_about_encryption(error) else reason, message=text[:300])
    return cast(Failed, _without(token, failed))


def _without(token: str, answer: SourceAnswer | Failed) -> SourceAnswer | Failed:
    """Returns the same with a message that can be logged, even if a server sent the token back."""
    if isinstance(answer, Failed) and token and token in answer.message:
        return replace(answer, message=answer.message.replace(token, "***"))
    return answer


def _is_about_encryption(error: BaseException) -> bool:
    cause: BaseException | None = error
    for _ in range(10):
        if cause is None or isinstance(cause, ssl.SSLError):
            break
        cause = cause.__cause__ or cause.__context__
    return isinstance(cause, ssl.SSLError)


def _make(place: SourcePlace, verify: bool | str | ssl.SSLContext, proxy: str | None) -> httpx.Client:
    """Returns a client of httpx.

    Raises:
        Invalid: certificates that cannot be read, or a proxy that cannot be used.
    """
    options = _options(place, verify, proxy)
    try:
        return httpx.Client(**options)
    except (ValueError, httpx.InvalidURL, ImportError) as error:
        raise Invalid(f"the proxy cannot be used: {error}", hint="Give its URL: http://HOST:PORT.") from error


def _options(place: SourcePlace, verify: bool | str | ssl.SSLContext, proxy: str | None) -> dict[str, Any]:
    """How a client of httpx is made: no redirects, and neither proxies nor certificates from the environment."""
    encrypted = place.url.lower().startswith("https:") or proxy is not None
    return {
        "follow_redirects": False,
        "trust_env": False,
        # A plain connection needs none, and reading the certificates takes longer than everything else here.
        "verify": client_trust(verify) if encrypted else False,
        "proxy": proxy,
        "limits": httpx.Limits(max_connections=16, max_keepalive_connections=2, keepalive_expiry=5.0),
    }


def _arguments(request: http_messages.SourceRequest) -> dict[str, Any]:
    return {
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "content": request.body or None,
    }


def _shut(sockets: weakref.WeakSet[socket.socket]) -> None:
    for open_socket in list(sockets):
        with contextlib.suppress(OSError):
            # The plain shutdown, also of an encrypted socket: that of `ssl` waits for the other side.
            if isinstance(open_socket, ssl.SSLSocket):
                super(ssl.SSLSocket, open_socket).shutdown(socket.SHUT_RDWR)
            else:
                open_socket.shutdown(socket.SHUT_RDWR)
