"""One request to a server -> its answer, or the error that it tells of.

Rules: one deadline for everything, the tries again included; no redirect is followed; https, except to this machine;
no more is read than an answer may have; and what is no answer of a promptops server is said to be none.

A request whose answer was lost is sent again: reads change nothing, and writes carry an idempotency key, so that the
server does them once. One that never arrived is tried again for a moment, since a server may be starting anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

import httpx

from promptops._version import __version__
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
from promptops.gateway.timeouts import Patience, within
from promptops.wire.problem import MEDIA_TYPE, from_problem

SECONDS: Final = 30.0
"""How long one request may take in all: a server gives up on its database sooner."""

MAX_ANSWER: Final = 64 << 20
"""No answer is read beyond this, in bytes."""

_API: Final = "1"
_CONNECTING_SECONDS: Final = 5.0
_ARRIVING_SECONDS: Final = 2.0
_LATE: Final = "deadline-exceeded"
_GATEWAY_ERRORS: Final = frozenset({502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent. ``query`` may name a parameter several times; ``key`` makes a change one that is done once."""

    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    body: Mapping[str, Json] | None = None
    actor: str = ""
    key: str = ""
    expect_revision: int | None = None

    def headers(self) -> list[tuple[str, bytes]]:
        """Its own headers; text in them is UTF-8."""
        found = [
            ("promptops-actor", self.actor),
            ("idempotency-key", self.key),
            ("if-match", "" if self.expect_revision is None else f'"{self.expect_revision}"'),
            ("content-type", "" if self.body is None else "application/json"),
        ]
        return [(name, value.encode()) for name, value in found if value]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, read to its end."""

    status: int
    headers: httpx.Headers
    body: bytes


class Sender:
    """Sends requests to one server."""

    def __init__(self, url: str, *, token: str, seconds: float) -> None:
        """Connects when first asked.

        Raises:
            Invalid: the server would be shown the token in clear; the environment names no usable proxy or authority.
            NotAuthenticated: the token is none; it was sent nowhere.
        """
        require_server_url(url)
        if token:
            parse_token(token)
        self.url = url
        self._token = token
        self._seconds = seconds
        bearer = {"authorization": f"Bearer {token}"} if token else {}
        local = url.lower().startswith("http:")
        trusted = no_trust() if local else machine_trust()
        try:
            self._client = httpx.Client(
                headers={
                    "accept": "application/json",
                    "accept-encoding": "identity",
                    "user-agent": f"promptops/{__version__}",
                    **bearer,
                },
                timeout=seconds,
                follow_redirects=False,
                trust_env=not local,  # a proxy may stand before a server, never before this machine
                verify=trusted,
            )
        except (ValueError, ImportError, httpx.InvalidURL) as error:
            raise Invalid(
                f"the proxy that the environment names cannot be used: {error}",
                hint="See HTTPS_PROXY and ALL_PROXY: http:// and https:// will do. NO_PROXY names who needs none.",
            ) from error

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()

    def send(self, request: Request) -> Answer:
        """Send a request, again where its answer was lost.

        Raises:
            RegistryUnavailable: there is no answer, or none of a promptops server.
            PromptopsError: what the server raised.
        """
        patience, arrived = Patience(self._seconds), False
        while True:
            try:
                answer = within(patience.left(), lambda: self._once(request, patience.left()))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if _is_certificate(error) or not patience.wait(within=None if arrived else _ARRIVING_SECONDS):
                    self._away(request, error, arrived=arrived)
                continue
            except (httpx.TransportError, TimeoutError) as error:
                arrived = True
                if not patience.wait():
                    self._away(request, error, arrived=True)
                continue
            if not _is_worth_repeating(answer) or not patience.wait(at_least=retry_after(answer.headers) or 0.0):
                return self._judged(answer, request, arrived=arrived)
            arrived = arrived or answer.status != 429

    def _once(self, request: Request, seconds: float) -> Answer:
        content = None if request.body is None else json.dumps(request.body, ensure_ascii=False).encode()
        with self._client.stream(
            request.method,
            self.url + request.path,
            params=list(request.query) or None,
            headers=[(name.encode(), value) for name, value in request.headers()],
            content=content,
            timeout=httpx.Timeout(max(seconds, 0.001), connect=max(min(seconds, _CONNECTING_SECONDS), 0.001)),
        ) as response:
            body = bytearray()
            for chunk in response.iter_raw():
                body += chunk
                if len(body) > MAX_ANSWER:
                    raise RegistryUnavailable(f"the answer of {self.url} is over {MAX_ANSWER >> 20} MiB")
            return Answer(response.status_code, response.headers, bytes(body))

    def _judged(self, answer: Answer, request: Request, *, arrived: bool) -> Answer:
        """The answer, or the error it tells of; ``arrived`` says that an earlier try may have been carried out."""
        if not _is_ours(answer):
            self._refuse(answer, request)
        if answer.headers["promptops-api"] != _API:
            theirs = one_line(answer.headers["promptops-api"], 20)
            raise RegistryUnavailable(
                f"{self.url} speaks version {theirs} of the API, and this promptops speaks version {_API}",
                hint="Install the promptops that goes with it.",
            )
        if answer.status < 300:
            return answer
        error = from_problem(_document(answer), status=answer.status)
        if isinstance(error, Unavailable) and (arrived or isinstance(error, DeadlineExceeded)):
            error.hint = _again(request) or error.hint
        if isinstance(error, RouteNotFound):
            error.hint = f"Is {self.url} the server's own address, and is the server as new as this promptops?"
        if isinstance(error, NotAuthenticated):
            error.hint = (
                "The token in PROMPTOPS_TOKEN is none of this registry, or has ended, or was taken back."
                if self._token
                else "Put a token into PROMPTOPS_TOKEN. `promptops token create` makes one, where the database is."
            )
        raise error

    def _refuse(self, answer: Answer, request: Request) -> NoReturn:
        """What answered is a web server, a proxy, or something else that is no promptops."""
        to = answer.headers.get("location", "")
        if answer.status in (301, 302, 303, 307, 308) and to:
            raise RegistryUnavailable(
                f"{self.url} redirects, and a token is shown to nobody but the server that was named",
                hint=f"Name the server itself. It redirects to {to[:200]!r}.",
            )
        again = _again(request) if answer.status in _GATEWAY_ERRORS else ""
        raise RegistryUnavailable(
            f"{self.url} answered {answer.status}, and not as a promptops server does",
            hint=again or "Is that the address of `promptops serve`, and is it running behind its proxy?",
        )

    def _away(self, request: Request, error: Exception, *, arrived: bool) -> NoReturn:
        reason = _reason(error)
        if arrived and request.method != "GET":
            raise RegistryUnavailable(
                f"{self.url} did not answer, so whether it made the change is not known ({reason})",
                hint=_again(request),
            ) from error
        raise RegistryUnavailable(
            f"the registry cannot be used: {self.url} does not answer ({reason})",
            hint="Trust an authority of your own with SSL_CERT_FILE=/path/to/it.pem." if "issuer" in reason else "",
        ) from error


def _is_ours(answer: Answer) -> bool:
    return "promptops-api" in answer.headers


def _is_certificate(error: Exception) -> bool:
    return "CERTIFICATE" in str(error).upper() or "SSL" in str(error).upper()


def _is_worth_repeating(answer: Answer) -> bool:
    """A proxy did not reach the server, the server came too late or has too much to do."""
    if not _is_ours(answer):
        return answer.status in _GATEWAY_ERRORS
    return answer.status == 429 or _document(answer).get("code") == _LATE


def _again(request: Request) -> str:
    """What to do where it is not known whether a change was made; nothing for what changes nothing."""
    if request.method == "GET":
        return ""
    if not request.key:
        return "Look what is there before you ask again."
    return f"Ask again with the same key, and it is done once: --key {request.key}"


def _document(answer: Answer) -> Mapping[str, Json]:
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
