"""A question  ->  an HTTP request; a response  ->  an answer. No I/O.

A status of 200 proves nothing. An answer must have the right type and size, must not be compressed, and must come from
the place itself: redirects are not followed, so the token goes nowhere else. Its content is verified later, by digest.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from promptops._version import __version__
from promptops.client.sources.source import (
    AskContents,
    AskReportKey,
    AskSnapshot,
    AskVersion,
    Failed,
    Question,
    SourceAnswer,
    SourcePlace,
    TellBeat,
    TellOutcomes,
)
from promptops.core.backoff import retry_after
from promptops.core.digest import MAX_BYTES as MAX_RELEASE
from promptops.core.digest import parse_canonical
from promptops.core.errors import Invalid
from promptops.wire import snapshot as wire

SDK = f"promptops/{__version__} python/{platform.python_version()}"
"""The client's User-Agent, also in heartbeats."""

MAX_SNAPSHOT = wire.MAX_BYTES
MAX_BATCH = 8 << 20
MAX_PROBLEM = 64 << 10
"""Bytes that are read of an answer: a snapshot, several releases, an error. No answer can fill the memory."""

BATCH = 50
"""Digests in one question: together they fit into the 4 KiB of a URL that every proxy takes."""

SILENCE = 25.0
"""Seconds after which a stream without one complete line is dead; servers write one every ten."""

# What web servers and object stores call a file without an ending is taken too; the digest decides.
_TYPES = frozenset({"application/json", "application/octet-stream", "binary/octet-stream"})
_STREAM = "text/event-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRequest:
    """An HTTP request. Its headers hold the token and are in no repr."""

    url: str
    limit: int
    method: str = "GET"
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = b""


def request_of(place: SourcePlace, what: Question, token: str) -> SourceRequest:
    """Returns the request for a question."""
    headers = _headers(token)
    channel = "" if isinstance(what, AskContents | AskVersion) else quote(what.channel)
    match what:
        case AskSnapshot():
            if what.etag:
                headers["If-None-Match"] = what.etag
            url = f"{place.url}/v1/channels/{channel}/snapshot{_query('app', what.apps)}"
            return SourceRequest(url=url, limit=MAX_SNAPSHOT, headers=headers)
        case AskContents(digests=(digest,)):
            url = f"{place.url}/v1/releases/{digest.removeprefix('sha256:')}"
            return SourceRequest(url=url, limit=MAX_RELEASE, headers=headers)
        case AskContents():
            url = f"{place.url}/v1/releases{_query('digest', what.digests)}"
            return SourceRequest(url=url, limit=MAX_BATCH, headers=headers)
        case AskVersion():
            url = f"{place.url}/v1/apps/{quote(what.app)}/releases/{quote(what.version)}/content"
            return SourceRequest(url=url, limit=MAX_RELEASE, headers=headers)
        case AskReportKey():
            url = f"{place.url}/v1/channels/{channel}/report-key"
            return SourceRequest(url=url, limit=MAX_PROBLEM, headers=headers)
        case TellBeat() | TellOutcomes():
            headers["Content-Type"] = "application/json"
            url = f"{place.url}/v1/channels/{channel}/{'clients' if isinstance(what, TellBeat) else 'outcomes'}"
            return SourceRequest(url=url, limit=MAX_PROBLEM, method="POST", headers=headers, body=what.body)


def stream_request(place: SourcePlace, channel: str, apps: tuple[str, ...], last_id: str, token: str) -> SourceRequest:
    """Returns the request for the events of a channel after the one with this id."""
    headers = {**_headers(token), "Accept": _STREAM, "Cache-Control": "no-store"}
    if _is_plain(last_id):
        headers["Last-Event-ID"] = last_id
    url = f"{place.url}/v1/channels/{quote(channel)}/events{_query('app', apps)}"
    return SourceRequest(url=url, limit=0, headers=headers)


def _headers(token: str) -> dict[str, str]:
    # Nothing compressed: a few bytes could become gigabytes before they can be counted.
    headers = {"Accept-Encoding": "identity", "User-Agent": SDK}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return headers


def _query(name: str, values: tuple[str, ...]) -> str:
    return "?" + urlencode([(name, value) for value in values], safe=":") if values else ""


# --- responses ------------------------------------------------------------------------------------


def is_api(headers: Mapping[str, str]) -> bool:
    """Returns True for a server of ours; False for any other web server, which has plain files."""
    return headers.get("promptops-api") == "1"


def limit_of(request: SourceRequest, status: int) -> int:
    """Bytes to read of a body at most."""
    return request.limit if status == 200 else MAX_PROBLEM


def refuse(request: SourceRequest, status: int, headers: Mapping[str, str]) -> Failed | None:
    """Returns why the body is not worth reading; None if it is."""
    if 300 <= status < 400 and status != 304:
        return _failed("redirect", f"the server redirects ({status}), and redirects are not followed", headers)
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        return _failed("encoding", "the answer is compressed, which the client did not accept", headers)
    length = headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > limit_of(request, status):
        return too_large(request, status)
    return None


def refuse_stream(status: int, headers: Mapping[str, str]) -> Failed | None:
    """Returns why this is no stream of events; None if it is one."""
    if status != 200:
        return _failed(f"status-{status}", f"the server answered {status} to a stream of events", headers)
    if _media_type(headers) != _STREAM or headers.get("content-encoding", "identity") != "identity":
        return _failed("content-type", f"{_media_type(headers)!r} is no stream of events", headers)
    return None


def too_large(request: SourceRequest, status: int) -> Failed:
    """Returns that the body is over the limit."""
    return Failed(reason="too-large", message=f"the answer is over {limit_of(request, status):,} bytes")


def answer_of(what: Question, status: int, headers: Mapping[str, str], body: bytes) -> SourceAnswer | Failed:
    """Returns the answer, if it has the right status, the right type, and for several releases the right JSON."""
    api = is_api(headers)
    if status == 304 and isinstance(what, AskSnapshot) and what.etag:
        return SourceAnswer(unchanged=True, etag=what.etag, api=api)
    if isinstance(what, TellBeat) and status == 204:
        return SourceAnswer(api=api)
    if status != 200 or isinstance(what, TellBeat):
        return _failed(f"status-{status}", _explain(status, headers, body), headers)
    if _media_type(headers) not in _TYPES:
        return _failed("content-type", f"the answer is {_media_type(headers)!r}, not JSON", headers)
    match what:
        case AskContents(digests=(digest,)):
            return SourceAnswer(contents={digest: body}, api=api)
        case AskContents():
            return _several(body, api=api)
        case AskVersion():
            return SourceAnswer(body=body, etag=headers.get("promptops-digest", ""), api=api)
        case AskReportKey() | TellOutcomes():
            return SourceAnswer(body=body, api=api)
    return SourceAnswer(body=body, etag=_etag(headers, body, api=api), api=api)


def _etag(headers: Mapping[str, str], body: bytes, *, api: bool) -> str:
    """Returns the etag of a snapshot, if it can be sent back; empty if it cannot.

    A server of ours names the digest that is in the document. Any other etag is of another document, mixed up on the
    way: with it, a later 304 would keep a client on an old snapshot.
    """
    etag = headers.get("etag", "")
    if not _is_plain(etag) or (api and etag.removeprefix("W/").strip('"').encode() not in body):
        return ""
    return etag


def _is_plain(text: str) -> bool:
    """Returns True for text that may be sent back to a server in a header, as it is."""
    return 0 < len(text) <= 200 and text.isascii() and text.isprintable()


def _several(body: bytes, *, api: bool) -> SourceAnswer | Failed:
    try:
        document = parse_canonical(body, limit=MAX_BATCH)
    except Invalid as error:
        return Failed(reason="malformed", message=f"the releases are {error.message}")
    releases = document.get("releases") if isinstance(document, Mapping) else None
    if (
        not isinstance(document, Mapping)
        or document.get("schema") != wire.RELEASES
        or not isinstance(releases, Mapping)
    ):
        return Failed(reason="malformed", message=f"the releases are not {wire.RELEASES!r}")
    contents = {digest: text.encode() for digest, text in releases.items() if isinstance(text, str)}
    return SourceAnswer(contents=contents, api=api)


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()[:80]


def _failed(reason: str, message: str, headers: Mapping[str, str]) -> Failed:
    return Failed(reason=reason, message=message, retry_after=retry_after(headers), api=is_api(headers))


def _explain(status: int, headers: Mapping[str, str], body: bytes) -> str:
    detail_text = ""
    if _media_type(headers) == "application/problem+json":
        try:
            document = parse_canonical(body, limit=MAX_PROBLEM)
            detail = document.get("detail") if isinstance(document, Mapping) else None
            detail_text = f": {detail}" if isinstance(detail, str) else ""
        except Invalid:
            detail_text = ""
    return f"the server answered {status}{''.join(c if c.isprintable() else ' ' for c in detail_text[:200])}"
