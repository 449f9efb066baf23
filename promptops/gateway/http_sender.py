"""One request to a server -> its answer, or the error in it.

The rules: one deadline for all tries together; redirects are not followed; https, except to this machine; an answer has
a largest size; and an answer that is not a promptops server's is an error that names it as such.

A request whose answer was lost is sent again: reads change nothing, and writes carry an idempotency key, so that the
server does them once. A request that never arrived is repeated for two seconds, since a server may be restarting.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn

import httpx

from promptops._version import __version__
from promptops.client.sources.credentials import Credential, FixedToken
from promptops.client.sources.trust import machine_trust, no_trust
from promptops.core.backoff import retry_after
from promptops.core.errors import (
    DeadlineExceeded,
    Invalid,
    NotAuthenticated,
    RegistryUnavailable,
    RouteNotFound,
    Unavailable,
)
from promptops.core.escape import one_line
from promptops.core.model import Json
from promptops.core.server_url import require_server_url
from promptops.core.token import parse_token
from promptops.gateway.timeouts import Deadline, within
from promptops.wire.problem import MEDIA_TYPE, from_problem

SECONDS: Final = 30.0
"""Seconds that one request may take in all. A server's own deadline for its database is 10 s, so its error arrives."""

MAX_ANSWER: Final = 64 << 20
"""Bytes of an answer at most: several times the largest page, and harmless for a machine's memory."""

_API: Final = "1"
_CONNECTING_SECONDS: Final = 5.0
"""Seconds for one connection: a host that does not answer is tried again within the deadline."""

_ARRIVING_SECONDS: Final = 2.0
"""Seconds in which a request that never arrived is repeated: the time of a server's restart."""

_LATE: Final = "deadline-exceeded"
_GATEWAY_ERRORS: Final = frozenset({502, 503, 504})  # of a proxy that did not reach the server


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRequest:
    """A request to a server. ``query`` may name a parameter several times; with a ``key`` the server does it once.

    ``changes`` is false for a question that has a body. ``bearer`` is shown in place of the token.
    """

    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    body: Mapping[str, Json] | None = None
    actor: str = ""
    key: str = ""
    expect_revision: int | None = None
    changes: bool = True
    bearer: str = field(default="", repr=False)

    @property
    def reads(self) -> bool:
        """Whether it changes nothing at the server."""
        return self.method == "GET" or not self.changes

    def headers(self) -> list[tuple[str, bytes]]:
        """Returns the headers of this request; text in them is UTF-8."""
        headers = [
            ("promptops-actor", self.actor),
            ("idempotency-key", self.key),
            ("if-match", "" if self.expect_revision is None else f'"{self.expect_revision}"'),
            ("content-type", "" if self.body is None else "application/json"),
        ]
        return [(name, value.encode()) for name, value in headers if value]


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """The complete answer of a server."""

    status: int
    headers: httpx.Headers
    body: bytes


class Sender:
    """Sends requests to one server."""

    def __init__(self, url: str, *, token: str | Credential, seconds: float) -> None:
        """Connects with the first request; a token from a file is that of the file at each one.

        Raises:
            Invalid: the token would be sent unencrypted, or the environment names no usable proxy or authority.
            NotAuthenticated: the token is malformed; it was sent nowhere.
        """
        require_server_url(url)
        self.url = url
        self._credential = FixedToken(token) if isinstance(token, str) else token
        self._token = _well_formed(self._credential, self._credential.current())
        self._seconds = seconds
        local = url.lower().startswith("http:")
        trusted = no_trust() if local else machine_trust()
        try:
            self._client = httpx.Client(
                headers={
                    "accept": "application/json",
                    "accept-encoding": "identity",
                    "user-agent": f"promptops/{__version__}",
                },
                timeout=seconds,
                follow_redirects=False,
                trust_env=not local,  # a proxy may be on the way to a server, never to this machine
                verify=trusted,
            )
        except (ValueError, ImportError, httpx.InvalidURL) as error:
            raise Invalid(
                f"the proxy that the environment names cannot be used: {error}",
                hint="See HTTPS_PROXY and ALL_PROXY: http:// and https:// will do. NO_PROXY lists hosts without one.",
            ) from error

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def send(self, request: ServerRequest) -> ServerAnswer:
        """Send a request, and send it again if its answer was lost.

        Raises:
            RegistryUnavailable: there is no answer, or it is not a promptops server's.
            PromptopsError: the error that the server raised.
        """
        deadline, arrived = Deadline(self._seconds), False
        self._token = _well_formed(self._credential, self._credential.current())
        while True:
            try:
                answer = within(deadline.left(), lambda: self._once(request, deadline.left()))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if _is_certificate(error) or not deadline.wait(within=None if arrived else _ARRIVING_SECONDS):
                    self._away(request, error, arrived=arrived)
                continue
            except (httpx.TransportError, TimeoutError) as error:
                arrived = True
                if not deadline.wait():
                    self._away(request, error, arrived=True)
                continue
            if answer.status == 401 and (newer := self._credential.renewed(self._token)):
                self._token = _well_formed(self._credential, newer)
                continue
            if not _is_worth_repeating(answer) or not deadline.wait(at_least=retry_after(answer.headers) or 0.0):
                return self._judged(answer, request, arrived=arrived)
            arrived = arrived or answer.status != 429

    def _once(self, request: ServerRequest, seconds: float) -> ServerAnswer:
        content = None if request.body is None else json.dumps(request.body, ensure_ascii=False).encode()
        with self._client.stream(
            request.method,
            self.url + request.path,
            params=list(request.query) or None,
            headers=[(name.encode(), value) for name, value in (*request.headers(), *self._bearer(request))],
            content=content,
            timeout=httpx.Timeout(max(seconds, 0.001), connect=max(min(seconds, _CONNECTING_SECONDS), 0.001)),
        ) as response:
            body = bytearray()
            for chunk in response.iter_raw():
                body += chunk
                if len(body) > MAX_ANSWER:
                    raise RegistryUnavailable(f"the answer of {self.url} is over {MAX_ANSWER >> 20} MiB")
            return ServerAnswer(response.status_code, response.headers, bytes(body))

    def _bearer(self, request: ServerRequest) -> list[tuple[str, bytes]]:
        shown = request.bearer or self._token
        return [("authorization", f"Bearer {shown}".encode())] if shown else []

    def _judged(self, answer: ServerAnswer, request: ServerRequest, *, arrived: bool) -> ServerAnswer:
        """Returns the answer, or raises the error in it; ``arrived``: an earlier try may have taken effect."""
        if not _is_ours(answer):
            self._refuse(answer, request)
        if answer.headers["promptops-api"] != _API:
            theirs = one_line(answer.headers["promptops-api"], 20)
            raise RegistryUnavailable(
                f"{self.url} speaks version {theirs} of the API, and this promptops speaks version {_API}",
                hint="Install the version of promptops that fits it.",
            )
        if answer.status < 300:
            return answer
        error = from_problem(_document(answer), status=answer.status)
        if isinstance(error, Unavailable) and (arrived or isinstance(error, DeadlineExceeded)):
            error.hint = _again(request) or error.hint
        if isinstance(error, RouteNotFound):
            error.hint = f"Is {self.url} the server's own address, and is the server as new as this promptops?"
        if isinstance(error, NotAuthenticated) and not request.bearer:
            error.hint = (
                f"The token in {self._credential.name} is not of this registry, has ended, or was revoked."
                if self._token
                else "Put a token into PROMPTOPS_TOKEN. `promptops token create` makes one, where the database is."
            )
        raise error

    def _refuse(self, answer: ServerAnswer, request: ServerRequest) -> NoReturn:
        """Raises for an answer of a web server, a proxy, or another program that is not promptops."""
        to = answer.headers.get("location", "")
        if answer.status in (301, 302, 303, 307, 308) and to:
            raise RegistryUnavailable(
                f"{self.url} redirects, and a token is sent only to the server that was named",
                hint=f"Name the server itself. It redirects to {to[:200]!r}.",
            )
        again = _again(request) if answer.status in _GATEWAY_ERRORS else ""
        raise RegistryUnavailable(
            f"{self.url} answered {answer.status}, and not as a promptops server does",
            hint=again or "Is that the address of `promptops serve`, and is it running behind its proxy?",
        )

    def _away(self, request: ServerRequest, error: Exception, *, arrived: bool) -> NoReturn:
        reason = _reason(error)
        if arrived and not request.reads:
            raise RegistryUnavailable(
                f"{self.url} did not answer, so whether it made the change is not known ({reason})",
                hint=_again(request),
            ) from error
        raise RegistryUnavailable(
            f"the registry cannot be used: {self.url} does not answer ({reason})",
            hint="Trust an authority of your own with SSL_CERT_FILE=/path/to/it.pem." if "issuer" in reason else "",
        ) from error


def _well_formed(credential: Credential, token: str) -> str:
    """Raises NotAuthenticated: it is no token of promptops, so that it is sent nowhere."""
    try:
        return parse_token(token) if token else ""
    except NotAuthenticated as error:
        raise NotAuthenticated(f"{credential.name}: {error.message}", hint=error.hint) from None


def _is_ours(answer: ServerAnswer) -> bool:
    return "promptops-api" in answer.headers


def _is_certificate(error: Exception) -> bool:
    return "CERTIFICATE" in str(error).upper() or "SSL" in str(error).upper()


def _is_worth_repeating(answer: ServerAnswer) -> bool:
    """True if a proxy did not reach the server, or the server was too late or is overloaded."""
    if not _is_ours(answer):
        return answer.status in _GATEWAY_ERRORS
    return answer.status == 429 or _document(answer).get("code") == _LATE


def _again(request: ServerRequest) -> str:
    """Returns what to do if it is unknown whether a change was made; empty for a read."""
    if request.reads:
        return ""
    if not request.key:
        return "Look what is there before you ask again."
    return f"Ask again with the same key, and it is done once: --key {request.key}"


def _document(answer: ServerAnswer) -> Mapping[str, Json]:
    if not answer.headers.get("content-type", "").startswith(MEDIA_TYPE):
        return {}
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _reason(error: Exception) -> str:
    if isinstance(error, (httpx.TimeoutException, TimeoutError)):
        return "it took too long"
    return one_line(" ".join(str(error).split())) or type(error).__name__
