"""Sends one request until there is an answer, or no more tries: what a worker does with its own connection.

A provider that is too busy, away, or garbles its answer is asked again, after the time that it names or a growing one.
A timeout, or a connection lost after the first byte, is asked again once: a model that hangs in every fifth call would
be hidden by many tries, so the response says that it happened. What the request itself causes is an answer, a failed
one; what no other request would get around (a wrong key, an unknown model) ends the run.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Final

import httpx

from promptops._version import __version__
from promptops.core.backoff import backoff, retry_after
from promptops.core.errors import Invalid, Unavailable
from promptops.core.escape import one_line
from promptops.evals.limiter import Limiter
from promptops.evals.providers import Endpoint, read_answer
from promptops.evals.request import Request
from promptops.evals.response import REJECTED, Response, Trouble

TRIES: Final = 10
"""Attempts at one request. Where three in ten fail, six requests in a million are left without an answer."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 20.0  # seconds: short beside a call, long enough for a provider to recover
_HANGS: Final = 2  # attempts that may run into their timeout or be lost: the first, and one more
_MAX_ANSWER: Final = 16 << 20  # bytes, above any answer of a model
_BUSY: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
_OWN_FAULT: Final = frozenset({400, 413, 415, 422})  # of this request: a user would see a failure
_NO_MONEY: Final = b"insufficient_quota"  # OpenAI says 429 for it, and waiting does not help


class Stopped(Exception):
    """The run has stopped: this request has no answer, and nothing is recorded of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What all workers share: the limit of each provider, the limits of time in seconds, and the end of the run.

    ``attempt`` bounds one attempt, ``call`` all attempts at a request with their pauses; ``until`` is the end of the
    whole run, on the monotonic clock.
    """

    limiters: Mapping[str, Limiter]
    attempt: float
    call: float
    until: float
    stopping: Event = field(default_factory=Event)


@dataclass(frozen=True, slots=True)
class _Again:
    """An attempt that is worth another one: the trouble, the reason, and the pause that the provider asks for."""

    trouble: Trouble
    why: str
    pause: float | None = None


class Caller:
    """Asks providers over connections of its own. For one thread."""

    def __init__(self, endpoints: Mapping[str, Endpoint], pace: Pace, trust: ssl.SSLContext) -> None:
        """Connects with the first request.

        Raises:
            Invalid: the environment names a proxy that cannot be used.
        """
        self._endpoints = endpoints
        self._pace = pace
        try:
            self._client = httpx.Client(
                verify=trust, follow_redirects=False, headers={"user-agent": f"promptops/{__version__}"}
            )
        except (ValueError, ImportError, httpx.InvalidURL) as error:
            raise Invalid(f"the proxy that the environment names cannot be used: {error}") from error

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def ask(self, request: Request) -> Response:
        """Returns the answer, or after all tries a response with an error.

        Raises:
            Stopped: the run ends before there is one.
            Unavailable: no request will get an answer, and says why.
        """
        left = self._pace.call
        hangs = 0
        for attempt in range(1, TRIES + 1):
            if not self._pace.limiters[request.provider].wait(self._pace.stopping, self._pace.until):
                raise Stopped
            turn = time.monotonic()  # the wait for it is the limit's, and takes nothing of this request's time
            until = min(self._pace.until, turn + left)
            got = self._attempt(request, until)
            if isinstance(got, Response):
                return replace(got, attempts=attempt, first_attempt_failed=hangs > 0)
            if time.monotonic() >= self._pace.until:  # the run is over, which says nothing of this request
                raise Stopped
            hangs += got.trouble in (Trouble.TIMEOUT, Trouble.LOST)
            if hangs >= _HANGS or attempt == TRIES or not self._rest(request, got, attempt, until):
                return self._given_up(request, got, attempt, hangs)
            left -= time.monotonic() - turn
        raise AssertionError("the last attempt returns")

    def _attempt(self, request: Request, until: float) -> Response | _Again:
        endpoint = self._endpoints[request.provider]
        begun = time.monotonic()
        end = min(until, begun + self._pace.attempt)
        answering = False
        try:
            with self._client.stream(
                "POST",
                endpoint.target(request.api),
                content=request.body,
                headers=endpoint.headers(request),
                timeout=max(end - begun, 0.001),
            ) as got:
                answering = True
                body = _read(got, end)
        except httpx.TimeoutException as error:
            if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
                return _Again(Trouble.UNAVAILABLE, "no connection in time")
            return _Again(Trouble.TIMEOUT, f"no whole answer within {end - begun:.3g} s")
        except (httpx.TransportError, httpx.DecodingError) as error:
            why = one_line(str(error)) or type(error).__name__
            return _Again(Trouble.LOST if answering else Trouble.UNAVAILABLE, why)
        took = (time.monotonic() - begun) * 1000
        return self._judged(request, endpoint, got, body, took)

    def _judged(
        self, request: Request, endpoint: Endpoint, got: httpx.Response, body: bytes, took: float
    ) -> Response | _Again:
        if got.status_code == 200:
            try:
                answer = read_answer(request.api, body)
            except ValueError as error:
                return _Again(Trouble.MALFORMED, str(error))
            return replace(answer, latency_ms=round(took, 3), host=endpoint.host)
        said = one_line(body[:600].decode("utf-8", "replace").strip())
        if got.status_code in _OWN_FAULT:
            why = f"{got.status_code}: {said}"
            return Response(finish=REJECTED, why=why, latency_ms=round(took, 3), host=endpoint.host)
        if got.status_code not in _BUSY or _NO_MONEY in body:
            raise _useless(request, endpoint, got.status_code, said)
        trouble = Trouble.RATE_LIMITED if got.status_code == 429 else Trouble.UNAVAILABLE
        return _Again(trouble, f"{got.status_code}: {said}", retry_after(got.headers))

    def _rest(self, request: Request, got: _Again, attempt: int, until: float) -> bool:
        """Waits before the next attempt. Returns False if that would be too late."""
        pause = backoff(attempt, first=_FIRST_PAUSE, longest=_LONGEST_PAUSE, least=0.5)
        pause = max(got.pause, 0.0) + pause / 10 if got.pause is not None else pause
        if time.monotonic() + pause >= until:
            return False
        if got.trouble is Trouble.RATE_LIMITED:
            self._pace.limiters[request.provider].pause(pause)  # and the wait for the next turn is the pause
        elif self._pace.stopping.wait(pause):
            raise Stopped
        return True

    def _given_up(self, request: Request, got: _Again, attempts: int, hangs: int) -> Response:
        return Response(
            error=got.trouble.value,
            why=got.why,
            attempts=attempts,
            host=self._endpoints[request.provider].host,
            first_attempt_failed=hangs > 0,
        )


def _read(got: httpx.Response, end: float) -> bytes:
    """Returns the whole body; a drip of bytes is cut at the end of the attempt."""
    pieces: list[bytes] = []
    size = 0
    for piece in got.iter_bytes():
        pieces.append(piece)
        size += len(piece)
        if time.monotonic() > end:
            raise httpx.ReadTimeout("the answer took too long")
        if size > _MAX_ANSWER:
            raise httpx.DecodingError(f"the answer is over {_MAX_ANSWER >> 20} MiB")
    return b"".join(pieces)


def _useless(request: Request, endpoint: Endpoint, status: int, said: str) -> Unavailable:
    words = {
        401: "refuses the key",
        403: "forbids it",
        404: f"does not know the model '{request.model}', or the address",
    }
    why = "says that the account has no quota left" if status == 429 else words.get(status, f"answered {status}")
    return Unavailable(
        f"{request.provider} at {endpoint.host} {why}, so the run ended: {said}",
        hint="What was answered before is kept, and the run can be continued.",
    )
